"""ufota.loop while the server of an update is down, or silent: the check is asked each second.

Three power cycles in an outage must not condemn a good image: whether it is kept is for the
application to say, not for somebody else's server.
"""

import asyncio
import time

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwboot import main
from fwcore import errors
from fwcore.errors import FwError
from fwcore.state import IDLE, TRIAL, State
from trial_kit import device, offer
from ufota import fleet_client, loop
from ufota.alibaba import link
from ufota.fleet_client import PAUSED, FleetClient
from ufota.sources import alibaba, poll
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.group import Group
from ufota.sources.poll import Poll
from ufota.sources.retry import Retry
from ufota_testkit.virtual_clock import Clock, middle

BOTH = True  # runs on CPython and on MicroPython

HOUR_S = 3600
MODULES = loop, fleet_client, poll, link, alibaba


class Over(Exception):
    """The virtual time is."""


class Time(Clock):
    """The module `time`, until its time is over."""

    def __init__(self, end_s):
        super().__init__()
        self._end = end_s * 1000

    def ticks_add(self, ticks, ms):
        return ticks + ms & (1 << 30) - 1

    def sleep_ms(self, ms):
        super().sleep_ms(ms)
        if self.now > self._end:
            raise Over


class Down:
    """A byte source whose server cannot be reached, or never answers.

    opens:   True: it can be reached
    error:   what reading its answer raises; None: there never is one
    """

    header = tag = b""
    at = retry_after_s = 0
    length = None

    def __init__(self, opens=False, error=None):
        self._opens = opens
        self._error = error
        self.opened = 0

    def open(self, url, at=0, tag=b""):
        self.opened += 1
        if not self._opens:
            raise FwError(errors.CONNECT)

    def readinto(self, mv):
        if self._error:
            raise self._error
        return None  # for ever

    def wait(self, ms):
        loop.time.sleep_ms(ms)

    def close(self):
        pass


class Mqtt:
    """An MQTT client whose broker is down."""

    sock = None
    keepalive = 60

    def set_callback(self, function):
        pass

    def connect(self, *args):
        raise OSError(113)


class World:
    """A device on trial, and what its loop does in an outage.

    make(board): its client
    works_s:     how long the application needs until it says that all works; None: it is not
                 asked
    """

    def __init__(self, make, hours, way, works_s=30):
        self.board = board = device("swap")
        offer(board)
        assert main.run(board) and State(board).phase == TRIAL
        self.asked = 0
        self._works_ms = works_s and works_s * 1000
        clock = Time(int(hours * HOUR_S))
        for module in MODULES:
            module.time = clock
        self.clock = clock
        board.lines.clear()
        self.client = make(board)
        try:
            way(self.client, works_s and self.is_healthy)
        except Over:
            pass
        finally:
            for module in MODULES:
                module.time = time
        self.phase = State(board).phase
        self.seconds = hours * HOUR_S

    def is_healthy(self):
        self.asked += 1
        return self.clock.now > self._works_ms


def beside(client, is_healthy):
    """arun(), on the virtual clock."""

    async def sleep(seconds):
        loop.time.sleep_ms(int(seconds * 1000))

    real, asyncio.sleep = asyncio.sleep, sleep
    try:
        loop.arun(client, is_healthy).send(None)
    finally:
        asyncio.sleep = real


def polled(source, **more):
    return lambda board: FleetClient(
        board, Poll(source, "http://h/a", HOUR_S, Retry(random=middle), first_s=10), **more
    )


def retried(source):
    return polled(source, retry=Retry(random=middle))


def mqtt(board):
    return FleetClient(board, AlibabaSource(board, Mqtt(), "pk", "dev", Down()), retry=Retry())


def grouped(board):
    source = Poll(Down(), "http://h/a", HOUR_S, Retry(random=middle), first_s=10)
    return FleetClient(board, Group([source], board))


# How the server is down, and for how many hours.
OUTAGES = (
    (polled(Down()), 3),
    (retried(Down()), 3),
    (retried(Down(True)), 0.05),
    (mqtt, 3),
    (grouped, 3),
)


def test_the_check_is_asked_each_second_of_an_outage_and_the_image_is_kept():
    for way in loop.run, beside:
        for make, hours in OUTAGES:
            world = World(make, hours, way)
            assert world.phase == IDLE
            assert world.asked > 0.9 * world.seconds
            assert len(world.board.lines) < 10, world.board.lines


def test_an_image_whose_check_says_no_stays_on_trial_in_an_outage():
    for way in loop.run, beside:
        world = World(retried(Down()), 3, way, 24 * HOUR_S)
        assert world.phase == TRIAL and world.client.state == PAUSED
        assert world.asked > 0.9 * world.seconds


def test_a_paused_update_goes_on_being_tried():
    source = Down()
    World(retried(source), 3, loop.run)
    assert 10 < source.opened < 20


def test_without_a_check_an_image_is_not_kept_while_the_server_is_down():
    for way in loop.run, beside:
        for make, hours in OUTAGES:
            assert World(make, hours, way, None).phase == TRIAL, make


def test_without_a_check_an_image_is_kept_once_the_server_has_answered():
    unchanged = FwError(errors.HTTP_STATUS, 304)
    for way in loop.run, beside:
        for make in polled, retried:
            make = make(Down(True, unchanged))
            assert World(make, 5 / HOUR_S, way, None).phase == TRIAL  # it is polled after 10 s
            assert World(make, 15 / HOUR_S, way, None).phase == IDLE
