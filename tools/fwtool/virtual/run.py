"""`fwtool run`: the virtual board of a folder, until its application ends."""

import rich_click as click

from fwtool import exits, files
from fwtool.exits import Failure
from fwtool.virtual import boot, virtual_board


@click.command()
@click.argument("state_dir")
@click.option(
    "--heap",
    type=files.Size(least=16 << 10),
    default="256k",
    show_default=True,
    help="Heap of the board, at least 16k.",
)
@click.option("--interpreter", metavar="FILE", help="MicroPython to run it on.")
@click.option("--pty", is_flag=True, help="Give it a serial port, for mpremote and terminals.")
def run(state_dir, heap, interpreter, pty):
    """Run the virtual board of STATE_DIR until its application ends.

    Ctrl-C cuts the power. With --pty it goes on until then, and a STATE_DIR that is empty or
    new becomes a board with MicroPython and nothing else: `fwtool deploy` brings the rest.
    """
    if pty:
        from fwtool.virtual import pty_run  # not on Windows

        pty_run.serve(state_dir, heap, interpreter)
        return
    boot.check_files(state_dir)
    board = virtual_board.VirtualBoard(state_dir, heap, interpreter, on_line=click.echo)
    with board:
        code = board.wait()
    if code == virtual_board.RESET:
        raise Failure("the board resets again and again", exits.DEVICE)
    if code:
        raise Failure(f"the board stopped with exit code {code}", exits.DEVICE)
