"""main.py of an asyncio application that takes update.bin from an SD card meanwhile."""

import asyncio
import os

from blink import blink
from board import Board

from ufota import fleet_client, loop
from ufota.sources.card import CardSource

board = Board()


def mount():  # at each look that finds no file: the card may have been changed
    if "sd" in os.listdir("/"):
        os.umount("/sd")
    os.mount(board.device("sd"), "/sd")


client = fleet_client.FleetClient(board, CardSource(board, mount=mount))
asyncio.run(asyncio.gather(blink(), loop.arun(client)))
