"""The demo's application: a page by microdot, and an address that starts an update.

POST the address of a bundle to /update: the answer is "ready", or the number of the error
that stopped it; the page is served meanwhile. POST to /restart restarts the board.
An image that serves its page is good, so it confirms itself there. Plain HTTP: all of the demo
is on one machine.
"""

import asyncio
import os

import machine
from about import MICRODOT, VERSION
from board import Board
from microdot import Microdot

from fwcore.errors import FwError
from fwcore.manifest import version_text
from ufota import trial
from ufota.client import Client
from ufota.sources.http import HttpSource

app = Microdot()
board = Board()
client = Client(board, HttpSource(), progress=lambda done, total: print("progress", done, total))


@app.get("/")
async def page(request):
    if trial.confirm(board):
        print("confirmed", VERSION)
    text = "demo application {}, served by microdot {}".format(VERSION, MICRODOT)
    last = trial.last_result(board)
    if last and last.reason:
        text += "; {} failed, error {}".format(version_text(last.version), last.reason)
    return text + "\n"


@app.post("/update")
async def update(request):
    try:
        client.start(request.body.decode())
        await client.arun()
    except FwError as error:
        return str(error.code), 409
    return "ready"


@app.post("/restart")
async def restart(request):
    asyncio.create_task(reset())
    return "restarting"


async def reset():
    await asyncio.sleep(0.2)  # let the answer leave first
    machine.reset()


@app.after_request
async def tell(request, response):
    print("answer", request.args.get("n"))  # all that belongs to it has been printed


app.run(host="127.0.0.1", port=int(os.getenv("DEMO_PORT")))
