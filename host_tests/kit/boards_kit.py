"""The boards of boards/ on fake ports: one world a board, which outlives its resets.

Runs on CPython and on MicroPython. On CPython boards have modules of the same names, so each
is loaded anew, and what `import board` gives others comes back.
"""

import sys

from fake_ports import Hardware, Installed
from fwcore.state import State
from fwcore.statement import digest_of
from helpers import here, vectors
from ufota_testkit import simboard
from ufota_testkit.simdisk import Disk, Power
from ufota_testkit.virtual_clock import Clock

NAMES = (
    "RPI_PICO_W",
    "RPI_PICO2_W",
    "ESP32_GENERIC",
    "ESP32_GENERIC_S3",
    "PYBV11",
    "NUCLEO_F429ZI",
    "MIMXRT1060_EVK",
)
KEY = bytes.fromhex(vectors("client/manifests.json")["key"])
IDENTITY = {
    b"rot": simboard.ROT,
    b"key": KEY,
    b"vendor_id": simboard.VENDOR_ID,
    b"class_id": simboard.CLASS_ID,
}
_FOLDERS = ("../boards/common", "../boards/virtual")
_OWN = ("board", "layout", "stage", "board_base", "board_rp2", "board_esp32", "board_stm32")


def folder(name):
    """Path of a board's folder."""
    return here("../boards/" + name)


class World:
    """A board and its chips, as they outlive resets: for simdisk.every_cut.

    name:    of its folder, or None: its modules are where imports find them
    layout:  the board's; more: fields of it that are others here
    clock:   what its reset waits by: nobody waits for it
    disks:   name -> Disk, made when somebody asks
    absent:  names of devices that are not there
    """

    _key = None  # simboard signs nothing for it

    def __init__(self, name, **more):
        self._places = []
        if name:
            self._places = [folder(name)] + [here(place) for place in _FOLDERS]
        self.clock = Clock()
        self._module = self._load()
        self.layout.update(more)
        self.power = Power()
        self.disks = Disks(self)
        self.absent = set()
        scratch = getattr(self._module.Board, "SCRATCH", None)
        self.hardware = Hardware(self._disk, scratch)
        self.lines = []

    def _load(self):
        saved = {name: sys.modules.pop(name) for name in _OWN if name in sys.modules}
        path = list(sys.path)
        sys.path[:] = self._places + path
        try:
            board = __import__("board")
            base = sys.modules["board_base"]
            base.time = self.clock
            self._base = base.BaseBoard
            self.layout = dict(sys.modules["layout"].LAYOUT)
            return board
        finally:
            sys.path[:] = path
            for name in _OWN:
                sys.modules.pop(name, None)
            sys.modules.update(saved)

    def _disk(self, name):
        if name in self.absent or name not in self.layout["devices"]:
            return None
        return self.disks[name]

    def ports(self):
        """Context in which the board finds its hardware; hardware.more are further modules."""
        modules = self.hardware.modules()
        modules.update(self.hardware.more)
        return Installed(modules)

    def start(self):
        """A Board, as after a reset: it remembers nothing."""
        board = self._module.Board()
        self._base._watchdog = self._base._hung = self._base._store = None
        board.layout = self.layout
        board.log = self.lines.append
        return board

    def rot(self):
        return simboard.ROT

    def provision(self):
        """What `fwtool provision` leaves in the device's store."""
        store = self.start().store()
        for name in sorted(IDENTITY):
            store.put(name, IDENTITY[name])

    def factory(self, version, image):
        """Put an image into the active region, as a factory does it. Nobody signed it.

        Provisioning, which comes first here, has recorded it where the layout says `signed`.
        """
        head = simboard.put(self, simboard.active_slot(self), version, image, b"")
        if self.layout.get("signed", False) and "state" in self.layout:
            board = self.start()
            state = State(board)
            state.remember(digest_of(board, self.layout.get("component", "MAIN"), head))
            state.put()


class Disks:
    """name -> Disk of a World; makes them, as real as their chips."""

    def __init__(self, world):
        self._world = world
        self.made = {}

    def __getitem__(self, name):
        if name not in self.made:
            spec = self._world.layout["devices"][name]
            erase, program = spec["erase"], spec["program"]
            overwrite = spec.get("overwrite", False)
            if overwrite and name == "flash":  # stm32: what the port's RAM hides
                erase, overwrite = 0x4000, False
            disk = Disk(spec["size"], erase, program, overwrite, self._world.power, name)
            self.made[name] = disk
        return self.made[name]


def read(image):
    """(version, bytes) of a verified Image, through the board's own devices."""
    if image is None:
        return None
    size, unit = image.head.size, image.slot.storage.program_size
    buf = bytearray((size + unit - 1) // unit * unit)
    image.slot.storage.read(image.slot.body_at, memoryview(buf))
    return image.head.version, bytes(buf[:size])
