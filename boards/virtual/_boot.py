"""What runs first: on a real board this file is frozen, here it is the script's start.

    micropython -m _boot STATE_DIR [--boot-only]

--boot-only runs the boot stage and stops. Exit code 0: the application ended (or, with
--boot-only, would start), 1: nothing bootable, or the application raised. Death by
SIGUSR2 is machine.reset(): start it again.
"""

import os
import sys

from board import Board


def _stage(board):
    # A function of its own, so that nothing of the boot stage stays referenced.
    from fwboot.main import run

    return run(board)


def _start(board, head):
    from fwboot.handover import start

    start(board, head)


def _main():
    if not sys.argv[1].startswith("/"):
        sys.argv[1] = os.getcwd() + "/" + sys.argv[1]  # the hand-over changes folders
    board = Board()
    head = _stage(board)
    if head is None:
        sys.exit(1)
    if "--boot-only" not in sys.argv:
        board.mount_user()
        _start(board, head)


_main()
