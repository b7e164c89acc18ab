"""Writer: the bytes of an image on their way into a slot.

Owns the order of erases and programs.
"""

from hashlib import sha256

from fwcore import errors
from fwcore.errors import FwError
from fwcore.storage import blank, down, up


class Writer:
    """Streams one image into a slot.

    slot:    Slot
    size:    bytes of the image, known before the first byte
    raises:  FwError TOO_BIG, before anything is touched
    """

    def __init__(self, slot, size):
        if not slot.fits(size):
            raise FwError(errors.TOO_BIG, size)
        self._slot = slot
        self._storage = slot.storage
        self._page = memoryview(bytearray(slot.storage.program_size))
        self._waiting = 0  # bytes in _page, not yet programmed
        self._at = slot.body_at  # where the next unit goes
        # Everything of the slot below this address is erased.
        self._erased = down(slot.header_at, slot.storage.erase_size)
        self._hash = sha256()
        self.left = size

    def begin(self):
        """Make the slot empty: from here its old header is gone. Raises OSError."""
        slot = self._slot
        if self._storage.overwrite:
            self._pad()
            for at in range(slot.header_at, slot.header_at + slot.header_size(), len(self._page)):
                self._storage.write(at, self._page)
            self._erased = slot.end  # as good as: every write replaces
        else:
            end = up(self._at, self._storage.erase_size)
            self._storage.erase(self._erased, end - self._erased)
            self._erased = end

    def resume(self, reader):
        """Go on behind what is in the slot, instead of begin().

        reader:  Reader of this slot at its end, which is a boundary that kept() of another
                 Writer returned
        """
        self._hash = reader.hash
        self.left -= reader.at - self._at
        self._at = reader.at
        self._erased = self._slot.end if self._storage.overwrite else reader.at

    def kept(self, step):
        """Bytes of the image that another Writer can go on behind, now that they are written.

        step:  a multiple of the erase size; the address there is a multiple of it, too
        """
        if not self.left:
            return self._at - self._slot.body_at
        return max(0, down(self._at, step) - self._slot.body_at)

    def write(self, data):
        """Take all of data, or raise.

        data:    memoryview of any length; at most what is left of the image
        raises:  FwError TOO_LONG; OSError
        """
        count = len(data)
        if count > self.left:
            raise FwError(errors.TOO_LONG, count)
        self._hash.update(data)
        self.left -= count
        if self._waiting:
            data = self._top_up(data)
            count = len(data)
            if self._waiting == len(self._page):
                self._program(self._page)
                self._waiting = 0
        rest = count % self._storage.program_size
        if rest:
            self._waiting = rest
            self._page[:rest] = data[count - rest :]
            data = data[: count - rest]
        if count > rest:
            self._program(data)
        if not self.left and self._waiting:
            self._pad()
            self._program(self._page)

    def digest(self):
        """SHA-256 (32 bytes) of what was written; ends the writer."""
        return self._hash.digest()

    def _top_up(self, data):
        """Fill the waiting unit from the front of data. Returns the rest of data."""
        take = min(len(data), len(self._page) - self._waiting)
        self._page[self._waiting : self._waiting + take] = data[:take]
        self._waiting += take
        return data[take:]

    def _pad(self):
        blank(self._page, self._waiting)
        self._waiting = 0

    def _program(self, mv):
        end = self._at + len(mv)
        if end > self._erased:
            erased = up(end, self._storage.erase_size)
            self._storage.erase(self._erased, erased - self._erased)
            self._erased = erased
        self._storage.write(self._at, mv)
        self._at = end
