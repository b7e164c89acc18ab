"""main.py of a device that polls an HTTP server for updates: at its start, then once an hour."""

from board import Board

from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources import http, poll

source = poll.Poll(http.HttpSource(), "http://updates.example/app.fw", 3600, first_s=0)
client = FleetClient(Board(), source)
loop.run(client)
