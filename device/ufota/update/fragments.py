"""Fragments of an image in any order, for links that lose some.

Owns the record below, in the client store, and the rules that keep it true after a power cut.
writer.py loads this file when begin() gets the size of a fragment.

    offset size field    meaning
    0      4    at       address of the image's first byte; which slot it is    (little-endian)
    4      4    each     bytes of a fragment; the last one may be shorter
    8      32   digest   SHA-256 of the image
    40     1    header   1: there may be a header, or a torn one, in front of the image
    41     n    map      bit i % 8 of byte i // 8 is 1 when cell i is there

A cell is the part of a fragment that lies in one erase block: byte x of the image is in cell
x // each + (lead + x) // block, with `lead` bytes of the first erase block in front of the
image. (Where both boundaries meet, a number is left out.)

What was written after the record cannot be trusted after a reset. A unit whose program was cut
may read as blank now and not later, so a read proves nothing, and on NOR it may be programmed
again only after an erase. So of each erase block the record has the whole truth, or nothing:

* It has a cell of a block only when all its other cells of that block are blank for certain.
* Before another cell of such a block is written, a record without that block is written: the
  block is open then. A full block never needs that again.
* A block of which neither record nor RAM has a cell is erased before its first cell is written.

So no block is erased for having been interrupted but those that were open, nothing of a whole
one is lost, and nothing is programmed twice. Fragments in order cost a record for every
64th of the image; one that fills a gap in a block that is recorded costs one more. What
comes in no order at all opens the blocks once each, and is then recorded block by block.

On a card writes replace: there a cell without its bit is simply written.
"""

import struct

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.slot_reader import Reader
from fwcore.slot_writer import Writer
from fwcore.storage import blank, down, up
from ufota.update import client_store
from ufota.update.candidate import Candidate

_KEY = b"job"  # resume.py's too: in order or not, the newer download replaces the other record
_RECORD = "<II32sB"  # 41 bytes; map follows
_HEADER = const(40)
_MAP = const(41)
_MAX_MAP = const(640)  # bytes: the store holds 1024, and others need some of them
_RECORDS = const(64)  # records of an image that comes in order
_PAGE = const(256)  # bytes written and read back at a time, at least


