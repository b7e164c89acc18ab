"""Delta: makes the new image out of Arm's patch and the old image.

Owns the format that Arm's manifest-delta-tool writes and its FOTA client applies. All fields
are little-endian.

    offset size field    meaning
    0      16   magic    PELION/BSDIFF001
    16     8    size     bytes of the image
    24     8    frame    bytes a frame makes, at most
    32     8    packed   bytes a frame takes, at most; not looked at, as Arm does not either

Then records, until all bytes of the image are there, and nothing after them. Numbers are 1 to
7 bytes of 7 bits, low bits first; 0x80 of each means that another follows.

    number        x: bytes of the image made of a sum
    number        y: bytes of the image made of nothing else
    number        how far to move in the old image after its x bytes, shifted left by one; the
                  lowest bit is the sign. A move past its begin or end is refused
    frames        making x bytes together, each to be added, mod 256, to one of the old image
    frames        making y bytes together

A frame is a number, how many bytes follow, and these: an LZ4 block.

Few bytes that are deflated can be very many records and frames, and each is work. So there are
not more than size / 2 + 16 of both together, and not more than 16 records in a row make no
byte. bsdiff begins a record only for nine bytes and more that match, and its last two frames
may be short: size / 3, and one for each full frame.
"""

import struct

from micropython import const

from fwcore.errors import FwError
from ufota.decoders import errors
from ufota.decoders.lz4 import unpack

_HEADER = "<16sQQQ"
_HEADER_SIZE = const(40)
_MAGIC = b"PELION/BSDIFF001"
_FRAME_MIN = const(64)  # Arm's
_STEP = const(256)  # bytes added at a time
_SHIFT_MAX = const(42)  # bits a number has before its seventh byte, the last
_EACH = const(2)  # bytes of the image for each record and frame, at least, on average
_SPARE = const(16)  # of them beyond that; also records in a row that make no byte

# What the next number, or bytes, are.
_HEAD = const(0)
_DIFF = const(1)
_EXTRA = const(2)
_SEEK = const(3)
_FRAME = const(4)
_OVER = const(5)


