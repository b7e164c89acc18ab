"""Journal: copies of a small record, so that the newest one survives any power cut.

Owns the bytes below and the order in which banks are erased; the caller (kv.py, the boot
state) owns what a payload means. A region is cut into three banks of whole erase blocks;
on NOR that is three erase blocks.

    bank     record | commit | seal | mark 0 | mark 1 ..., each in whole program units

    record:
    offset size field    meaning
    0      4    magic    b"uFWj"
    4      2    format   1                                   (all fields little-endian)
    6      2    length   payload bytes, n
    8      4    seq      counts up with every put; the newest is the highest
    12     n    payload
    12+n   4    crc      CRC-32 (zlib) of bytes 0..11+n

    commit:  seq, its complement and their CRC-32, 4 bytes each
    seal:    the same bytes once more, written last: nothing before it is torn
    mark i:  i and the CRC-32 of seq and i, 4 bytes each

A torn unit may read differently each time. So (R1..R6, docs/DESIGN.md):
* what load() found is only read: the first put of a session writes it anew elsewhere;
* the bank that put erases is neither of the two newest committed ones;
* a record counts when it is committed, or when no committed one is there;
* after the first put of a session the third bank is wiped, or a torn record in it,
  unreadable until now, could come back with a sequence number as high as the newest;
* where the newest has no seal, or another record no commit, a put was cut, and the next
  load() may find another newest: `settled` is False, and a caller puts it again before it
  acts on it.
"""

import struct
from binascii import crc32
from errno import EIO

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from fwcore.storage import down, up

_MAGIC = const(b"uFWj\x01\x00")  # magic and format
_RECORD = const("<6sHI")  # 12 bytes; payload and crc follow
_HEAD = const(12)
_CRC = const(4)
_COMMIT = const(12)
_MARK = const(8)
_BANKS = const(3)
_LOOKS = const(3)  # at all of them: a passing fault must not bring an old state back
_MAX_LENGTH = const(0xFFFF)
_MAX_SEQ = const(0xFFFFFFFF)  # never reached by counting


