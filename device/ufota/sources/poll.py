"""Polls: ask an address at intervals, with a random part so that a fleet spreads its requests.

Owns when to ask, and that an unchanged manifest is not sent again. Nothing here waits:
offer() returns an address only when it is time.

An image that was fetched and is no good is fetched again at the next poll, as it may have been
mended. Each fetch erases a slot. So each further one in a row comes after twice the interval, up
to a day: 1440 polls a minute apart are 11 fetches on the first day, then one a day.
"""

import time

from micropython import const

from fwcore import errors
from ufota.client import FAILED, READY
from ufota.sources.relay import Relay, nothing_new
from ufota.sources.retry import Retry, is_final, ms_of, share, spread

_DAY_S = const(86400)


class Pace:
    """When to poll next; for services too, whose requests Poll does not know.

    interval_s:  between two polls, more or less by an eighth; may be changed at any time,
                 and counts from the next poll on
    retry:       Retry: how long to wait after a failure; when it gives up, the interval
    first_s:     until the first poll; None: a random part of the interval
    raises:      ValueError, TypeError

    Seconds may be fractions.
    Call left_ms() each six days at least, as ticks wrap; a later call delays the poll.
    """

    def __init__(self, interval_s, retry=None, first_s=None):
        self.interval_s = interval_s  # raises
        self.retry = retry or Retry()
        self._left = self._mark = 0
        self._verdict = self._wait_s = 0  # the last image was no good: its error, and the wait
        first_ms = share(ms_of(interval_s), self.retry.random)
        self._set(first_ms if first_s is None else ms_of(first_s))

    @property
    def interval_s(self):
        return self._interval_s

    @interval_s.setter
    def interval_s(self, seconds):
        ms_of(seconds)  # raises
        self._interval_s = seconds

    def left_ms(self):
        """Time left until the next poll; 0: now."""
        now = time.ticks_ms()
        self._left = max(self._left - max(time.ticks_diff(now, self._mark), 0), 0)
        self._mark = now
        return self._left

    def again(self):
        """Poll again after the interval."""
        self._set(spread(ms_of(self.interval_s), self.retry.random))

    def failed(self, error, source, done=0):
        """Poll again when Retry says so; its after() explains the arguments."""
        wait = self.retry.after(error, source, done)
        if wait is not None:
            self._set(wait)
        elif done and is_final(error.code):
            self._set(spread(ms_of(self._longer(error.code)), self.retry.random))
        else:
            self.again()

    def went_well(self):
        """Poll again after the interval; what has failed before counts no more."""
        self._verdict = 0
        self.retry.reset()
        self.again()

    def _longer(self, code):
        """Seconds to wait after an image was fetched and ended in this error."""
        wait = min(2 * self._wait_s, _DAY_S) if code == self._verdict else 0
        self._verdict, self._wait_s = code, max(wait, self.interval_s)
        return self._wait_s

    def notify(self, within_s=0):
        """There is an update: poll now, or after a random part of within_s."""
        self._set(share(ms_of(within_s), self.retry.random))

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
        if not isinstance(url, str):
            raise TypeError
        self.cost = cost
        self.pace = Pace(interval_s, retry, first_s)
        self._url = url
        self._tag = b""  # of the manifest that was not newer
        self._date = b""  # the same, when it is a date that came once only

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
                if client.url == self._url:  # not one that was started by hand
                    self._remember(self.source.tag)
            self.pace.went_well()

    def _remember(self, tag):
        """The manifest with this tag was not newer.

        A date has whole seconds: another manifest may have followed in the same one. After an
        interval none does.
        """
        is_certain = tag[:1] == b'"' or tag == self._date
        self._tag, self._date = (tag, b"") if is_certain else (b"", tag)

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
