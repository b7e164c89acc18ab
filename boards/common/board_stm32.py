"""Boards of the stm32 port: identity in internal flash, the rest on a SPI NOR chip or a card."""

from board_base import BaseBoard
from micropython import const

from fwcore.modules import built_in
from fwcore.window import Window

_SYNC = const(3)  # request of ioctl
_CHIP_BAUD = const(21000000)
_CARD_BAUD = const(10500000)


class SyncedFlash(Window):
    """pyb.Flash without its cache: a write is in flash when the call returns.

    The port keeps a whole sector in RAM, writes it back five seconds later, and erases it
    for that: a power cut tears the sector of 16 KiB, not a block of 512 bytes. A journal
    survives that when each of its three banks is a sector and it sets no marks, as that of
    the identity. Nothing else of a layout may be here.
    """

    under = None  # a direct access to the flash below would write without the sync

    def writeblocks(self, block, buf, offset=None):
        if offset is not None:
            return super().writeblocks(block, buf, offset)
        return super().writeblocks(block, buf) or self.ioctl(_SYNC, 0)


class Stm32Board(BaseBoard):
    """flash: the first 48 KiB of the port's file system area, three sectors of 16 KiB;
    spi: a NOR chip; sd: a card on another SPI bus, when a layout has one.
    """

    CHIP = CARD = (0, "")  # bus and pin of its chip select

    def open(self, name, spec):
        if name == "flash":
            import pyb

            return SyncedFlash(pyb.Flash(start=0, len=spec["size"]), 0, spec["size"])
        machine = built_in("machine")
        SPI, Pin = machine.SPI, machine.Pin
        bus, cs = self.CHIP if name == "spi" else self.CARD
        cs = Pin(cs, Pin.OUT, value=1)
        if name == "spi":
            return self.chip(SPI(bus, baudrate=_CHIP_BAUD), cs)
        return self.card(SPI(bus, baudrate=_CARD_BAUD), cs)
