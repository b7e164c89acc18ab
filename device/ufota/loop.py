"""The main loop of an unattended device: poll, update, reset, confirm, feed the watchdog.

Owns no state. An application with a loop of its own calls poll(), run() and confirm() there.
"""

import time

from micropython import const

from fwcore.errors import FwError
from ufota.trial import confirm

_PAUSE_MS = const(1000)  # between two calls of client.poll()


def run(client, is_healthy=None):
    """Keep the device up to date. Never returns.

    client:  FleetClient
    is_healthy: is_healthy() is true once the image that runs may be kept; None: as soon as
             client.poll() raised nothing
    Errors of an update, and of is_healthy(), are logged; then the loop goes on.
    raises:  what is neither FwError nor OSError
    """
    while True:
        try:
            client.board.rot()  # opens the store while the stack is not deep
            if client.poll() and client.run():
                client.board.reset()  # the boot stage installs it, on trial
            _keep(client, is_healthy)
        except (FwError, OSError) as error:
            _log(client, error)
        client.board.feed()
        time.sleep_ms(_PAUSE_MS)


async def arun(client, is_healthy=None):
    """run() for asyncio; is_healthy() is an ordinary function."""
    import asyncio

    while True:
        try:
            client.board.rot()  # opens the store while the stack is not deep
            if client.poll() and await client.arun():
                client.board.reset()
            _keep(client, is_healthy)
        except (FwError, OSError) as error:
            _log(client, error)
        client.board.feed()
        await asyncio.sleep(_PAUSE_MS / 1000)


def _keep(client, is_healthy):
    if is_healthy is None or is_healthy():
        confirm(client.board)


def _log(client, error):
    client.board.log("no update, error {}".format(error.args and error.args[0]))
