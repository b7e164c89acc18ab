"""The update client: from an address to a committed candidate.

Owns the order of an update and nothing else: bytes come from a source, go to
fwcore.slot, and are judged by fwcore.manifest. It never touches the active image.

    state             what a step does                           next
    IDLE              nothing                                    start(): MANIFEST
    MANIFEST          reads the signed manifest, checks it       APPROVE_DOWNLOAD
    APPROVE_DOWNLOAD  asks the application                       OPEN
    OPEN              asks for the payload, if not a bundle      DOWNLOAD
    DOWNLOAD          one buffer from source to candidate        VERIFY
    VERIFY            one buffer read back from the candidate    APPROVE_INSTALL
    APPROVE_INSTALL   asks the application                       COMMIT
    COMMIT            writes the header: the durable moment      READY
    READY             nothing: reset, and the boot stage installs
    FAILED            nothing: `error` says why; start() begins anew

The address gives either a manifest, whose payload-uri is fetched next, or a
bundle: the manifest with its payload right behind it. What is different on devices with
a state region is proposal.py's.
"""

from micropython import const

from fwcore import errors, header, manifest
from fwcore.errors import FwError
from fwcore.slot import Reader, Writer, active_slot, slots

IDLE = const(0)
MANIFEST = const(1)
APPROVE_DOWNLOAD = const(2)
OPEN = const(3)
DOWNLOAD = const(4)
VERIFY = const(5)
APPROVE_INSTALL = const(6)
COMMIT = const(7)
READY = const(8)
FAILED = const(9)
_CONNECT = const(10)  # within start()

_BUFFER = const(4096)
_SCRATCH_AT = const(2048)  # the manifest stays below; headers are looked at above
_WAIT_MS = const(50)  # how long run() sleeps between looks at the watchdog
_COMPONENT = const("MAIN")


