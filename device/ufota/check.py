"""Check: may this image come in, and where to? Asked before anything is erased.

Owns the rules of acceptance that every device has, and the choice of a slot. What a state
region says for and against an image is proposal.py's. Used by intake.py.
"""

from micropython import const

from fwcore import errors, header
from fwcore.errors import FwError
from fwcore.slot import active_slot, slots

_SCRATCH_AT = const(2048)  # headers are looked at above; a manifest may be below
_COMPONENT = const("MAIN")
_RAW = const(1)  # payload format: the image as it is


def check(intake, found):
    """For this device, newer, and fitting: in this order, and before anything is erased."""
    board = intake.board
    if found.vendor_id != board.vendor_id:
        raise FwError(errors.WRONG_VENDOR)
    if found.class_id != board.class_id:
        raise FwError(errors.WRONG_CLASS)
    layout = board.layout
    if not found.size:
        raise FwError(errors.TOO_BIG)
    if found.vendor_data.startswith(b"needs:"):
        from ufota import system

        system.needs(board, found)
    if found.component != layout.get("component", _COMPONENT):
        from ufota import system

        system.check(intake, found)
    else:
        _check_application(intake, found)
    if found.format != _RAW:
        from ufota import payload

        payload.check(intake, found)
    if layout.get("signed", False):
        if not board.key().verify(found.installed_digest, found.image_signature):
            raise FwError(errors.BAD_SIGNATURE)


def _check_application(intake, found):
    board, layout = intake.board, intake.board.layout
    size = found.installed_size
    intake.proposal = None
    if getattr(board, "systems", None):
        from ufota import system

        system.settled(board)
    if "state" in layout:
        from ufota import proposal

        mv = intake.buf[_SCRATCH_AT:]
        intake.proposal = proposal.Proposal(board, found, mv, intake.permanent)
    else:
        active = active_slot(layout, board.device(layout["active"]["device"]))
        if found.version <= _version_in(intake, active, None):
            raise FwError(errors.NOT_NEWER)
        if not active.fits(size):
            raise FwError(errors.TOO_BIG, size)
    intake.slot = _choose_slot(intake, size)


def _choose_slot(intake, size):
    """An empty slot, else the one with the oldest image. What cannot be read is left alone."""
    board = intake.board
    area = board.layout.get("candidates")
    if not area:
        raise FwError(errors.NO_SLOT)
    internal = area.get("internal", False)
    intake.key = None if internal else header.device_key(board.rot() or b"")
    if intake.proposal:
        candidates = intake.proposal.slots(intake.buf[_SCRATCH_AT:], intake.key)
    else:
        candidates = slots(board.layout, board.device(area["device"]))
    code, best, oldest = errors.NO_SLOT, None, 0
    for slot in candidates:
        try:
            version = _version_in(intake, slot, intake.key)
        except OSError:
            continue
        if not slot.fits(size):
            code = errors.TOO_BIG
        elif not best or version < oldest:
            best, oldest = slot, version
    if not best:
        raise FwError(code, size)
    return best


def _version_in(intake, slot, key):
    """Version of the image in a slot, 0 when it holds none. Raises OSError."""
    try:
        return slot.read_header(intake.buf[_SCRATCH_AT:], key).version
    except FwError:
        return 0
