"""NUCLEO-F429ZI with a NOR chip of 8 MiB on SPI 1 and an SD card on SPI 4.

SPI 1   PB3 SCK, PB4 MISO, PB5 MOSI, PA4 CS
SPI 4   PE2 SCK, PE5 MISO, PE6 MOSI, PE4 CS
"""

from board_stm32 import Stm32Board
from layout import LAYOUT


class Board(Stm32Board):
    CHIP = (1, "PA4")
    CARD = (4, "PE4")

    def __init__(self):
        super().__init__(LAYOUT)
