"""Makes images by the device's decoders, and says what these take of the heap.

Started by test_fwtool_delta.py on MicroPython: apply_patch.py KIND OLD PATCH SIZE
"""

import gc
import sys
from binascii import hexlify
from hashlib import sha256

import ufota.decoders.add_wide  # noqa: F401  (code is not counted)
from decoders_kit import Old
from ufota.decoders import add  # noqa: F401
from ufota.decoders.delta import Patch
from ufota.decoders.delta_arm import ArmPatch
from ufota.decoders.inflate import Inflate


class Digest:
    """A sink that keeps nothing."""

    def __init__(self):
        self._hash = sha256()

    def write(self, mv):
        self._hash.update(mv)

    def end(self):
        print(hexlify(self._hash.digest()).decode())


def decoders(kind, sink, old, size):
    """The first of them, without machine code."""
    if kind == "deflate":
        return Inflate(sink, size)
    if kind == "arm":
        return ArmPatch(sink, old, size, native=False)
    return Inflate(Patch(sink, old, size, native=False), None)


def main(kind, old_path, path, size):
    with open(old_path, "rb") as file:
        old = Old(file.read())
    buf, sink = memoryview(bytearray(4096)), Digest()
    gc.collect()
    before = gc.mem_alloc()
    first = decoders(kind, sink, old, int(size))
    gc.collect()
    taken = gc.mem_alloc() - before
    with open(path, "rb") as file:
        while True:
            count = file.readinto(buf)
            if not count:
                break
            first.write(buf[:count])
    while first:
        first = first.end()
    print(taken)


main(*sys.argv[1:])
