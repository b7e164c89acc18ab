"""Images that can be started, and whether they are whole."""

from collections import namedtuple

from fwcore import header
from fwcore.errors import FwError
from fwcore.regions import StageSlot, fixed_slot

# head: its Header; slot: Slot; device: name of its device; format: its file system
Image = namedtuple("Image", ("head", "slot", "device", "format"))


def whole_header(slot, buf, log, feed):
    """Header of an image that is to be started, when header and digest are good, else None.

    raises: OSError. A read error proves nothing: the image may be whole, and one that is
            called bad here is erased by the next install.
    """
    try:
        head = slot.read_header(buf, None)
        if isinstance(slot, StageSlot) or header.is_v2(buf):
            if not head.size:
                log("[DBG ] Active firmware slot is empty")
                return None
            if slot.digest(head.size, buf, feed) == head.digest:
                return head
    except FwError:
        pass  # torn, blank or too large: not valid
    log("[DBG ] Active firmware integrity check failed")
    return None


def device_key(board):
    """The key of external headers; None without a usable root of trust: no such candidate then."""
    try:
        rot = board.rot()
        return header.device_key(rot) if rot else None
    except (OSError, FwError):
        return None


def is_signed(board, head, signature):
    """True when the layout asks for no signature of the image, or it is the maker's.

    signature:  64 bytes, r and s over the image's digest, or None
    """
    if not board.layout.get("signed", False):
        return True
    try:
        return signature is not None and board.key().verify(head.digest, signature)
    except (OSError, FwError):
        return False  # without a usable key nothing is signed


def recovery(board, buf):
    """The recovery image as an Image; None where there is none, or it is not whole."""
    region = board.layout.get("recovery")
    if not region:
        return None
    try:
        name = region["device"]
        slot = fixed_slot(board.layout, region, board.device(name))
        head = whole_header(slot, buf, board.log, board.feed)
    except (OSError, FwError):
        return None
    if not head:
        return None
    board.log("[DBG ] Starting the recovery image")
    return Image(head, slot, name, region["format"])
