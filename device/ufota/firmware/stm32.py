"""Updates of MicroPython's own firmware on STM32, by mboot, which is in flash beside it.

A target of targets.py. The image is a file as mboot takes it, .dfu or .dfu.gz or a signed
pack, in a raw region of a device that mboot was built to read; it is verified here, and
programmed by mboot after the reset. There is no revert: mboot keeps no old firmware. When
power is cut while it programs, mboot begins again only where the board's build remembers the
request; else it waits for USB. Source: ports/stm32/mboot of MicroPython, fwupdate.py.

The board's reset() asks for `elements`, and calls machine.bootloader(elements) when there are.
"""

import struct

from micropython import const

from ufota.firmware.targets import FirmwareSlot, Target

_END = const(1)
_MOUNT = const(2)
_LOAD = const(3)
_STATUS = const(4)
_RAW = const(4)  # a file system that is one file
_POINT = const(1)  # number of a mount
_NAME = b"f"  # of the one file; mboot needs a name, and ignores which
_ASKED = const(1)  # in the status word; mboot writes 0, or a negative number


class Mboot(Target):
    """
    storage:  Storage of the device, as the application sees it
    at, size: bytes; where in it the region is
    base:     address of that region as mboot sees it
    version:  version, u64, of the firmware that runs: a constant that is frozen into it
              raises ValueError, TypeError for what is no number
    status:   address of 32 bits that survive a reset, in which mboot leaves its result
    mem32:    machine.mem32, or what stands for it

    elements: bytes for machine.bootloader(), once an image is to be installed; else b""
    """

    def __init__(self, storage, at, size, base, version, status, mem32):
        self._place = FirmwareSlot(storage, at, size)
        self._base = base
        self._version = int(version)
        self._status = status
        self._mem32 = mem32
        self.elements = b""

    def version(self):
        return self._version

    def slot(self):
        return self._place

    def install(self, size):
        self._mem32[self._status] = _ASKED
        mount = struct.pack("<BBLLLL", _POINT, _RAW, self._base, size, 0, 0)
        self.elements = (
            _element(_MOUNT, mount)
            + _element(_LOAD, struct.pack("<B", _POINT) + _NAME)
            + _element(_STATUS, struct.pack("<L", self._status))
            + _element(_END, b"")
        )
        self.installed = True

    def failed(self, begun):
        """A status that a power cut has cleared means nothing: the image is fetched again."""
        return begun and bool(self._mem32[self._status] & 0x80000000)

    def confirm(self):
        """There is nothing to go back to."""


def _element(kind, body):
    return bytes((kind, len(body))) + body
