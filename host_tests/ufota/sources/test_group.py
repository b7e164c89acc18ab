"""A group of sources: who is asked, who is left out, and what is told."""

import time

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota.client import DOWNLOAD, FAILED, READY
from ufota.sources import group
from ufota_testkit.virtual_clock import Clock

BOTH = True  # runs on CPython and on MicroPython

CONNECT = FwError(errors.CONNECT)
BUSY = FwError(errors_net.BUSY)


def teardown_function(_):
    group.time = time  # on CPython other tests share the module


class Source:
    """offers: what offer() does in turn: an address, None, or an FwError; the last for ever.

    kind:  addresses it can open begin with it
    """

    def __init__(self, cost, *offers, kind=""):
        self.cost = cost
        self.offers = list(offers)
        self.kind = kind
        self.calls = []
        self.header = b""

    def offer(self):
        self.calls.append("offer")
        given = self.offers.pop(0) if len(self.offers) > 1 else self.offers[0]
        if isinstance(given, FwError):
            raise given
        return given

    def open(self, url, at, tag):
        self.calls.append((url, at, tag))
        if not url.startswith(self.kind):
            raise FwError(errors.BAD_URL)
        if url.endswith("down"):
            raise CONNECT

    def readinto(self, mv):
        mv[0] = self.cost
        return 1

    def wait(self, ms):
        self.calls.append(ms)

    def close(self):
        self.calls.append("close")

    def report(self, client):
        self.calls.append(client.state)
        if client.state == DOWNLOAD and client.error:
            raise client.error

    def asked(self):
        """How often it was asked for an offer since the last time."""
        count = self.calls.count("offer")
        self.calls = []
        return count


class Board:
    fed = 0

    def feed(self):
        self.fed += 1


class Client:
    def __init__(self, state, error=None):
        self.state = state
        self.error = error


def made(*sources):
    """A Group on a virtual clock; its board has been fed `group._board.fed` times."""
    group.time = Clock()
    return group.Group(list(sources), Board())


def fails(found, code=errors.CONNECT, at=0):
    found.report(Client(FAILED, FwError(code, at)))


def test_the_cheapest_that_has_something_goes_first():
    card, lan, far = Source(100, None), Source(700, "lan"), Source(900, "far")
    found = made(far, lan, card)
    assert found.offer() == "lan"
    assert (card.asked(), lan.asked(), far.asked()) == (1, 1, 0)
    card.offers = ["card"]
    assert found.offer() == "card"
    assert (card.asked(), lan.asked(), far.asked()) == (1, 0, 0)
    assert found.cost == 100


def test_of_equal_costs_the_first_in_the_list_goes_first():
    sources = [Source(5 if at % 2 else 7, None) for at in range(10)]
    found = made(*sources)
    order = sources[1::2] + sources[0::2]
    for at, source in enumerate(order):
        source.offers = [str(at)]
    for at, source in enumerate(order):
        assert found.offer() == str(at)
        source.offers = [None]
    assert found.offer() is None


def test_a_cost_may_change():
    one, two = Source(1, "one"), Source(2, "two")
    found = made(one, two)
    one.cost = 3
    assert found.offer() == "two"


