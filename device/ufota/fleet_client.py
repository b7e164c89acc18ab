"""The client of an unattended device: it polls, resumes after every interruption, and reports.

Owns the states PAUSED and REJOIN, and when it reports to its source. The update itself is in
client.py, the candidate in candidate.py, the record for a resume after a reset in resume.py, the
length of waits in retry.py.

    a link breaks   PAUSED for as long as retry says; then the source is asked for what follows.
                    What came stays in the buffer and in the candidate: nothing is fetched twice
    a reset         the manifest is fetched and verified again; if it is still this image, what the
                    candidate has is digested, and the source is asked for what follows
    the object changed, or the server knows no ranges
                    the source begins at 0, and so does the update
"""

import time

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from fwcore.modules import load
from ufota.client import (
    ACCEPT,
    APPROVE_DOWNLOAD,
    CONNECT,
    DOWNLOAD,
    FAILED,
    IDLE,
    MANIFEST,
    OPEN,
    READY,
    Client,
)

PAUSED = const(12)  # behind those of client.py
REJOIN = const(13)  # after PAUSED, until the first byte shows where the source goes on

_LINKED = (CONNECT, MANIFEST, OPEN, DOWNLOAD, PAUSED, REJOIN)
_REPORT_MS = const(1000)
_FRAME = const(4)  # bytes that tell how long a manifest is


