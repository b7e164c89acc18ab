"""Boot selector: which boot stage runs. Index 0, frozen, never updated.

Updatable boot stages are in direct mode: two slots, from which trial.py chooses as a stage
chooses its application. This file hands over, and makes sure that something always runs:

    the stage              what happens
    on trial, fails        reset: a try is used up; after the last one the older stage runs
    confirmed, fails       the frozen stage runs, in this very boot
    none that may run      the frozen stage runs

The state of the stages, which the client writes, says which slot runs and whether a new stage
waits. A board from the factory has no such state yet: then the newer of the two is tried.

A stage is a file system image with a module `stage` in it. Its enter(board, index) finds
an application and returns what starts it; an exception of that is the application's. A stage
imports its own fwboot, fwcore and ufota, not those of the selector.
"""

import sys

from fwboot import handover, modules, trial
from fwcore import errors_boot
from fwcore.boot_chain import StageBoard
from fwcore.errors import FwError
from fwcore.layout import check
from fwcore.state import PENDING, TRIAL, TRIALS, State

_BUFFER = 4096


def run(board):
    """Choose a boot stage.

    board:    see docs/DESIGN.md, "What a board offers"; its layout has `stages`
    returns:  (Image, index), verified, index 1 or 2 by its slot; (None, 0) when none may run.
              It raises no Exception: there is still the frozen stage
    """
    board.log("Boot selector")
    if "watchdog_ms" in board.layout:
        board.watchdog(board.layout["watchdog_ms"])
    try:
        check(board.layout)
        image = _find(StageBoard(board))
    except Exception as error:  # whatever it is, there is the frozen stage
        board.log("[ERR ] Boot stages: error {}".format((error.args or [error])[0]))
        image = None
    if image is None:
        board.log("Boot stage 0, frozen")
        return None, 0
    index = _index(board.layout["stages"]["active"], image)
    board.log("Boot stage {}, version {}".format(index, image.head.version))
    return image, index


def _find(view):
    """The stage to run, or None. Raises OSError, FwError."""
    buf = memoryview(bytearray(_BUFFER))
    if State(view).is_new:
        _first_start(view, buf)
    # A rejected application is better than none. A rejected stage is not: there is the frozen one.
    return trial.run(view, buf, False)


def _first_start(view, buf):
    """Begin the state: what the factory put into the second slot is PENDING when it is newer.

    Never again: a header that lies there later without PENDING may be torn by a cut, good
    today and unreadable once its stage is confirmed.
    """
    state = State(view)
    head, new = (_header(state.runnable(view, slot)[0], buf) for slot in (0, 1))
    if new and new.version > (head.version if head else 0):
        state.phase = PENDING
        state.new = new
        state.tries = view.layout.get("trials", TRIALS)
    state.put()


def _header(slot, buf):
    """Header of a slot, None when it holds no stage. Raises OSError."""
    try:
        return slot.read_header(buf, None)
    except FwError:
        return None


def _index(first, image):
    """1 for the image of the region `first`, else 2."""
    return 1 if (image.device, image.slot.header_at) == (first["device"], first["header"]) else 2


def enter(board, frozen):
    """Choose a boot stage, and let it find the application.

    frozen:   enter() of the stage that is frozen beside the selector
    returns:  a function without arguments that starts the application. Once the caller has
              dropped this module, nothing of the selector takes memory
    raises:   what the frozen stage raises
    """
    image, index = run(board)
    begin = _enter(board, image, index) if image else None
    return begin or frozen(board, 0)


def _enter(board, image, index):
    """What the stage's enter() returns; None when it fails and is not on trial."""
    try:
        import vfs

        vfs.mount(handover.file_system(board, image), modules.ROOT, readonly=True)
        modules.of_stage()
        return __import__(modules.ENTRY).enter(board, index)
    except Exception as error:  # whatever it is, something must be started
        sys.print_exception(error)
    modules.of_firmware()
    board.log("[ERR ] Boot stage {} failed".format(index))
    if _note_crash(board):
        board.reset()
    return None


def _note_crash(board):
    """True when the stage is on trial; then the state says, for the next start: it crashed."""
    try:
        state = State(StageBoard(board))
        if state.phase != TRIAL:
            return False
        state.reason = errors_boot.CRASHED
        state.put()
        return True
    except (OSError, FwError):
        return False  # nor may tries count down: a reset could go on for ever
