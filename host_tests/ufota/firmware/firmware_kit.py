"""Firmware that can be updated, for tests: ESP-IDF's OTA partitions, and mboot.

What esp32.Partition and machine.bootloader() would do, on simdisk disks. Runs on CPython and
on MicroPython.
"""

import struct
from hashlib import sha256

from fwcore.manifest import version_word
from ufota_testkit.simdisk import Disk

FIRST = version_word("1.0.0")
SIZE = 64 << 10
_NEW, _PENDING, _VALID, _ABORTED = range(4)


class Esp:
    """Two OTA partitions, the words about them, and a second-stage bootloader with roll-back.

    power:     simdisk.Power of the board
    versions:  digest of an image -> what version() of that firmware says
    """

    def __init__(self, power, versions):
        self.disks = [Disk(SIZE, 4096, 16, power=power, name="ota_%d" % i) for i in range(2)]
        self.power = power
        self._versions = versions
        self.sizes = [0, 0]  # of the images, which have their length inside
        self._states = [_VALID, _ABORTED]
        self._boot = self.runs = 0
        self.refuses = False  # that set_boot() takes the image

    def version(self):
        size = self.sizes[self.runs]
        return self._versions.get(bytes(sha256(self.disks[self.runs].data[:size]).digest()), FIRST)

    def set_boot(self, index):
        self.power.alive()
        if self.refuses:
            raise OSError(-0x1503)  # ESP_ERR_OTA_VALIDATE_FAILED
        self._boot, self._states[index] = index, _NEW

    def mark(self):
        self._states[self.runs] = _VALID

    def reset(self):
        """The bootloader's choice."""
        if self._states[self._boot] == _PENDING:  # it ran once, and did not confirm
            self._states[self._boot] = _ABORTED
            self._boot = 1 - self._boot
        elif self._states[self._boot] == _NEW:
            self._states[self._boot] = _PENDING
        self.runs = self._boot


class Partition:
    """As esp32.Partition."""

    def __init__(self, esp, index):
        self._esp = esp
        self._index = index
        disk = esp.disks[index]
        self.readblocks, self.writeblocks, self.ioctl = (
            disk.readblocks,
            disk.writeblocks,
            disk.ioctl,
        )

    def get_next_update(self):
        return Partition(self._esp, 1 - self._esp.runs)

    def set_boot(self):
        self._esp.set_boot(self._index)

    def mark_app_valid_cancel_rollback(self):
        self._esp.mark()


class Rom:
    """mboot and the flash it programs.

    disk:  simdisk.Disk where it reads from; base: its address there
    """

    def __init__(self, disk, base):
        self.mem32 = {}
        self.flash = b""
        self._disk = disk
        self._base = base

    def bootloader(self, elements):
        """Program what the elements say; -20 in the status word when it is no image."""
        found = {}
        while elements[0] != 1:
            found[elements[0]] = elements[2 : 2 + elements[1]]
            elements = elements[2 + elements[1] :]
        point, kind, base, size, more_base, more = struct.unpack("<BBLLLL", found[2])
        assert kind == 4 and not more_base and not more
        assert found[3][0] == point and len(found[3]) > 1
        (status,) = struct.unpack("<L", found[4])
        at = base - self._base
        image = bytes(self._disk.data[at : at + size])
        if image[:1] == b"\x00":
            self.mem32[status] = -20 & 0xFFFFFFFF
        else:
            self.flash = image
            self.mem32[status] = 0
