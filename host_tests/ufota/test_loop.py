"""ufota.loop: what it does, in which order, and what it lives through; plain and for asyncio."""

import asyncio

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwboot import main
from fwcore import errors
from fwcore.errors import FwError
from fwcore.state import IDLE, TRIAL, State
from trial_kit import device, offer
from ufota import loop
from ufota.client import APPROVE_INSTALL, DOWNLOAD, FAILED, READY
from ufota.client import IDLE as NOTHING
from ufota_testkit.virtual_clock import Clock

BOTH = True  # runs on CPython and on MicroPython


class Stop(Exception):
    """The test has seen enough; also the reset of a board."""


class Client:
    """A FleetClient whose looks and runs are told before.

    looks:  what poll() returns or raises, one after the other; then Stop
    runs:   the same of step(), when an update has begun: True is its end; False: it waits for
            somebody to agree
    """

    _waiting = (DOWNLOAD,)
    source = None  # it has no offers
    manifest = None

    def __init__(self, looks, runs=()):
        self.board = device("swap")
        offer(self.board)
        assert main.run(self.board)  # from here on trial
        self.board.reset = self._reset
        self.board.fed = 0
        self.state = NOTHING
        self._looks = iter(looks)
        self._runs = iter(runs)
        self.done = []

    def _next(self, name, told):
        self.done.append(name)
        for value in told:
            if isinstance(value, Exception):
                self.state = FAILED
                raise value
            return value
        raise Stop

    def poll(self):
        found = self._next("poll", self._looks)
        if found:
            self.state = DOWNLOAD
        return found

    def step(self):
        found = self._next("run", self._runs)
        self.state = READY if found else APPROVE_INSTALL
        return found

    def _reset(self):
        self.done.append("reset")
        raise Stop

    def phase(self):
        return State(self.board).phase


class Time(Clock):
    """The module `time`: sleeps are recorded."""

    def __init__(self):
        super().__init__()
        self.slept = []

    def sleep_ms(self, ms):
        super().sleep_ms(ms)
        self.slept.append(ms)


def play(client, is_healthy=None):
    """Run the loop until Stop. Returns how long it slept each time, in ms."""
    time, loop.time = loop.time, Time()
    try:
        loop.run(client, is_healthy)
    except Stop:
        return loop.time.slept
    finally:
        loop.time = time
    raise AssertionError("it ended")


def play_async(client, is_healthy=None):
    clock = Time()

    async def sleep(seconds):
        clock.sleep_ms(int(seconds * 1000))

    real, asyncio.sleep = asyncio.sleep, sleep
    time, loop.time = loop.time, clock
    try:
        loop.arun(client, is_healthy).send(None)
    except Stop:
        return clock.slept
    finally:
        asyncio.sleep, loop.time = real, time
    raise AssertionError("it ended")


def test_an_image_is_kept_after_the_first_look_that_raised_nothing():
    for way in play, play_async:
        client = Client([False, False])
        assert way(client) == [1000, 1000]
        assert client.done == ["poll"] * 3 and client.phase() == IDLE
        assert client.board.fed >= 2


def test_an_image_is_not_kept_while_looks_fail():
    for way in play, play_async:
        client = Client([FwError(errors.CONNECT), OSError(5), FwError(errors.CONNECT)])
        assert way(client) == [1000, 1000, 1000]
        assert client.phase() == TRIAL and client.board.fed >= 3
        told = [line for line in client.board.lines if line.startswith("no update")]
        assert told[:2] == ["no update, error {}".format(errors.CONNECT), "no update, error 5"]


def test_an_image_is_kept_when_the_application_says_so():
    for way in play, play_async:
        said = iter((False, OSError(19), True))
        phases = []
        client = Client([False] * 4)

        def is_healthy(said=said, phases=phases, client=client):
            phases.append(client.phase())
            for value in said:
                if isinstance(value, Exception):
                    raise value
                return value
            return False

        way(client, is_healthy)
        assert phases == [TRIAL, TRIAL, TRIAL, IDLE, IDLE]


