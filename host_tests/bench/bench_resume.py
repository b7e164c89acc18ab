"""One life of a download that is cut again and again, on MicroPython:

    micropython -m bench_resume FOLDER URL STOP

Downloads until STOP bytes of the image are in the candidate, or to the end; then the process is
over, as after a power cut. Prints "READ SERVED KEPT REQUESTS STATE": bytes read of manifests, of
the payload, payload bytes gone on behind, requests, state of the client.
"""

import sys

from bench_board import Board
from ufota import client
from ufota.fleet_client import FleetClient
from ufota.sources.http import HttpSource
from ufota.sources.retry import Retry


class NotedBoard(Board):
    """The board of the benches with a client store."""

    def __init__(self, path, key):
        super().__init__(path, key)
        self.layout = dict(self.layout)
        self.layout["client"] = {"device": "storage", "start": 0x980000, "size": 0x3000}


class Counted(HttpSource):
    """Counts what is read, byte for byte, and what is asked for."""

    manifest = payload = requests = 0
    machine = None

    def open(self, url, at=0, tag=b""):
        self.requests += 1
        super().open(url, at, tag)

    def readinto(self, mv):
        count = super().readinto(mv[:1000])  # so that the power goes amid a buffer
        if count:
            if self.machine.state == client.MANIFEST:
                self.manifest += count
            else:
                self.payload += count
        return count


def life(folder, url, stop):
    source = Counted()
    retry = Retry(initial_s=0, max_s=0)
    machine = source.machine = FleetClient(NotedBoard(folder, "PublicKey"), source, retry=retry)
    machine.start(url)
    kept = None
    while machine.state != client.READY and machine.done + machine._have < int(stop):
        if kept is None and machine.state == client.DOWNLOAD:
            kept = machine.update.done
        if not machine.step():
            machine._wait(50)
    print(source.manifest, source.payload, kept, source.requests, machine.state)


life(*sys.argv[1:])
