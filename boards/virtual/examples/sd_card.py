"""main.py of a device that takes update.bin from an SD card with a FAT file system."""

import os

from board import Board

from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources.card import CardSource

board = Board()


def mount():  # at each look that finds no file: the card may have been changed
    if "sd" in os.listdir("/"):
        os.umount("/sd")
    os.mount(board.device("sd"), "/sd")


client = FleetClient(board, CardSource(board, "/sd", mount=mount))
loop.run(client)
