"""Client.arun(): run() for asyncio. Who does not use that need not load this."""

import asyncio

from micropython import const

from ufota.client import READY

_WAIT_MS = const(50)  # for bytes: a look at the source's socket costs little


async def run(client):
    """As Client.run(). Raises as step() does."""
    while client.state != READY:
        worked = client.step()
        if not worked and client.state not in client._waiting:
            return False
        client.board.feed()
        await asyncio.sleep(0 if worked else _WAIT_MS / 1000)
    return True
