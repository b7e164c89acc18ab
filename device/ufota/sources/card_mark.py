"""Mark: which bytes of a file a verdict is about. For card.py.

offset size field    meaning
0      4    read     bytes that were read, from the first one on  (little-endian)
4      8    digest   the first bytes of their SHA-256
"""

import struct
from hashlib import sha256

from micropython import const

_MARK = "<I8s"  # 12 bytes
_PIECE = const(512)
_PIECES = const(32)  # of a step: 16 KiB, 20 to 40 ms of a card on SPI


class Mark:
    """Made while a file is read."""

    def __init__(self):
        self.read = 0
        self._hash = sha256()

    def add(self, mv):
        self._hash.update(mv)
        self.read += len(mv)

    def packed(self):
        """The mark, 12 bytes. Once: nothing is added after that."""
        return struct.pack(_MARK, self.read, self._hash.digest()[:8])


class Comparison:
    """Reads a file again, a piece at each call: does a mark fit to it?"""

    def __init__(self, packed):
        self._packed = packed
        self._due = struct.unpack(_MARK, packed)[0]
        self._begin()

    def _begin(self):
        self._mark = Mark()
        self._left = self._due

    def step(self, file):
        """Read on in `file`, which has just been opened.

        returns: None while there is more to read; then True when the bytes are the same, False
                 when they are others; after that it begins anew
        raises:  OSError
        """
        file.seek(self._due - self._left)
        buf = memoryview(bytearray(_PIECE))
        for _ in range(_PIECES):
            if not self._left:
                break
            count = file.readinto(buf[: min(_PIECE, self._left)])
            if not count:
                break
            self._mark.add(buf[:count])
            self._left -= count
        else:
            if self._left:
                return None
        found = self._mark.packed() == self._packed
        self._begin()
        return found
