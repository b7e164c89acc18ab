"""What the payload decoders do for bench_time.py, on MicroPython.

A folder holds `sizes`, the image before as `old`, that after as `new`, and payloads of it. A
digest of the image is in each work.
"""

import json
from hashlib import sha256

from fwcore.slot import Slot
from fwcore.storage import Storage

PIECE = 512


class Card:
    """A card that is a file."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def readblocks(self, block, buf):
        self.file.seek(block * 512)
        self.file.readinto(buf)

    def ioctl(self, op, arg):
        return 1 << 20 if op == 4 else 512


class Digest:
    """A sink that digests; an image that is not the right one is an error."""

    def __init__(self, wanted):
        self._hash = sha256()
        self._wanted = wanted
        self.write = self._hash.update

    def end(self):
        if self._hash.digest() != self._wanted:
            raise ValueError


class Payloads:
    def __init__(self, folder):
        self.folder = folder
        with open(folder + "/sizes") as file:
            self.old_size, self.size = json.load(file)
        with open(folder + "/digest", "rb") as file:
            self.digest = file.read()
        self.buf = memoryview(bytearray(PIECE))

    def sink(self):
        return Digest(self.digest)

    def old(self):
        from ufota.decoders.precursor import Precursor

        storage = Storage(Card(self.folder + "/old"), 512, 512, True)
        return Precursor(Slot(storage, 0, 0, 1 << 29, False), self.old_size)

    def pour(self, name, decoder):
        with open(self.folder + "/" + name, "rb") as file:
            while True:
                count = file.readinto(self.buf)
                if not count:
                    break
                decoder.write(self.buf[:count])
        while decoder:
            decoder = decoder.end()

    def deflated(self):
        from ufota.decoders.inflate import Inflate

        self.pour("new.z", Inflate(self.sink(), self.size))

    def patch(self, native):
        from ufota.decoders.delta import Patch

        self.pour("detools", Patch(self.sink(), self.old(), self.size, native))

    def deflated_patch(self, native):
        from ufota.decoders.delta import Patch
        from ufota.decoders.inflate import Inflate

        patch = Patch(self.sink(), self.old(), self.size, native)
        self.pour("detools.z", Inflate(patch, None))

    def arm(self, native):
        from ufota.decoders.delta_arm import ArmPatch

        self.pour("arm", ArmPatch(self.sink(), self.old(), self.size, 1024, None, native))

    def lz4(self):
        from ufota.decoders import lz4

        sink, out = self.sink(), memoryview(bytearray(1024))
        with open(self.folder + "/new.lz4", "rb") as file:
            while True:
                head = file.read(2)
                if not head:
                    break
                block = memoryview(file.read(head[0] | head[1] << 8))
                sink.write(out[: lz4.unpack(block, out)])
        sink.end()

    def works(self):
        """[(name, function)]"""
        return [
            ("inflate an image", self.deflated),
            ("lz4 blocks, bytecode", self.lz4),
            ("detools patch, bytecode", lambda: self.patch(False)),
            ("detools patch, machine code", lambda: self.patch(True)),
            ("deflated detools patch, bytecode", lambda: self.deflated_patch(False)),
            ("deflated detools patch, machine code", lambda: self.deflated_patch(True)),
            ("Arm patch, bytecode", lambda: self.arm(False)),
            ("Arm patch, machine code", lambda: self.arm(True)),
        ]
