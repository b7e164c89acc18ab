"""Images that can be started: whether they are whole, and whether the maker signed them."""

from collections import namedtuple

from fwboot import decide
from fwcore import errors_boot, header
from fwcore.errors import FwError
from fwcore.regions import StageSlot, fixed_slot, read_signature

FLOOR = b"floor"  # keys in the board's store
RECOVERY_FLOOR = b"floor.r"

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
    """The key of external headers; None without a usable root of trust: no such candidate then.

    raises:  OSError: that is no verdict
    """
    rot = board.rot()
    try:
        return header.device_key(rot) if rot else None
    except FwError:
        return None


def standing(board, head, signature, state=None, component=None):
    """Has the maker signed an image whose digest was computed at this start?

    head:       Header of the image
    signature:  64 bytes from behind its header, or b""
    state:      State with its record of what was verified here, or None
    component:  text; default: the layout's
    returns:    NOT_ASKED | RECORDED | VERIFIED | FORGED, of decide.py
    raises:     FwError NO_KEY before provisioning, NO_VERIFIER, BAD_KEY. OSError, MemoryError:
                that is no verdict, and nothing may be written because of it
    """
    asked = board.layout.get("signed", False)
    if not asked:
        return decide.NOT_ASKED
    from fwcore import statement

    component = component or board.layout.get("component", "MAIN")
    try:
        if state and asked != "start":
            if state.is_verified(statement.digest_of(board, component, head)):
                return decide.RECORDED
        good = statement.is_signed(board, component, head, signature)
    except (ImportError, AttributeError):  # no p256, or no whole maker_key
        raise FwError(errors_boot.NO_VERIFIER) from None
    return decide.VERIFIED if good else decide.FORGED


def may_start(board, head, signature, state=None, component=None):
    """standing() of an image that is to be started, said in the boot log; FORGED: it may not.

    Where there is no key yet, its digest is all that there is: UNPROVISIONED.
    raises:  OSError, MemoryError: no verdict
    """
    try:
        found = standing(board, head, signature, state, component)
    except FwError as error:
        found = decide.UNPROVISIONED
        if error.code != errors_boot.NO_KEY:
            board.log("[ERR ] Signature cannot be verified, error {}".format(error.code))
            return decide.FORGED
    if found in decide.LINES:
        board.log(decide.LINES[found])
    return found


def stored_floor(board, name, head, found):
    """False when an image is older than one of its kind that was started before.

    For images that no state has a floor for: simple installation, recovery.
    name:    key in the board's store: u64
    found:   what may_start() returned
    raises:  OSError
    """
    if found not in (decide.VERIFIED, decide.RECORDED):
        return True
    floor = int.from_bytes(board.store().get(name, b""), "little")
    try:
        # Also when it is there: a cut may have left it in doubt.
        board.store().put(name, max(floor, head.version).to_bytes(8, "little"))
    except (OSError, FwError) as error:  # that keeps no image from its start
        board.log("[ERR ] Floor not written, error {}".format(error.args[0]))
    return head.version >= floor


def recovery(board, buf):
    """The recovery image as an Image; None where there is none, or it may not start."""
    region = board.layout.get("recovery")
    if not region:
        return None
    try:
        name = region["device"]
        slot = fixed_slot(board.layout, region, board.device(name))
        head = whole_header(slot, buf, board.log, board.feed)
        if not head or not _recovery_may_start(board, slot, head, buf):
            return None
    except (OSError, FwError, MemoryError):
        return None
    board.log("[DBG ] Starting the recovery image")
    return Image(head, slot, name, region["format"])


def _recovery_may_start(board, slot, head, buf):
    from fwcore.statement import RECOVERY

    found = may_start(board, head, read_signature(slot, buf), None, RECOVERY)
    if found == decide.FORGED:
        return False
    if stored_floor(board, RECOVERY_FLOOR, head, found):
        return True
    board.log("[ERR ] Recovery image is older than the last one")
    return False
