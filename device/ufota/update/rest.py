"""Rest: an image that nobody confirmed in its trials is tried again, but not at once.

It may be good, and only its network was down. So it has rounds of trials, and rests between:

    rounds so far   until the next one
    1               1 start
    2               4 starts
    3               laid aside: refused as BLACK_LISTED, until black_list.allow()

The start in which the old image comes back is none of them. A start counts when an image is
offered in it, and so does each day that it lasts. The boot stage counts rounds (fwcore/state.py,
`bad`), and black-lists what was rejected, or crashed; this file counts starts. acceptance.py and
trial.py load it only where an image has failed.
"""

import struct
import time

from micropython import const

from fwcore import errors_boot, errors_net
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.state import BAR, KIND, MARK, REVERTED

_WAITS = (1, 4)  # starts, after the first round, and after the second
_DAY_MS = const(86400000)
_ENTRY = const(25)
_ALL = const(255)  # of a kind: rejected
_DIGESTS = (0, 32, 64, 96)  # where they are in what older releases wrote


def check(board, state, found):
    """May this image, which the state allows otherwise, be installed now?

    state:   State, just loaded, IDLE or PENDING; put where a start is counted
    raises:  FwError BLACK_LISTED; RESTING, at = starts it still has to wait; OSError
    """
    changed = convert(state)
    component = board.layout.get("component", "MAIN")
    due = is_due(board, component)
    for at in range(8, BAR, _ENTRY):
        kind = state.bad[at + KIND]
        if due and left(kind):
            state.bad = state.bad[: at + KIND] + bytes((kind + 1,)) + state.bad[at + KIND + 1 :]
            changed = True
    if changed:
        state.put()
    if due:
        count(board, component)
    refuse(_kind(state, found.version, found.installed_digest))


def refuse(kind):
    """Raises FwError BLACK_LISTED for what is laid aside, RESTING for what has to wait."""
    if is_over(kind):
        raise FwError(errors_boot.BLACK_LISTED)
    if left(kind):
        raise FwError(errors_net.RESTING, left(kind))


def left(kind):
    """Starts that are still to wait: 0 also for what has never failed, and what never returns."""
    if kind < 16 or is_over(kind):
        return 0
    return max(_WAITS[(kind >> 4) - 1] + 1 - (kind & 15), 0)


def is_over(kind):
    """True when there is no further round."""
    return kind >> 4 > len(_WAITS)


def is_resting(state):
    """True when the last image was not kept, and may be offered again nevertheless."""
    if state.result != REVERTED or state.reason in errors_boot.DEVICE_FAULTS:
        return False
    return not is_over(_kind(state, state.new.version, state.new.digest))


def is_due(board, component):
    """True when this start, or this day of it, has not been counted yet for this component."""
    last = _counted(board).get(component)
    return last is None or time.ticks_diff(time.ticks_ms(), last) >= _DAY_MS


def count(board, component):
    """This start is counted."""
    _counted(board)[component] = time.ticks_ms()


def forget(state, digest):
    """This image is confirmed: it has not failed. What is below the floor is to fall out first."""
    convert(state)
    floor, above, below = struct.pack(">Q", state.floor), b"", b""
    for at in range(0, BAR, _ENTRY):
        entry = state.bad[at : at + _ENTRY]
        if entry[8:-1] == digest[:KIND]:
            continue
        if entry[:8] < floor:
            below += entry
        else:
            above += entry
    state.bad = (above + below + bytes(_ENTRY))[:BAR] + state.bad[BAR:]


def drop_version(state, version):
    """Forget all images of this version, 8 bytes, and a bar that is not below it."""
    for at in range(BAR - _ENTRY, -1, -_ENTRY):
        if state.bad[at : at + 8] == version:
            _drop(state, at)
    if state.bad[BAR : BAR + 8] >= version:
        state.bad = state.bad[:BAR] + bytes(_ENTRY) + MARK


def _drop(state, at):
    state.bad = state.bad[:at] + state.bad[at + _ENTRY : BAR] + bytes(_ENTRY) + state.bad[BAR:]


def convert(state):
    """Take over the black-list of an older release. True when it was one."""
    old = state.bad
    if old[-3:] == MARK:
        return False
    state.bad = bytes(BAR + _ENTRY) + MARK
    version = max(state.floor, state.new.version)  # nobody wrote down which one
    for at in reversed(_DIGESTS):
        if any(old[at : at + 32]):
            state.blacklist(Header(version, 0, old[at : at + 32], NO_CAMPAIGN))
    return True


def _kind(state, version, digest):
    at = state.find(digest)
    if state.bad[-3:] != MARK:
        return _ALL if at >= 0 else 0
    if 0 <= at < BAR:
        return state.bad[at + KIND]
    return _ALL if version <= struct.unpack_from(">Q", state.bad, BAR)[0] else 0


def _counted(board):
    """Component -> when its start was counted, ms; kept on the board, while that runs."""
    board = getattr(board, "_board", board)  # a StageBoard does not last
    if not hasattr(board, "starts"):
        board.starts = {}
    return board.starts
