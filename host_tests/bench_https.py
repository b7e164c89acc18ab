"""One whole update over HTTPS in as little heap as it takes; MicroPython.

    micropython -X heapsize=N -m bench_https FOLDER URL

FOLDER has the board's card and key, and ca.der. Prints "done" and the most memory that the
process took, in KiB. bench_tls.py looks for the smallest N that gets there; with an address
of http:// the rest is the same.
"""

import gc
import sys


def update(path, url):
    gc.threshold(256)  # as in bench_board.py, and as there the buffer comes first
    buf = bytearray(4096)
    from bench_board import Board
    from ufota.client import Client
    from ufota.sources import tls
    from ufota.sources.http import HttpSource

    with open(path + "/ca.der", "rb") as file:
        context = tls.context(file.read())
    client = Client(Board(path, "PublicKey"), HttpSource(tls=context), buf)
    client.start(url)
    return client.run()


def peak_kb():
    with open("/proc/self/status") as file:
        for line in file:
            if line[:6] == "VmHWM:":
                return int(line.split()[1])


if __name__ == "__main__" and update(*sys.argv[1:]):
    print("done", peak_kb())
