"""Verifies of a signature, on MicroPython, in as little heap as they take; for the benches:

    micropython -X heapsize=N -m verify_alone FOLDER TIMES

FOLDER has PublicKey (65 bytes) and signed (digest, signature). Prints the share of a verify that
the longest time without feed() is: the median.
"""

import gc
import sys
import time

from fwcore.p256 import PublicKey


class Feed:
    """The watchdog's hook: remembers the longest time between two calls."""

    longest = last = 0

    def __call__(self):
        now = time.ticks_us()
        self.longest = max(self.longest, time.ticks_diff(now, self.last))
        self.last = now


def verify(path, times):
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
    return sorted(shares)[len(shares) // 2]


if __name__ == "__main__":
    print(verify(*sys.argv[1:]))
