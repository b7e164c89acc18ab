"""Candidate: an accepted image on its way into its slot, until the header commits it.

Owns the order of the writes. intake.py loads this file once the manifest is verified, and is
what others use.
"""

from fwcore import errors, modules
from fwcore.errors import FwError


class Candidate:
    """The image of an Intake that has accepted a manifest.

    raises:  FwError NOT_BEGUN
    """

    def __init__(self, intake):
        _must(intake.manifest)
        self._intake = intake
        self._slot = intake.slot
        self._size = intake.manifest.installed_size
        from fwcore.writer import Writer  # loaded, by intake.py

        self._writer = Writer(self._slot, self._size)
        self._begun = False
        # What is kept is digested again; the medium may have changed meanwhile.
        self._reader = self._read(intake.done) if intake.done else None

    def catch_up(self):
        """Digest a buffer of what is kept. True while there is more of it. Raises OSError."""
        reader = self._reader
        if not reader or self._begun:
            return False
        if reader.left:
            reader.step(self._intake.buf)
            return True
        self.begin(reader)
        return False

    def begin(self, reader=None):
        """The slot is ours now: no update waits in it, and what is kept in it is this image.

        What was in it is erased. write() calls this, but may itself be many calls deep by then.

        reader:   Reader of what is kept, at its end: nothing is erased
        raises:   OSError; FwError WRITE_FAILED
        """
        if self._begun:
            return
        kept, proposal = self._intake.kept, self._intake.proposal
        self._begun = True
        if kept and reader:
            kept.resume()
        elif kept:
            kept.start(self._slot)
        if proposal:
            proposal.begin(self._slot)
        if reader:
            self._writer.resume(reader)
        else:
            self._writer.begin()

    def write(self, mv):
        """The next bytes; the first ones are what erases. Raises as Intake.write()."""
        _must(self._writer)
        self.begin()
        self._writer.write(mv)
        kept = self._intake.kept
        if kept:
            kept.note(self._slot, self._writer)

    def finish(self):
        """All bytes are there. Raises FwError CORRUPT when they are not the right ones."""
        _must(self._writer)
        if self._writer.left:
            raise FwError(errors.CUT_SHORT, self._size - self._writer.left)
        digest = self._writer.digest()
        self._writer = None
        modules.make_room(("fwcore", "writer"))
        if digest != self._intake.manifest.installed_digest:
            self._forget()  # nobody knows which of the bytes is wrong
            raise FwError(errors.CORRUPT)
        self._reader = self._read(self._size)

    def verify(self):
        """Read a buffer back. True while there is more. Raises FwError WRITE_FAILED; OSError."""
        reader = self._reader
        if reader.left:
            reader.step(self._intake.buf)
            return True
        self._reader = None
        if reader.digest() != self._intake.manifest.installed_digest:
            self._forget()
            raise FwError(errors.WRITE_FAILED)
        return False

    def commit(self):
        """Write the header: the durable moment. Raises FwError WRITE_FAILED; OSError."""
        modules.make_room(("fwcore", "reader"))
        if self._intake.kept:  # not by _forget(): C stack
            self._intake.kept.forget()
        self.write_header()

    def write_header(self):
        """The last write of commit(). Raises as that."""
        intake, slot = self._intake, self._slot
        from fwcore.header import NO_CAMPAIGN, Header

        found = intake.manifest
        head = Header(found.version, found.installed_size, found.installed_digest, NO_CAMPAIGN)
        packed = slot.pack(head, intake.key)
        if not intake.proposal and intake.board.layout.get("signed", False):
            from ufota.update import pending

            packed = pending.signed(slot, packed, found.image_signature)
        (intake.proposal or slot).write_header(packed)

    def _read(self, size):
        modules.load("fwcore", "reader")
        from fwcore.reader import Reader  # here, so that commit() can let go of the module

        return Reader(self._slot, size)

    def _forget(self):
        if self._intake.kept:
            self._intake.kept.forget()


def _must(begun):
    if not begun:
        from fwcore import errors_net

        raise FwError(errors_net.NOT_BEGUN)
