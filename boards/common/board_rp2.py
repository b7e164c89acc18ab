"""Boards of the rp2 port: flash through rp2.Flash, identity in a journal on it."""

from board_base import BaseBoard
from micropython import const

from fwcore.modules import built_in
from fwcore.window import Window

# The SDK leaves this in a scratch register when the watchdog is started, and clears it in
# machine.reset(), which is a watchdog reset as well. So it says nothing about the last start
# any more when the watchdog runs in this one.
_STARTED = const(0x6AB73121)
_CHIP_BAUD = const(20000000)
_CARD_BAUD = const(12000000)


class Rp2Board(BaseBoard):
    """flash: the port's file system area; spi, sd: a chip on SPI0, a card on SPI1, when a
    layout has them: SCK 18, MOSI 19, MISO 16, CS 17, and SCK 10, MOSI 11, MISO 12, CS 13.
    """

    SCRATCH = 0  # address of the watchdog's fifth scratch register

    def open(self, name, spec):
        if name == "flash":
            import rp2

            return Window(rp2.Flash(), 0, spec["size"])
        machine = built_in("machine")
        SPI, Pin = machine.SPI, machine.Pin
        if name == "spi":
            bus = SPI(0, baudrate=_CHIP_BAUD, sck=Pin(18), mosi=Pin(19), miso=Pin(16))
            return self.chip(bus, Pin(17, Pin.OUT, value=1))
        bus = SPI(1, baudrate=_CARD_BAUD, sck=Pin(10), mosi=Pin(11), miso=Pin(12))
        return self.card(bus, Pin(13, Pin.OUT, value=1))

    def mapped(self, name):
        """The flash is memory-mapped, so a ROMFS image runs from where it is."""
        if name != "flash":
            return None
        import rp2

        return memoryview(rp2.Flash())  # type: ignore[arg-type]

    def was_hung(self):
        machine = built_in("machine")
        caused = machine.reset_cause() == machine.WDT_RESET
        return caused and machine.mem32[self.SCRATCH] == _STARTED
