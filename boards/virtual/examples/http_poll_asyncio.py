"""main.py of an asyncio application; beside it an HTTP server is asked for updates."""

import asyncio

from board import Board

from ufota import confirm, fleet
from ufota.sources import http, poll

source = poll.Poll(http.HttpSource(), "http://updates.example/app.fw", 3600, first_s=0)
client = fleet.FleetClient(Board(), source)


async def blink():  # your application
    while True:
        print("blink")
        await asyncio.sleep(0.1)


async def update():
    while True:
        try:
            if client.poll() and await client.arun():
                client.board.reset()  # the boot stage installs it, on trial
            confirm(client.board)  # keep the image that runs: first ask if it works
        except (fleet.FwError, OSError) as error:
            print("no update:", error)  # the first number: `fwtool explain` has the words
        client.board.feed()
        await asyncio.sleep(1)


asyncio.create_task(blink())
asyncio.run(update())
