"""What runs first: on a real board this file is frozen, here it is the script's start.

    micropython -m _boot STATE_DIR [--boot-only]

When there is nothing to start, or storage does not answer, the board resets and tries
again: a card may be put back, and the next read may succeed. An image on trial that ends,
in whatever way, has failed: the state says so, and the board resets too.

--boot-only runs the boot stage and stops. Exit code 0: the application ended (or, with
--boot-only, would start), 1: it raised (or nothing to start). Death by SIGUSR2 is
machine.reset(): start it again.
"""

import gc
import os
import sys

from board import Board
from stage import enter

_THRESHOLD = 4096  # bytes between collections: garbage of imports would leave holes in the heap


def _select(board):
    """What starts the application that an updatable boot stage has found."""
    from fwboot import select

    return select.enter(board, enter)


def _boot():
    """What starts the application."""
    if not sys.argv[1].startswith("/"):
        sys.argv[1] = os.getcwd() + "/" + sys.argv[1]  # the hand-over changes folders
    gc.threshold(_THRESHOLD)
    board = Board()
    return _select(board) if "stages" in board.layout else enter(board, 0)


_boot()()
