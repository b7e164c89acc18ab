"""Trial: the application confirms or rejects its image, and reads the last update's result.

For devices with a state region; without one there is nothing to confirm and there are no
results. This file only writes the state; the boot stage decides what is started.

Only the image that the boot stage started as the active one may confirm or reject. The state
does not show who calls, so a recovery image must not call confirm() or reject().

Every function reads the state, changes it and puts it in one go, so several may be used in
one program, as long as no two run at the same time.
"""

import time

from micropython import const

from fwcore import errors_boot
from fwcore.errors import FwError
from fwcore.modules import load, states

_MAX_REASON = const(65535)
_FEED_MS = const(1000)  # the longest sleep between two feeds of the watchdog


def confirm(board, floor=None):
    """The image that runs is good: keep it. Call it at every start, once all works.

    It also confirms the firmware under the image, where there are board.systems.

    floor:    version, u64: nothing older is ever started again. Left out: this image's own
              version, or, where the layout allows downgrades, the floor before. Never more
              than this image's version, and it never falls
    returns:  True when something was written, False when all was confirmed before
    raises:   OSError; FwError WRITE_FAILED; NOT_ON_TRIAL after reject(), for a black-listed
              image, for one that is not recorded as verified (signed: True), and where the boot
              stage could not finish: then what runs is a recovery image
    """
    written = False
    if getattr(board, "systems", None):
        from ufota.firmware import targets

        written = targets.confirm(board)
    if "state" not in board.layout:
        return written
    kinds = states()
    state = kinds.State(board)
    if state.phase in (kinds.FORWARD, kinds.BACK):
        raise FwError(errors_boot.NOT_ON_TRIAL)
    before = state.phase, state.result, state.floor
    external = board.layout["state"].get("external", False)
    head = _running(board, state)
    if state.is_bad(head.digest) or _is_strange(board, state, head):
        # The boot stage had nothing better to start, or it has started another image.
        raise FwError(errors_boot.NOT_ON_TRIAL)
    version = head.version
    untried = state.result == kinds.REVERTED and head.digest == state.new.digest
    if state.phase == kinds.TRIAL or untried:  # untried: it was given up, for want of another one
        state.end(kinds.CONFIRMED, 0)
    if floor is None:
        floor = 0 if board.layout.get("downgrade", False) else version
    state.floor = max(state.floor, min(floor, version))
    if (state.phase, state.result, state.floor) != before or not state.journal.settled:
        if state.bad.lstrip(b"\0") != kinds.MARK:  # some image has failed here
            load("ufota.update", "rest")
            from ufota.update import rest

            rest.forget(state, head.digest)
        state.count_on()
        state.put()
        written = True
    if external and state.drop_anchor():
        written = True
    return written


def confirm_when(board, check, timeout_ms, wait_ms=1000):
    """Confirm once check() returns True: that the update server answers, for instance.

    check:    called at once and again after every wait_ms; False, or an OSError, means not
              yet. The watchdog is fed before and after it: what takes longer feeds it itself
    returns:  True when confirmed; False when timeout_ms are over. Then reset: that was one
              trial. After the last one the old image comes back, and this one rests a while
    raises:   as confirm(); whatever else check() raises; TypeError of a check that is an async
              function; ValueError of a timeout_ms of more than six days
    """
    for pause_ms in _pauses(board, timeout_ms, wait_ms):
        if pause_ms:
            time.sleep_ms(pause_ms)
        elif _holds(check):
            confirm(board)
            return True
    return False


async def aconfirm_when(board, check, timeout_ms, wait_ms=1000):
    """confirm_when() for asyncio: check is an async function; a time-out in it means not yet."""
    import asyncio

    for pause_ms in _pauses(board, timeout_ms, wait_ms):
        if pause_ms:
            await asyncio.sleep(pause_ms / 1000)
            continue
        try:
            good = await check()
        except (OSError, asyncio.TimeoutError):
            continue
        if good:
            confirm(board)
            return True
    return False


def reject(board, reason):
    """The image on trial is no good: after a reset the old one is back, this one black-listed.

    reason:  256..65535, for last_result(); below are the numbers of errors.py. One that does not
             blame the image, or is out of bounds, is stored as BLACK_LISTED
    raises:  OSError; FwError WRITE_FAILED; NOT_ON_TRIAL when the image is confirmed, or the
             device has no state region
    """
    if "state" not in board.layout:
        raise FwError(errors_boot.NOT_ON_TRIAL)
    kinds = states()
    state = kinds.State(board)
    if state.phase != kinds.TRIAL:
        raise FwError(errors_boot.NOT_ON_TRIAL)
    others = errors_boot.DEVICE_FAULTS + errors_boot.USED_UP
    if not 0 < reason <= _MAX_REASON or reason in others:
        reason = errors_boot.BLACK_LISTED
    state.phase = kinds.BACK
    state.reason = reason
    state.put()


def last_result(board, component=None):
    """Result (result.py) of the last update; None when there was none, or it is still under way.

    component:  of board.systems, for an update of the firmware itself
    """
    if component:
        from ufota.firmware import targets

        return targets.result(board, component)
    if "state" not in board.layout:
        return None
    kinds = states()
    state = kinds.State(board)
    if state.result == kinds.NONE:
        return None
    from ufota.result import Result

    return Result(state.result, state.reason, state.new.version, state.new.digest)


def _running(board, state):
    """Header of the image that runs. Raises OSError; FwError when it is not good."""
    slot, _ = state.active_slot(board)
    return slot.read_header(memoryview(bytearray(slot.header_size())), None)


def _is_strange(board, state, head):
    """True for an image that the boot stage has not started: its version may be made up."""
    if board.layout.get("signed", False) is not True or not board.rot():
        return False
    load("fwcore", "statement")
    from fwcore.statement import digest_of

    said = digest_of(board, board.layout.get("component", "MAIN"), head)
    return not state.is_verified(said)


def _holds(check):
    try:
        found = check()
    except OSError:
        return False  # the network is down, for instance
    if hasattr(found, "send"):  # of an async function: it would always be true
        raise TypeError
    return found


def _pauses(board, timeout_ms, wait_ms):
    """Yields 0 when it is time to look, else how long to sleep, ms; ends with the time."""
    timeout_ms, wait_ms = int(timeout_ms), int(wait_ms)
    if timeout_ms >> 29:  # negative, or more than a difference of ticks can hold
        raise ValueError
    start_ms = time.ticks_ms()
    while True:
        board.feed()
        yield 0
        board.feed()
        left_ms = timeout_ms - time.ticks_diff(time.ticks_ms(), start_ms)
        if left_ms <= 0:
            return
        wait_left_ms = max(1, min(wait_ms, left_ms))
        while wait_left_ms > 0:
            yield min(wait_left_ms, _FEED_MS)
            wait_left_ms -= _FEED_MS
            board.feed()
