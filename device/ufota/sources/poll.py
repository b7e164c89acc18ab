"""Polls: ask an address at intervals, with a random part so that a fleet spreads its requests.

Owns when to ask, and that an unchanged manifest is not sent again. Nothing here waits:
offer() returns an address only when it is time.
"""

import time

from fwcore import errors
from ufota.client import FAILED, READY
from ufota.sources.relay import Relay, nothing_new
from ufota.sources.retry import Retry, share, spread


class Pace:
    """When to poll next; for services too, whose requests Poll does not know.

    interval_s:  between two polls, more or less by an eighth; may be changed at any time,
                 and counts from the next poll on
    retry:       Retry: how long to wait after a failure; when it gives up, the interval
    first_s:     until the first poll; None: a random part of the interval

    Call left_ms() each six days at least, as ticks wrap; a later call delays the poll.
    """

    def __init__(self, interval_s, retry=None, first_s=None):
        self.interval_s = interval_s
        self.retry = retry or Retry()
        self._left = self._mark = 0
        if first_s is None:
            self._set(share(interval_s * 1000, self.retry.random))
        else:
            self._set(first_s * 1000)

    def left_ms(self):
        """Time left until the next poll; 0: now."""
        now = time.ticks_ms()
        self._left = max(self._left - max(time.ticks_diff(now, self._mark), 0), 0)
        self._mark = now
        return self._left

    def again(self):
        """Poll again after the interval."""
        self._set(spread(self.interval_s * 1000, self.retry.random))

    def failed(self, error, source, done=0):
        """Poll again when Retry says so; its after() explains the arguments."""
        wait = self.retry.after(error, source, done)
        if wait is None:
            self.again()
        else:
            self._set(wait)

    def notify(self, within_s=0):
        """There is an update: poll now, or after a random part of within_s."""
        self._set(share(within_s * 1000, self.retry.random))

    def _set(self, ms):
        self._left = ms
        self._mark = time.ticks_ms()


class Poll(Relay):
    """A source that offers one address at intervals; `source` fetches it.

    interval_s, retry, first_s:  see Pace
    cost:    lower goes first in a group

    pace.notify() makes it due, pace.interval_s may be changed.
    """

    def __init__(self, source, url, interval_s, retry=None, first_s=None, cost=700):
        super().__init__(source)
        self.cost = cost
        self.pace = Pace(interval_s, retry, first_s)
        self._url = url
        self._tag = b""  # of the manifest that was not newer

    def offer(self):
        """The address, when it is due; else None."""
        if self.pace.left_ms():
            return None
        self.pace.again()  # for the case that report() is never called
        return self._url

    def report(self, client):
        """The end of an update: poll again after the interval, or after a back-off."""
        error = client.error
        if client.state == FAILED and not nothing_new(error):
            self.pace.failed(error, self.source, client.done)
        elif client.state in (FAILED, READY):
            if client.state == FAILED and error.code == errors.NOT_NEWER:
                self._tag = self.source.tag
            self.pace.retry.reset()
            self.pace.again()

    def open(self, url, at=0, tag=b""):
        """As the source's; a manifest that was not newer is sent again only if it has changed."""
        source = self.source
        if at or url != self._url or not self._tag:
            super().open(url, at, tag)
            return
        header = getattr(source, "header", b"")
        line = b"If-None-Match: %s\r\n" if self._tag[:1] == b'"' else b"If-Modified-Since: %s\r\n"
        source.header = header + line % self._tag
        try:
            super().open(url, at, tag)
        finally:
            source.header = header
