"""Reader: the bytes of an image on their way out of a slot.

Owns the bounds of reads. To save heap it is apart from slot.py and writer.py: the three are not
needed at the same time.
"""

from hashlib import sha256

from fwcore.errors import TOO_BIG, FwError
from fwcore.storage import up


class Reader:
    """Reads an image from front to back, one buffer at each step, and digests it."""

    def __init__(self, slot, size):
        """size: bytes to read. Raises FwError TOO_BIG when that leaves the slot."""
        if size > slot.end - slot.body_at:
            raise FwError(TOO_BIG, size)
        self._storage = slot.storage
        self.at = slot.body_at
        self.hash = sha256()
        self.left = size

    def step(self, buf):
        """Read the next bytes into buf.

        buf:      memoryview, whole program units
        returns:  image bytes now at the front of buf; less than len(buf) only at the end
        raises:   OSError
        """
        count = len(buf)
        if self.left < count:
            count = self.left
            buf = buf[: up(count, self._storage.program_size)]
        self._storage.read(self.at, buf)
        self.hash.update(buf if len(buf) == count else buf[:count])
        self.at += count
        self.left -= count
        return count

    def digest(self):
        """SHA-256 (32 bytes) of what was read; ends the reader."""
        return self.hash.digest()
