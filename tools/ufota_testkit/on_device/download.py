"""What an application does for an update: STATE URL. Prints "ready VERSION" or "refused CODE"."""

import sys

from board import Board

from fwcore.errors import FwError
from ufota.fleet_client import FleetClient
from ufota.sources.http import HttpSource
from ufota.sources.retry import Retry

# A broken link is tried again, a few times and soon: nobody waits for hours in a test.
client = FleetClient(Board(), HttpSource(), Retry(initial_s=1, max_s=1, attempts=5))
try:
    client.start(sys.argv[2])
    client.run()
    print("ready", client.manifest.version)
except FwError as error:
    print("refused", error.code)