def test_one_whose_offer_fails_is_left_out_for_this_update():
    one, two = Source(1, CONNECT, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "two"
    assert found.offer() == "two"
    assert (one.asked(), two.asked()) == (1, 2)
    found.report(Client(READY))
    assert found.offer() == "one"


def test_one_whose_update_fails_is_left_out_for_this_update():
    for code in (errors.CONNECT, errors.BAD_SIGNATURE, errors.NOT_NEWER, errors.DOWNLOAD_DENIED):
        one, two = Source(1, "one"), Source(2, "two")
        found = made(one, two)
        assert found.offer() == "one"
        fails(found, code)
        assert found.offer() == "two"
        assert found.offer() == "two"
        found.report(Client(READY))
        assert found.offer() == "one"


def test_when_none_is_left_it_says_so_and_begins_anew():
    one, two = Source(1, "one"), Source(2, "two")
    found = made(one, two)
    for _ in range(2):
        assert found.offer() == "one"
        fails(found)
        assert found.offer() == "two"
        fails(found, errors.TIMEOUT)
        error = raises(errors_net.NO_SOURCE, found.offer)
        assert error.at == errors.TIMEOUT


def test_none_is_left_when_the_others_have_nothing():
    one, two = Source(1, "one", None, "one"), Source(2, None)
    found = made(one, two)
    assert found.offer() == "one"
    fails(found)
    assert raises(errors_net.NO_SOURCE, found.offer).at == errors.CONNECT
    assert found.offer() is None
    assert found.offer() == "one"


def test_a_source_that_goes_on_to_fail_is_no_server_that_has_nothing():
    """ufota.loop tells it once, and confirms no image for it."""
    one, two = Source(1, CONNECT), Source(2, None)
    found = made(one, two)
    for _ in range(4):
        assert raises(errors_net.NO_SOURCE, found.offer).at == errors.CONNECT
    assert (one.asked(), two.asked()) == (4, 4)
    one.offers = [FwError(errors.TIMEOUT)]
    assert raises(errors_net.NO_SOURCE, found.offer).at == errors.TIMEOUT
    one.offers = [None, CONNECT]
    assert found.offer() is None
    assert raises(errors_net.NO_SOURCE, found.offer).at == errors.CONNECT


def test_nothing_new_is_no_error():
    for code, at in ((errors.NOT_NEWER, 0), (errors.HTTP_STATUS, 304)):
        one, two = Source(1, "one", None), Source(2, None)
        found = made(one, two)
        assert found.offer() == "one"
        fails(found, code, at)
        assert found.offer() is None
    assert found.offer() is None


def test_what_cannot_be_written_is_not_fetched_from_the_others():
    one, two = Source(1, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "one"
    fails(found, errors.WRITE_FAILED)
    assert raises(errors_net.NO_SOURCE, found.offer).at == errors.WRITE_FAILED
    assert two.asked() == 0
    assert found.offer() == "one"
    fails(found)
    assert found.offer() == "two"  # and both are there again


def test_what_cannot_be_read_may_be_a_card_that_is_the_source():
    one, two = Source(1, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "one"
    fails(found, errors.READ_FAILED)
    assert found.offer() == "two"


def test_a_busy_source_is_asked_again_twice_after_half_a_second():
    one, two = Source(1, BUSY, BUSY, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "one"
    assert group.time.now == 1000
    assert found._board.fed == 20  # each 50 ms
    assert (one.asked(), two.asked()) == (3, 0)


def test_a_source_that_stays_busy_is_left_out():
    one, two = Source(1, BUSY, BUSY, BUSY, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "two"
    assert group.time.now == 1000
    assert found.offer() == "two"
    fails(found)
    assert raises(errors_net.NO_SOURCE, found.offer).at == errors.CONNECT


def test_a_failure_behind_busy_ends_the_asking():
    one, two = Source(1, BUSY, CONNECT), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "two"
    assert group.time.now == 500 and one.asked() == 2


def test_only_the_source_that_offered_is_told():
    one, two = Source(1, None), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "two"
    for state in (DOWNLOAD, READY):
        found.report(Client(state))
    assert two.calls == ["offer", DOWNLOAD, READY] and one.calls == ["offer"]
    found.report(Client(FAILED, CONNECT))  # of an update nobody offered
    assert two.calls == ["offer", DOWNLOAD, READY]
    two.offers = [None]
    assert found.offer() is None


def test_after_a_failure_the_source_is_told_no_more():
    one, two = Source(1, "one"), Source(2, None)
    found = made(one, two)
    assert found.offer() == "one"
    for _ in range(2):
        fails(found)
    assert one.calls == ["offer", FAILED]


def test_an_update_started_by_hand_leaves_nobody_out():
    one, two = Source(1, "one"), Source(2, None)
    found = made(one, two)
    fails(found)
    assert found.offer() == "one"
    found.report(Client(DOWNLOAD))
    one.offers = [None]
    assert found.offer() is None
    fails(found)  # started by hand, after a round in which nobody offered
    assert found.offer() is None
    assert one.calls == ["offer", DOWNLOAD, "offer", "offer"]


def test_a_later_of_the_application_changes_nothing():
    one, two = Source(1, "one"), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "one"
    for state in range(READY):
        found.report(Client(state))
    assert found.offer() == "one"


def test_a_report_that_fails_does_not_keep_the_source_in():
    one, two = Source(1, "one"), Source(2, "two")
    one.told = lambda client: raises(0, one.close)  # never comes back
    found = made(one, two)
    assert found.offer() == "one"
    try:
        fails(found)
    except AssertionError:
        pass
    assert found.offer() == "two"


def test_bytes_come_from_the_source_that_offered():
    one, two = Source(1, None), Source(2, "two")
    found = made(one, two)
    assert found.offer() == "two"
    found.header = b"Name: value\r\n"
    assert (one.header, two.header, found.header) == (b"", b"Name: value\r\n", two.header)
    found.open("two", 5, b"tag")
    buf = bytearray(1)
    assert found.readinto(memoryview(buf)) == 1 and buf[0] == 2
    two.at, two.length, two.tag = 5, 9, b"tag"
    assert (found.at, found.length, found.tag) == (5, 9, b"tag")
    assert getattr(found, "retry_after_s", 0) == 0
    found.wait(7)
    found.close()
    assert two.calls[-3:] == [("two", 5, b"tag"), 7, "close"]
    assert one.calls == ["offer"]


def test_an_address_that_is_not_for_the_source_goes_to_another_that_can_open_it():
    card = Source(1, "card:update", kind="card:")
    lan, far = Source(2, None, kind="http:"), Source(3, None, kind="")
    found = made(far, card, lan)
    assert found.offer() == "card:update"
    found.header = b"Name: value\r\n"
    found.open("card:update", 0, b"")
    found.open("http:payload", 7, b"tag")
    buf = bytearray(1)
    assert found.readinto(memoryview(buf)) == 1 and buf[0] == 2
    assert card.calls.count("close") == 2  # before each open()
    assert lan.calls == [("http:payload", 7, b"tag")] and far.calls == []
    assert lan.header == b""  # which may hold a password
    found.report(Client(DOWNLOAD))  # still the card's update
    assert card.calls[-1] == DOWNLOAD and lan.calls[-1] != DOWNLOAD


def test_an_address_for_nobody_and_one_that_fails():
    one, two = Source(1, "one", kind="a"), Source(2, None, kind="b")
    found = made(one, two)
    raises(errors.BAD_URL, found.open, "c")
    raises(errors.CONNECT, found.open, "a-down")
    assert two.calls == [("c", 0, b"")]
    found.open("b")  # by hand, and never offered
    assert found.source is two
