"""Several sources as one: the cheapest that can deliver goes first.

Owns which source to ask, as Arm's source manager does. A round begins with all of them; one
that fails is left out until the round ends: with an update, or when no source is left.
A client with a Retry tries one source for as long as that lasts, so give it few attempts.
"""

import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota.client import FAILED, READY
from ufota.sources.relay import Relay, finish, nothing_new

_BUSY_TIMES = const(2)
_BUSY_MS = const(500)
_SLICE_MS = const(50)


class Group(Relay):
    """A source made of up to ten others.

    sources:  sources with offers; of two with the same cost, the first in the list goes first
    board:    its feed() is called while a busy source is waited for
    """

    def __init__(self, sources, board):
        self._sources = list(sources)
        self._board = board
        self._out = []  # left out of this round
        self._error = None  # the last one of this round
        self._news = None  # the source that offered the update under way
        super().__init__(self._ordered()[0])
        self.cost = self.source.cost

    def offer(self):
        """The offer of the cheapest source that has one.

        raises:  FwError NO_SOURCE, at = number of the last error: some failed, and no other has
                 an offer
        """
        return finish(self.polling(), time.sleep_ms, self._board.feed)

    def polling(self):
        """offer() in steps: a generator that yields how long to wait, ms."""
        self._news = None
        for source in self._ordered():
            if source not in self._out:
                url = yield from self._ask(source)
                if url:
                    self._news = source
                    self.use(source)
                    return url
        error = self._error
        self._begin()
        if error:
            raise FwError(errors_net.NO_SOURCE, error.code)
        return None

    def report(self, client):
        """Learn how an update ends; the source that offered it gets every report."""
        source = self._news
        if not source:  # started by hand
            return
        if client.state == READY:
            self._news = None
            self._begin()
        elif client.state == FAILED:
            self._news = None
            self._leave_out(source, client.error)
            if client.error.code == errors.WRITE_FAILED:  # fetched in vain from the others too
                self._out = list(self._sources)
        source.report(client)

    def open(self, url, at=0, tag=b""):
        """Open with the source that offered last, or with another that can use the address."""
        self.source.close()
        for source in [self.source] + self._ordered():
            try:
                source.open(url, at, tag)
                self.use(source)
                return
            except FwError as error:
                if error.code != errors.BAD_URL:
                    raise
        raise FwError(errors.BAD_URL)

    def _begin(self):
        """A new round."""
        self._out = []
        self._error = None

    def _leave_out(self, source, error):
        self._out.append(source)
        if not nothing_new(error):
            self._error = error

    def _ask(self, source):
        """What it offers; None, and it is left out, when it fails."""
        for turn in range(_BUSY_TIMES + 1):
            try:
                if hasattr(source, "polling"):
                    return (yield from source.polling())
                return source.offer()
            except FwError as error:
                if error.code != errors_net.BUSY or turn == _BUSY_TIMES:
                    self._leave_out(source, error)
                    return None
            for _ in range(0, _BUSY_MS, _SLICE_MS):
                yield _SLICE_MS

    def _ordered(self):
        """The sources by cost. Not sorted(): on MicroPython that may swap equal ones."""
        found = []
        for source in self._sources:
            at = len(found)
            while at and found[at - 1].cost > source.cost:
                at -= 1
            found.insert(at, source)
        return found
