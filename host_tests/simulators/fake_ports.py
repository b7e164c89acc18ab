"""The hardware modules of MicroPython's ports, over simulated disks: machine, rp2, esp32, pyb,
mimxrt, and the SPI chips of bdev. Each behaves as the real one does by its C code:
what it returns, what it raises, what it does not check.

Install() puts them where `import` finds them. Runs on CPython and on MicroPython.
"""

import sys
from errno import EIO, ENODEV

_COUNT, _SIZE, _ERASE, _SYNC = 4, 5, 6, 3
_MAGIC = 0x6AB73121  # what the SDK of rp2 leaves in a scratch register
_SECTOR = 0x4000  # of the stm32's file system area, the first three


class Reset(BaseException):
    """machine.reset(): no `except Exception` lives through it."""


class Module:
    """A module that is an object. names: its attributes."""

    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class Hardware:
    """One board's chip, as it outlives resets.

    disk(name):  the Disk behind a device of the layout
    fed:     feeds of the watchdog;  watched: its timeout, None while none runs
    cause:   what reset_cause() tells, PWRON or WDT
    scratch: of rp2, address of the register that the watchdog's start writes to
    mem32:   registers
    nvs:     what is in NVS, committed;  nvs_error: number that reading it raises, 0: none
    pins:    (bus, chip select) of each SPI chip opened
    more:    modules of other ports, by a test
    """

    PWRON, WDT = 1, 3

    def __init__(self, disk, scratch=None):
        self.disk = disk
        self.fed = 0
        self.watched = None
        self.cause = self.PWRON
        self.scratch = scratch
        self.mem32 = {scratch: 0}
        self.nvs = {}
        self.nvs_error = 0
        self.pins = []
        self.more = {}

    def bite(self):
        """The watchdog resets the chip: registers stay as they are."""
        self.cause = self.WDT

    def cut(self):
        """Power off and on."""
        self.cause = self.PWRON
        self.mem32[self.scratch] = 0

    def modules(self):
        """{name: module} of all ports together."""
        return {
            "machine": self._machine(),
            "rp2": Module(Flash=lambda **part: Rp2Flash(self.disk("flash"), **part)),
            "esp32": Module(Partition=partition(self), NVS=lambda name: Nvs(self, name)),
            "pyb": Module(Flash=lambda start, len: PybFlash(self.disk("flash"), start, len)),
            "mimxrt": Module(Flash=lambda: MimxrtFlash(self.disk("flash"))),
            "bdev.spinor": Module(SpiNor=lambda spi, cs, feed: self._chip("spi", spi, cs)),
            "bdev.sdcard": Module(SDCard=lambda spi, cs, feed: self._chip("sd", spi, cs)),
        }

    def _machine(self):
        hardware = self

        class WDT:
            def __init__(self, timeout):
                hardware.watched = timeout
                if hardware.scratch:
                    hardware.mem32[hardware.scratch] = _MAGIC

            def feed(self):
                hardware.fed += 1

        class Pin:
            OUT = 1

            def __init__(self, name, mode=0, value=None):
                self.name = name
                self.value = value

        def reset():
            if hardware.scratch:  # rp2 does it by means of the watchdog
                hardware.cause = hardware.WDT
                hardware.mem32[hardware.scratch] = 0
            raise Reset

        def spi(bus, **_):
            return bus

        return Module(
            WDT=WDT,
            Pin=Pin,
            SPI=spi,
            reset=reset,
            mem32=self.mem32,
            WDT_RESET=self.WDT,
            reset_cause=lambda: self.cause,
        )

    def _chip(self, name, spi, cs):
        assert cs.value == 1, "a chip select that selects from the start"
        self.pins.append((spi, cs.name))
        disk = self.disk(name)
        if disk is None:
            raise OSError(ENODEV)
        return disk


class Rp2Flash:
    """As rp2.Flash: None for success, no bounds checked, offsets into the file system area."""

    def __init__(self, disk, start=0, len=-1):
        assert start % 4096 == 0 and (len == -1 or len % 4096 == 0)
        self._disk = disk
        self._first = start // 4096

    def readblocks(self, block, buf, offset=0):
        assert self._disk.readblocks(self._first + block, buf, offset) == 0

    def writeblocks(self, block, buf, *offset):
        assert self._disk.writeblocks(self._first + block, buf, *offset) == 0

    def ioctl(self, request, argument):
        if request == _ERASE:
            argument += self._first
        return self._disk.ioctl(request, argument)