class Client:
    """One update at a time.

    board:             see docs/DESIGN.md, "What a board offers"
    source:            open(url), readinto(mv), wait(ms), close(), length, header: see
                       sources/http.py; raises FwError only, an OSError is taken for the storage's
    buf:               bytearray of 4096, 6144, 8192, ... bytes; made here when None
    approve_download(manifest), approve_install(manifest):
                       True yes, False no, None later (asked again at the next step)
    progress(done, total): payload bytes, after every buffer
    permanent:         True: install without a trial; for devices with a state region
    raises:            FwError MISALIGNED for a buffer of another size

    An OSError that a callback lets out is taken for the storage's.
    """

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
        self.buf = memoryview(buf or bytearray(_BUFFER))
        if len(self.buf) < _BUFFER or len(self.buf) % _SCRATCH_AT:
            raise FwError(errors.MISALIGNED, len(self.buf))
        self.approve_download = approve_download
        self.approve_install = approve_install
        self.progress = progress
        self.permanent = permanent
        self.state = IDLE
        self.error = None
        self.manifest = None

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self.error = None
        self.manifest = None
        self._have = 0  # bytes in the buffer
        self._url = url
        self.state = _CONNECT
        self.step()

    def step(self):
        """Do at most one buffer of work.

        returns:  True when something was done; False while waiting for bytes, for an
                  approval, or when there is nothing to do
        raises:   FwError; the update is then FAILED and the active image untouched. The
                  slot is empty, unless COMMIT failed: a header that could not be read
                  back may be whole, and then so is the image behind it.
        """
        state = self.state
        work = _STEPS[state]
        if not work:
            return False
        try:
            return work(self)
        except FwError as error:
            self.error = error
        except OSError as error:
            writes = state in (DOWNLOAD, COMMIT)
            self.error = FwError(
                errors.WRITE_FAILED if writes else errors.READ_FAILED, error.errno
            )
        self.source.close()
        self.state = FAILED
        raise self.error

    def run(self):
        """Step until READY (returns True), or until an approval says later (returns False).

        False also when there is nothing to do. Raises as step() does.
        """
        while self.state != READY:
            if not self.step():
                if self.state not in (MANIFEST, DOWNLOAD):
                    return False
                self.source.wait(_WAIT_MS)
            self.board.feed()
        return True

    async def arun(self):
        """run() for asyncio: gives way after every buffer, blocks only for the name look-up."""
        from asyncio import sleep

        while self.state != READY:
            worked = self.step()
            if not worked and self.state not in (MANIFEST, DOWNLOAD):
                return False
            self.board.feed()
            await sleep(0 if worked else _WAIT_MS / 1000)
        return True

    def _connect(self):
        if "state" in self.board.layout:
            from ufota import proposal

            self.source.header = proposal.header(self.board)
        self.source.open(self._url)
        self.state = MANIFEST
        return True

    def _read_manifest(self):
        """Read until the byte behind the manifest, or the end, shows which delivery this is."""
        size = manifest.frame_size(self.buf, self._have)
        if not size or self._have <= size:
            count = self.source.readinto(self.buf[self._have : _SCRATCH_AT])
            if count is None:
                return False
            if count:
                self._have += count
                return True
            if not size or self._have < size:
                raise FwError(errors.MALFORMED, self._have)
        self.manifest = manifest.read(self.buf[: self._have], self.board.key().verify)
        self._check()
        self._check_delivery()
        self.state = APPROVE_DOWNLOAD
        return True

    def _check(self):
        """For this device, newer, and fitting: in this order, and before anything is erased."""
        found = self.manifest
        board = self.board
        if found.vendor_id != board.vendor_id:
            raise FwError(errors.WRONG_VENDOR)
        if found.class_id != board.class_id:
            raise FwError(errors.WRONG_CLASS)
        layout = board.layout
        if found.component != layout.get("component", _COMPONENT):
            raise FwError(errors.WRONG_COMPONENT)
        size = found.installed_size
        self.proposal = None
        if "state" in layout:
            from ufota import proposal

            mv = self.buf[_SCRATCH_AT:]
            self.proposal = proposal.Proposal(board, found, mv, self.permanent)
        else:
            active = active_slot(layout, board.device(layout["active"]["device"]))
            if found.version <= self._version_in(active, None):
                raise FwError(errors.NOT_NEWER)
            if not active.fits(size):
                raise FwError(errors.TOO_BIG, size)
        if not found.size:
            raise FwError(errors.TOO_BIG)
        self._slot = self._choose_slot(size)
        if layout.get("signed", False):
            if not board.key().verify(found.installed_digest, found.image_signature):
                raise FwError(errors.BAD_SIGNATURE)

    def _check_delivery(self):
        """Where the payload comes from, and that its length can be right."""
        found = self.manifest
        self._bundled = self._have > found.end
        self._due = found.size  # bytes of the body that carries the payload
        if self._bundled:
            self._due += found.end
            self._check_length()
            if self._have > self._due:
                raise FwError(errors.TOO_LONG, self._have)

    def _choose_slot(self, size):
        """An empty slot, else the one with the oldest image. What cannot be read is left alone."""
        board = self.board
        area = board.layout.get("candidates")
        if not area:
            raise FwError(errors.NO_SLOT)
        internal = area.get("internal", False)
        self._key = None if internal else header.device_key(board.rot() or b"")
        if self.proposal:
            candidates = self.proposal.slots(self.buf[_SCRATCH_AT:], self._key)
        else:
            candidates = slots(board.layout, board.device(area["device"]))
        code, best, oldest = errors.NO_SLOT, None, 0
        for slot in candidates:
            try:
                version = self._version_in(slot, self._key)
            except OSError:
                continue
            if not slot.fits(size):
                code = errors.TOO_BIG
            elif not best or version < oldest:
                best, oldest = slot, version
        if not best:
            raise FwError(code, size)
        return best

    def _version_in(self, slot, key):
        """Version of the image in a slot, 0 when it holds none. Raises OSError."""
        try:
            return slot.read_header(self.buf[_SCRATCH_AT:], key).version
        except FwError:
            return 0

    def _check_length(self):
        """The server's length, where it gave one, must be what the manifest announces."""
        if self.source.length not in (None, self._due):
            raise FwError(errors.CORRUPT, self.source.length)

    def _ask_download(self):
        if not _approved(self.approve_download, self.manifest, errors.DOWNLOAD_DENIED):
            return False
        self.state = OPEN
        return True

    def _open_payload(self):
        found = self.manifest
        if self._bundled:
            rest = self._have - found.end
            self.buf[:rest] = self.buf[found.end : self._have]
            self._have = rest
        else:
            self._have = 0
            self.source.open(_resolve(found.uri, self._url))
        self._left = found.size - self._have  # payload bytes the source still owes
        self._writer = None
        self.state = DOWNLOAD
        return True

    def _download(self):
        """Fill the buffer; write it when it is full or the payload complete."""
        buf = self.buf
        room = min(len(buf) - self._have, self._left)
        if room:
            if room < len(buf):
                buf = buf[self._have : self._have + room]
            count = self.source.readinto(buf)
            if count is None:
                return False
            if not self._writer:
                self._check_length()
            if not count:
                raise FwError(errors.CUT_SHORT, self.manifest.size - self._left)
            self._have += count
            self._left -= count
            if count < room and self._left:
                return True
        if self._have:
            self._write()
        if self._left:
            return True
        if self.source.length is None and not self._at_end():
            return False
        self.source.close()
        if self._writer.digest() != self.manifest.installed_digest:
            raise FwError(errors.CORRUPT)
        self._reader = Reader(self._slot, self.manifest.installed_size)
        self.state = VERIFY
        return True

    def _write(self):
        """One buffer to the candidate. The first one is what erases."""
        if not self._writer:
            self._writer = Writer(self._slot, self.manifest.installed_size)
            if self.proposal:
                self.proposal.begin(self._slot)
            self._writer.begin()
        self._writer.write(self.buf[: self._have] if self._have < len(self.buf) else self.buf)
        self._have = 0
        if self.progress:
            self.progress(self.manifest.size - self._left, self.manifest.size)

    def _at_end(self):
        """True at the end of a body without a length; False while that is not known yet."""
        count = self.source.readinto(self.buf[:1])
        if count:
            raise FwError(errors.TOO_LONG, self.manifest.size)
        return count == 0

    def _verify(self):
        reader = self._reader
        if reader.left:
            reader.step(self.buf)
            return True
        if reader.digest() != self.manifest.installed_digest:
            raise FwError(errors.WRITE_FAILED)
        self.state = APPROVE_INSTALL
        return True

    def _ask_install(self):
        if not _approved(self.approve_install, self.manifest, errors.INSTALL_DENIED):
            return False
        self.state = COMMIT
        return True

    def _commit(self):
        found = self.manifest
        head = header.Header(
            found.version, found.installed_size, found.installed_digest, header.NO_CAMPAIGN
        )
        packed = self._slot.pack(head, self._key)
        if not self.proposal and self.board.layout.get("signed", False):
            from ufota import proposal

            packed = proposal.signed(self._slot, packed, found.image_signature)
        (self.proposal or self._slot).write_header(packed)
        self.state = READY
        return True


_STEPS = (  # by state
    None,
    Client._read_manifest,
    Client._ask_download,
    Client._open_payload,
    Client._download,
    Client._verify,
    Client._ask_install,
    Client._commit,
    None,
    None,
    Client._connect,
)


def _approved(ask, found, code):
    """True for yes, False for later. Raises FwError `code` for no."""
    answer = ask(found) if ask else True
    if answer is None:
        return False
    if not answer:
        raise FwError(code)
    return True


def _resolve(uri, base):
    """The payload's address: its own, or relative to where the manifest came from.

    raises:  FwError BAD_URL when there is none: the manifest came without its payload
    """
    if not uri or uri.startswith("//"):  # the second would name a host without saying how
        raise FwError(errors.BAD_URL)
    if uri.split("/")[0].endswith(":"):
        return uri
    base = base.partition("#")[0].partition("?")[0]
    root = base.find("/", base.find("://") + 3)  # where its path begins
    if root < 0:
        root = len(base)
        base += "/"
    if uri[0] == "/":
        return base[:root] + uri
    return base[: base.rfind("/") + 1] + uri
