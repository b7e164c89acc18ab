"""main.py of an asyncio application; beside it update.bin is taken from an SD card."""

import asyncio
import os

from board import Board

from ufota import confirm, fleet
from ufota.sources.drop import Drop

board = Board()


def mount():  # at each look that finds no file: the card may have been changed
    if "sd" in os.listdir("/"):
        os.umount("/sd")
    os.mount(board.device("sd"), "/sd")


client = fleet.FleetClient(board, Drop(board, "/sd", mount=mount))


async def blink():  # your application
    while True:
        print("blink")
        await asyncio.sleep(0.1)


async def update():
    while True:
        try:
            if client.poll() and await client.arun():
                board.reset()  # the boot stage installs it, on trial
            confirm(board)  # keep the image that runs: first ask whether it works
        except (fleet.FwError, OSError) as error:
            print("no update:", error)  # the first number: `fwtool explain` has the words
        board.feed()
        await asyncio.sleep(1)


asyncio.create_task(blink())
asyncio.run(update())
