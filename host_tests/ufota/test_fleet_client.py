"""FleetClient: it polls, tells its source, and does not report too often."""

import asyncio
import time

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from resume_kit import NoWait, board_of, fleet_of
from ufota import client, fleet_client
from ufota.update import client_store
from update_kit import MANIFEST_URL, FakeSource, Page, bundle, payload, staged

BOTH = True  # runs on CPython and on MicroPython

PAGES = {MANIFEST_URL: bundle("two")}


class Service(FakeSource):
    """A source that offers, and records what it is told."""

    def __init__(self, pages, *offers):
        super().__init__(pages, pieces=(700,))
        self.offers = list(offers)
        self.heard = []

    def offer(self):
        answer = self.offers.pop(0) if self.offers else None
        if isinstance(answer, FwError):
            raise answer
        return answer

    def report(self, machine):
        self.heard.append((machine.state, machine.error and machine.error.code, machine.done))
        raise FwError(errors.CONNECT)  # its service cannot be reached


def machine_of(source, **more):
    return fleet_client.FleetClient(board_of("sd"), source, **more)


def test_poll_starts_what_is_offered_and_nothing_when_there_is_nothing():
    source = Service(PAGES, None, MANIFEST_URL, MANIFEST_URL)
    machine = machine_of(source)
    assert not machine.poll() and machine.state == client.IDLE
    assert machine.poll() and machine.state == client.MANIFEST
    while machine.state != client.READY:
        assert not machine.poll() and len(source.offers) == 1  # one is under way
        machine.step()
    source.offers.clear()
    assert not machine.poll()


def test_poll_hands_on_what_the_source_raises_and_the_next_one_works():
    machine = machine_of(Service(PAGES, FwError(errors.TIMEOUT), MANIFEST_URL))
    raises(errors.TIMEOUT, machine.poll)
    assert machine.poll() and machine.run()


def test_source_is_told_each_state_and_what_it_raises_stops_nothing():
    source = Service(PAGES, MANIFEST_URL)
    machine = machine_of(source)
    assert machine.poll() and machine.run()
    states = [state for state, _, _ in source.heard]
    assert sorted(set(states)) == list(range(client.MANIFEST, client.READY + 1))
    assert states == sorted(states)
    assert source.heard[-1] == (client.READY, None, 5000)


def test_source_is_told_of_the_error():
    source = Service({MANIFEST_URL: bundle("two")[:-1] + b"\x00"}, MANIFEST_URL)
    machine = machine_of(source)
    machine.poll()
    raises(errors.CORRUPT, machine.run)
    assert source.heard[-1][:2] == (client.FAILED, errors.CORRUPT)


def test_source_that_offers_needs_no_address_remembered():
    source = Service(PAGES, MANIFEST_URL)
    machine = machine_of(source)
    machine.poll()
    while machine.state != client.READY:
        machine.step()
        assert client_store.of(machine.board).get(b"url") is None


def test_address_is_remembered_until_the_update_is_over():
    for body, code in ((bundle("two"), None), (bundle("two")[:-1] + b"\x00", errors.CORRUPT)):
        board = board_of("sd")
        _, machine = fleet_of(board, {MANIFEST_URL: body})
        machine.start(MANIFEST_URL)
        while machine.state != client.DOWNLOAD:
            machine.step()
        assert client_store.of(board).get(b"url") == MANIFEST_URL.encode()
        if code:
            raises(code, machine.run)
        else:
            machine.run()
        assert client_store.of(board).get(b"url") is None


def test_address_stays_remembered_when_only_the_link_failed():
    board = board_of("sd")
    _, machine = fleet_of(board, PAGES, 1000, retry=False)
    machine.start(MANIFEST_URL)
    raises(errors.CUT_SHORT, machine.run)
    source, machine = fleet_of(board, PAGES)
    assert machine.poll() and machine.run() and source.opened[0] == MANIFEST_URL


def test_what_becomes_of_one_address_says_nothing_of_another():
    """An update was interrupted; the application then starts another one, which is refused."""
    other = "http://host/other"
    for page, code in ((bundle("stranger"), errors.BAD_SIGNATURE), (b"x" * 600, errors.MALFORMED)):
        board = board_of("sd")
        _, machine = fleet_of(board, PAGES, 1000, retry=False)
        machine.start(MANIFEST_URL)
        raises(errors.CUT_SHORT, machine.run)
        _, machine = fleet_of(board, {other: page})
        machine.start(other)
        raises(code, machine.run)
        source, machine = fleet_of(board, PAGES)
        assert machine.poll() and machine.run() and source.opened[0] == MANIFEST_URL


def test_an_address_too_long_to_be_remembered_takes_the_place_of_another():
    board = board_of("sd")
    _, machine = fleet_of(board, PAGES, 1000, retry=False)
    machine.start(MANIFEST_URL)
    raises(errors.CUT_SHORT, machine.run)
    url = "http://host/" + "u" * 300
    _, machine = fleet_of(board, {url: bundle("two")})
    machine.start(url)
    while not machine.done:
        machine.step()
    assert client_store.of(board).get(b"url") is None


def test_address_that_is_no_text_is_none():
    board = board_of("sd")
    client_store.of(board).put(b"url", b"\xff\xfe")
    assert not fleet_of(board, PAGES)[1].poll()


