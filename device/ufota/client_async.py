"""Client.arun(): run() for asyncio. Loaded only where it is used."""

import asyncio

from micropython import const

_WAIT_MS = const(50)  # for bytes: a look at the source's socket costs little


async def run(client, ready):
    """As Client.run(). ready: the state to run until. Raises as step() does."""
    while client.state != ready:
        worked = client.step()
        if not worked and client.state not in client._waiting:
            return False
        client.board.feed()
        await asyncio.sleep(0 if worked else _WAIT_MS / 1000)
    return True
