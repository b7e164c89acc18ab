"""Polls an address three times with the real HTTP source; prints what came of it, one line a poll.

    micropython host_tests/ufota/sources/poll_driver.py URL

The device runs a newer version than any manifest of the fixtures. test_poll_http.py runs it on
both interpreters.
"""

import sys

from fwcore.errors import FwError
from ufota.fleet_client import FleetClient
from ufota.sources.http import HttpSource
from ufota.sources.poll import Poll
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from update_kit import Key


def main(url):
    board = simboard.make("sd", 1, Key())
    simboard.put(board, simboard.active_slot(board), 1 << 60, noise(600, 1))
    source = Poll(HttpSource(5000), url, 3600, first_s=0)
    client = FleetClient(board, source)
    for _ in range(3):
        try:
            print(client.poll() and client.run())
        except FwError as error:
            print(error.code, error.at, source.length)
        if client.poll():
            print("asked again at once")
        source.pace.notify()


if __name__ == "__main__":
    main(sys.argv[1])