class Fragments(Candidate):
    """The image of an UpdateWriter that has accepted a manifest, in fragments.

    update:  UpdateWriter
    each:    bytes of a fragment, a multiple of the program size
    again:   True: keep nothing of an earlier download of this image
    raises:  FwError MISALIGNED; UNSUPPORTED for all but plain images; TOO_BIG for too many
             fragments; OSError
    """

    def __init__(self, update, each, again=False):
        super().__init__(update)
        if update.target:
            raise FwError(errors.UNSUPPORTED)
        slot = self._slot
        storage = slot.storage
        if each <= 0 or each % storage.program_size:
            raise FwError(errors.MISALIGNED, each)
        self._each = each
        self._block, self._lead = storage.erase_size, slot.body_at % storage.erase_size
        if storage.overwrite:
            self._block, self._lead = slot.end, 0
        self._page = memoryview(bytearray(up(_PAGE, storage.program_size)))
        count = self._cell(self._size - 1) + 1
        if count > 8 * _MAX_MAP:
            raise FwError(errors.TOO_BIG, self._size)
        head = struct.pack(_RECORD, slot.body_at, each, update.manifest.installed_digest, 1)
        self._record = bytearray(head) + bytes((count + 7) // 8)
        self._store = client_store.of(update.board)
        if self._store and not again:
            self._recall(self._store.get(_KEY, b""))
        self._saved = bytes(self._record)
        self._every = max(8, self._size // each // _RECORDS)
        self._unsaved = 0  # fragments that no record has; one record for each `every` of them
        self._checked = False
        self._erased = 0  # offset in the image below which _begin() has just erased
        self._count()

    def catch_up(self):
        """Nothing is digested before all is there."""
        return False

    def begin(self, reader=None):
        """Nothing: write() begins, with a fragment that is one."""

    def missing(self, limit=8):
        """What to ask for: a list of (offset, size), whole fragments, at most `limit` of them."""
        runs = []
        for at in range(0, self._size, self._each):
            size = min(self._each, self._size - at)
            if self._whole(self._record, self._cell(at), self._cell(at + size - 1)):
                continue
            if runs and sum(runs[-1]) == at:
                runs[-1] = runs[-1][0], runs[-1][1] + size
            elif len(runs) == limit:
                break
            else:
                runs.append((at, size))
        return runs

    def write(self, mv, at=None):
        """Take a whole fragment, or raise; one that is there already is ignored.

        mv:      memoryview
        at:      its offset in the image
        raises:  FwError OUT_OF_ORDER for other bounds than a fragment's, WRITE_FAILED; OSError.
                 What else was in its erase blocks may be missing then
        """
        if at is None or not 0 <= at < self._size or at % self._each:
            raise FwError(errors_net.OUT_OF_ORDER, at or 0)
        end = min(self._size, at + self._each)
        if len(mv) != end - at:
            raise FwError(errors_net.OUT_OF_ORDER, at)
        self._begin()
        written = 0
        for start, stop in self._cells(at, end):
            cell = self._cell(start)
            if not self._there(self._record, cell, cell):
                self._ready(start)
                self._program(start, mv[start - at : stop - at])
                self._record[_MAP + (cell >> 3)] |= 1 << (cell & 7)
                self._update.done += stop - start
                written = 1
        self._unsaved += written
        if self._unsaved >= self._every:
            record = bytearray(self._record)
            self._leave_out(record, start)  # the next fragment is likely to be in it
            self._save(record)

    def save(self):
        """Make all that is here durable: before the device sleeps, for instance.

        raises:  OSError; FwError WRITE_FAILED
        """
        self._begin()
        self._save(self._record)

    def finish(self):
        """All fragments are there. Raises FwError INCOMPLETE, at = the first missing byte."""
        runs = self.missing(1)
        if runs:
            raise FwError(errors_net.INCOMPLETE, runs[0][0])
        self._begin()
        self._reader = Reader(self._slot, self._size)

    def verify(self):
        """Read a buffer back. True while there is more. Raises FwError CORRUPT; OSError."""
        reader = self._reader
        if reader.left:
            reader.step(self._update.buf)
            return True
        if reader.digest() == self._update.manifest.installed_digest:
            return False
        if self._checked:
            self._forget()  # nobody knows which of the fragments is wrong
            raise FwError(errors.CORRUPT)
        self._checked = True  # noise on a bus must not cost all of them
        self._reader = Reader(self._slot, self._size)
        return True

    def commit(self):
        """Write the header: from here the image counts. Raises FwError WRITE_FAILED; OSError."""
        self._begin()
        self._record[_HEADER] = 1
        if self._lead:  # header and image share a block, and it is open now
            self._clear(self._record, 0)
        self._save(self._record)
        self._begun = False
        self.write_header()
        self._forget()

    # The record

    def _recall(self, record):
        if len(record) == len(self._record) and record[:_HEADER] == self._record[:_HEADER]:
            self._record[:] = record

    def _begin(self):
        """Take the slot: no other update waits in it, and the record is of this image."""
        if self._begun:
            return
        self._save(self._record)  # the one that was found may be lost at the next reset
        if self._update.pending:
            self._update.pending.begin(self._slot)
        if self._record[_HEADER]:
            Writer(self._slot, self._size).begin()
            self._record[_HEADER] = 0
            self._erased = self._block_end(0) if self._lead else 0
        self._unsaved = 0
        self._begun = True

    def _save(self, record):
        """Make this the record; until this returns, the old one may be lost or not."""
        begun, self._begun = self._begun, False
        record = bytes(record)
        if self._store:
            self._store.put(_KEY, record)
        self._saved = record
        self._unsaved -= self._every
        self._begun = begun

    # Cells, by offsets in the image

    def _cell(self, at):
        """Number of the cell that has this byte."""
        return at // self._each + (self._lead + at) // self._block

    def _cells(self, at, end):
        """Bounds of the cells from one offset, where a cell begins, to another."""
        while at < end:
            each = (at // self._each + 1) * self._each
            stop = min(end, each, self._block_end(at))
            yield at, stop
            at = stop

    def _block_end(self, at):
        """Offset behind the erase block that has this byte."""
        return ((self._lead + at) // self._block + 1) * self._block - self._lead

    def _bounds(self, at):
        """(first, last) cell of the erase block that has this byte."""
        end = self._block_end(at)
        return self._cell(max(0, end - self._block)), self._cell(min(end, self._size) - 1)

    def _there(self, record, first, last):
        """How many of these cells a record has."""
        count = 0
        for cell in range(first, last + 1):
            count += record[_MAP + (cell >> 3)] >> (cell & 7) & 1
        return count

    def _whole(self, record, first, last):
        return self._there(record, first, last) == last - first + 1

    def _clear(self, record, at):
        """Take the cells of an erase block out of a record."""
        first, last = self._bounds(at)
        for cell in range(first, last + 1):
            record[_MAP + (cell >> 3)] &= ~(1 << (cell & 7))
        if record is self._record:
            self._count()

    def _leave_out(self, record, at):
        """The same, unless all of them are there, or need no erase to be written again."""
        if not self._slot.storage.overwrite and not self._whole(record, *self._bounds(at)):
            self._clear(record, at)

    def _count(self):
        done = 0
        for start, stop in self._cells(0, self._size):
            cell = self._cell(start)
            if self._there(self._record, cell, cell):
                done += stop - start
        self._update.done = done

    # The medium

    def _ready(self, at):
        """Make the erase block of a missing cell one that may be written to."""
        if self._slot.storage.overwrite:
            return
        bounds = self._bounds(at)
        if self._there(self._saved, *bounds):
            self._open(at)
        if self._there(self._record, *bounds):
            return
        if at < self._erased:
            self._erased = 0
            return
        start = down(self._slot.body_at + at, self._block)
        self._slot.storage.erase(start, self._block, self._update.board.feed)

    def _open(self, at):
        """Record all but what is open, and open one more erase block."""
        record = bytearray(self._record)
        block = self._block_end(at)
        start = 0
        while start < self._size:
            end = self._block_end(start)
            if end == block or not self._there(self._saved, *self._bounds(start)):
                self._leave_out(record, start)
            start = end
            self._update.board.feed()
        self._save(record)

    def _program(self, at, mv):
        """Write a cell and read it back. Raises OSError; FwError WRITE_FAILED."""
        try:
            for start in range(0, len(mv), len(self._page)):
                self._keep(self._slot.body_at + at + start, mv[start : start + len(self._page)])
                self._update.board.feed()
        except (OSError, FwError):
            if not self._slot.storage.overwrite:
                self._clear(self._record, at)  # only an erase helps
            raise

    def _keep(self, at, mv):
        count = len(mv)
        storage = self._slot.storage
        page = self._page[: up(count, storage.program_size)]
        page[:count] = mv
        blank(page, count)
        storage.write(at, page)
        blank(page, 0)
        storage.read(at, page)
        if page[:count] != mv:
            raise FwError(errors.WRITE_FAILED, at)