class Journal:
    """Snapshots of up to `limit` bytes, with marks that count steps after a snapshot.

    storage:  Storage
    start, size: bytes of the region; a third of it, in whole erase blocks, is a bank
    limit:    largest payload in bytes; also the most that load() allocates at a time
    raises:   FwError TOO_BIG when a bank cannot hold such a record and its commit
    """

    def __init__(self, storage, start, size, limit):
        self._storage = storage
        self._unit = storage.program_size
        self._start = start
        self._size = bank_size(size, storage.erase_size, self._unit, limit)
        self._limit = limit
        if not self._size:
            raise FwError(errors.TOO_BIG, limit)
        self._banks = []  # per bank (committed, seq); seq 0: no valid record
        self._own = -1  # bank this session has put to; -1: none yet
        self._length = 0  # of the payload in front of the marks
        self.payload = None
        self.marks = 0
        self.settled = True  # False: put it again, or the next load() may find another one
        self._unread = []  # banks of which something could not be read

    def load(self):
        """Find the newest snapshot; changes nothing.

        returns:  its payload, bytes, also in .payload; None when there is none.
                  .marks is how many marks follow it. Units that cannot be read, nor when all
                  was read once more, count as torn.
        raises:   OSError when there is none, and more banks cannot be read than a cut tears
        """
        self._own = -1
        for _ in range(_LOOKS):
            self._banks, self._unread = [], []
            self.payload, newest = None, (False, 0)
            for bank in range(_BANKS):
                found, payload = self._read_bank(bank)
                self._banks.append(found)
                if found > newest:
                    newest, self.payload = found, payload
                    base = bank
            self.marks, self.settled = 0, True
            if self.payload is not None:
                self._length = len(self.payload)
                self.marks = self._count_marks(base)
                seal = self._read(base, self._seal_at(self._length), _COMMIT)
                self.settled = seal == _commit(newest[1])
                # A torn commit may turn good later.
                self.settled &= all([committed or not seq for committed, seq in self._banks])
            if not self._unread:
                break
        if self.payload is None and len(set(self._unread)) > 1:
            self._banks = []
            raise OSError(EIO)
        return self.payload

    def put(self, payload):
        """Make payload the newest snapshot: durable, whole, when this returns.

        raises:  OSError; FwError TOO_BIG | WRITE_FAILED. The old snapshot stands, or, when only
                 the last wipe failed, the new one does: settled is False. OSError, and nothing
                 is written, when a bank that load() could not read can be read now: what the
                 caller knows may be old
        """
        if len(payload) > self._limit:
            raise FwError(errors.TOO_BIG, len(payload))
        if not self._banks:
            self.load()
        for bank in set(self._unread):
            if self._own < 0 and not self._banks[bank][1] and self._read_bank(bank)[1]:
                raise OSError(EIO)
        # The bank too: MicroPython does not keep the order of equals.
        order = sorted(range(_BANKS), key=lambda bank: (self._banks[bank], bank))
        own, base = order[0], order[-1]
        seq = max(found[1] for found in self._banks) + 1
        if seq + 1 >= _MAX_SEQ:  # somebody wrote it: all that is there goes
            self._banks = [(False, 0)] * _BANKS
            self._own, seq = -1, 1
        self.settled = False
        self._erase(own)
        self._write(own, 0, _record(seq, payload))
        self._write(own, self._record_size(len(payload)), _commit(seq))
        self._banks[own] = (True, seq)
        if self._own < 0:
            for bank in self._to_scrub(own, base):
                self._erase(bank)
                if self._storage.overwrite:
                    self._write(bank, 0, b"\xff" * self._unit)
        self._write(own, self._seal_at(len(payload)), _commit(seq))
        self.settled = True
        self._own = own
        self.payload, self._length, self.marks = bytes(payload), len(payload), 0

    def room(self):
        """How many marks this session can still append: 0 before its first put."""
        if self._own < 0:
            return 0
        used = self._mark_at(self.marks)
        return (self._size - used) // up(_MARK, self._unit)

    def mark(self):
        """Append a mark: one more step is done. Call only while room() is not 0.

        raises:  OSError; FwError WRITE_FAILED
        """
        own, self._own = self._own, -1  # a unit that failed is not written again: room() is 0
        self._write(own, self._mark_at(self.marks), _mark(self._banks[own][1], self.marks))
        self._own = own
        self.marks += 1

    def _read_bank(self, bank):
        """((committed, seq), payload) of a bank; ((False, 0), None) without a valid record."""
        head = self._read(bank, 0, _HEAD)
        if head is None or head[:6] != _MAGIC:
            return (False, 0), None
        _, length, seq = struct.unpack(_RECORD, head)
        if length > self._limit or not 0 < seq < _MAX_SEQ:
            return (False, 0), None
        record = self._read(bank, 0, _HEAD + length + _CRC)
        if record is None or record != _record(seq, record[_HEAD:-_CRC]):
            return (False, 0), None
        committed = self._read(bank, self._record_size(length), _COMMIT) == _commit(seq)
        return (committed, seq), record[_HEAD:-_CRC]

    def _count_marks(self, bank):
        seq, count = self._banks[bank][1], 0
        room = (self._size - self._mark_at(0)) // up(_MARK, self._unit)
        while count < room and self._read(bank, self._mark_at(count), _MARK) == _mark(seq, count):
            count += 1
        return count

    def _record_size(self, length):
        return up(_HEAD + length + _CRC, self._unit)

    def _seal_at(self, length):
        return self._record_size(length) + up(_COMMIT, self._unit)

    def _mark_at(self, index):
        return _marks_end(self._length, index, self._unit)

    def _read(self, bank, at, size):
        """`size` bytes of a bank, or None when they cannot be read."""
        buf = bytearray(up(size, self._unit))
        try:
            self._storage.read(self._start + bank * self._size + at, buf)
        except OSError:  # an ECC error is what a torn unit looks like on some flashes
            self._unread.append(bank)
            return None
        return bytes(buf[:size])

    def _write(self, bank, at, data):
        page = bytearray(b"\xff" * up(len(data), self._unit))
        page[: len(data)] = data
        self._storage.write(self._start + bank * self._size + at, page)
        if self._read(bank, at, len(page)) != page:
            raise FwError(errors.WRITE_FAILED, bank)

    def _erase(self, bank):
        """Prepare a bank for a new record: where writes replace, nothing needs to be done."""
        self._banks[bank] = (False, 0)
        self._storage.erase(self._start + bank * self._size, self._size)

    def _to_scrub(self, own, base):
        """Banks to wipe, so that no other record than these two is left, readable or not (R6)."""
        kept = (own, base) if self._banks[base][1] else (own,)
        return [bank for bank in range(_BANKS) if bank not in kept]


def bank_size(size, erase, program, limit, marks=0):
    """Bytes of a bank in a region of `size` bytes; 0 when that is too small.

    erase, program: bytes, of the device
    limit, marks:   bytes of the largest payload, and how many marks must fit behind it
    """
    bank = down(size // _BANKS, erase)
    if limit > _MAX_LENGTH or _marks_end(limit, marks, program) > bank:
        return 0
    return bank


def _marks_end(length, marks, program):
    """Where in a bank a payload of `length` bytes and so many marks end."""
    at = up(_HEAD + length + _CRC, program) + 2 * up(_COMMIT, program)
    return at + marks * up(_MARK, program)


def _record(seq, payload):
    body = struct.pack(_RECORD, _MAGIC, len(payload), seq) + payload
    return body + struct.pack("<I", crc32(body))


def _commit(seq):
    body = struct.pack("<II", seq, seq ^ 0xFFFFFFFF)
    return body + struct.pack("<I", crc32(body))


def _mark(seq, index):
    return struct.pack("<II", index, crc32(struct.pack("<II", seq, index)))
