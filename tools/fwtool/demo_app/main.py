"""The demo's application: a page by microdot, and a door to be told of an update.

POST the address of a bundle to /update. The answer is "ready" and a restart, or the
number of the error that stopped the update; the page is served all the while.
"""

import asyncio
import os

import machine
from about import MICRODOT, VERSION
from board import Board
from microdot import Microdot

from fwcore.errors import FwError
from ufota.client import Client
from ufota.sources.http import HttpSource

app = Microdot()
client = Client(Board(), HttpSource(), progress=lambda done, total: print("progress", done, total))


@app.get("/")
async def page(request):
    return "demo application {}, served by microdot {}\n".format(VERSION, MICRODOT)


@app.post("/update")
async def update(request):
    try:
        client.start(request.body.decode())
        await client.arun()
    except FwError as error:
        print("answer", error.code)
        return str(error.code), 409
    print("answer ready")
    asyncio.create_task(restart())
    return "ready"


async def restart():
    await asyncio.sleep(0.2)  # let the answer leave first
    machine.reset()


app.run(host="127.0.0.1", port=int(os.getenv("DEMO_PORT")))
