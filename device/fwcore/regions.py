"""Regions: where images lie in layouts with a state region, a recovery image or boot stages.

Owns the geometry of a swap, slots with stage headers, and reads signatures. Simple
installation has the slots of slot.py only: the update client of such a device need not load
this file, whose names cost heap.
"""

from fwcore import header, slot
from fwcore.slot import Slot
from fwcore.stage import STAGE_SIZE, pack_stage, unpack_stage
from fwcore.storage import down, up


class StageSlot(Slot):
    """A boot stage with a stage header (56 B) in front."""

    def __init__(self, storage, header_at, body_at, end, room=0):
        super().__init__(storage, header_at, body_at, end, False, room)

    def header_size(self):
        return up(STAGE_SIZE + self.room, self.storage.program_size)

    def unpack(self, mv, key):
        """Raises FwError BAD_MAGIC | BAD_CRC | TOO_BIG."""
        return unpack_stage(mv, STAGE_SIZE + self.end - self.body_at)

    def pack(self, head, key=None):
        return pack_stage(head.version, head.size, head.digest)


class SwapSlot(Slot):
    """The candidate of a swap: its own header in the spare block, the image from the next on.

    inner_at: byte address of the internal header that moves with the image, at the distance
              from it that the active one has
    """

    def __init__(self, storage, header_at, inner_at, body_at, end, external, room=0):
        super().__init__(storage, header_at, body_at, end, external, room)
        self.inner_at = inner_at

    def write_inner(self, head):
        """Program the internal header that moves with the image. Raises as write_header()."""
        self.write_header(header.pack_internal(head), self.inner_at)


def read_signature(place, buf):
    """The signature behind a slot's header, 64 bytes; b"" in a layout that asks for none.

    buf:     as in Slot.read_header(). Raises OSError
    """
    if not place.room:
        return b""
    mv = buf[: place.header_size()]
    place.storage.read(place.header_at, mv)
    at = bare_size(place)
    return bytes(mv[at : at + place.room])


def bare_size(place):
    """Bytes of a slot's header, without the signature behind it."""
    if isinstance(place, StageSlot):
        return STAGE_SIZE
    return header.EXTERNAL_SIZE if place.external else header.INTERNAL_SIZE


def signature_room(layout):
    """Bytes for a signature behind each header of a layout: 64 or 0."""
    return 64 if layout.get("signed", False) else 0


def fixed_slot(layout, region, device):
    """A region with `header` and `start`, the active or the recovery image, as a Slot.

    device: the block device it is on. Raises as slot.slots().
    """
    head, start = region["header"], region["start"]
    end = start + region["size"]
    staged = _is_staged(layout)
    room = signature_room(layout)
    size = room + (STAGE_SIZE if staged else header.INTERNAL_SIZE)
    storage = slot.storage(layout, region["device"], device, max(head + size, end))
    if staged:
        return StageSlot(storage, head, start, end, room)
    return Slot(storage, head, start, end, False, room)


def slots(layout, device):
    """The candidate slots, in index order. device: the block device they are on.

    raises:  as slot.slots()
    """
    found = slot.slots(layout, device)
    if layout.get("mode") == "swap":
        return [_swap_slot(layout, found[0])]
    if _is_staged(layout):
        at, storage, room = found[0].header_at, found[0].storage, found[0].room
        body = at + up(STAGE_SIZE + room, storage.program_size)
        return [StageSlot(storage, at, body, found[0].end, room)]
    return found


def block_size(layout):
    """Bytes of a block of a swap: what both devices can erase."""
    devices = layout["devices"]
    return max(devices[layout[name]["device"]]["erase"] for name in ("active", "candidates"))


def storage_of(board, region):
    """Storage over the device of a region of the board's layout. Raises as slot.slots()."""
    name = region["device"]
    end = region["start"] + region["size"]
    return slot.storage(board.layout, name, board.device(name), end)


def _swap_slot(layout, whole):
    active, area = layout["active"], layout["candidates"]
    block = block_size(layout)
    at = up(area["start"], block)
    inner = at + block
    body = inner + active["start"] - active["header"]
    end = down(area["start"] + area["size"], block)
    return SwapSlot(whole.storage, at, inner, body, end, whole.external, whole.room)


def _is_staged(layout):
    return layout.get("headers") == "stage"
