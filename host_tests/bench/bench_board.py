"""The board of the benches, on MicroPython, and one whole update in as little heap as it takes:

    micropython -X heapsize=N -m bench_board FOLDER PublicKey|FixedKey URL
    micropython -m bench_board [-]MODULE ...

The first prints the names of the modules that are loaded in the end, then "done"; bench.py looks
for the smallest N that gets there. The second prints the heap in use after these imports, in
bytes; a module with a - is dropped again. One small module, because its own size counts.
"""

import gc
import sys

from micropython import const

_BLOCK_COUNT = const(4)
_CARD_SIZE = const(0x1C00000)


class Card:
    """An SD card in a file: boards/virtual's, without its checks and the flash beside it."""

    def __init__(self, path):
        self.file = open(path, "r+b", 0)

    def readblocks(self, block, buf):
        self.file.seek(block * 512)
        self.file.readinto(buf)

    def writeblocks(self, block, buf):
        self.file.seek(block * 512)
        self.file.write(buf)

    def ioctl(self, code, arg):
        return _CARD_SIZE // 512 if code == _BLOCK_COUNT else 0


class Board:
    """One card, kept in the file `storage` of a folder, for active image and candidates.

    A card, because what a simulated NOR chip costs in Python would drown what is measured.
    The layout is the same for all image sizes.

    key:  "PublicKey" or "FixedKey" of p256; made from the file of that name, and not kept
    """

    layout = {
        "devices": {
            "storage": {"size": _CARD_SIZE, "erase": 512, "program": 512, "overwrite": True}
        },
        "active": {
            "device": "storage",
            "header": 0,
            "start": 0x1000,
            "size": 0x900000,
            "format": "fat",
        },
        "candidates": {
            "device": "storage",
            "start": 0xA00000,
            "size": 0x1200000,
            "locations": 2,
        },
    }
    vendor_id = b"vendor of bench "
    class_id = b"class of benches"

    def __init__(self, path, key=None):
        self.path = path
        self.type = key
        self.storage = Card(path + "/storage")

    def device(self, name):
        return self.storage

    def rot(self):
        return self.class_id

    def key(self):
        from fwcore import p256

        with open(self.path + "/" + self.type, "rb") as file:
            return getattr(p256, self.type)(file.read())

    def log(self, text):
        pass

    def wants_recovery(self):
        return False

    feed = rot  # takes nothing, changes nothing


def update(path, key, url):
    gc.threshold(256)  # without it, garbage of imports ends as 6 KB of holes between code
    buf = bytearray(4096)  # as firmware does, first: later no such piece may be free
    from ufota.client import Client
    from ufota.sources.http import HttpSource

    client = Client(Board(path, key), HttpSource(), buf)
    client.start(url)
    return client.run()


def imports(*names):
    gc.threshold(256)
    for name in names:
        __import__(name.lstrip("-"))
    for name in names:
        if name[0] == "-":
            package, _, name = name[1:].rpartition(".")
            del sys.modules[package + "." + name]
            delattr(sys.modules[package], name)
    gc.collect()
    print(gc.mem_alloc())


if __name__ == "__main__":
    if "/" not in sys.argv[1]:
        imports(*sys.argv[1:])
    elif update(*sys.argv[1:]):
        print(" ".join(sys.modules))
        print("done")
