"""Slots: where an image and its header lie.

Owns Arm's slot arithmetic, and reads and writes headers. Their bytes are in header.py; the
image is read by reader.py and written by writer.py. Used by ufota (write a candidate), fwboot
(read candidates, the active slot) and fwtool.

The header is written LAST and with one write: that write is the commit. From the
first erase until then the slot has no good header and counts as empty.
"""

import sys

from fwcore import errors
from fwcore.errors import FwError
from fwcore.storage import Storage, blank, down, up


class Slot:
    """An image with its header on a Storage.

    storage:    Storage
    header_at:  byte address of the header
    body_at:    byte address of the image, a multiple of the program size
    end:        first byte address that is not the slot's any more
    external:   True for external headers (296 B), False for internal ones (112 B)
    room:       bytes behind the header for the maker's signature: 64 or 0
    size:       what header_size() returns, where the caller has it already

    Slots with other headers are regions.py's.
    """

    def __init__(self, storage, header_at, body_at, end, external, room=0, size=0):
        self.storage = storage
        self.header_at = header_at
        self.body_at = body_at
        self.end = end
        self.external = external
        self.room = room
        self._size = size

    def header_size(self):
        """Bytes that header and signature take, in whole program units."""
        return self._size or _header_size(self.storage, self.external, self.room)

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
            return _header().unpack_internal(mv)
        if key is None:
            raise FwError(errors.BAD_KEY)
        return _header().unpack_external(mv, key)

    def pack(self, head, key=None):
        """Header -> bytes of the slot's kind. key: device key, for external ones."""
        if self.external:
            return _header().pack_external(head, key)
        return _header().pack_internal(head)

    def write_header(self, packed, at=None):
        """Program the header, padded with FF to whole program units, and read it back.

        packed:  bytes of pack(), and the signature where there is room
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
        from fwcore.slot_reader import Reader

        reader = Reader(self, size)
        while reader.left:
            reader.step(buf)
            feed()
        return reader.digest()


def active_slot(layout, device):
    """The active image as a Slot. device: the block device it is on. Raises as slots()."""
    active = layout["active"]
    head, start = active["header"], active["start"]
    end = start + active["size"]
    room = 64 if layout.get("signed", False) else 0
    at_least = max(head + _header().INTERNAL_SIZE + room, end)
    return Slot(storage(layout, active["device"], device, at_least), head, start, end, False, room)


def slots(layout, device):
    """The candidate slots, in index order. device: the block device they are on.

    raises:  OSError when the device does not answer; FwError when it is not what the
             layout says: OUT_OF_DEVICE for a smaller one (another card), MISALIGNED for
             one with larger blocks
    """
    area = layout["candidates"]
    start, size = area["start"], area["size"]
    found = storage(layout, area["device"], device, start + size)
    external = not area.get("internal", False)
    room = 64 if layout.get("signed", False) else 0  # bytes of the maker's signature
    return candidate_slots(found, start, size, area["locations"], external, room)


def storage(layout, name, device, end):
    """Storage over a device that must reach as far as address `end`. Raises as slots()."""
    spec = layout["devices"][name]
    found = Storage(device, spec["erase"], spec["program"], spec.get("overwrite", False))
    if found.size < end:
        raise FwError(errors.OUT_OF_DEVICE, found.size)
    if spec["erase"] % found.block_size:  # an erase would clear neighbours too
        raise FwError(errors.MISALIGNED, found.block_size)
    return found


def candidate_slots(storage, start, size, locations, external=True, room=0):
    """Cut a storage area into candidate slots, as Arm's bootloader and client do.

    start, size:  bytes; rounded inwards to erase blocks
    locations:    how many slots
    returns:      list of Slot in index order
    source:       FORMATS.md section 5; vectors in host_tests/vectors/client_storage
    """
    erase = storage.erase_size
    first = up(start, erase)
    each = (down(start + size, erase) - first) // locations
    head_size = _header_size(storage, external, room)
    slots = []
    for i in range(locations):
        at = first + down(i * each, erase)
        body = at + head_size
        end = down(at + each, erase)
        slots.append(Slot(storage, at, body, end, external, room, head_size))
    return slots


def _header_size(storage, external, room):
    size = _header().EXTERNAL_SIZE if external else _header().INTERNAL_SIZE
    return up(size + room, storage.program_size)


def _header():
    """The module header.py. Not a name of this one, so that a client can drop it while an image
    comes; nor by an import where it is loaded: C stack.
    """
    found = sys.modules.get("fwcore.header")
    if not found:
        from fwcore import header as found
    return found
