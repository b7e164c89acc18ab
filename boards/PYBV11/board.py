"""pyboard v1.1 with a NOR chip of 8 MiB on SPI "Y": Y5 CS, Y6 SCK, Y7 MISO, Y8 MOSI."""

from board_stm32 import Stm32Board
from layout import LAYOUT


class Board(Stm32Board):
    CHIP = (2, "Y5")

    def __init__(self):
        super().__init__(LAYOUT)
