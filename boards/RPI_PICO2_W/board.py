"""Raspberry Pi Pico 2 W: all in its own flash, nothing to wire."""

from board_rp2 import Rp2Board
from layout import LAYOUT
from micropython import const


class Board(Rp2Board):
    SCRATCH = const(0x400D801C)  # RP2350

    def __init__(self):
        super().__init__(LAYOUT)
