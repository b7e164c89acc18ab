"""Slots: where an image and its header live, and the way in and out of them.

Owns Arm's slot arithmetic, the order of writes and the bounds of reads. Header
layouts are header.py's. Used by ufota (write a candidate), fwboot (read
candidates, the active slot) and fwtool.

The header is written LAST and with one write: that write is the commit. From the
first erase until then the slot has no good header and counts as empty.
"""

from hashlib import sha256

from fwcore import errors, header
from fwcore.errors import FwError
from fwcore.storage import Storage, blank, down, up


class Slot:
    """An image with its header on a Storage.

    storage:    Storage
    header_at:  byte address of the header
    body_at:    byte address of the image, a multiple of the program size
    end:        first byte address that is not the slot's any more
    external:   True for external headers (296 B), False for internal ones (112 B)

    Slots with other headers are places.py's.
    """

    def __init__(self, storage, header_at, body_at, end, external):
        self.storage = storage
        self.header_at = header_at
        self.body_at = body_at
        self.end = end
        self.external = external

    def header_size(self):
        """Bytes the header takes: its size in whole program units."""
        return _header_size(self.storage, self.external)

    def fits(self, size):
        """True when an image of `size` bytes can be erased for without touching a neighbour."""
        return up(self.body_at + size, self.storage.erase_size) <= self.end

    def read_header(self, buf, key):
        """The slot's header.

        buf:      memoryview of at least header_size() bytes, scratch
        key:      device key, 32 bytes; None where the slot's headers are not external
        returns:  Header; its size lies within the slot
        raises:   OSError; FwError BAD_CRC | BAD_MAC | BAD_KEY | TOO_BIG
        """
        mv = buf[: self.header_size()]
        self.storage.read(self.header_at, mv)
        head = self.unpack(mv, key)
        if head.size > self.end - self.body_at:
            raise FwError(errors.TOO_BIG, 16)
        return head

    def unpack(self, mv, key):
        """Bytes of the slot's kind of header -> Header. Raises as read_header()."""
        if not self.external:
            return header.unpack_internal(mv)
        if key is None:
            raise FwError(errors.BAD_KEY)
        return header.unpack_external(mv, key)

    def pack(self, head, key=None):
        """Header -> bytes of the slot's kind. key: device key, for external ones."""
        if self.external:
            return header.pack_external(head, key)
        return header.pack_internal(head)

    def write_header(self, packed, at=None):
        """Program the header, padded with FF to whole program units, and read it back.

        packed:  bytes of pack(), and of a signature where there is room (places.py)
        at:      address, when it is not header_at
        raises:  OSError; FwError WRITE_FAILED
        """
        if at is None:
            at = self.header_at
        page = memoryview(bytearray(up(len(packed), self.storage.program_size)))
        page[: len(packed)] = packed
        blank(page, len(packed))
        self.storage.write(at, page)
        blank(page, 0)
        self.storage.read(at, page)
        if page[: len(packed)] != packed:
            raise FwError(errors.WRITE_FAILED, at)

    def digest(self, size, buf, feed):
        """SHA-256 of the first `size` bytes of the image, read back from the medium.

        buf:     memoryview, whole program units
        feed:    called after every buffer
        raises:  OSError
        """
        reader = Reader(self, size)
        while reader.left:
            reader.step(buf)
            feed()
        return reader.digest()


class Reader:
    """Reads an image front to back, a buffer a step, and digests it."""

    def __init__(self, slot, size):
        """size: bytes to read. Raises FwError TOO_BIG when that leaves the slot."""
        if size > slot.end - slot.body_at:
            raise FwError(errors.TOO_BIG, size)
        self._storage = slot.storage
        self._at = slot.body_at
        self._hash = sha256()
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
        self._storage.read(self._at, buf)
        self._hash.update(buf if len(buf) == count else buf[:count])
        self._at += count
        self.left -= count
        return count

    def digest(self):
        """SHA-256 (32 bytes) of what was read; ends the reader."""
        return self._hash.digest()


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
            self._erase_to(self._at)

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
        """Fill the waiting unit from the front of data; returns the rest of data."""
        take = min(len(data), len(self._page) - self._waiting)
        self._page[self._waiting : self._waiting + take] = data[:take]
        self._waiting += take
        if self._waiting == len(self._page):
            self._program(self._page)
            self._waiting = 0
        return data[take:]

    def _pad(self):
        blank(self._page, self._waiting)
        self._waiting = 0

    def _program(self, mv):
        end = self._at + len(mv)
        if end > self._erased:
            self._erase_to(end)
        self._storage.write(self._at, mv)
        self._at = end

    def _erase_to(self, end):
        end = up(end, self._storage.erase_size)
        self._storage.erase(self._erased, end - self._erased)
        self._erased = end


def active_slot(layout, device):
    """The active image as a Slot. device: the block device it lives on. Raises as slots()."""
    active = layout["active"]
    head, start = active["header"], active["start"]
    end = start + active["size"]
    at_least = max(head + header.INTERNAL_SIZE, end)
    return Slot(storage(layout, active["device"], device, at_least), head, start, end, False)


def slots(layout, device):
    """The candidate slots, in index order. device: the block device they live on.

    raises:  OSError when the device does not answer; FwError when it is not what the
             layout says: OUT_OF_DEVICE for a smaller one (another card), MISALIGNED for
             one with larger blocks
    """
    area = layout["candidates"]
    start, size = area["start"], area["size"]
    found = storage(layout, area["device"], device, start + size)
    external = not area.get("internal", False)
    return candidate_slots(found, start, size, area["locations"], external)


def storage(layout, name, device, end):
    """Storage over a device that must reach as far as address `end`. Raises as slots()."""
    spec = layout["devices"][name]
    found = Storage(device, spec["erase"], spec["program"], spec.get("overwrite", False))
    if found.size < end:
        raise FwError(errors.OUT_OF_DEVICE, found.size)
    if spec["erase"] % found.block_size:  # an erase would take a neighbour along
        raise FwError(errors.MISALIGNED, found.block_size)
    return found


def candidate_slots(storage, start, size, locations, external=True):
    """Cut a storage area into candidate slots, as Arm's bootloader and client do.

    start, size:  bytes; rounded inwards to erase blocks
    locations:    how many slots
    returns:      list of Slot in index order
    source:       FORMATS.md section 5; vectors in host_tests/vectors/client_storage
    """
    erase = storage.erase_size
    first = up(start, erase)
    each = (down(start + size, erase) - first) // locations
    slots = []
    for i in range(locations):
        at = first + down(i * each, erase)
        body = at + _header_size(storage, external)
        end = down(at + each, erase)
        slots.append(Slot(storage, at, body, end, external))
    return slots


def _header_size(storage, external):
    size = header.EXTERNAL_SIZE if external else header.INTERNAL_SIZE
    return up(size, storage.program_size)