class MimxrtFlash:
    """As mimxrt.Flash: one object for all; writes raise a text, erase returns 1 when it fails."""

    def __init__(self, disk):
        self._disk = disk

    def readblocks(self, block, buf, offset=0):
        self._disk.readblocks(block, buf, offset)

    def writeblocks(self, block, buf, *offset):
        if self._disk.writeblocks(block, buf, *offset):
            raise OSError("flash block write command failed with 1")
        return 0

    def ioctl(self, request, argument):
        code = self._disk.ioctl(request, argument)
        return int(code != 0) if request == _ERASE else code


class PybFlash:
    """As pyb.Flash(start=, len=): blocks of 512 bytes, a sector at a time in RAM.

    Written back when another sector is wanted, and by ioctl(3). The real one does it after
    five seconds, too; power is cut before that here.
    """

    def __init__(self, disk, start, len):
        assert start == 0
        self._disk = disk
        self._blocks = len // 512
        self._sector = -1
        self._cache = bytearray(_SECTOR)
        self._dirty = False

    def readblocks(self, block, buf):
        for i in range(len(buf) // 512):
            sector, at = divmod((block + i) * 512, _SECTOR)
            mv = memoryview(buf)[i * 512 : i * 512 + 512]
            if sector == self._sector:
                mv[:] = self._cache[at : at + 512]
            elif self._disk.readblocks(sector, mv, at):
                return -EIO
        return 0

    def writeblocks(self, block, buf):
        for i in range(len(buf) // 512):
            sector, at = divmod((block + i) * 512, _SECTOR)
            if sector != self._sector:
                self._flush()
                self._disk.readblocks(sector, self._cache, 0)
                self._sector = sector
            self._cache[at : at + 512] = memoryview(buf)[i * 512 : i * 512 + 512]
            self._dirty = True
        return 0

    def _flush(self):
        if self._dirty:
            self._disk.ioctl(_ERASE, self._sector)
            self._disk.writeblocks(self._sector, self._cache, 0)
            self._dirty = False

    def ioctl(self, request, argument):
        if request == _SYNC:
            self._flush()
            return 0
        return {_COUNT: self._blocks, _SIZE: 512, _ERASE: 0}.get(request)


def partition(hardware):
    """The class esp32.Partition: found by label, raises OSError for what fails."""

    class Partition:
        TYPE_DATA = 1
        RUNNING = 2

        def __init__(self, disk):
            self._disk = hardware.disk("ota_0") if disk == self.RUNNING else disk

        def get_next_update(self):
            return Partition(hardware.disk("ota_1"))

        def set_boot(self):
            hardware.boots = self._disk.name

        @staticmethod
        def find(type, label):
            disk = hardware.disk(label)
            return [Partition(disk)] if disk else []

        def readblocks(self, block, buf, offset=0):
            _check(self._disk.readblocks(block, buf, offset))

        def writeblocks(self, block, buf, *offset):
            _check(self._disk.writeblocks(block, buf, *offset))

        def ioctl(self, request, argument):
            code = self._disk.ioctl(request, argument)
            if request == _ERASE:
                _check(code)
            return code

    return Partition


def _check(code):
    if code:
        raise OSError(-261, "ESP_ERR_INVALID_SIZE")  # the numbers of ESP-IDF are not errnos


class Nvs:
    """As esp32.NVS: blobs, which a commit makes last."""

    def __init__(self, hardware, name):
        assert name == "ufota"
        self._hardware = hardware
        self._pending = {}

    def get_blob(self, name, buf):
        if self._hardware.nvs_error:
            raise OSError(self._hardware.nvs_error, "ESP_ERR")
        if name not in self._hardware.nvs:
            raise OSError(-4354, "ESP_ERR_NVS_NOT_FOUND")
        value = self._hardware.nvs[name]
        if len(value) > len(buf):
            raise OSError(-4364, "ESP_ERR_NVS_INVALID_LENGTH")
        buf[: len(value)] = value
        return len(value)

    def set_blob(self, name, value):
        self._pending[name] = bytes(value)

    def commit(self):
        self._hardware.nvs.update(self._pending)


class Installed:
    """`with Installed({name: module}):` imports find these; what was there comes back."""

    def __init__(self, modules):
        self._modules = modules
        self._old = {}

    def __enter__(self):
        for name in self._modules:
            self._old[name] = sys.modules.get(name)
            sys.modules[name] = self._modules[name]
        return self

    def __exit__(self, *_):
        for name in self._old:
            if self._old[name] is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = self._old[name]