def test_an_update_that_is_ready_resets_and_one_that_failed_does_not():
    for way in play, play_async:
        client = Client([True, True], [FwError(errors.CUT_SHORT), True])
        way(client)
        assert client.done == ["poll", "run"] * 2 + ["reset"]


def test_somebody_who_is_to_agree_is_asked_again_each_second():
    for way in play, play_async:
        client = Client([True], [False, False, True])
        assert way(client) == [0, 1000, 1000]
        assert client.done == ["poll", "run", "run", "run", "reset"]


def test_nothing_is_run_when_nothing_is_new():
    for way in play, play_async:
        client = Client([False, None])
        way(client)
        assert "run" not in client.done and "reset" not in client.done


def told(client):
    return [line for line in client.board.lines if "error" in line]


def test_an_error_is_told_once():
    for way in play, play_async:
        client = Client([FwError(errors.CONNECT), OSError(5)] * 50 + [MemoryError()] * 2)
        assert len(way(client, lambda: False)) == 102
        numbers = errors.CONNECT, 5, errors.NO_MEMORY
        assert told(client) == ["no update, error {}".format(number) for number in numbers]


def test_how_often_it_came_is_told_when_the_server_answers_again():
    found = errors.CONNECT, errors.TIMEOUT, errors.NOT_NEWER
    client = Client([])
    counts = loop._Errors(client.board, "no update")
    for times, number in zip((3, 1, 5), found):
        for _ in range(times):
            counts.add(FwError(number))
    counts.add(FwError(errors.HTTP_STATUS, 304))
    counts.end()
    counts.add(FwError(errors.CONNECT))
    assert told(client) == [
        "no update, error {}".format(errors.CONNECT),
        "no update, error {}".format(errors.TIMEOUT),
        "no update, error {} came 3 times".format(errors.CONNECT),
        "no update, error {}".format(errors.NOT_NEWER),
        "no update, error {} came 5 times".format(errors.NOT_NEWER),
        "no update, error {}".format(errors.HTTP_STATUS),
        "no update, error {}".format(errors.CONNECT),
    ]


def test_the_errors_that_are_counted_are_bounded():
    client = Client([])
    counts = loop._Errors(client.board, "no update")
    for number in range(100):
        counts.add(OSError(number))
        assert len(counts._counts) <= 8
    assert len(told(client)) == 100


def test_a_check_that_raises_stops_neither_polls_nor_the_next_check():
    for way in play, play_async:
        client = Client([False] * 20)
        asked = []

        def is_healthy(asked=asked):
            asked.append(1)
            if len(asked) < 10:
                raise (OSError(19), FwError(errors.READ_FAILED, 5))[len(asked) % 2]
            return len(asked) == 15

        assert way(client, is_healthy) == [1000] * 20
        assert len(asked) == 21 and client.phase() == IDLE
        lines = told(client)
        assert lines[:2] == [
            "not confirmed, error {}".format(errors.READ_FAILED),
            "not confirmed, error 19",
        ]
        assert len(lines) == 4 and lines[2].endswith(" times")


def test_a_check_that_takes_long_leaves_time_for_the_source_and_for_the_next_feed():
    for way in play, play_async:
        client = Client([False] * 5)
        board, fed = client.board, []

        def is_healthy(board=board, fed=fed):
            fed.append(board.fed)
            loop.time.now += 60000
            return False

        assert way(client, is_healthy) == [1000] * 5
        assert len(fed) == 6 and all(b - a >= 2 for a, b in zip(fed[:-1], fed[1:]))
        assert client.phase() == TRIAL


def test_a_poll_that_the_applications_own_start_has_overtaken_is_forgotten():
    class Asking:
        def offer(self):
            raise AssertionError

        def polling(self):
            client.state = DOWNLOAD  # another task has called start() by now
            yield 50
            raise AssertionError

    for way in play, play_async:
        client = Client([], [FwError(errors.CUT_SHORT), True])
        client.source = Asking()
        assert way(client)[:3] == [50, 1000, 50]
        assert client.done == ["run", "run", "reset"]
