"""Polls: when an address is offered, what its outcome means for the next time."""

import time

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota.client import FAILED, READY
from ufota.sources import poll
from ufota.sources.relay import Relay
from ufota.sources.retry import Retry
from ufota_testkit.virtual_clock import Clock, high, low, middle

BOTH = True  # runs on CPython and on MicroPython

URL = "http://host/update"
ETAG = b'"1a2b"'
DATE = b"Sat, 21 Nov 2026 10:00:00 GMT"


def teardown_function(_):
    poll.time = time  # on CPython other tests share the module


class Source:
    tag = b""
    retry_after_s = 0
    header = b"A: b\r\n"
    readinto = None  # every byte source has it

    def __init__(self):
        self.opened = []

    def open(self, url, at, tag):
        self.opened.append((url, at, tag, self.header))
        if url.endswith("down"):
            raise FwError(errors.CONNECT)


class Client:
    def __init__(self, state, code=0, at=0, done=0):
        self.state = state
        self.error = FwError(code, at) if code else None
        self.fetched = done
        self.url = URL


def made(interval_s=3600, bits=middle, start=0, **options):
    """A Poll at clock `start`, due after a random part of its interval."""
    poll.time = Clock(start)
    options.setdefault("retry", Retry(random=bits))
    return poll.Poll(Source(), URL, interval_s, **options)


def due_after(found):
    """ms until the address is offered; the clock then stands there."""
    left = found.pace.left_ms()
    if left:
        poll.time.now += left - 1
        assert found.offer() is None
        poll.time.now += 1
    assert found.offer() == URL
    return left


def test_the_first_poll_comes_after_a_random_part_of_the_interval():
    assert due_after(made(bits=low)) == 0
    assert due_after(made(bits=middle)) == 1800000
    assert due_after(made(bits=high)) == 3599945
    assert due_after(made(first_s=0)) == 0
    assert due_after(made(first_s=7)) == 7000


def test_polls_follow_each_other_after_the_interval_more_or_less_an_eighth():
    for bits, wait in ((low, 3150000), (middle, 3600000), (high, 4049986)):
        found = made(bits=bits)
        due_after(found)
        for _ in range(3):
            found.report(Client(FAILED, errors.NOT_NEWER))
            assert due_after(found) == wait


def test_it_is_offered_once_even_if_nobody_tells_what_came_of_it():
    found = made(first_s=0)
    assert found.offer() == URL
    assert found.offer() is None
    assert due_after(found) == 3600000


def test_the_interval_counts_from_when_the_outcome_is_told():
    found = made(first_s=0)
    due_after(found)
    poll.time.now += 50000  # so long took the request
    found.report(Client(FAILED, errors.NOT_NEWER))
    assert due_after(found) == 3600000


def test_a_failure_backs_off_and_success_ends_that():
    found = made(first_s=0)
    due_after(found)
    for wait in (5000, 10000, 20000):
        found.report(Client(FAILED, errors.CONNECT))
        assert due_after(found) == wait
    for good in (Client(FAILED, errors.NOT_NEWER), Client(READY), Client(FAILED, 73, 304)):
        found.report(good)
        assert due_after(found) == 3600000
        found.report(Client(FAILED, errors.CONNECT))
        assert due_after(found) == 5000
        found.report(Client(FAILED, errors.HTTP_STATUS, 503))
        assert due_after(found) == 10000


def test_what_is_final_waits_for_the_next_interval():
    for code in (errors.BAD_SIGNATURE, errors.WRONG_CLASS):
        found = made(first_s=0)
        due_after(found)
        found.report(Client(FAILED, code))
        assert due_after(found) == 3600000


