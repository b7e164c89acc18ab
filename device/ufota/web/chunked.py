"""Chunked bodies (RFC 9112 section 7.1), taken out of their chunks.

Owns that coding; http.py does not know of it. Sizes, trailers and short chunks are read byte by
byte, by a state machine, so that no chunk costs an allocation.
"""

from errno import EAGAIN

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_SIZE = const(0)  # in the hex digits of a size
_EXTENSION = const(1)  # behind them, up to the line end
_DATA = const(2)
_DATA_END = const(3)  # the line end behind the data
_TRAILER = const(4)
_BROKEN = const(5)
_DONE = const(6)
_LONG = const(32)  # with so many data bytes or more, a slice is worth its memory
_MOST = const(512)  # bytes a call reads one by one: then the caller can feed the watchdog
_MAX_EXTRA = const(4096)  # bytes of extensions in a size line, and of all trailers
_MAX_SIZE_DIGITS = const(8)


class Chunks:
    """The stream inside of a chunked one. Allocates nothing for small chunks.

    stream:  with readinto(mv)
    byte:    bytearray of 1, scratch
    at:      offset of the first byte, for errors
    """

    def __init__(self, stream, byte, at):
        self.stream = stream
        self._byte = byte
        self._at = at
        self._state = _SIZE
        self._left = 0  # of the chunk, or the size read so far
        self._count = 0  # digits of the size, or bytes of the line

    def readinto(self, mv):
        """As of a socket. Raises OSError; FwError BAD_RESPONSE | CUT_SHORT, at = good bytes."""
        if self._state == _BROKEN:
            raise FwError(errors.BAD_RESPONSE, self._at)
        count = 0
        for _ in range(_MOST):
            if count == len(mv):
                break
            if self._state == _DATA and self._left >= _LONG:
                return count or self._read_long(mv)
            got = self._next(count)
            if got is None:
                return count or None
            if self._state == _DATA:
                mv[count] = self._byte[0]
                count += 1
                self._took(1)
            elif self._state != _DONE:
                self._state = self._step(self._byte[0])
            if self._state >= _BROKEN:
                break
        if not count and self._state == _BROKEN:
            raise FwError(errors.BAD_RESPONSE, self._at)
        return count if count or self._state == _DONE else None

    def is_done(self):
        return self._state == _DONE

    def _next(self, count):
        """Read one byte: True; None when there is none, or when the caller has `count` bytes."""
        if self._state == _DONE:
            return True
        try:
            got = self.stream.readinto(self._byte)
        except OSError as error:
            if count or error.errno == EAGAIN:
                return None
            raise
        if got == 0 and not count:
            raise FwError(errors.CUT_SHORT, self._at)
        return True if got else None

    def _read_long(self, mv):
        left = self._left
        got = self.stream.readinto(mv[:left] if left < len(mv) else mv)
        if got == 0:
            raise FwError(errors.CUT_SHORT, self._at)
        if got:
            self._took(got)
        return got

    def _took(self, count):
        self._at += count
        self._left -= count
        if not self._left:
            self._state = _DATA_END

    def _step(self, byte):
        """The state after a byte that is not data."""
        state = self._state
        ends = byte == 0x0A
        if state == _SIZE:
            digit = _hex(byte)
            if digit is not None:
                self._count += 1
                self._left = self._left * 16 + digit
                return _SIZE if self._count <= _MAX_SIZE_DIGITS else _BROKEN
            if not self._count or byte not in b";\r\n\t ":
                return _BROKEN
            self._count = 0
            state = _EXTENSION
        self._count += 1
        if state == _DATA_END:
            if not ends:
                return _DATA_END if byte == 0x0D and self._count == 1 else _BROKEN
            self._count = 0
            return _SIZE
        if self._count > _MAX_EXTRA:
            return _BROKEN
        if state == _EXTENSION:
            if not ends:
                return _EXTENSION
            self._count = 0
            return _DATA if self._left else _TRAILER
        return self._step_trailer(byte, ends)

    def _step_trailer(self, byte, ends):
        """_left is the length of the line here, which nobody needs otherwise."""
        if ends:
            if not self._left:
                return _DONE
            self._left = 0
        elif byte != 0x0D:
            self._left += 1
        return _TRAILER


def _hex(byte):
    if 0x30 <= byte <= 0x39:
        return byte - 0x30
    byte |= 0x20
    return byte - 0x57 if 0x61 <= byte <= 0x66 else None
