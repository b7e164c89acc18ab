"""PyPI's MicroPython with a ^C that waits for the end of a bytecode. pty_board.py starts it.

That build obeys SIGINT between any two machine instructions. In the middle of a collection of
garbage, or with a lock held, it crashes or hangs after that. STOP asks as the serial port of
a board does: the interpreter raises KeyboardInterrupt when it next looks.
"""

import ctypes
import signal
import sys
from importlib.util import find_spec

STOP = signal.SIGUSR1


def runs(path):
    """True when the MicroPython at this path is that build, of this Python."""
    from fwtool import paths  # not for the interpreter's own process

    return path == paths.micropython_beside() and find_spec("micropython_module") is not None


def _main():
    import micropython_module  # the interpreter: a library in this process

    library, libc = ctypes.CDLL(micropython_module.__file__), ctypes.CDLL(None)
    ask = ctypes.cast(library.mp_sched_keyboard_interrupt, ctypes.c_void_p)
    libc.signal(STOP, ask)
    libc.siginterrupt(STOP, 1)  # a read or a sleep ends for it
    sys.exit(micropython_module.run_main(["micropython", *sys.argv[1:]]))


if __name__ == "__main__":
    _main()