def test_what_looks_permanent_is_asked_about_more_and_more_rarely():
    for code, at in ((errors.HTTP_STATUS, 404), (errors_net.CLOCK_NOT_SET, 0)):
        found = made(first_s=0)
        due_after(found)
        given = []
        for _ in range(7):
            found.report(Client(FAILED, code, at))
            given.append(due_after(found) // 1000)
        assert given == [5, 40, 320, 2560, 20480, 86400, 86400]


def attempts(code, at, days):
    """How often the address is asked for on each day, when it fails each time."""
    found, given = made(first_s=0), [0] * days
    while poll.time.now < days * 86400000:
        poll.time.now += found.pace.left_ms()
        if poll.time.now < days * 86400000 and found.offer():
            given[poll.time.now // 86400000] += 1
            found.report(Client(FAILED, code, at))
    return given


def test_attempts_on_each_day():
    assert attempts(errors.CONNECT, 0, 6) == [33] + [24] * 5
    assert attempts(errors.HTTP_STATUS, 503, 6) == [33] + [24] * 5
    assert attempts(errors.HTTP_STATUS, 404, 6) == [6] + [1] * 5
    assert attempts(errors.BAD_SIGNATURE, 0, 2) == [24, 24]  # its interval: there may be another


def test_seconds_may_be_fractions_and_arguments_are_checked():
    poll.time = Clock()
    pace = poll.Pace(0.5, Retry(random=middle), 0.25)
    assert pace.left_ms() == 250
    pace.again()
    assert pace.left_ms() == 500
    pace.interval_s = 1.5
    pace.again()
    assert pace.left_ms() == 1500
    pace.notify(0.5)
    assert pace.left_ms() == 250
    for wrong, kind in (((-1,), ValueError), (("5",), TypeError), ((5, None, -1), ValueError)):
        try:
            poll.Pace(*wrong)
        except kind:
            continue
        raise AssertionError(wrong)


def test_polls_never_end():
    found = made(first_s=0, retry=Retry(attempts=2, random=middle))
    due_after(found)
    given = []
    for _ in range(6):
        found.report(Client(FAILED, errors.CONNECT))
        given.append(due_after(found))
    assert given == [5000, 10000, 3600000] * 2


def test_bytes_that_came_are_progress():
    found = made(first_s=0)
    due_after(found)
    for done in (1024, 2048, 3072):
        found.report(Client(FAILED, errors.CUT_SHORT, 0, done))
        assert due_after(found) == 5000
    found.report(Client(FAILED, errors.CUT_SHORT, 0, 4095))
    assert due_after(found) == 10000


def test_the_server_may_ask_for_a_longer_wait():
    found = made(first_s=0, bits=low)
    due_after(found)
    found.source.retry_after_s = 120
    found.report(Client(FAILED, errors.HTTP_STATUS, 503))
    assert due_after(found) == 120000


def test_states_on_the_way_change_nothing():
    found = made(first_s=0)
    due_after(found)
    poll.time.now += 1000
    for state in set(range(16)) - {FAILED, READY}:
        found.report(Client(state))
    assert found.pace.left_ms() == 3599000


def test_notify_makes_it_due_now_or_within_a_time():
    found = made()
    found.pace.notify()
    assert due_after(found) == 0
    found.pace.notify(600)
    assert due_after(found) == 300000


def test_the_interval_may_be_changed():
    found = made(first_s=0)
    found.pace.interval_s = 300
    due_after(found)
    found.report(Client(FAILED, errors.NOT_NEWER))
    assert due_after(found) == 300000


def test_intervals_longer_than_ticks_can_tell_are_kept():
    week = 7 * 86400
    found = made(2 * week, first_s=week, start=(1 << 30) - 5)
    for days in (7, 14):
        for _ in range(4 * days):
            assert found.offer() is None
            poll.time.now += 6 * 3600 * 1000
        assert found.offer() == URL


def test_time_left_wraps_with_the_ticks():
    found = made(first_s=10, start=(1 << 30) - 3000)
    poll.time.now += 4000
    assert found.pace.left_ms() == 6000
    assert found.pace.left_ms() == 6000
    poll.time.now += 10**6
    assert found.pace.left_ms() == 0


def test_ticks_that_went_back_do_not_lengthen_the_wait():
    found = made(first_s=10)
    poll.time.now += (1 << 29) + 5  # nobody looked for more than six days
    assert found.pace.left_ms() == 10000
    poll.time.now += 10000
    assert found.pace.left_ms() == 0


def test_image_that_is_no_good_is_fetched_more_and_more_rarely():
    """A genuine manifest with garbage behind it would erase a slot at each poll."""
    found = made(60, first_s=0)
    due_after(found)
    waits = []
    for _ in range(14):
        found.report(Client(FAILED, errors.CORRUPT, 0, 5000))
        waits.append(due_after(found) // 1000)
    assert waits == [60 << i for i in range(11)] + [86400] * 3
    assert sum(waits[:11]) > 86400 > sum(waits[:10])  # 11 fetches on the first day
    for other in (
        Client(READY),
        Client(FAILED, errors.CORRUPT, 0, 5000),
        Client(FAILED, errors.BAD_SIGNATURE),  # nothing was erased for that
    ):
        found.report(other)
        assert due_after(found) == 60000


def fetches(days, *clients):
    """How many images are fetched on each day, when polls end as these clients, by turns."""
    found, given, at = made(60, first_s=0), [0] * days, 0
    while poll.time.now < days * 86400000:
        poll.time.now += found.pace.left_ms()
        if poll.time.now < days * 86400000 and found.offer():
            client = clients[at % len(clients)]
            given[poll.time.now // 86400000] += bool(client.fetched)
            found.report(client)
            at += 1
    return given


def test_who_sends_garbage_does_not_choose_how_often():
    """What is told between, or how it is no good, is up to who sends it."""
    garbage = Client(FAILED, errors.CORRUPT, 0, 5000)
    longer = Client(FAILED, errors.TOO_LONG, 5000, 5000)
    broken = Client(FAILED, 150, 10, 5000)
    denied = Client(FAILED, errors.INSTALL_DENIED, 0, 5000)
    cut = Client(FAILED, errors.CUT_SHORT, 5000, 5000)
    nothing = Client(FAILED, errors.NOT_NEWER)
    other = Client(FAILED, errors.BAD_SIGNATURE)
    for between in (nothing, other, denied, longer, broken):
        given = fetches(4, garbage, between)
        assert given[0] <= 15 and max(given[1:]) <= 2, (between.error, given)
    for clients in ((cut,), (cut, nothing), (cut, other), (cut, nothing, garbage, nothing)):
        given = fetches(4, *clients)
        assert given[0] <= 34 and max(given[1:]) <= 25, given


def test_a_link_that_is_cut_further_on_each_time_is_no_garbage():
    found = made(60, first_s=0)
    for done in range(2000, 40000, 1500):
        found.report(Client(FAILED, errors.CUT_SHORT, done, done))
        assert due_after(found) == 5000
        found.report(Client(FAILED, errors.NOT_NEWER))
        assert due_after(found) == 60000


def test_interval_of_more_than_a_day_stays():
    found = made(2 * 86400, first_s=0)
    due_after(found)
    for _ in range(3):
        found.report(Client(FAILED, errors.CORRUPT, 0, 5000))
        assert due_after(found) == 2 * 86400000


def test_what_was_started_by_hand_says_nothing_of_the_address():
    for tag in (ETAG, DATE):
        found = made(first_s=0)
        found.source.tag = tag
        client = Client(FAILED, errors.NOT_NEWER)
        client.url = "http://host/another"
        for _ in range(2):
            found.report(client)
        found.open(URL)
        assert found.source.opened[-1][3] == b"A: b\r\n"


def test_date_that_came_once_is_not_trusted():
    """Two manifests of the same second have the same Last-Modified."""
    found = made(first_s=0)
    found.source.tag = DATE
    found.report(Client(FAILED, errors.NOT_NEWER))
    found.open(URL)
    found.source.tag = DATE.replace(b":00 ", b":09 ")
    found.report(Client(FAILED, errors.NOT_NEWER))
    found.open(URL)
    assert {lines for _url, _at, _tag, lines in found.source.opened} == {b"A: b\r\n"}


def test_what_was_not_newer_is_asked_for_only_if_it_changed():
    for tag, line in (
        (ETAG, b'If-None-Match: "1a2b"\r\n'),
        (DATE, b"If-Modified-Since: " + DATE + b"\r\n"),
    ):
        found = made(first_s=0)
        found.open(URL)
        found.source.tag = tag
        for _ in range(1 if tag is ETAG else 2):
            found.report(Client(FAILED, errors.NOT_NEWER))
        found.open(URL)
        found.report(Client(FAILED, errors.HTTP_STATUS, 304))
        found.open(URL, 0, b"x")
        found.open(URL, 5, b"x")
        found.open("http://host/payload")
        plain, lines = b"A: b\r\n", b"A: b\r\n" + line
        assert found.source.opened == [
            (URL, 0, b"", plain),
            (URL, 0, b"", lines),
            (URL, 0, b"x", lines),
            (URL, 5, b"x", plain),
            ("http://host/payload", 0, b"", plain),
        ]
        assert found.header == plain


def test_a_tag_that_could_forge_the_next_request_is_none():
    for tag in (b'"a\rX: y"', b'"\x00"', b'"\x7f"', b'"\xc3\xa9"', b"Sat\r\rGET /"):
        found = made(first_s=0)
        found.source.tag = tag
        for _ in range(2):
            found.report(Client(FAILED, errors.NOT_NEWER))
        found.open(URL)
        assert found.source.opened == [(URL, 0, b"", b"A: b\r\n")]


def test_tag_that_somebody_else_gave_is_not_asked_about_for_ever():
    """Who answered once gave the tag of the newest manifest with an old one: 304 from then on."""
    for tag in (ETAG, DATE):
        found = made(first_s=0)
        found.source.tag = tag
        plain = 0
        for _ in range(4 * 24):
            found.open(URL)
            if found.source.opened[-1][3] == b"A: b\r\n":
                plain += 1
                found.report(Client(FAILED, errors.NOT_NEWER))
            else:
                found.report(Client(FAILED, errors.HTTP_STATUS, 304))
        assert plain == (4 if tag is ETAG else 8)


def test_only_what_was_not_newer_is_remembered():
    found = made(first_s=0)
    found.source.tag = ETAG
    for client in (
        Client(FAILED, errors.CORRUPT),
        Client(FAILED, errors.CONNECT),
        Client(FAILED, errors.DOWNLOAD_DENIED),
        Client(FAILED, errors.HTTP_STATUS, 304),
        Client(READY),
    ):
        found.report(client)
        found.open(URL)
    assert {lines for _url, _at, _tag, lines in found.source.opened} == {b"A: b\r\n"}


def test_the_header_is_as_before_when_open_fails():
    poll.time = Clock()
    found = poll.Poll(Source(), "http://down", 60)
    found.source.tag = ETAG
    client = Client(FAILED, errors.NOT_NEWER)
    client.url = "http://down"
    found.report(client)
    raises(errors.CONNECT, found.open, "http://down")
    assert found.source.opened[0][3] != b"A: b\r\n" and found.header == b"A: b\r\n"


def test_it_is_a_news_source_of_the_cost_it_is_given():
    assert made().cost == 700
    assert made(cost=300).cost == 300


def test_what_a_source_has_found_when_it_is_opened_is_what_is_read():
    class Finding(Source):
        """As a Group, which may open another source than the one before."""

        def open(self, url, at, tag):
            self.readinto = lambda mv: 2

        def readinto(self, mv):
            return 1

    for make in Relay, lambda source: poll.Poll(source, URL, 60):
        relay = make(Finding())
        assert relay.readinto(bytearray(1)) == 1
        relay.open(URL, 0, b"")
        assert relay.readinto(bytearray(1)) == 2
