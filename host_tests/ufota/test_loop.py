"""ufota.loop: what it does, in which order, and what it lives through; plain and for asyncio."""

import asyncio

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwboot import main
from fwcore import errors
from fwcore.errors import FwError
from fwcore.state import IDLE, TRIAL, State
from trial_kit import device, offer
from ufota import loop

BOTH = True  # runs on CPython and on MicroPython


class Stop(Exception):
    """The test has seen enough; also the reset of a board."""


class Client:
    """A FleetClient whose looks and runs are told before.

    looks:  what poll() returns or raises, one after the other; then Stop
    runs:   the same of run()
    """

    def __init__(self, looks, runs=()):
        self.board = device("swap")
        offer(self.board)
        assert main.run(self.board)  # from here on trial
        self.board.reset = self._reset
        self.board.fed = 0
        self._looks = iter(looks)
        self._runs = iter(runs)
        self.done = []

    def _next(self, name, told):
        self.done.append(name)
        for value in told:
            if isinstance(value, Exception):
                raise value
            return value
        raise Stop

    def poll(self):
        return self._next("poll", self._looks)

    def run(self):
        return self._next("run", self._runs)

    async def arun(self):
        return self._next("run", self._runs)

    def _reset(self):
        self.done.append("reset")
        raise Stop

    def phase(self):
        return State(self.board).phase


class NoTime:
    """The module `time`, and of asyncio what the loop needs: sleeps are recorded."""

    def __init__(self):
        self.slept = []

    def sleep_ms(self, ms):
        self.slept.append(ms)


def play(client, is_healthy=None):
    """Run the loop until Stop. Returns how long it slept each time, in ms."""
    time, loop.time = loop.time, NoTime()
    try:
        loop.run(client, is_healthy)
    except Stop:
        return loop.time.slept
    finally:
        loop.time = time
    raise AssertionError("it ended")


def play_async(client, is_healthy=None):
    slept = []

    async def sleep(seconds):
        slept.append(int(seconds * 1000))

    real, asyncio.sleep = asyncio.sleep, sleep
    try:
        loop.arun(client, is_healthy).send(None)
    except Stop:
        return slept
    finally:
        asyncio.sleep = real
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
        assert phases == [TRIAL, TRIAL, TRIAL, IDLE]


def test_an_update_that_is_ready_resets_and_one_that_is_not_does_not():
    for way in play, play_async:
        client = Client([True, True, True], [False, FwError(errors.CUT_SHORT), True])
        way(client)
        assert client.done == ["poll", "run"] * 3 + ["reset"]


def test_nothing_is_run_when_nothing_is_new():
    for way in play, play_async:
        client = Client([False, None])
        way(client)
        assert "run" not in client.done and "reset" not in client.done
