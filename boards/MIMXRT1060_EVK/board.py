"""MIMXRT1060-EVK: all in its QSPI flash, nothing to wire."""

from board_base import BaseBoard
from layout import LAYOUT

from fwcore.window import Window


class Board(BaseBoard):
    def __init__(self):
        super().__init__(LAYOUT)

    def open(self, name, spec):
        import mimxrt

        return Window(mimxrt.Flash(), 0, spec["size"])

    def mapped(self, name):
        """The flash is memory-mapped, so a ROMFS image runs from where it is."""
        if name != "flash":
            return None
        import mimxrt

        return memoryview(mimxrt.Flash())  # type: ignore[arg-type]
