"""UpdateWriter: checks and writes an update, whichever source brings it.

Owns the order: manifest verified and checked, then the first erase, the image, its digest read
back from the medium, and last the header. It never touches the active image. client.py brings
images from sources; an application whose bytes come another way does it itself:

    update = UpdateWriter(board)
    found = update.begin(manifest)     # signed, for this device, newer: nothing erased yet
    for fragment in ...:               # from byte update.done on
        update.write(fragment)
    update.end()                       # durable: reset, and the boot stage installs it

The rules of acceptance are in acceptance.py; what is needed once the image comes is in
candidate.py. Each is loaded when it is needed, so that the heap need not hold all at once.
"""

from micropython import const

from fwcore import errors, modules
from fwcore.errors import FwError

BUFFER = const(4096)
SCRATCH_AT = const(2048)  # a manifest stays below; headers are looked at above


class UpdateWriter:
    """One image at a time.

    board:      see docs/DESIGN.md, "What a board offers"
    buf:        bytearray of 4096, 6144, 8192, ... bytes; made here when None
    permanent:  True: install without a trial; for devices with a state region
    manifest:   Manifest, once begin() has accepted it
    target:     what makes the candidate where that is not a plain image for the application:
                of targets.py, or payload.py; else None
    done:       bytes of its payload that are here: write() goes on from there
    raises:     FwError MISALIGNED for a buffer of another size; TypeError of what cannot be
                written to
    """

    def __init__(self, board, buf=None, permanent=False):
        self.board = board
        self.buf = memoryview(buf or bytearray(BUFFER))
        if len(self.buf) < BUFFER or len(self.buf) % SCRATCH_AT:
            raise FwError(errors.MISALIGNED, len(self.buf))
        self.buf[0] = 0  # raises
        self.permanent = permanent
        self.candidate = self.record = self.manifest = self.slot = self.key = self.target = None

    def begin(self, packed, again=False, fragment_size=0):
        """Verify and check a manifest; nothing is erased, nothing written.

        packed:   bytes-like, the DER of a signed manifest; what follows it is not looked at
        again:    True: keep nothing of an earlier download of this image
        fragment_size: bytes of each fragment, when they may come in any order (fragments.py); a
                  multiple of the program size
        returns:  Manifest
        raises:   FwError: of manifest.read(), WRONG_CLASS, NOT_NEWER, TOO_BIG, NO_SLOT, NEEDS,
                  ...; with a state region, or of firmware, also ON_TRIAL, BLACK_LISTED,
                  BELOW_FLOOR; UNSUPPORTED of all but plain images in any order; of
                  payload.check(); OSError
        """
        found = self.accept(self.read(packed), again)
        if fragment_size:
            from ufota.update.fragments import Fragments

            self.done = 0  # it counts anew what is there
            self.candidate = Fragments(self, fragment_size, again)
        return found

    def read(self, packed):
        """The first half of begin(): Manifest, verified."""
        from fwcore import manifest

        return manifest.read(packed, self.board.key().verify)

    def accept(self, found, again=False):
        """The second half of begin(). found: Manifest, verified in some way. Returns it."""
        modules.make_room(("fwcore", "manifest"), ("fwcore", "p256"))
        layout = self.board.layout
        modules.load("fwcore", modules.STATE if "state" in layout else modules.SLOT)
        from ufota.update import acceptance

        self.candidate = self.record = self.manifest = self.target = None
        acceptance.check(self, found)
        self.manifest = found
        self.done = 0
        if "client" in layout and not self.target:
            modules.load("ufota.update", "client_store resume")
            from ufota.update import resume

            self.record = resume.of(self.board, found)
            if self.record and not again:
                self.done = self.record.done(self.slot, self.buf[SCRATCH_AT:], self.key)
        return found

    def write(self, fragment, at=None):
        """Take the next bytes of the payload: all, or raise.

        fragment: bytes-like of any length
        at:       where it belongs, when fragments may come in any order
        raises:   FwError TOO_LONG | OUT_OF_ORDER | NOT_BEGUN | WRITE_FAILED; OSError
        """
        candidate = self.open()
        if at is not None:
            self._scattered(at).write(memoryview(fragment), at)
            return
        while candidate.catch_up():
            self.board.feed()
        candidate.begin()
        candidate.write(memoryview(fragment))
        self.done += len(fragment)

    def missing(self, limit=8):
        """Of fragments in any order: (offset, size) of what to ask for, at most `limit` runs."""
        return self._scattered(0).missing(limit)

    def _scattered(self, at):
        candidate = self.open()
        if not hasattr(candidate, "missing"):
            from fwcore import errors_net

            raise FwError(errors_net.OUT_OF_ORDER, at)
        return candidate

    def end(self):
        """Read the image back and commit it; durable when this returns.

        raises:  FwError CORRUPT for other bytes than the manifest's, CUT_SHORT for too few,
                 WRITE_FAILED; OSError. After CORRUPT nothing of the image is kept. After all
                 but CUT_SHORT the next call is begin()
        """
        candidate = self.open()
        while candidate.catch_up():
            self.board.feed()
        candidate.finish()
        while candidate.verify():
            self.board.feed()
        candidate.commit()

    def abort(self):
        """Give up: no more bytes are taken. May be called at any time."""
        if self.record:
            self.record.forget()
        self.candidate = self.record = self.manifest = self.target = None

    def open(self):
        """The Candidate of what begin() accepted. Raises FwError NOT_BEGUN."""
        if not self.candidate:
            modules.make_room(("ufota.update", "acceptance"), ("ufota.web", "url"))
            needed_again = ("fwcore", "header"), ("fwcore", "mac")
            modules.make_room(*needed_again, below=modules.VERY_SHORT)
            if self.manifest and self.target:
                self.candidate = self.target.image(self)
            else:  # without a manifest it says NOT_BEGUN
                modules.load("fwcore", "slot_writer")
                from ufota.update.candidate import Candidate

                self.candidate = Candidate(self)
        return self.candidate
