"""One boot that installs, on MicroPython, in as little heap as it takes:

    micropython -X heapsize=N -m bench_boot FOLDER

Prints what bench_board prints.
"""

import gc
import sys


def boot(path):
    gc.threshold(256)
    buf = bytearray(4096)
    from bench_board import Board
    from fwboot import main, simple  # main.run() imports the way it installs by

    del simple
    gc.collect()
    print(gc.mem_alloc() - len(buf))
    buf = None  # main.run() makes its own
    return main.run(Board(path))


if __name__ == "__main__" and boot(*sys.argv[1:]):
    print("done")
