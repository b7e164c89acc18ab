"""The update client: from an address to a committed candidate.

Owns the order of an update and nothing else: bytes come from a source, update/writer.py
checks and writes them. It never touches the active image.

    state             what a step does                           next
    IDLE              nothing                                    start(): MANIFEST
    MANIFEST          reads the signed manifest                  ACCEPT
    ACCEPT            for this device, newer, fitting?           APPROVE_DOWNLOAD
    APPROVE_DOWNLOAD  asks the application                       OPEN
    OPEN              asks for the payload, if not a bundle      DOWNLOAD
    DOWNLOAD          one buffer from source to candidate        VERIFY
    VERIFY            one buffer read back from the candidate    APPROVE_INSTALL
    APPROVE_INSTALL   asks the application                       COMMIT
    COMMIT            writes the header: durable from here on    READY
    READY             nothing: reset, and the boot stage installs
    FAILED            nothing: `error` says why; start() begins anew

The address gives either a manifest, whose payload-uri is fetched next, or a
bundle: the manifest with its payload right behind it. What unattended devices need besides
(broken links, resets, services) is in fleet_client.py; this client takes less heap.
"""

from micropython import const

from fwcore import errors, modules
from fwcore.errors import FwError
from ufota.update.writer import SCRATCH_AT, UpdateWriter

IDLE = const(0)
MANIFEST = const(1)
ACCEPT = const(2)
APPROVE_DOWNLOAD = const(3)
OPEN = const(4)
DOWNLOAD = const(5)
VERIFY = const(6)
APPROVE_INSTALL = const(7)
COMMIT = const(8)
READY = const(9)
FAILED = const(10)
CONNECT = const(11)  # within start()

_OTHER_LENGTH = const(95)  # of errors_net.py, which would take 2 KB of heap for this
_WAIT_MS = const(50)  # how long run() sleeps between looks at the watchdog


