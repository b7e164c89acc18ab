"""Nothing in an update grows with the image: 2 MiB pass through a heap of 192 KiB.

The whole suite's source is compiled in that heap too; bench.py measures what a device needs.
"""

import gc
import sys

from ufota.client import Client
from ufota_testkit.noise import noise
from ufota_testkit.simboard import CLASS_ID, ROT, VENDOR_ID
from update_kit import MANIFEST_URL, PAYLOAD_URL, Key, signed

BOTH = True  # runs on CPython and on MicroPython
HEAP = "240k"  # for modules as source; at 224k fragments decide

BLOCK = noise(512, 7)
SIZES = {"pattern_16k": 16 << 10, "pattern_64k": 64 << 10, "pattern_2m": 2 << 20}


class Card:
    """An 8 MiB card that keeps only blocks that differ from the pattern; all else reads as it."""

    def __init__(self):
        self.kept = {}
        self.writes = 0

    def readblocks(self, block, buf):
        for at in range(0, len(buf), 512):
            buf[at : at + 512] = self.kept.get(block + at // 512, BLOCK)
        return 0

    def writeblocks(self, block, buf):
        for at in range(0, len(buf), 512):
            self.writes += 1
            if buf[at : at + 512] != BLOCK:
                self.kept[block + at // 512] = bytes(buf[at : at + 512])
        return 0

    def ioctl(self, request, argument):
        return {4: 16384, 5: 512}.get(request, 0)


class BlankFlash:
    """4 MiB of internal flash: no image, and nobody may write."""

    def readblocks(self, block, buf, offset):
        buf[:] = b"\xff" * len(buf)
        return 0

    def ioctl(self, request, argument):
        return {4: 1024, 5: 4096}[request]


class Board:
    def __init__(self):
        self.layout = {
            "devices": {
                "flash": {"size": 4 << 20, "erase": 4096, "program": 256},
                "sd": {"size": 8 << 20, "erase": 512, "program": 512, "overwrite": True},
            },
            "active": {"device": "flash", "header": 0, "start": 4096, "size": 3 << 20},
            "candidates": {"device": "sd", "start": 0, "size": 4 << 20, "locations": 1},
        }
        self.devices = {"flash": BlankFlash(), "sd": Card()}
        self.vendor_id = VENDOR_ID
        self.class_id = CLASS_ID

    def device(self, name):
        return self.devices[name]

    def rot(self):
        return ROT

    def key(self):
        return Key()

    def feed(self):
        pass


class Endless:
    """A source of the manifest, then of `size` bytes of the pattern."""

    header = b""

    def __init__(self, name, size):
        self._manifest = signed(name)
        self._size = size

    def open(self, url, at, tag):
        assert url in (MANIFEST_URL, PAYLOAD_URL)
        self._payload = url == PAYLOAD_URL
        self.length = self._size if self._payload else len(self._manifest)
        self._at = 0

    def readinto(self, mv):
        count = min(len(mv), self.length - self._at, 512 - self._at % 512)
        source = BLOCK if self._payload else self._manifest
        start = self._at % 512
        mv[:count] = source[start : start + count]
        self._at += count
        return count

    def wait(self, ms):
        pass

    def close(self):
        pass


def update(name):
    """Run one; returns bytes in use at the first buffer and at the last."""
    board = Board()
    live = []

    def progress(done, total):
        if not live or done == total:
            gc.collect()
            live.append(gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0)

    machine = Client(board, Endless(name, SIZES[name]), bytearray(4096), progress=progress)
    machine.start(MANIFEST_URL)
    assert machine.run()
    card = board.devices["sd"]
    assert card.writes == 2 + SIZES[name] // 512  # old header, image, header
    assert len(card.kept) == 1
    return live[0], live[-1]


def test_update_without_a_state_region_loads_nothing_of_it():
    if sys.implementation.name == "micropython":  # elsewhere others hold what is loaded here
        not_needed = {"fwcore.state", "fwcore.journal", "ufota.update.pending", "ufota.trial"}
        for name in not_needed:
            sys.modules.pop(name, None)  # the board's store has a journal
        update("pattern_16k")
        assert not not_needed & set(sys.modules)


def test_live_heap_is_the_same_for_every_image_size():
    for name in SIZES:
        update(name)  # what is only made once is made now
    figures = {}
    for name in SIZES:
        first, last = update(name)
        assert last - first <= 256, name
        figures[name] = last
    assert max(figures.values()) - min(figures.values()) <= 256, figures
