"""main.py of a device that polls an HTTPS server for updates: at its start, then once an hour."""

from board import Board

from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources import http, poll
from ufota.web import tls

with open("/user/ca.der", "rb") as file:  # of your server
    web = http.HttpSource(tls=tls.context(file.read()))
source = poll.Poll(web, "https://updates.example/app.fw", 3600, first_s=0)
client = FleetClient(Board(), source)
loop.run(client)
