"""A Pico W of fakes that record each call: flash, SPI with its chips, watchdog.

MicroPython only.
"""

import sys

import fake_ports
from boards_kit import World
from stack_net import time
from stack_watch import note
from ufota_testkit.chips.fake_sd import SDHC, Card, Socket
from ufota_testkit.chips.fake_spi import Bus, Pin
from ufota_testkit.simdisk import Disk


class WatchedFlash(fake_ports.Rp2Flash):
    def readblocks(self, block, buf, *offset):
        note("read")
        return super().readblocks(block, buf, *offset)

    def writeblocks(self, block, buf, *offset):
        note("write")
        return super().writeblocks(block, buf, *offset)

    def ioctl(self, request, argument):
        note("erase" if request == 6 else "ioctl")
        return super().ioctl(request, argument)


class WatchedPin(Pin):
    def __call__(self, level=None):
        note("pin")
        return self.value(level)


class WatchedBus(Bus):
    """An SPI bus with one chip."""

    def init(self, baudrate=1000000, **_):
        note("spi")
        self.baudrate = baudrate

    def pin(self, chip):
        return WatchedPin(self, chip)

    def write(self, buf):
        note("spi")
        self._transfer(buf, None)

    def readinto(self, buf, write=0):
        note("spi")
        self._transfer(bytes((write,)) * len(buf), buf)

    def write_readinto(self, write_buf, read_buf):
        note("spi")
        self._transfer(write_buf, read_buf)


class Pico(World):
    """A Pico W; as a board it is one whose devices are its disks, for who prepares them.

    more:  of its layout
    """

    def __init__(self, **more):
        super().__init__("RPI_PICO_W", **more)
        fake_ports.Rp2Flash = WatchedFlash
        machine = self.hardware.modules()["machine"]
        machine.WDT.feed = _feed
        self.hardware.more["machine"] = machine
        self.machine = machine
        self.ports().__enter__()
        for name in ("bdev.spinor", "bdev.sdcard"):
            del sys.modules[name]  # the real ones are to be found, and loaded

    def device(self, name):
        return self.disks[name]

    def running(self):
        """A Board whose watchdog runs."""
        board = self.start()
        board.watchdog(self.layout.get("watchdog_ms", 8000))
        return board

    def wire(self, **chips):
        """Put chips on SPI: spi and sd, at pins 17 and 13 as board_rp2.py has them."""
        lines = {}
        for number, name, select in ((0, "spi", 17), (1, "sd", 13)):
            if name in chips:
                bus = lines[number] = WatchedBus(time, chips[name])
                lines[select] = bus.pin(chips[name])
                chips[name].bus = bus if name == "sd" else None
        self.machine.SPI = lambda number, baudrate, **_: lines[number]

        class Selected:
            OUT = 1

            def __new__(cls, name, mode=0, value=None):
                return lines.get(name)

        self.machine.Pin = Selected


def _feed(self):
    note("feed")


def put_card(world, disk=None):
    """An SD card in the socket; returns its disk."""
    disk = disk or Disk(0x100000, 512, 512, True, world.power, "sd")
    world.wire(sd=Socket(Card(disk, time, SDHC)))
    return disk
