"""One whole update over HTTPS in as little heap as it takes; MicroPython.

    micropython -X heapsize=N -m bench_https FOLDER URL [memory]

FOLDER has the board's card and key, and ca.der. Prints "done", and with `memory` the most
that the process had of its own while the image came, in KiB. bench_tls.py looks for the
smallest N that gets there; with an address of http:// the rest is the same.
"""

import gc
import sys

most_kb = 0


def update(path, url, memory=""):
    gc.threshold(256)  # as in bench_board.py, and as there the buffer comes first
    buf = bytearray(4096)
    from bench_board import Board
    from ufota.client import Client
    from ufota.sources.http import HttpSource
    from ufota.web import tls

    with open(path + "/ca.der", "rb") as file:
        context = tls.context(file.read())
    progress = look if memory else None
    client = Client(Board(path, "PublicKey"), HttpSource(tls=context), buf, progress=progress)
    client.start(url)
    return client.run()


def look(done, total):
    """Progress: how much memory is there now, MicroPython's heap included?"""
    global most_kb
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("RssAnon:"):
                most_kb = max(most_kb, int(line.split()[1]))


if __name__ == "__main__" and update(*sys.argv[1:]):
    print("done", most_kb)
