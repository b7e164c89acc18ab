"""Polls: ask an address at intervals, with a random part so that a fleet spreads its requests.

Owns when to ask, and that an unchanged manifest is not sent again. Nothing here waits:
offer() returns an address only when it is time.

An image that was fetched and is no good is fetched again at the next poll, as it may have been
mended. Each fetch erases a slot. So each further one comes after twice the time, from the
interval up to a day: 1440 polls a minute apart are 11 fetches on the first day, then one a day.
One that the link cut short, and not further on than ever, comes after twice the time up to an
hour. What comes between, and other errors, do not set that back: who sends garbage chooses them.
"""

import time

from micropython import const

from fwcore import errors
from ufota.client import FAILED, READY
from ufota.sources.relay import Relay, nothing_new
from ufota.sources.retry import Retry, is_final, ms_of, share, spread

_DAY_S = const(86400)
_HOUR_S = const(3600)
_FIRST_S = const(5)
_LEAST = const(1024)  # bytes that are progress
# Polls with a tag, until one without it: who answered for the server once may have given the tag
# of a newer manifest with the one that is not newer.
_TRUSTED = const(24)


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
        self._wait_s = self._most = 0  # of what was fetched in vain: the last wait, the most bytes
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
        if wait is None:
            self.again()
            wait = self._left
        if done:
            least = ms_of(self._in_vain(is_final(error.code), done))
            wait = max(wait, spread(least, self.retry.random))
        self._set(wait)

    def went_well(self, is_ready=True):
        """Poll again after the interval; what has failed before counts no more.

        is_ready: False: there was nothing new. Then what was fetched in vain still counts
        """
        if is_ready:
            self._wait_s = self._most = 0
        self.retry.reset()
        self.again()

    def _in_vain(self, is_judged, done):
        """Seconds to wait at least, after so many bytes of an image that is not there now.

        is_judged: True: all of it came, and was no good; False: it was cut short
        """
        if is_judged:
            wait = max(min(2 * self._wait_s, _DAY_S), self.interval_s)
        elif done - self._most >= _LEAST:
            self._most = done
            return 0
        else:
            wait = min(max(2 * self._wait_s, _FIRST_S), _HOUR_S)
        self._wait_s = max(self._wait_s, wait)
        return wait

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
        self._polls = 0  # that were made with it
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
        if client.state == READY:
            self.pace.went_well()
        elif client.state == FAILED:
            if error.code == errors.NOT_NEWER and client.url == self._url:  # not started by hand
                self._remember(self.source.tag)
            if nothing_new(error) and not client.fetched:
                self.pace.went_well(False)
            else:
                self.pace.failed(error, self.source, client.fetched)

    def _remember(self, tag):
        """The manifest with this tag was not newer.

        A date has whole seconds: another manifest may have followed in the same one. After an
        interval none does.
        """
        for byte in tag:
            if not 0x20 <= byte <= 0x7E:
                tag = b""  # it could forge the next request
        self._polls = 0
        is_certain = tag[:1] == b'"' or tag == self._date
        self._tag, self._date = (tag, b"") if is_certain else (b"", tag)

    def open(self, url, at=0, tag=b""):
        """As the source's; a manifest that was not newer is sent again only if it has changed."""
        source = self.source
        if self._polls == _TRUSTED:
            self._tag = b""
        if at or url != self._url or not self._tag:
            super().open(url, at, tag)
            return
        self._polls += 1
        header = getattr(source, "header", b"")
        line = b"If-None-Match: %s\r\n" if self._tag[:1] == b'"' else b"If-Modified-Since: %s\r\n"
        source.header = header + line % self._tag
        try:
            super().open(url, at, tag)
        finally:
            source.header = header
