"""main.py of a device that asks an HTTP server for updates: at its start, then once an hour."""

import time

from board import Board

from ufota import confirm, fleet
from ufota.sources import http, poll

source = poll.Poll(http.HttpSource(), "http://updates.example/app.fw", 3600, first_s=0)
client = fleet.FleetClient(Board(), source)
while True:
    try:
        if client.poll() and client.run():
            client.board.reset()  # the boot stage installs it, on trial
        confirm(client.board)  # keep the image that runs: first ask your application if it works
    except (fleet.FwError, OSError) as error:
        print("no update:", error)  # the first number: `fwtool explain` has the words
    client.board.feed()
    time.sleep(1)
