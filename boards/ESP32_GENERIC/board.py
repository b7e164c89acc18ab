"""Modules with an ESP32 and 4 MiB: all in partitions of its own flash, nothing to wire."""

from board_esp32 import Esp32Board
from layout import LAYOUT


class Board(Esp32Board):
    PINS = (18, 23, 19, 5)  # VSPI

    def __init__(self):
        super().__init__(LAYOUT)
