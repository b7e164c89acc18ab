"""The boot stage of the virtual board: find the application, start it, watch how it ends.

It is frozen, and runs by itself or beside the boot selector. With a selector it is also in
the image of each updatable stage: `fwtool stage` puts it there, with what it imports.
"""

import gc
import sys

from micropython import const

_MAIN = "/app/main.py"
_WASHED = const(5120)  # bytes of C stack to overwrite, 32 bit: the boot stage takes fewer


def enter(board, index):
    """Find the application, once everything that was begun is finished.

    index:    slot this stage came from, 1 or 2; 0 is the frozen one
    returns:  a function without arguments that starts the application. When there is
              nothing to start the board resets, and tries again
    """
    start = look(board, index)
    if start is None:
        board.reset()
    return start


def look(board, index):
    """The same for a board with a console: None when there is nothing to start."""
    if "stages" in board.layout:
        board.log("This is boot stage {}".format(index))
    image = _find(board)
    if image and index:
        _confirm(board)
    if "--boot-only" in sys.argv:
        sys.exit(0 if image else 1)
    if image is None:
        return None
    _wash()
    return _application(board, image)


def _wash():
    """Overwrite the unused part of the C stack, where the boot stage has left its data.

    The garbage collector takes old bytes there for addresses, and would keep modules in memory.
    That costs heap only, so a port that cannot measure its stack does without.
    """
    try:
        from micropython import stack_use

        _fill(stack_use, _WASHED if sys.maxsize < 1 << 32 else 2 * _WASHED)
    except (ImportError, RuntimeError):  # the second: a stack smaller than that
        pass


def _fill(stack_use, end):
    if stack_use() < end:
        _fill(stack_use, end)


def _find(board):
    # Imports are inside, so that nothing of the boot stage stays referenced.
    from fwcore.modules import SLOT, STATE, load

    # One after the other: C stack.
    load("fwcore", STATE if "state" in board.layout else SLOT)
    from fwboot.main import run
    from fwcore.errors import FwError

    try:
        return run(board)
    except OSError as error:
        board.log("[ERR ] Active firmware unreadable, error " + str(error.errno))
    except FwError as error:
        board.log("[ERR ] Boot stage failed, error " + str(error.code))


def _confirm(board):
    """This stage is good: it has an application to start. One that never gets here is reverted."""
    from fwcore.boot_chain import StageBoard
    from fwcore.errors import FwError
    from ufota.trial import confirm

    try:
        confirm(StageBoard(board))
    except (OSError, FwError) as error:
        board.log("[ERR ] Boot stage not confirmed, error " + str(error.args[0]))


def _application(board, image):
    """What starts the application, and runs it to its end.

    The application is called from here, and this from the first script: so few calls come
    before the application, and it has the most C stack.
    """

    def start():
        error = None
        try:
            if _prepare(board, image):
                execfile(_MAIN, {"__name__": "__main__"})  # noqa: F821
            else:
                # The image's main, compiled; an import cannot make it __main__.
                __import__(_MAIN.rsplit("/", 1)[1][:-3])
        except BaseException as raised:  # SystemExit too: on trial no end is a good one
            error = raised
        _ended(board, image, error)

    return start


def _prepare(board, image):
    """Mount the application, and leave it the heap. True when its main is a source file."""
    from fwboot.modules import of_firmware

    of_firmware()
    gc.collect()  # again: now no frame of forget() holds on to anything
    from fwboot.handover import mount

    gc.threshold(-1)  # as the application expects it
    _mount_user(board)
    return mount(board, image)


def _ended(board, image, error):
    """The application ended; error: the exception that ended it, or None."""
    # Somebody at the console stopped it: that is no failure of the image.
    if not isinstance(error, KeyboardInterrupt) and _failed_on_trial(board, image):
        if error:
            sys.print_exception(error)
        board.reset()
    if error:
        raise error


def _mount_user(board):
    # Storage that fails is not the application's fault.
    try:
        board.mount_user()
    except OSError as error:
        board.log("user files: not mounted, error " + str(error.errno))


def _failed_on_trial(board, image):
    """True when this image was on trial, or rejected itself: the boot stage has to go on.

    Stores the reason; a storage that fails just now must not keep the board from its reset.
    """
    if "state" not in board.layout:
        return False
    gc.collect()
    from fwcore import errors_boot
    from fwcore.errors import FwError
    from fwcore.state import BACK, TRIAL, State

    try:
        state = State(board)
        if state.new.digest != image.head.digest:  # the recovery image, for instance
            return False
        if state.phase == TRIAL:
            state.reason = errors_boot.CRASHED
            state.put()
        return state.phase in (TRIAL, BACK)
    except (OSError, FwError) as error:
        board.log("[ERR ] State not written, error " + str(error.args[0]))
        return True