class ArmPatch:
    """Decoder for Arm's patch.

    sink:    decoder or sink that gets the image
    old:     the image before: size, and read(at, mv) for any bytes of it
    size:    bytes of the image, as announced
    frame:   the largest frames this device takes, 64 or more; Arm's tool makes 512
    feed:    called after every frame, for the watchdog
    native:  False: no machine code
    RAM:     2 * frame + 256 bytes of buffers; without machine code 600 more, and 2 KiB to
             collect at times

    write() and end() raise FwError BAD_STREAM, STREAM_CUT, TOO_MUCH, OUTSIDE_OLD, OTHER_PATCH,
    OTHER_SIZE, BIG_FRAME, and what `old` and the sink raise. After an error it cannot go on.
    """

    def __init__(self, sink, old, size, frame=512, feed=None, native=True):
        self._sink = sink
        self._old = old
        self._size = self._left = size
        self._feed = feed
        from ufota.decoders.add import adder  # here, so that the module can be dropped

        self._add = adder(_STEP, native)
        frame = max(frame, _FRAME_MIN)
        self._packed = memoryview(bytearray(frame))
        self._plain = memoryview(bytearray(frame))
        self._buf = memoryview(bytearray(_STEP))
        self._limit = frame  # of what this patch's frames may take and make
        self._taken = 0
        self._place = 0  # in the old image
        self._next = _HEAD
        self._value = self._shift = 0
        self._have = 0  # bytes in _packed
        self._want = _HEADER_SIZE  # bytes of the header or a frame, all of them
        self._diff = self._extra = self._move = 0  # what is left of a record
        self._pieces = size // _EACH + _SPARE  # records and frames that may still come
        self._mark = size  # what was left of the image when a record last made a byte
        self._empty = 0  # records since then

    def write(self, mv):
        """Take the next bytes of the patch: all, or raise."""
        at, end = 0, len(mv)
        while at < end:
            if self._want:
                at += self._gather(mv[at : at + self._want - self._have])
                if self._have < self._want:
                    continue
                whole = self._packed[: self._want]
                self._have = self._want = 0
                if self._next == _HEAD:
                    self._header(whole)
                else:
                    self._frame(whole)
            else:
                self._byte(mv[at], self._taken + at)
                at += 1
        self._taken += end

    def end(self):
        """The patch is over. Returns the sink, the next to be ended. Raises as write()."""
        if self._next != _OVER:
            raise FwError(errors.STREAM_CUT, self._taken)
        return self._sink

    def _gather(self, mv):
        """Bytes of the header or a frame. Returns how many."""
        count = len(mv)
        self._packed[self._have : self._have + count] = mv
        self._have += count
        return count

    def _header(self, mv):
        magic, size, frame, _ = struct.unpack(_HEADER, mv)
        if magic != _MAGIC:
            raise FwError(errors.OTHER_PATCH)
        if size != self._size:
            raise FwError(errors.OTHER_SIZE, size)
        if frame > self._limit:
            raise FwError(errors.BIG_FRAME, frame)
        if frame < _FRAME_MIN:
            raise FwError(errors.BAD_STREAM, 24)
        self._limit = frame
        self._next = _DIFF if size else _OVER

    def _byte(self, byte, at):
        """One byte of a number. at: where it is, for the error."""
        shift = self._shift
        if self._next == _OVER or shift > _SHIFT_MAX:
            raise FwError(errors.BAD_STREAM, at)
        self._value |= (byte & 0x7F) << shift
        self._shift = shift + 7
        if byte < 0x80:
            value = self._value
            self._value = self._shift = 0
            self._number(value)

    def _number(self, value):
        step = self._next
        if step == _FRAME:
            if not 0 < value <= self._limit:
                raise FwError(errors.BAD_STREAM, self._taken)
            self._want = value
            return
        self._next = step + 1
        if step == _SEEK:
            self._move = -(value >> 1) if value & 1 else value >> 1
            self._settle()
            return
        if value > self._left:
            raise FwError(errors.TOO_MUCH, self._size)
        self._left -= value
        if step == _DIFF:
            self._check_place(self._place + value)
            self._diff = value
        else:
            self._extra = value

    def _frame(self, packed):
        self._count()
        due = self._diff or self._extra
        count = unpack(packed, self._plain[: min(due, self._limit)])
        if count <= 0:
            raise FwError(errors.BAD_STREAM, self._taken)
        if self._diff:
            for at in range(0, count, _STEP):
                self._sink.write(self._sum(self._plain[at : min(count, at + _STEP)]))
            self._diff -= count
        else:
            self._sink.write(self._plain[:count])
            self._extra -= count
        if self._feed:
            self._feed()
        self._settle()

    def _sum(self, diff):
        """The next bytes of the image, of so many bytes of a diff, at most _STEP."""
        buf = self._buf[: len(diff)]
        self._old.read(self._place, buf)
        self._place += len(diff)
        self._add(buf, diff)
        return buf

    def _settle(self):
        """A record whose frames are all there is over once it has moved."""
        if not self._diff and not self._extra:
            self._place += self._move
            self._check_place(self._place)
            self._empty += 1
            if self._left != self._mark:
                self._mark = self._left
                self._empty = 0
            self._count()
            self._next = _DIFF if self._left else _OVER

    def _count(self):
        """A record or a frame more. Raises FwError BAD_STREAM when there are too many."""
        self._pieces -= 1
        if self._pieces < 0 or self._empty > _SPARE:
            raise FwError(errors.BAD_STREAM, self._taken)

    def _check_place(self, place):
        if not 0 <= place <= self._old.size:
            raise FwError(errors.OUTSIDE_OLD, place)
