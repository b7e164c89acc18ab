"""A board in memory: what fwboot and ufota are handed, on disks that cut power.

Small on purpose: a sweep over every cut runs a whole update hundreds of times. All
disks share one Power, so a Board is a world for simdisk.every_cut.
Runs on CPython and on MicroPython.

    flash  16 KiB  0x0000 boot   0x0400 active header   0x0800 active image, 5 KiB
                   0x2000 candidates, when they are internal (8 KiB)
    spi    24 KiB  candidates from 0x400, 20 KiB
    sd     24 KiB  candidates from 0x400, 20 KiB
"""

from errno import ENODEV
from hashlib import sha256

from fwcore import header, regions
from fwcore.errors import FwError
from fwcore.errors_boot import NO_KEY
from fwcore.journal import Journal
from fwcore.kv import KeyValue
from fwcore.regions import SwapSlot
from fwcore.statement import digest_of
from fwcore.storage import Storage
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk, Power

ROT = bytes(range(16))
VENDOR_ID = b"vendor-of-tests!"
CLASS_ID = b"class--of--tests"
KINDS = ("sd", "spi", "internal")
MAX_SIZE = 0x1400  # of an active image

_CANDIDATES = {
    "sd": {"device": "sd", "start": 0x400, "size": 0x5000},
    "spi": {"device": "spi", "start": 0x400, "size": 0x5000},
    "internal": {"device": "flash", "start": 0x2000, "size": 0x2000, "internal": True},
}


def layout(kind="sd", locations=1, **more):
    """A LAYOUT dict. kind: where the candidates are, one of KINDS; more: further keys."""
    candidates = dict(_CANDIDATES[kind])
    candidates["locations"] = locations
    made = {
        "devices": {
            "flash": {"size": 0x4000, "erase": 1024, "program": 256},
            "spi": {"size": 0x6000, "erase": 1024, "program": 256},
            "sd": {"size": 0x6000, "erase": 512, "program": 512, "overwrite": True},
        },
        "active": {
            "device": "flash",
            "header": 0x400,
            "start": 0x800,
            "size": MAX_SIZE,
            "format": "lfs2",
        },
        "candidates": candidates,
        "regions": {"boot": {"device": "flash", "start": 0, "size": 0x400}},
        "copy_retries": 3,
    }
    made.update(more)
    return made


MODES = ("swap", "overwrite", "direct")
BLOCK = 512  # of the layouts with a state region


def trial_layout(mode, kind="spi", blocks=3, **more):
    """A LAYOUT dict with a state region, as small as it gets, for sweeps.

    mode:    swap, overwrite or direct
    kind:    where the candidate is: flash (inside the one device), spi or sd
    blocks:  of 512 bytes, for header and image of the active region
    more:    further keys of the layout; with `signed` an image starts one page later

        flash  active (blocks), state (6 blocks), the candidate when it is inside
        spi    the candidate: swap one block more than active, overwrite two slots
    """
    inside = (blocks + 6) * BLOCK if kind == "flash" else 0
    signed = more.get("signed", False)
    count = {"swap": blocks + 1, "overwrite": 2 * (blocks + 1), "direct": blocks}[mode]
    made = {
        "devices": {
            "flash": {"size": (blocks * 4 + 9) * BLOCK, "erase": BLOCK, "program": 128},
            "spi": {"size": count * BLOCK, "erase": BLOCK, "program": 128},
            "sd": {"size": count * BLOCK, "erase": 512, "program": 512, "overwrite": True},
        },
        "active": {
            "device": "flash",
            "header": 0,
            "start": 512 if kind == "sd" and mode == "swap" else 256 if signed else 128,
            "format": "lfs2",
        },
        "state": {"device": "flash", "start": blocks * BLOCK, "size": 6 * BLOCK},
        "mode": mode,
        "candidates": {
            "device": kind,
            "start": inside,
            "size": count * BLOCK,
            "locations": 2 if mode == "overwrite" else 1,
            "internal": mode == "direct",
        },
    }
    made["active"]["size"] = blocks * BLOCK - made["active"]["start"]
    made.update(more)
    return made


class ToyKey:
    """Stands for the maker's key, both halves: what it makes is only as long as a signature.

    asked:   how often it verified
    """

    def __init__(self, secret=b"maker"):
        self._secret = secret
        self.asked = 0

    def sign(self, digest):
        """64 bytes for 32."""
        return sha256(self._secret + digest).digest() + sha256(digest + self._secret).digest()

    def verify(self, digest, signature):
        self.asked += 1
        return signature == self.sign(digest)


