"""What `fwtool run --pty` does: a virtual board on a serial port, until Ctrl-C."""

import signal
import threading

import rich_click as click

from fwtool.exits import Failure
from fwtool.virtual import boot


def serve(state_dir, heap, interpreter):
    """Run a board on a pseudo-terminal. Prints how to reach it; returns after SIGINT or SIGTERM.

    raises:  Failure, FwError for files that are no board
    """
    try:
        from fwtool.virtual.pty_board import PtyBoard, make_blank
    except ImportError:  # Windows
        raise Failure("--pty needs an operating system with pseudo-terminals") from None
    make_blank(state_dir)
    layout = boot.check_files(state_dir)
    if "user" not in layout.get("regions", {}):
        raise Failure("--pty needs a region user in the layout, for the files of the console")
    board = PtyBoard(state_dir, heap, interpreter, on_line=_tell)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with board:
        click.echo(f"mpremote connect {board.port}")
        while not stop.wait(_POLL_S) and board.is_on():
            pass
    board.close()
    board.wait()  # raises what ended it


_POLL_S = 0.2


def _tell(line):
    click.echo(f"fwtool: {line}", err=True)
