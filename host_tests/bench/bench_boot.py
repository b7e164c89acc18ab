"""One boot that installs, or verifies of a signature, on MicroPython in little heap:

micropython -X heapsize=N -m bench_boot FOLDER          prints what bench_board prints
micropython -X heapsize=N -m bench_boot FOLDER TIMES    verifies; prints the share of a verify
                                                        that the longest time without feed() is
"""

import gc
import sys
import time


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


class Feed:
    """The watchdog's hook: remembers the longest time between two calls."""

    longest = last = 0

    def __call__(self):
        now = time.ticks_us()
        self.longest = max(self.longest, time.ticks_diff(now, self.last))
        self.last = now


def verify(path, times):
    from fwcore.p256 import PublicKey

    feed = Feed()
    with open(path + "/PublicKey", "rb") as file:
        key = PublicKey(file.read(), feed)
    with open(path + "/signed", "rb") as file:
        pair = file.read(32), file.read(64)
    shares = []
    for _ in range(int(times)):
        feed.longest, feed.last = 0, time.ticks_us()
        start = feed.last
        if not key.verify(*pair):
            raise ValueError
        feed()
        shares.append(feed.longest / time.ticks_diff(feed.last, start))
        gc.collect()
    print(sorted(shares)[len(shares) // 2])


if __name__ == "__main__" and len(sys.argv) > 2:
    verify(*sys.argv[1:])
elif __name__ == "__main__" and boot(*sys.argv[1:]):
    print("done")
