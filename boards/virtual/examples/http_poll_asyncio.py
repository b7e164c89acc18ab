"""main.py of an asyncio application that polls an HTTP server for updates meanwhile."""

import asyncio

from board import Board

from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources import http, poll

source = poll.Poll(http.HttpSource(), "http://updates.example/app.fw", 3600, first_s=0)
client = FleetClient(Board(), source)


async def blink():  # your application
    while True:
        print("blink")
        await asyncio.sleep(0.1)


asyncio.run(asyncio.gather(blink(), loop.arun(client)))
