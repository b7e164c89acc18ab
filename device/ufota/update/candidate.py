"""Candidate: an accepted image on its way into its slot, until the header commits it.

Owns the order of the writes. writer.py loads this file once the manifest is verified; other
files use it through writer.py.
"""

import sys

from fwcore import errors, modules
from fwcore.errors import FwError


class Candidate:
    """The image of an UpdateWriter that has accepted a manifest.

    raises:  FwError NOT_BEGUN
    """

    def __init__(self, update):
        _must(update.manifest)
        self._update = update
        self._slot = update.slot
        self._size = update.manifest.installed_size
        from fwcore.slot_writer import Writer  # loaded, by writer.py

        self._writer = Writer(self._slot, self._size)
        self._begun = False
        # What an earlier download left is digested again; the medium may have changed.
        self._reader = self._read(update.done) if update.done else None

    def catch_up(self):
        """Digest a buffer of what is there already. True while there is more. Raises OSError."""
        reader = self._reader
        if not reader or self._begun:
            return False
        if reader.left:
            reader.step(self._update.buf)
            return True
        self.begin(reader)
        return False

    def begin(self, reader=None):
        """Take the slot: no other update waits in it, and the resume record is of this image.

        What was in it is erased. write() calls this, but may itself be many calls deep by then.

        reader:   Reader of what an earlier download left, at its end: nothing is erased
        raises:   OSError; FwError WRITE_FAILED
        """
        if self._begun:
            return
        record, pending = self._update.record, self._update.pending
        self._begun = True
        if record and reader:
            record.go_on()
        elif record:
            record.start(self._slot)
        if pending:
            pending.begin(self._slot)
        if reader:
            self._writer.resume(reader)
        else:
            self._writer.begin()

    def write(self, mv):
        """The next bytes; the first call erases. Raises as UpdateWriter.write()."""
        _must(self._writer)
        self.begin()
        self._writer.write(mv)
        record = self._update.record
        if record:
            record.count(self._slot, self._writer)

    def finish(self):
        """All bytes are there. Raises FwError CORRUPT when they are not the right ones."""
        _must(self._writer)
        if self._writer.left:
            raise FwError(errors.CUT_SHORT, self._size - self._writer.left)
        digest = self._writer.digest()
        self._writer = None
        modules.make_room(("fwcore", "slot_writer"))
        if digest != self._update.manifest.installed_digest:
            self._forget()  # nobody knows which of the bytes is wrong
            raise FwError(errors.CORRUPT)
        self._reader = self._read(self._size)

    def verify(self):
        """Read a buffer back. True while there is more. Raises FwError WRITE_FAILED; OSError."""
        reader = self._reader
        if reader.left:
            reader.step(self._update.buf)
            return True
        self._reader = None
        if reader.digest() != self._update.manifest.installed_digest:
            self._forget()
            raise FwError(errors.WRITE_FAILED)
        return False

    def commit(self):
        """Write the header: from here the image counts. Raises FwError WRITE_FAILED; OSError."""
        modules.make_room(("fwcore", "slot_reader"))
        needed_again = ("ufota.web", "chunked"), ("ufota.web", "answers")
        modules.make_room(*needed_again, below=modules.VERY_SHORT)
        if "fwcore.header" not in sys.modules:  # not by load() where it is there: C stack
            modules.load("fwcore", "mac header")
        if self._update.record and not self._update.record.forget():
            raise FwError(errors.WRITE_FAILED)
        self.write_header()

    def write_header(self):
        """The last write of commit(). Raises as that."""
        update, slot = self._update, self._slot
        from fwcore.header import NO_CAMPAIGN, Header

        found = update.manifest
        head = Header(found.version, found.installed_size, found.installed_digest, NO_CAMPAIGN)
        packed = slot.pack(head, update.key)
        if slot.room:
            packed += found.image_signature
        (update.pending or slot).write_header(packed)

    def _read(self, size):
        modules.load("fwcore", "slot_reader")
        from fwcore.slot_reader import Reader  # here, so that commit() can drop the module

        return Reader(self._slot, size)

    def _forget(self):
        if self._update.record:
            self._update.record.forget()


def _must(begun):
    if not begun:
        from fwcore import errors_net

        raise FwError(errors_net.NOT_BEGUN)
