"""main.py of a device that takes update.bin from an SD card with a FAT file system."""

import os
import time

from board import Board

from ufota import confirm, fleet
from ufota.sources.drop import Drop

board = Board()


def mount():  # at each look that finds no file: the card may have been changed
    if "sd" in os.listdir("/"):
        os.umount("/sd")
    os.mount(board.device("sd"), "/sd")


client = fleet.FleetClient(board, Drop(board, "/sd", mount=mount))
while True:
    try:
        if client.poll() and client.run():
            board.reset()  # the boot stage installs it, on trial
        confirm(board)  # keep the image that runs: first ask your application whether it works
    except (fleet.FwError, OSError) as error:
        print("no update:", error)  # the first number: `fwtool explain` has the words
    board.feed()
    time.sleep(1)
