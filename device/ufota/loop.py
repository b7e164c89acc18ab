"""The main loop of an unattended device: poll, update, reset, confirm, feed the watchdog.

An application with a loop of its own calls poll(), run() and confirm() there.

    each second      is_healthy() is asked, whatever the source does, and the image that runs is
                     confirmed once it says so
    in between       the next step of a poll, or of an update that is under way; an update whose
                     approval is put off is asked about again each second
    an error         is logged when it comes for the first time, then counted; how often it came
                     is logged when the source goes on
"""

import time

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from ufota.client import FAILED, IDLE, READY
from ufota.fleet_client import PAUSED
from ufota.sources.relay import nothing_new
from ufota.trial import confirm

_PAUSE_MS = const(1000)  # between two polls, and two questions to the application
_WAIT_MS = const(50)  # for bytes, at most
_MOST = const(8)  # errors that are counted; more are not told apart


def run(client, is_healthy=None):
    """Keep the device up to date. Never returns.

    client:  FleetClient
    is_healthy: is_healthy() is true once the image that runs may be kept. The watchdog is fed
             before and after it: what takes longer feeds it itself. None: one poll went well,
             that is, a server answered; one that is down keeps the image on trial
    Errors of an update, and of is_healthy(), are logged; then the loop goes on.
    raises:  what is neither FwError nor OSError; of a poll also no MemoryError; TypeError when
             is_healthy() is an async function
    """
    rounds = _Rounds(client, is_healthy)
    while True:
        rounds.check()
        wait_ms = rounds.update()
        if wait_ms is None:
            wait_ms = rounds.poll()
        rounds.wait(wait_ms)


async def arun(client, is_healthy=None):
    """run() for asyncio; is_healthy() is an ordinary function.

    No other task waits for a server, but for the look-up of a name, and what docs/SERVERS.md
    lists ("What cannot be cut").
    """
    import asyncio

    rounds = _Rounds(client, is_healthy)
    while True:
        rounds.check()
        wait_ms = rounds.update()
        if wait_ms is None:
            wait_ms = rounds.poll()
        await asyncio.sleep(wait_ms / 1000)


class _Rounds:
    """What run() and arun() do between their waits. Short ways to the client: C stack."""

    def __init__(self, client, is_healthy):
        self._client = client
        self._is_healthy = is_healthy
        self._checked_ms = None  # when is_healthy() was last asked
        self._is_kept = False  # confirmed, since the start
        self._steps = None  # of the poll under way
        self._has_asked = False  # that poll has waited for a server
        self._url = None  # what it offered
        self._went_well = False  # a poll did
        self._failed = _Errors(client.board, "no update")
        self._unfit = _Errors(client.board, "not confirmed")
        self.wait = time.sleep_ms  # wait(ms): for what update() has not got yet

    def check(self):
        """Each second: ask the application, and confirm what runs."""
        board, ask = self._client.board, self._is_healthy
        board.feed()
        if self._checked_ms is not None:
            if time.ticks_diff(time.ticks_ms(), self._checked_ms) < _PAUSE_MS:
                return
        try:
            is_well = ask() if ask else self._has_heard()
            if hasattr(is_well, "send"):  # of an async function: it would always be true
                raise TypeError
            if is_well and not self._is_kept:
                confirm(board)
                self._is_kept = True
            self._unfit.end()
        except (FwError, OSError) as error:
            self._unfit.add(error)
        board.feed()
        self._checked_ms = time.ticks_ms()

    def _has_heard(self):
        """True once a server has answered, with a manifest or that there is nothing new."""
        return self._went_well or self._client.manifest

    def update(self):
        """A step of the update. Returns how long to wait after it, ms; None: there is none."""
        client = self._client
        url, self._url = self._url, None
        self.wait = time.sleep_ms
        if not url and client.state in (IDLE, READY, FAILED):
            return None
        self._steps = None  # a poll that the application's own start() has overtaken
        try:
            if url:
                client.start(url)
                return 0
            if client.step():
                if client.state == READY:
                    client.board.reset()  # the boot stage installs it, on trial
                return 0
        except (FwError, OSError) as error:
            self._failed.add(error)
            self._went_well |= isinstance(error, FwError) and nothing_new(error)
            return _PAUSE_MS
        if client.state not in client._waiting:
            return _PAUSE_MS  # somebody is to agree
        self.wait = client._wait
        return _PAUSE_MS if client.state == PAUSED else _WAIT_MS

    def poll(self):
        """A step of the poll. Returns how long to wait after it, ms."""
        client = self._client
        source = client.source
        steps, self._steps = self._steps, None
        try:
            client.board.rot()  # opens the store while the stack is not deep
            if not hasattr(source, "offer"):
                begun = client.poll()
            elif not hasattr(source, "polling"):
                begun = self._url = source.offer()
            else:
                if not steps:
                    self._has_asked = False
                    steps = source.polling()
                wait_ms = next(steps)
                self._steps = steps
                self._has_asked = True
                return wait_ms
        except StopIteration as end:
            begun = self._url = end.value
        except (FwError, OSError, MemoryError) as error:
            self._failed.add(error)
            return _PAUSE_MS
        if begun:
            return 0
        if self._has_asked:
            self._failed.end()
        # One with a pace asks nobody before it is time.
        self._went_well |= self._has_asked or not hasattr(source, "pace")
        return _PAUSE_MS


class _Errors:
    """Logs an error when it comes for the first time, and in the end how often it came."""

    def __init__(self, board, what):
        self._board = board
        self._what = what
        self._counts = {}  # by number

    def add(self, error):
        if isinstance(error, MemoryError):
            number = errors.NO_MEMORY
        else:
            number = error.args and error.args[0]
        if isinstance(error, FwError) and nothing_new(error):
            self.end(number)
        counts = self._counts
        if number not in counts:
            if len(counts) == _MOST:
                self.end()
            self._board.log("{}, error {}".format(self._what, number))
        counts[number] = counts.get(number, 0) + 1

    def end(self, but=None):
        """The source goes on: tell how often each error came, and forget all but one."""
        for number in list(self._counts):
            if number != but:
                count = self._counts.pop(number)
                if count > 1:
                    text = "{}, error {} came {} times"
                    self._board.log(text.format(self._what, number, count))
