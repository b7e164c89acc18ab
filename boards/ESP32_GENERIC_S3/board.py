"""Modules with an ESP32-S3 and 8 MiB: all in partitions of its own flash, nothing to wire."""

from board_esp32 import Esp32Board
from layout import LAYOUT


class Board(Esp32Board):
    PINS = (12, 11, 13, 10)  # of the SPI bus that has pins of its own

    def __init__(self):
        super().__init__(LAYOUT)
