"""Delta: makes the new image out of a detools patch and the old image.

Owns the format below, as detools 0.53 writes it with `--patch-type sequential --compression
none`; a compressed one goes through inflate.py before. Numbers are 1 to 5 bytes: the first has
6 bits of the value, the further ones 7, low bits first; 0x40 of the first is the sign, 0x80 of
each means that another follows.

    first byte    type << 4 | compression: both 0
    number        bytes of the image
    number        bytes of a data format patch: 0, there is none
    records, until all bytes of the image are there; nothing after them:
      number      count
      count bytes each to be added, mod 256, to one of the old image
      number      count
      count bytes of the image
      number      how far to move in the old image, which began at its first byte; a move past
                  its begin or end is refused

Few bytes that are deflated can be very many records, and each is work. bsdiff begins a record
only for nine bytes and more that match, so a patch has no more than size / 8 + 16 of them; and
not more than 16 in a row make no byte (in 3000 random patches it was 4).
"""

from micropython import const

from fwcore.errors import FwError
from ufota.decoders import errors

_STEP = const(256)  # bytes added at a time
_SHIFT_MAX = const(27)  # bits a number has before its fifth byte, the last
_EACH = const(8)  # bytes of the image for each record, at least, on average
_SPARE = const(16)  # records beyond that; also records in a row that make no byte

# What the next number, or byte, is.
_KIND = const(0)
_SIZE = const(1)
_FORMAT = const(2)
_DIFF = const(3)
_EXTRA = const(4)
_SEEK = const(5)
_OVER = const(6)


class Patch:
    """Decoder for a detools patch.

    sink:    decoder or sink that gets the image
    old:     the image before: size, and read(at, mv) for any bytes of it
    size:    bytes of the image, as announced
    native:  False: no machine code
    RAM:     512 bytes of buffers; without machine code 600 more, and 2 KiB to collect at times

    write() and end() raise FwError BAD_STREAM, STREAM_CUT, TOO_MUCH, OUTSIDE_OLD, OTHER_PATCH,
    OTHER_SIZE, and what `old` and the sink raise. After an error the decoder cannot go on.
    """

    def __init__(self, sink, old, size, native=True):
        self._sink = sink
        self._old = old
        self._size = self._left = size
        from ufota.decoders.add import adder  # here, so that the module can be dropped

        self._add = adder(_STEP, native)
        self._buf = memoryview(bytearray(_STEP))
        self._zeros = memoryview(bytes(_STEP))
        self._taken = 0
        self._place = 0  # in the old image
        self._next = _KIND
        self._value = self._shift = self._sign = 0
        self._run = 0  # bytes of a diff or extra that are still to come
        self._records = size // _EACH + _SPARE  # that may still come
        self._mark = size  # what was left of the image when a record last made a byte
        self._empty = 0  # records since then

    def write(self, mv):
        """Take the next bytes of the patch: all, or raise."""
        at, end = 0, len(mv)
        while at < end:
            if self._run:
                count = min(self._run, end - at)
                if self._next == _EXTRA:  # its count is what follows the diff
                    count = min(count, _STEP)
                    self._sink.write(self._sum(mv[at : at + count]))
                else:
                    self._sink.write(mv[at : at + count])
                at += count
                self._run -= count
            else:
                self._byte(mv[at], self._taken + at)
                at += 1
        self._taken += end

    def end(self):
        """The patch is over. Returns the sink, the next to be ended. Raises as write()."""
        if self._next != _OVER:
            raise FwError(errors.STREAM_CUT, self._taken)
        return self._sink

    def _sum(self, diff):
        """The next bytes of the image, of so many bytes of a diff, at most _STEP."""
        count = len(diff)
        buf = self._buf if count == _STEP else self._buf[:count]
        self._old.read(self._place, buf)
        self._place += count
        if diff != (self._zeros if count == _STEP else self._zeros[:count]):
            self._add(buf, diff)
        return buf

    def _byte(self, byte, at):
        """One byte of a number. at: where it is, for the error."""
        if self._next == _KIND:
            if byte:
                raise FwError(errors.OTHER_PATCH, byte)
            self._next = _SIZE
            return
        shift = self._shift
        if self._next == _OVER or shift > _SHIFT_MAX:
            raise FwError(errors.BAD_STREAM, at)
        if not shift:
            self._sign = byte & 0x40
            self._value = byte & 0x3F
            self._shift = 6
        else:
            self._value |= (byte & 0x7F) << shift
            self._shift = shift + 7
        if byte < 0x80:
            self._shift = 0
            self._number(-self._value if self._sign else self._value)

    def _number(self, value):
        step = self._next
        self._next = step + 1
        if step == _SIZE:
            if value != self._size:
                raise FwError(errors.OTHER_SIZE, value)
        elif step == _FORMAT:
            if value:
                raise FwError(errors.OTHER_PATCH, value)
        elif step == _SEEK:
            self._place += value
            self._check_place(self._place)
            self._count()
            self._next = _DIFF
        else:
            if not 0 <= value <= self._left:
                raise FwError(errors.TOO_MUCH, self._size)
            if step == _DIFF:
                self._check_place(self._place + value)
            self._run = value
            self._left -= value
        # An image of no bytes has no records, and no data format either.
        if not self._left and step in (_SIZE, _SEEK):
            self._next = _OVER

    def _count(self):
        """A record is over. Raises FwError BAD_STREAM when there are too many."""
        self._records -= 1
        self._empty += 1
        if self._left != self._mark:
            self._mark = self._left
            self._empty = 0
        if self._records < 0 or self._empty > _SPARE:
            raise FwError(errors.BAD_STREAM, self._taken)

    def _check_place(self, place):
        if not 0 <= place <= self._old.size:
            raise FwError(errors.OUTSIDE_OLD, place)
