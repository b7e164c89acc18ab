"""A Life whose devices are SPI chips behind the real drivers, down to the bytes on the bus.

Owns what is judged there besides: that no driver sends what a chip ignores. Each start of the
device starts the drivers anew, as its boot stage does and then its application, and a chip
that lost its power forgets what it was doing.

Runs on CPython and on MicroPython.
"""

from powercut_life import Life, Wrong
from ufota_testkit.chips import wired_nor, wired_sd

ILLEGAL = "a chip was sent what it ignores"


def wire(board, names):
    """Put chips and their drivers in the place of a simboard.Board's disks; returns the chips."""
    chips = []
    for name in sorted(board.disks):
        if name in names:
            if board.disks[name].overwrite:
                wired_sd.through(board, name)
            else:
                wired_nor.through(board, name, profile="soon")
            chips.append(board.disks[name].chip)
    return chips


class OnChips(Life):
    """The candidate is on a NOR chip, or on a card; `flash` is simdisk's.

    chips: FakeNor and Card objects
    """

    on_chips = ("spi", "sd")

    def _board(self, board):
        self.chips = wire(board, self.on_chips)
        return board

    def boot(self):
        super().boot()
        for chip in self.chips:
            if chip.illegal:
                raise Wrong("{}: {}".format(ILLEGAL, chip.illegal[0]))


class AllOnChips(OnChips):
    """All is on chips."""

    on_chips = ("flash", "spi", "sd")
