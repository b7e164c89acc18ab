"""What comes of each row of the table of verdicts with plain HTTP and with a card.

A plain server and a card hear nothing while an update goes on: what counts is how often a device
asks, and what the next request, or the file's name, says. hawkBit and Alibaba: test_*_verdicts.py.
"""

import time

from card_kit import make_card, names, write
from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from resume_kit import board_of
from ufota import client, fleet_client
from ufota.sources import poll, verdicts
from ufota.sources.card import CardSource
from ufota.sources.poll import Poll
from ufota.sources.retry import Retry
from ufota.update import client_store
from ufota_testkit.virtual_clock import Clock, middle
from update_kit import MANIFEST_URL, FakeSource, bundle

BOTH = True  # runs on CPython and on MicroPython

DAY_MS = 86400000
PAGES = {MANIFEST_URL: bundle("two")}
# By the place of the error: soon, and rarely.
PLACES = (
    (errors.HTTP_STATUS, 503, 404),
    (errors.BAD_RESPONSE, 1, 70),  # hung up; the same nonsense again
    (errors_net.TLS_REFUSED, 80, 40),
    (errors_net.TLS_FAILED, None, 7),
    (errors_net.BAD_RANGE, None, 7),
)
NONSENSE = errors.BAD_RESPONSE, errors_net.TLS_FAILED, errors_net.BAD_RANGE
# Attempts on days 1 and 2: docs/OUTAGES.md. A poll with an interval of an hour asks for what is
# final at each of them, as there may be another by then. Nonsense passes the first time.
SOON, RARELY, AGAIN, HOURLY, NEVER = [33, 24], [6, 1], [7, 1], [24, 24], [1, 0]


def teardown_function(_):
    poll.time = fleet_client.time = time  # on CPython other tests share the modules
    make_card().remove()


class Failing(FakeSource):
    """A server of whose every answer this error comes."""

    retry_after_s = 0
    error = None

    def open(self, url, at=0, tag=b""):
        super().open(url, at, tag)
        raise self.error


def rows():
    """[(number, place, attempts)] of all rows, and of a reason of the application."""
    found = []
    for code in range(256):
        letter = verdicts.row(code)
        if letter in "sc":
            found.append((code, 0, SOON))
        elif letter in "rD":
            found.append((code, 0, RARELY))
        elif letter == "F":
            found.append((code, 0, NEVER))
    for code, soon, rarely in PLACES:
        found.append((code, rarely, AGAIN if code in NONSENSE else RARELY))
        if soon is not None:
            found.append((code, soon, SOON))
    return found + [(256, 0, NEVER)]


def requests(machine, source):
    """How many on days 1 and 2."""
    clock = poll.time = fleet_client.time
    found = [0, 0]
    while clock.now < 2 * DAY_MS:
        before = len(source.opened)
        try:
            if not machine.poll():
                machine.step()
        except FwError:
            pass
        found[clock.now // DAY_MS] += len(source.opened) - before
        clock.now += left_ms(machine, clock)
    assert set(source.lines) == {b""}  # nothing is said
    return found


def left_ms(machine, clock):
    """Until something can happen again."""
    if machine.state not in (client.FAILED, fleet_client.PAUSED):
        return 0
    if machine.state == client.FAILED and hasattr(machine.source, "pace"):
        return machine.source.pace.left_ms()
    if machine.state == client.FAILED and not machine._rests:
        return DAY_MS
    return max(clock.ticks_diff(machine._until_ms, clock.ticks_ms()), 0)


def failing(code, at):
    source = Failing(PAGES)
    source.error = FwError(code, at)
    fleet_client.time = poll.time = Clock()
    return source


def test_a_plain_server_is_asked_so_often_for_each_row():
    """As docs/SERVERS.md has it: a poll an hour apart, and a client with a back-off."""
    board = board_of("sd")
    for code, at, due in rows():
        source = failing(code, at)
        news = Poll(source, MANIFEST_URL, 3600, Retry(random=middle), 0)
        machine = fleet_client.FleetClient(board, news, retry=Retry(random=middle))
        found = requests(machine, source)
        assert found == (HOURLY if due is NEVER else due), (code, at, found)


def test_an_address_of_the_application_is_asked_for_so_often_for_each_row():
    board = board_of("sd")
    for code, at, due in rows():
        client_store.of(board).put(b"url", MANIFEST_URL.encode())
        source = failing(code, at)
        machine = fleet_client.FleetClient(board, source, retry=Retry(random=middle))
        found = requests(machine, source)
        assert found == (RARELY if due is AGAIN else due), (code, at, found)
        kept = client_store.of(board).get(b"url")
        assert (kept is None) == verdicts.is_final(code), code


def test_a_card_is_read_so_often_for_each_row():
    """One attempt at a file that is wrong, three where it was not: polls are ten minutes apart."""
    others = errors.NOT_NEWER, errors_boot.BLACK_LISTED  # the result of the image counts
    board = board_of("sd")
    for code, at, _ in rows():
        if code in others:
            continue
        card = make_card()
        write(card, "update.bin", bundle("small"))
        source = CardSource(board, card.path, settle_ms=0)
        opened, error = [0], FwError(code, at)

        def fail(url, at=0, tag=b"", source=source, opened=opened, error=error):
            CardSource.open(source, url)
            opened[0] += 1
            raise error

        source.open = fail
        machine = fleet_client.FleetClient(board, source)
        for _ in range(12):
            try:
                machine.poll()
            except FwError:
                pass
        wrong = verdicts.is_of_file(code)
        assert opened[0] == (1 if wrong else 3), (code, opened)
        assert names(card) == ["update.e%d" % code if wrong else "update.bin"], code