class Board:
    """What docs/DESIGN.md, "What a board offers", asks for.

    rot:     16 bytes, or None for a device without a root of trust
    key:     what key() returns; default: a ToyKey where the layout says signed; False: there is
             none, the device is not provisioned
    disks:   name -> Disk, for every device of the layout that is used
    pulled:  names of devices that do not answer: device() raises OSError
    lines:   the boot log
    fed:     calls of feed()
    pressed: what wants_recovery() returns
    bitten:  what hung() returns
    watched: timeout of the watchdog, ms, once it was started
    starts:  what ufota/update/rest.py has counted in this start
    """

    def __init__(self, layout_, rot=ROT, key=None):
        self.layout = layout_
        self.power = Power()
        self.disks = {}
        self.vault = Disk(3 * BLOCK, BLOCK, 128, False, self.power, "store")
        for name in sorted(_used(layout_)):
            spec = layout_["devices"][name]
            overwrite = spec.get("overwrite", False)
            self.disks[name] = Disk(
                spec["size"], spec["erase"], spec["program"], overwrite, self.power, name
            )
        self.pulled = set()
        self.lines = []
        self.fed = 0
        self.pressed = False
        self.bitten = False
        self.watched = None
        self.starts = {}
        self.vendor_id = VENDOR_ID
        self.class_id = CLASS_ID
        self._rot = rot
        self._key = ToyKey() if key is None and layout_.get("signed", False) else key

    def device(self, name):
        if name in self.pulled:
            raise OSError(ENODEV)
        return self.disks[name]

    def rot(self):
        return self._rot

    def key(self):
        if self._key is False:
            raise FwError(NO_KEY)
        return self._key

    def store(self):
        """Read anew each time: a Board outlives its resets."""
        journal = Journal(Storage(self.vault, BLOCK, 128), 0, 3 * BLOCK, 200)
        return KeyValue(journal, journal.load())

    def log(self, text):
        self.lines.append(text)

    def feed(self):
        self.fed += 1

    def watchdog(self, timeout_ms):
        self.watched = timeout_ms

    def wants_recovery(self):
        self.starts = {}  # asked once in each start: what was counted in RAM is lost
        return self.pressed

    def hung(self):
        return self.bitten

    def mapped(self, name):
        return None

    def reset(self):
        raise AssertionError("nobody asked for a reset")


def _used(layout_):
    names = ("active", "candidates", "state", "recovery", "client")
    return {layout_[name]["device"] for name in names if name in layout_}


# What a factory writes, and reads for the tests: neither counts as an operation


def make(kind="sd", locations=1, key=None, **more):
    """A Board that runs version 1 of everything: image noise(1200, 1). more: as for layout()."""
    made = Board(layout(kind, locations, **more), ROT, key)
    put(made, active_slot(made), 1, noise(1200, 1))
    return made


def active_slot(board):
    active = board.layout["active"]
    return regions.fixed_slot(board.layout, active, board.disks[active["device"]])


def candidate_slots(board):
    return regions.slots(board.layout, board.disks[board.layout["candidates"]["device"]])


def put(board, slot, version, image, signature=None, component=None):
    """Put an image with its header into a slot; returns the Header.

    signature:  64 bytes; default: where there is room, that of the board's own maker
    component:  what the maker signed it as; default: the layout's
    """
    head = header.Header(version, len(image), sha256(image).digest(), header.NO_CAMPAIGN)
    if slot.room and signature is None:
        signature = sign(board, head, component)
    disk = slot.storage.device
    disk.load(slot.header_at, slot.pack(head, _key(board, slot)) + (signature or b""))
    if isinstance(slot, SwapSlot):
        disk.load(slot.inner_at, header.pack_internal(head))
    disk.load(slot.body_at, image)
    return head


def sign(board, head, component=None):
    """The signature of the board's own maker for an image; b"" where its key cannot sign."""
    if not hasattr(board._key, "sign"):
        return b""
    return board._key.sign(
        digest_of(board, component or board.layout.get("component", "MAIN"), head)
    )


def _key(board, slot):
    return header.device_key(board.rot()) if slot.external else None


def read(board, slot):
    """(version, image) of a slot whose header and digest are good, else (0, None)."""
    scratch = memoryview(bytearray(slot.header_size()))
    try:
        head = slot.read_header(scratch, _key(board, slot))
    except FwError:
        return 0, None
    image = bytes(slot.storage.device.data[slot.body_at : slot.body_at + head.size])
    return (head.version, image) if sha256(image).digest() == head.digest else (0, None)
