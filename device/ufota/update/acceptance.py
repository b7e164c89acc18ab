"""Acceptance: is an image accepted, and for which slot? Decided before the first erase.

Owns the rules that every device has, and the choice of a slot. The further rules of a device
with a state region are in pending.py. Used by writer.py.
"""

from micropython import const

from fwcore import errors, header
from fwcore.errors import FwError
from fwcore.modules import load, states
from fwcore.slot import active_slot, slots

_SCRATCH_AT = const(2048)  # headers are looked at above; a manifest may be below
_COMPONENT = const("MAIN")
_RAW = const(1)  # payload format: the image as it is
_NONE_FAILED = b"ba2"  # State.bad, without its zeros


def check(update, found):
    """For this device, newer, and fitting: in this order, and before anything is erased."""
    board, layout = update.board, update.board.layout
    _check_recipient(board, found)
    if found.component != layout.get("component", _COMPONENT):
        _system().check(update, found)
    else:
        update.pending = None
        if getattr(board, "systems", None):
            _system().settled(board)
        if "state" in layout:
            from ufota.update.pending import PendingUpdate

            state = states().State(board)
            places = state.active_slot(board)[0], state.candidate_slots(board)
            mv = update.buf[_SCRATCH_AT:]
            update.pending = PendingUpdate(board, state, places, found, mv, update.permanent)
            if state.bad.lstrip(b"\0") != _NONE_FAILED:
                load("ufota.update", "rest")
                from ufota.update import rest

                rest.check(board, state, found)
        else:
            _check_newer(update, found)
        update.slot = _choose_slot(update, found.installed_size)
    if found.format != _RAW:
        from ufota.update import payload

        payload.check(update, found)
    if layout.get("signed", False):
        load("fwcore", "statement")
        from fwcore.statement import is_signed

        head = found.version, found.installed_size, found.installed_digest
        if not is_signed(board, found.component, head, found.image_signature):
            raise FwError(errors.BAD_SIGNATURE)


def _system():
    load("ufota", "active_image")
    load("ufota.update", "client_store candidate")
    from ufota.firmware import targets

    return targets


def _check_recipient(board, found):
    if found.vendor_id != board.vendor_id:
        raise FwError(errors.WRONG_VENDOR)
    if found.class_id != board.class_id:
        raise FwError(errors.WRONG_CLASS)
    if not found.size:
        raise FwError(errors.TOO_BIG)
    if found.vendor_data.startswith(b"needs:"):
        _system().needs(board, found)


def _check_newer(update, found):
    """Without a state region: what is installed is copied over the active image."""
    board, size = update.board, found.installed_size
    active = active_slot(board.layout, board.device(board.layout["active"]["device"]))
    if found.version <= _version_in(update, active, None):
        raise FwError(errors.NOT_NEWER)
    if not active.fits(size):
        raise FwError(errors.TOO_BIG, size)


def _choose_slot(update, size):
    """An empty slot, else the one with the oldest image; last of all one that cannot be read,
    as only the erase makes some of them readable.
    """
    board = update.board
    area = board.layout.get("candidates")
    if not area:
        raise FwError(errors.NO_SLOT)
    internal = area.get("internal", False)
    update.key = None if internal else header.device_key(board.rot() or b"")
    if update.pending:
        candidates = update.pending.slots(update.buf[_SCRATCH_AT:], update.key)
    else:
        candidates = slots(board.layout, board.device(area["device"]))
    code, best, first = errors.NO_SLOT, None, (True, 0)
    for slot in candidates:
        try:
            rank = False, _version_in(update, slot, update.key)
        except OSError:
            rank = True, 0
        if not slot.fits(size):
            code = errors.TOO_BIG
        elif not best or rank < first:
            best, first = slot, rank
    if not best:
        raise FwError(code, size)
    return best


def _version_in(update, slot, key):
    """Version of the image in a slot, 0 when it holds none. Raises OSError."""
    try:
        return slot.read_header(update.buf[_SCRATCH_AT:], key).version
    except FwError:
        return 0