def test_an_address_too_long_to_be_remembered_works_as_any_other():
    url = "http://host/" + "u" * 300
    board = board_of("sd")
    _, machine = fleet_of(board, {url: bundle("two")})
    machine.start(url)
    while machine.state != client.READY:
        machine.step()
        assert client_store.of(board).get(b"url") is None


def test_the_longest_address_that_is_remembered():
    for size, found in ((255, True), (256, False)):
        url = "http://host/" + "u" * (size - 12)
        board = board_of("sd")
        _, machine = fleet_of(board, {url: bundle("two")})
        machine.start(url)
        while not machine.done:
            machine.step()
        assert (client_store.of(board).get(b"url") == url.encode()) == found


def test_abort_gives_up_and_forgets():
    board = board_of("spi")
    source, machine = fleet_of(board, PAGES)
    machine.start(MANIFEST_URL)
    while machine.done < 4096:
        machine.step()
    machine.abort()
    assert machine.state == client.IDLE and not source.is_open
    assert client_store.of(board).keys() == [b"count"]
    assert not machine.poll()


class Clock:
    """Plays the module `time` for fleet_client.py."""

    def __init__(self):
        self.now = 0
        self.slept = []

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, a, b):
        return a - b

    def ticks_add(self, a, b):
        return a + b

    def sleep_ms(self, ms):
        self.slept.append(ms)
        self.now += max(1, ms)


def on(clock, act):
    """Run act() with the clock as fleet_client.py's time."""
    fleet_client.time = clock
    try:
        return act()
    finally:
        fleet_client.time = time


def reports(step_ms, size=100):
    """(done, ms) of the progress reports of an update in which a buffer takes step_ms."""
    clock, found = Clock(), []

    class Slow(FakeSource):
        def readinto(self, mv):
            clock.now += step_ms
            return super().readinto(mv)

    board = board_of("sd")
    source = Slow(PAGES, pieces=(size,))
    machine = fleet_client.FleetClient(
        board, source, progress=lambda done, total: found.append((done, clock.now))
    )

    def act():
        machine.start(MANIFEST_URL)
        while machine.state != client.READY:
            machine._full = min(machine._full, size)
            machine.step()

    on(clock, act)
    assert staged(board)[0][1] == payload("two")
    return found


def test_progress_is_reported_at_most_each_second_and_at_the_end():
    found = reports(100)
    assert found[-1][0] == 5000 and found[0][0] <= 100
    gaps = [later[1] - earlier[1] for earlier, later in zip(found[:-1], found[1:-1])]
    assert gaps and min(gaps) >= 1000 and len(found) < 10


def test_progress_is_reported_at_most_each_percent_and_at_the_end():
    found = reports(2000, 10)
    steps = [later[0] - earlier[0] for earlier, later in zip(found[:-1], found[1:])]
    assert min(steps[:-1]) >= 50 and found[-1][0] == 5000 and len(found) <= 101


class Patient(NoWait):
    def after(self, error, source=None, done=0):
        return 700


def paused(clock):
    source, machine = fleet_of(board_of("sd"), PAGES, 1000)
    machine.retry = Patient()
    machine.start(MANIFEST_URL)
    while machine.state != fleet_client.PAUSED:
        machine.step()
    assert machine.error.code == errors.CUT_SHORT and not source.is_open
    return source, machine


def test_pause_lasts_as_long_as_retry_says_and_feeds_the_watchdog():
    clock = Clock()

    def act():
        source, machine = paused(clock)
        clock.now += 699
        assert not machine.step() and machine.state == fleet_client.PAUSED
        clock.now += 1
        assert machine.step() and machine.state == fleet_client.REJOIN and machine.error is None
        source.drops = 0
        assert machine.run()

    on(clock, act)

    def waits():
        source, machine = paused(clock)
        source.drops = 0
        fed = machine.board.fed
        assert machine.run()
        assert sum(clock.slept) == 700 and max(clock.slept) <= 50
        assert machine.board.fed - fed >= 14

    on(clock, waits)


def test_arun_waits_through_a_pause_too():
    async def main():
        source, machine = fleet_of(board_of("sd"), PAGES, 1000)
        machine.start(MANIFEST_URL)
        assert await machine.arun()
        assert staged(machine.board)[0][1] == payload("two")

    asyncio.run(main())


def test_each_start_has_all_attempts_anew():
    source, machine = fleet_of(board_of("sd"), {})
    for _ in range(2):
        source.opened = []
        raises(errors.CONNECT, lambda: (machine.start(MANIFEST_URL), machine.run()))
        assert len(source.opened) == 6
    machine.start(MANIFEST_URL)
    while len(source.opened) < 9:
        machine.step()
    machine.abort()
    source.opened = []
    raises(errors.CONNECT, lambda: (machine.start(MANIFEST_URL), machine.run()))
    assert len(source.opened) == 6


def test_rejoined_object_of_another_length_is_refused():
    source, machine = fleet_of(board_of("sd"), PAGES, 1000)
    machine.start(MANIFEST_URL)
    while machine.state != fleet_client.PAUSED:
        machine.step()
    body = bundle("two")
    source._pages = {MANIFEST_URL: Page(body, len(body) + 5)}
    raises(errors_net.OTHER_LENGTH, machine.run)
