"""What runs first: on a real board this file is frozen, here it is the script's start.

    micropython -m _boot STATE_DIR [--boot-only]

When there is nothing to start, or the active image cannot be read, the board resets and
tries again: a card may be put back, and a failed read may have been the last one.

--boot-only runs the boot stage and stops. Exit code 0: the application ended (or, with
--boot-only, would start), 1: it raised (or nothing to start). Death by SIGUSR2 is
machine.reset(): start it again.
"""

import os
import sys

from board import Board


def _stage(board):
    # A function of its own, so that nothing of the boot stage stays referenced.
    from fwboot.main import run

    try:
        return run(board)
    except OSError as error:
        board.log("[ERR ] Active firmware unreadable, error " + str(error.errno))


def _start(board, head):
    from fwboot.handover import start

    start(board, head)


def _main():
    if not sys.argv[1].startswith("/"):
        sys.argv[1] = os.getcwd() + "/" + sys.argv[1]  # the hand-over changes folders
    board = Board()
    head = _stage(board)
    if "--boot-only" in sys.argv:
        sys.exit(0 if head else 1)
    if head is None:
        board.reset()
    board.mount_user()
    _start(board, head)


_main()