class Client:
    """One update at a time.

    board:             see docs/DESIGN.md, "What a board offers"
    source:            open(url, at, tag), readinto(mv), wait(ms), close(), at, length, tag: see
                       sources/http.py; raises FwError only, an OSError is taken for the storage's
    buf:               bytearray of 4096, 6144, 8192, ... bytes; made here when None
    approve_download(manifest), approve_install(manifest):
                       True yes, False no, None later (asked again at the next step);
                       ordinary functions, also beside asyncio
    progress(done, total): payload bytes, after every buffer
    permanent:         True: install without a trial; for devices with a state region
    raises:            FwError MISALIGNED for a buffer of another size; TypeError

    done:              bytes of the payload that are in the candidate

    An OSError that a callback raises is taken for the storage's.
    """

    _tells = False  # True: requests name the image that runs; see patch_client.py
    # What a step does, by state.
    _steps = (
        None,
        "_read_manifest",
        "_accept",
        "_ask_download",
        "_open_payload",
        "_download",
        "_verify",
        "_ask_install",
        "_commit",
        None,
        None,
        "_connect",
    )
    _waiting = (MANIFEST, DOWNLOAD)  # states in which a step that did nothing waits for bytes

    def __init__(
        self,
        board,
        source,
        buf=None,
        approve_download=None,
        approve_install=None,
        progress=None,
        permanent=False,
    ):
        self.board = board
        self.source = source
        for each in (approve_download, approve_install, progress):
            if each and not callable(each):
                raise TypeError
        self.update = UpdateWriter(board, buf, permanent)
        self.buf = self.update.buf
        self.approve_download = approve_download
        self.approve_install = approve_install
        self.progress = progress
        self.state = IDLE
        self.error = None
        self.manifest = None
        self.done = 0

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self._begin(url)
        self.step()

    def abort(self):
        """Give the update up; what came is discarded."""
        self.source.close()
        self.update.abort()
        self.state = IDLE

    def step(self):
        """Do at most one buffer of work.

        returns:  True when something was done; False while waiting for bytes, for an
                  approval, or when there is nothing to do
        raises:   FwError; the update is then FAILED and the active image untouched. The
                  slot is empty, unless COMMIT failed: a header that could not be read
                  back may be whole, and then so is the image behind it.
        """
        state = self.state
        work = self._steps[state]
        try:
            return getattr(self, work)() if work else False
        except (FwError, OSError, MemoryError) as error:
            failed = self._fail(error, state)
        raise failed

    def _fail(self, error, state):
        """A step of this state has failed. Returns the FwError."""
        if isinstance(error, MemoryError):
            error = FwError(errors.NO_MEMORY)
        elif isinstance(error, OSError):
            writes = state in (DOWNLOAD, COMMIT)
            code = errors.WRITE_FAILED if writes else errors.READ_FAILED
            error = FwError(code, errors.errno_of(error))
        self.error = error
        self.source.close()
        self.state = FAILED
        return error

    def run(self):
        """Step until READY (returns True), or until an approval says later (returns False).

        False also when there is nothing to do. Raises as step() does.
        """
        while self.state != READY:
            if not self.step():
                if self.state not in self._waiting:
                    return False
                self._wait(_WAIT_MS)
            self.board.feed()
        return True

    def arun(self):
        """run() for asyncio: gives way after every buffer, blocks only for the name look-up."""
        from ufota import client_async

        return client_async.run(self, READY)

    def _begin(self, url):
        self.error = None
        self.manifest = None
        self.done = 0
        self._have = 0  # bytes in the buffer
        self._full = len(self.buf)  # bytes with which it is written
        self.url = url  # of the manifest
        self._url = url  # the same, then of what brings the payload
        self._again = False  # True: keep nothing of an earlier download
        self.state = CONNECT

    def _wait(self, ms):
        self.source.wait(ms)

    def _connect(self):
        self._open()
        self.state = MANIFEST
        return True

    def _open(self, at=0, tag=b""):
        """Open the source at a byte, with the client's header lines for this request only."""
        source = self.source
        own = source.header
        try:
            if own or self._tells or "state" in self.board.layout:
                self.board.rot()  # for the State; not deeper: it opens the store
                modules.load("ufota.web", "request_headers")
                from ufota.web import request_headers

                request_headers.add(self)
            source.open(self._url, at, tag)
        finally:
            source.header = own

    def _read_manifest(self):
        """Read until a byte behind the manifest shows a bundle, or the end a manifest alone."""
        from fwcore import manifest

        size = manifest.frame_size(self.buf, self._have)
        if not size or self._have <= size:
            count = self.source.readinto(self.buf[self._have : self._peek(size)])
            if count is None:
                return False
            if count:
                self._have += count
                return True
            if not size or self._have < size:
                raise FwError(errors.MALFORMED, self._have)
        self.manifest = self.update.read(self.buf[: self._have])
        self.state = ACCEPT  # a step of its own: the memory of this one is free then
        return True

    def _peek(self, size):
        """Up to which byte to read, for a manifest that ends at `size`; 0: not known yet."""
        return SCRATCH_AT

    def _accept(self):
        """Is it for this device, newer, fitting? Where is the payload, and how long is it?"""
        found = self.update.accept(self.manifest, self._again)
        self.state = APPROVE_DOWNLOAD
        self._start = found.end if self._have > found.end else 0  # of the payload in its object
        self._left = found.size  # payload bytes the source still owes
        if self._start:
            self._check_length()
            if self._have > self._start + found.size:
                raise FwError(errors.TOO_LONG, self._have)
        else:
            from ufota.web.url import resolve

            self._url = resolve(found.uri, self._url)
        return True

    def _check_length(self):
        """The server's length, where it gave one, must be what the manifest announces."""
        if self.source.length not in (None, self._start + self.manifest.size):
            raise FwError(_OTHER_LENGTH, self.source.length)

    def _ask_download(self):
        if not self._approved(self.approve_download, errors.DOWNLOAD_DENIED):
            return False
        self.state = OPEN
        return True

    def _approved(self, ask, code):
        """True for yes, False for later. Raises FwError `code` for no."""
        answer = ask(self.manifest) if ask else True
        if hasattr(answer, "send"):  # of an async function: it would always be a yes
            raise TypeError
        if answer is None:
            return False
        if not answer:
            self.update.abort()
            raise FwError(code)
        return True

    def _open_payload(self):
        if self._start:
            self._have -= self._start
            self.buf[: self._have] = self.buf[self._start : self._start + self._have]
        else:
            self._have = 0
            self._open()
        self._left -= self._have
        self.state = DOWNLOAD
        return True

    def _download(self):
        """Fill the buffer; write it when it is full or the payload complete."""
        buf = self.buf
        room = min(self._full - self._have, self._left)
        if room:
            if room < len(buf):
                buf = buf[self._have : self._have + room]
            count = self.source.readinto(buf)
            if count is None:
                return False
            self._check_length()
            if not count:
                raise FwError(errors.CUT_SHORT, self.manifest.size - self._left)
            self._have += count
            self._left -= count
            if count < room and self._left:
                return True
        candidate = self.update.open()
        if self._have:  # writing the first buffer erases the slot
            candidate.begin()
            candidate.write(self.buf[: self._have] if self._have < len(self.buf) else self.buf)
            self._have = 0
            self._full = len(self.buf)
            self.done = self.manifest.size - self._left
            if self.progress:
                self.progress(self.done, self.manifest.size)
        if self._left:
            return True
        if not self._at_end():
            return False
        self.source.close()
        candidate.finish()
        self.state = VERIFY
        return True

    def _at_end(self):
        """True at the end of the object; False while that is not known yet."""
        if self.source.length is not None:
            return True
        count = self.source.readinto(self.buf[:1])
        if count:
            raise FwError(errors.TOO_LONG, self.manifest.size)
        return count == 0

    def _verify(self):
        if not self.update.candidate.verify():
            self.state = APPROVE_INSTALL
        return True

    def _ask_install(self):
        if not self._approved(self.approve_install, errors.INSTALL_DENIED):
            return False
        self.state = COMMIT
        return True

    def _commit(self):
        self.update.candidate.commit()
        self.state = READY
        return True
