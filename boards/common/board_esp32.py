"""Boards of the esp32 port: devices are partitions, identity is in NVS."""

import sys

from board_base import NAMES, BaseBoard
from micropython import const

from fwcore.modules import built_in
from fwcore.window import Window

_MAX_VALUE = const(65)  # bytes of the longest one, a public key
_NOT_FOUND = const(-0x1102)  # ESP_ERR_NVS_NOT_FOUND, as the port raises it
_CHIP_BAUD = const(20000000)


class Nvs:
    """Stands for KeyValue, in the port's own NVS."""

    def __init__(self):
        from esp32 import NVS

        self._nvs = NVS("ufota")

    def get(self, name, default=None):
        """The value, or default where there is none. Raises OSError when it cannot be read."""
        buf = bytearray(_MAX_VALUE)
        try:
            size = self._nvs.get_blob(name.decode(), buf)
        except OSError as error:
            if error.errno != _NOT_FOUND:
                raise
            return default
        return bytes(buf[:size])

    def put(self, name, value):
        """Durable when this returns; what is there already is not written. Raises OSError."""
        if self.get(name) == value:
            return
        self._nvs.set_blob(name.decode(), value)
        self._nvs.commit()

    def keys(self):
        return sorted(name.encode() for name in NAMES if self.get(name.encode()) is not None)


class Esp32Board(BaseBoard):
    """A device of the layout is the partition with its label, or a chip `spi` on SPI2."""

    PINS = (0, 0, 0, 0)  # of that chip: SCK, MOSI, MISO, CS
    FIRMWARE = "0.1.0"  # version of all that is frozen here; raise it with every build
    _systems = None

    @property
    def systems(self):
        """The firmware, where the table has two partitions for it: see DESIGN.md."""
        if self._systems is None:
            from esp32 import Partition

            from fwcore.manifest import version_word
            from ufota.firmware.esp32 import OtaPartition

            running = Partition(Partition.RUNNING)  # type: ignore[arg-type]  # stubs know labels
            self._systems = {"SYSTEM": OtaPartition(running, version_word(self.FIRMWARE))}
        return self._systems

    def open(self, name, spec):
        if name == "spi":
            machine = built_in("machine")
            SPI, Pin = machine.SPI, machine.Pin
            sck, mosi, miso, cs = self.PINS
            bus = SPI(2, baudrate=_CHIP_BAUD, sck=Pin(sck), mosi=Pin(mosi), miso=Pin(miso))
            return self.chip(bus, Pin(cs, Pin.OUT, value=1))
        from esp32 import Partition

        found = Partition.find(Partition.TYPE_DATA, label=name)
        if not found:
            from errno import ENODEV

            raise OSError(ENODEV)
        return Window(found[0], 0, spec["size"])

    def mount_user(self):
        """Do nothing where the port's own _boot.py runs: it has mounted the partition."""
        if "flashbdev" not in sys.modules:
            super().mount_user()

    def store(self):
        if self._store is None:
            self._store = Nvs()
        return self._store
