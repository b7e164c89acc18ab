"""The application of the asyncio examples: a task that goes on beside an update."""

import asyncio


async def blink():  # your application
    while True:
        print("blink")
        await asyncio.sleep(0.1)
