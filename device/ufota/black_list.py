"""Black-list: an operator's word that an image which failed on this device may come again.

Without it an image that was rejected, or laid aside, is refused for good; only a newer one is
another image. The rules are those of fwcore/state.py and update/rest.py.
"""

import struct

from fwcore.modules import load, states


def allow(board, version=None):
    """Let what failed on this device be offered again: black-listed, resting or laid aside.

    board:    also a StageBoard, for its boot stages
    version:  u64: the images of this version only. Left out: all, those of the firmware too
    returns:  True when there was something to forget
    raises:   OSError; FwError WRITE_FAILED
    """
    found = False
    if getattr(board, "systems", None):
        from ufota.firmware import targets

        found = targets.allow(board, version)
    if "state" not in board.layout:
        return found
    kinds = states()
    load("ufota.update", "rest")
    from ufota.update import rest

    state = kinds.State(board)
    before = state.bad
    rest.convert(state)
    if version is None:
        state.bad = bytes(len(before) - len(kinds.MARK)) + kinds.MARK
    else:
        rest.drop_version(state, struct.pack(">Q", version))
    if state.bad == before:
        return found
    state.put()
    return True
