"""What MicroPython's asyncio has and CPython's has not, put into the module when it is imported.

There is one event loop, from the first use to the end of the process; tasks can be made before it
runs, and what run() leaves behind waits for the next run().
"""

import functools


def patch(asyncio):
    loop = functools.cache(lambda: _new_loop(asyncio))
    gather, wait_for = asyncio.gather, asyncio.wait_for

    async def finish(awaitable):
        return await awaitable

    def run(main):
        return loop().run_until_complete(finish(main))

    def create_task(main):
        return loop().create_task(main)

    async def sleep_ms(ms):
        await asyncio.sleep(max(0, ms) / 1000)

    async def gather_all(*awaitables, return_exceptions=False):
        return await gather(*awaitables, return_exceptions=return_exceptions)

    async def wait_for_ms(awaitable, timeout_ms):
        return await wait_for(awaitable, timeout_ms / 1000)

    asyncio.run = asyncio.run_until_complete = run
    asyncio.create_task = create_task
    asyncio.get_event_loop = asyncio.new_event_loop = loop
    asyncio.gather = gather_all
    asyncio.sleep_ms, asyncio.wait_for_ms = sleep_ms, wait_for_ms
    asyncio.ThreadSafeFlag = _flag(asyncio)


def _new_loop(asyncio):
    loop = asyncio.DefaultEventLoopPolicy().new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _flag(asyncio):
    class ThreadSafeFlag(asyncio.Event):
        """One task waits, and takes it down again."""

        async def wait(self):
            await super().wait()
            self.clear()

    return ThreadSafeFlag
