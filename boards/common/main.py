"""Runs the boot stage and then the application: frozen, so that no file can replace it.

The watchdog runs before anything else is loaded or read. Every failure before the application
ends in a reset, after a few seconds in which ^C leads to the prompt.

An application's own main has to be a source file: a main.mpy is imported, and an import of that
name finds this file.
"""

import gc
import sys

_THRESHOLD = 4096  # bytes between collections: garbage of imports would leave holes in the heap


def _select(board):
    """What starts the application. Raises whatever goes wrong."""
    from stage import enter

    if "stages" not in board.layout:
        return enter(board, 0)
    from fwboot import select

    return select.enter(board, enter)


def _boot():
    """What starts the application. Resets the board when there is nothing to start."""
    if "/app" in sys.path:  # an application imports it
        raise ImportError
    from board import Board

    board = Board()
    if "watchdog_ms" in board.layout:
        board.watchdog(board.layout["watchdog_ms"])
    gc.threshold(_THRESHOLD)
    try:
        return _select(board)
    except Exception as error:  # whatever it is, it must not end at a prompt nobody looks at
        sys.print_exception(error)
        board.reset()


_boot()()  # at the top level: the application has the most C stack then
