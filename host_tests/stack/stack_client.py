"""Scenes of stack_scenes.py: updates by the clients, over HTTP.

Each function prepares a board, and returns what is watched.
"""

import stack_worlds as worlds
from fwcore.manifest import version_word
from stack_net import time
from stack_worlds import URL
from update_kit import FakeSource, bundle


def client(world=None, name="small", first=False, **more):
    """Client.start() and run()."""
    board = (world or worlds.sold()).running()
    worlds.web(name, first)

    def act():
        from ufota.client import Client
        from ufota.sources.http import HttpSource

        client = Client(board, HttpSource(), **more)
        client.start(URL)
        assert client.run()

    return act


def without_client_store():
    world = worlds.sold()
    del world.layout["client"]
    return client(world)


def simple():
    return client(worlds.in_mode("simple"))


def permanent():
    """Over an image of its own that is damaged."""
    return client(permanent=True)


def payload_of(name):
    """An update that is packed in this way."""
    return lambda: client(name="packed_" + name)


def stages():
    """An update of the boot stages, by the client of a chain."""
    world = worlds.chain()
    world.layout["component"], world.layout["stages"]["component"] = "APP", "MAIN"
    board = world.running()
    worlds.web()

    def act():
        from fwcore.boot_chain import StageBoard
        from ufota.client import Client
        from ufota.sources.http import HttpSource

        client = Client(StageBoard(board), HttpSource())
        client.start(URL)
        assert client.run()

    return act


def poll():
    """FleetClient.poll(), which begins an update."""
    board = worlds.sold().running()
    worlds.web()

    def act():
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        client = FleetClient(board, Poll(HttpSource(), URL, 3600, first_s=0))
        assert client.poll()

    return act


def fleet(world=None, name="two", first=False, drops=(), first_bytes=0):
    """FleetClient.poll() and run().

    drops:        bytes after which connections break
    first_bytes:  that are in the candidate already, before a reset
    """
    world = world or worlds.sold()
    if first_bytes:
        _begin(world, name, first_bytes)
    board = world.running()
    net = worlds.web(name, first)
    net.drops.extend(drops)

    def act():
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll
        from ufota.sources.retry import Retry

        source = Poll(HttpSource(), URL, 3600, first_s=0)
        client = FleetClient(board, source, Retry())
        assert client.poll()
        assert client.run()
        assert not net.drops and (b"Range: " in net.heads[-1]) == bool(drops or first_bytes)

    return act


def _begin(world, name, size):
    """A client that a reset interrupts with so many bytes in the candidate."""
    from ufota.fleet_client import FleetClient

    client = FleetClient(world.start(), FakeSource({URL: bundle(name)}))
    client.start(URL)
    while client.done < size:
        client.step()


def after_reset():
    return fleet(first_bytes=3000)


def broken_links():
    return fleet(drops=(1200, 2000, 2200))


def manifest_first():
    return fleet(first=True)


def interrupted_url():
    """The address that an application was told of comes from the client store."""
    world = worlds.sold()
    _begin(world, "two", 3000)
    board = world.running()
    worlds.web("two")

    def act():
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource

        client = FleetClient(board, HttpSource())
        assert client.poll()
        assert client.run()

    return act


def patch_client():
    board = worlds.sold().running()
    net = worlds.web("packed_deflated_patch")

    def act():
        from ufota.patch_client import PatchClient
        from ufota.sources.http import HttpSource

        client = PatchClient(board, HttpSource())
        client.start(URL)
        assert client.run() and b"Ufota-Image: " in net.heads[0]

    return act


def asyncio(name="packed_all"):
    """FleetClient.arun() in a task, in asyncio.run()."""
    board = worlds.sold().running()
    worlds.web(name)

    def act():
        import asyncio

        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        client = FleetClient(board, Poll(HttpSource(), URL, 3600, first_s=0))

        async def beside():
            assert client.poll()
            assert await client.arun()

        asyncio.run(beside())

    return act


def asyncio_of_more_steps():
    """The image has more steps than there is room for marks of them in a bank."""
    return asyncio("pattern_64k")


def loop():
    """ufota.loop.run(): it confirms, finds nothing and sleeps; then an update, and a reset."""
    board = worlds.on_trial().running()
    worlds.web("later")
    time.stop_after = 1

    def act():
        from ufota import loop
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        client = FleetClient(board, Poll(HttpSource(), URL, 1, first_s=1))
        loop.run(client)

    return act


def aloop():
    board = worlds.on_trial().running()
    worlds.web("later")

    def act():
        import asyncio

        from ufota import loop
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        client = FleetClient(board, Poll(HttpSource(), URL, 1, first_s=1))
        asyncio.run(loop.arun(client))

    return act


def firmware():
    """The firmware of another chip, in the flash of the user files: a target of targets.py."""
    board = worlds.sold().running()
    worlds.web("system")

    def act():
        from fwcore.storage import Storage
        from ufota.client import Client
        from ufota.firmware.targets import FirmwareSlot, Target
        from ufota.sources.http import HttpSource

        class Radio(Target):
            def version(self):
                return version_word("1.0.0")

            def slot(self):
                return FirmwareSlot(Storage(board.device("flash"), 4096, 256), 0xA9000)

            def install(self, size):
                self.installed = True

        board.systems = {"SYSTEM": Radio()}
        client = Client(board, HttpSource())
        client.start(URL)
        assert client.run()

    return act


def chip_client():
    return client(worlds.on_chip(), "packed_all")


def card_client():
    return fleet(worlds.with_card(), "packed_all")


SCENES = {
    "poll": poll,
    "run": client,
    "run, no client store": without_client_store,
    "run, simple": simple,
    "run, permanent": permanent,
    "run, boot stages": stages,
    "run, firmware": firmware,
    "run, deflated": payload_of("deflated"),
    "run, patch": payload_of("patch"),
    "run, deflated patch": payload_of("deflated_patch"),
    "run, Arm patch": payload_of("arm"),
    "run, encrypted": payload_of("encrypted"),
    "run, all decoders": payload_of("all"),
    "run, NOR chip": chip_client,
    "fleet": fleet,
    "fleet, manifest first": manifest_first,
    "fleet, after a reset": after_reset,
    "fleet, broken links": broken_links,
    "fleet, address in the client store": interrupted_url,
    "fleet, SD card": card_client,
    "patch client": patch_client,
    "asyncio": asyncio,
    "asyncio, more steps than marks": asyncio_of_more_steps,
    "loop": loop,
    "loop, asyncio": aloop,
}
