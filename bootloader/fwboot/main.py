"""The boot stage: finish what was begun, then choose the image to start.

run() is all the device's start needs: simple.py installs as mbed-bootloader does; where
the layout has a state region, trial.py installs on trial, and can revert. It has no network;
the board is its argument.

What differs from mbed-bootloader, and why, is in docs/DESIGN.md: its defects
D1..D10 are not here.
"""

from fwboot.images import recovery
from fwcore import layout
from fwcore.errors import FwError

_BUFFER = 4096


def run(board):
    """Run the boot stage once.

    board:    see docs/DESIGN.md, "What a board offers"
    returns:  Image, verified, ready to start; None when there is nothing to start (the
              caller resets and tries again)
    raises:   FwError for a layout that cannot work; OSError when the active image or the key
              cannot be read, MemoryError when there is no heap to verify a signature. Nothing
              is erased or written because of that.
    """
    log = board.log
    log("")
    log("Mbed Bootloader")
    layout.check(board.layout)
    if "watchdog_ms" in board.layout:
        board.watchdog(board.layout["watchdog_ms"])
    buf = memoryview(bytearray(_BUFFER))
    found = None
    if board.wants_recovery():
        log("[DBG ] Recovery asked for")
        found = recovery(board, buf)
        if found and "state" in board.layout:
            from fwboot.trial import give_up

            give_up(board)
    if not found:
        found = _find(board, buf)
    if not found:
        log("Failed to jump to application!")
        return None
    log("booting...")
    log("")
    return found


def _find(board, buf):
    if "state" in board.layout:
        from fwboot.trial import run as find
    else:
        from fwboot.simple import run as find
    try:
        return find(board, buf)
    except (OSError, FwError, MemoryError):
        found = recovery(board, buf)
        if not found:
            raise
        return found
