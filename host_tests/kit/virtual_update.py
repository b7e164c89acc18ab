"""Runs one update on the virtual board; MicroPython, with boards/virtual on its path.

    micropython host_tests/kit/virtual_update.py STATE_DIR URL

Prints "ready VERSION" or "refused CODE".
"""

import sys

from board import Board

from fwcore.errors import FwError
from ufota.client import Client
from ufota.sources.http import HttpSource


def main(state_dir, url):
    client = Client(Board(state_dir), HttpSource())
    try:
        client.start(url)
        client.run()
        print("ready", client.manifest.version)
    except FwError as error:
        print("refused", error.code)


if __name__ == "__main__":
    main(*sys.argv[1:])
