"""The active image and its header, for sources that report which image runs.

Loaded for such a report only: a download does not need it.
"""

from fwcore.errors import FwError
from fwcore.modules import states


def header(board, state=None):
    """Header of the active image; None where there is no good one: a recovery image may run.

    state:   the board's State, where the caller has it already
    raises:  OSError
    """
    return active(board, state)[1]


def active(board, state=None):
    """(Slot, Header) of the active image; as header()."""
    layout = board.layout
    if "state" in layout:
        if not state:
            state = states().State(board)
        slot = state.active_slot(board)[0]
    else:
        from fwcore.slot import active_slot

        slot = active_slot(layout, board.device(layout["active"]["device"]))
    try:
        return slot, slot.read_header(memoryview(bytearray(slot.header_size())), None)
    except FwError:
        return slot, None