class FleetClient(Client):
    """A Client that polls, resumes and reports.

    source:    also offer() and report(client), where it is a service: see sources/group.py
    retry:     retry.Retry; None: a broken link is an error at once. What looks permanent
               (verdicts.py) is one in any case; the next attempt is poll()'s, in good time
    progress(done, total): payload bytes; at most each 1 % and each second, and at the end
    all else:  as for Client

    With a region `client` in the layout a download survives a reset. So does an address that the
    application gave to start(), when the source has no offer(): poll() begins that update anew,
    until it is READY, or has failed with an error that is final.

    fetched:   most bytes of an image that were written since start(), whatever came after them
    """

    _steps = Client._steps + ("_go_on", "_rejoin")
    _waiting = (MANIFEST, DOWNLOAD, PAUSED, REJOIN)

    def __init__(self, board, source, retry=None, progress=None, **more):
        super().__init__(board, source, progress=progress, **more)
        self.progress = self._report
        if retry:
            retry.reset()  # raises, of what is no Retry
        self.retry = retry
        self._progress = progress
        self._rests = False  # True: poll() begins nothing before _until_ms
        self._goes_on = False  # True: it is poll() that calls start() after that

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self._anew()
        self._begin(url)
        self.step()

    def poll(self):
        """Start what the source offers, or what a reset interrupted. True when one has begun.

        Does nothing while an update is under way. Raises FwError; OSError of the client store.
        """
        if self.state not in (IDLE, READY, FAILED):
            return False
        if hasattr(self.source, "offer"):
            url = self.source.offer()
        elif self._rests and time.ticks_diff(self._until_ms, time.ticks_ms()) > 0:
            return False
        else:
            url = _kept().pending(self.board)
            self._goes_on = bool(url) and self._rests
        if url:
            self.start(url)
        return bool(url)

    def abort(self):
        """Give the update up; what came is discarded."""
        super().abort()
        self._rests = False
        self._forget_url(None)

    def step(self):
        """As Client.step(); returns True after an error from which the update goes on."""
        state = self.state
        work = self._steps[state]
        try:
            if state == MANIFEST and hasattr(self.source, "bare") and self.source.bare():
                work = "_take_bare"
            worked = getattr(self, work)() if work else False
        except (FwError, OSError, MemoryError) as error:
            self._fail(error, state)
            worked = True
        if self.state == FAILED and state != FAILED:
            try:
                self._after_error(state)
            except MemoryError:
                pass  # of what it loads: FAILED it stays
        if self.state != state:
            self._changed()
            self._tell()
            if self.state == FAILED:
                raise self.error  # type: ignore[misc]  # it is None only while nothing failed
        elif self._has_news:
            self._tell()
        return worked

    def _anew(self):
        """start() begins with a new back-off, unless poll() takes up what has failed."""
        self.fetched = 0
        if self.retry and not self._goes_on:
            self.retry.reset()
        self._goes_on = self._rests = False

    def _changed(self):
        if self.state == APPROVE_DOWNLOAD and self.update.record:
            if not hasattr(self.source, "offer"):
                self.update.record.remember(self.url)
        elif self.state == READY:
            self._forget_url(self.url)

    def _begin(self, url):
        super()._begin(url)
        self._tag = b""  # the source's tag of the object that brings the payload
        self._whole = False  # True: all of the payload is here, and no end is asked for
        self._told = None  # (bytes, ms) of the last report of progress
        self._has_news = False  # True: there is progress to report to the source

    def _open_payload(self):
        record = self.update.record
        if record and self.update.done:
            return self._catch_up()
        if record:  # from here every buffer ends where a reset could go on
            self._full = record.first(self.update.slot) % self._full or self._full
        return super()._open_payload()

    def _take_bare(self):
        """The source brings an image without a manifest."""
        load("fwcore", "errors_net manifest formats")
        from ufota.update import unsigned

        self.manifest = unsigned.take(self)
        self.state = ACCEPT
        return True

    def _peek(self, size):
        # Only what tells a bundle from a manifest: after a reset the payload is here already.
        return size + 1 if size else _FRAME

    def _wait(self, ms):
        if self.state != PAUSED:
            self.source.wait(ms)
        else:
            time.sleep_ms(max(0, min(ms, time.ticks_diff(self._until_ms, time.ticks_ms()))))

    def _tell(self):
        """Let the source report to its service; an error there must never stop an update."""
        self._has_news = False
        if hasattr(self.source, "report"):
            try:
                self.source.report(self)
            except (FwError, MemoryError):
                pass

    def _report(self, done, total):
        """Progress after a buffer; reported seldom enough not to slow the update down."""
        self.fetched = max(self.fetched, done)
        now_ms = time.ticks_ms()
        told = self._told
        if told and done < total:
            if (done - told[0]) * 100 < total or time.ticks_diff(now_ms, told[1]) < _REPORT_MS:
                return
        self._told = done, now_ms
        if self._progress:
            self._progress(done, total)
        self._has_news = True  # step() reports it: a source needs a request for that

    def _forget_url(self, url):
        if "client" in self.board.layout:
            _kept().forget_url(self.board, url)

    # A link broke

    def _after_error(self, state):
        """The update FAILED in this state: PAUSED or CONNECT instead, when it can go on."""
        if self.error.code == errors.CORRUPT and state not in (CONNECT, MANIFEST, ACCEPT):
            if self.update.done and not self._again:
                self._begin(self.url)
                self._again = True  # an earlier download may have left the wrong bytes
                return
        retry, wait_ms = self.retry, None
        pauses = retry and state in _LINKED and not retry.is_rare(self.error, self.source)
        if pauses or retry and not hasattr(self.source, "offer"):  # else the source has a back-off
            # Begun anew, a download makes no progress: who cuts it chooses where.
            done = 0 if self._again else self.done + self._have
            wait_ms = retry.after(self.error, self.source, done)
        if wait_ms is not None:
            self._until_ms = time.ticks_add(time.ticks_ms(), wait_ms)
            if pauses:
                if state == DOWNLOAD:
                    self._tag = self.source.tag
                if state != PAUSED:  # else the source could not even be opened again
                    self._broken = state
                self.state = PAUSED
                return
            self._rests = True
            return
        from ufota.sources.retry import is_final

        if is_final(self.error.code):
            self._forget_url(self.url)

    def _go_on(self):
        if time.ticks_diff(self._until_ms, time.ticks_ms()) > 0:
            return False
        if self._broken in (CONNECT, MANIFEST):
            again = self._again
            self._begin(self.url)
            self._again = again
            return True
        self.error = None
        return self._reopen()

    def _reopen(self):
        """Ask for what is missing of the payload."""
        self._whole = not self._left
        if self._whole:
            self.state = DOWNLOAD
            return True
        self._asked = self._start + self.manifest.size - self._left
        self.state = REJOIN
        self._open(self._asked, self._tag)
        return True

    def _rejoin(self):
        """The first byte after a pause shows where the source goes on."""
        have = self._have
        count = self.source.readinto(self.buf[have : have + 1])
        if count is None:
            return False
        if self.source.at == self._asked:
            self._check_length()
            if not count:
                raise FwError(errors.CUT_SHORT, self._asked)
            self._left -= 1
            self._have += 1
            self.state = DOWNLOAD
            return True
        self.buf[0] = self.buf[have]
        self._have = count
        self._again = True
        self.done = 0
        found = self.manifest
        if self._start:
            self.manifest = None
            self.state = MANIFEST
        else:
            self.update.accept(found, True)
            self._left = found.size - count
            self.state = DOWNLOAD
        return True

    def _at_end(self):
        return self._whole or super()._at_end()

    # The board was reset

    def _catch_up(self):
        """A step of OPEN: digest what the candidate has, a buffer at a time; go on behind it."""
        update, source = self.update, self.source
        if self._have:  # of the manifest, and of what is here already
            if self._start:
                self._tag = source.tag
            source.close()
            self._have = 0
        if update.open().catch_up():
            return True
        self.done = update.done
        self._left = self.manifest.size - update.done
        return self._reopen()


def _kept():
    load("ufota.update", "client_store resume")
    from ufota.update import resume

    return resume
