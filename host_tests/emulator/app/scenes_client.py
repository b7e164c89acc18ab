"""Scenes: updates by the clients, over HTTP; see scenes_calls.py for what a scene is."""

import net
from report import step

URL = "http://updates.example/app.fw"
_HALF = 50000  # bytes
# Boot stages where the second slot is.
_FLASH = {"device": "flash"}
_STAGES = {
    "active": dict(_FLASH, header=0x5C000, start=0x5C100, size=0x23F00, format="lfs2"),
    "candidates": dict(_FLASH, start=0x80000, size=0x29000, locations=1, internal=True),
    "state": dict(_FLASH, start=0x59000, size=0x3000),
    "mode": "direct",
    "headers": "stage",
    "component": "MAIN",
    "signed": True,
}


def update():
    """As README.md has it."""
    from board import Board

    return _run(Board())


def _run(board, path="/app.fw", starts=True, **more):
    def update():
        from ufota.client import Client
        from ufota.sources import http

        net.plug(http)
        client = Client(board, http.HttpSource(), **more)
        step("made")
        client.start(URL.replace("/app.fw", path))
        step("started")
        assert client.run()
        return board if starts else None

    return update


def variant(kind):
    """Boards, and images, that are not as this board's: nothing is started."""
    from board import Board

    board = Board()
    layout = board.layout = dict(board.layout)
    path, more = "/app.fw", {}
    if kind == "storeless":
        del layout["client"]
    elif kind == "permanent":
        more["permanent"] = True
    elif kind == "simple":
        for name in ("mode", "state", "trials"):
            del layout[name]
        layout["candidates"] = dict(layout["candidates"], internal=False)
    elif kind == "firmware":
        board.systems = {"SYSTEM": _radio(board)}
        path = "/system.fw"
    elif kind == "stages":
        layout.update(component="APP", stages=_STAGES)
        board = _stage_board(board)
    return _run(board, path, False, **more)


def _stage_board(board):
    from fwcore.boot_chain import StageBoard

    return StageBoard(board)


def _radio(board):
    """The firmware of another chip, which is kept where the second slot is."""
    from fwcore.manifest import version_word
    from fwcore.storage import Storage
    from ufota.firmware.targets import FirmwareSlot, Target

    class Radio(Target):
        def version(self):
            return version_word("1.0.0")

        def slot(self):
            return FirmwareSlot(Storage(board.device("flash"), 4096, 256), 0x59000, 0x50000)

        def install(self, size):
            self.installed = True

    return Radio()


# FleetClient


def _fleet(retry=None, path="/app.fw", interval_s=3600):
    from board import Board

    from ufota import fleet_client
    from ufota.sources import http, poll

    net.plug(http)
    url = URL.replace("/app.fw", path)
    source = poll.Poll(http.HttpSource(), url, interval_s, first_s=0)
    client = fleet_client.FleetClient(Board(), source, retry)
    step("made")
    return client


def fleet(path="/app.fw"):
    client = _fleet(None, path)
    assert client.poll()
    step("polled")
    assert client.run()
    return client.board


def broken():
    """Links break, and the client goes on behind what it has."""
    from ufota.sources.retry import Retry

    client = _fleet(Retry(1))
    net.drops.extend((300, 20000, 30000))
    assert client.poll()
    assert client.run()
    assert not net.drops and b"Range: " in net.asked
    return client.board


def resume():
    """A reset half-way, by the first life; the next one goes on behind what is there."""
    client = _fleet()
    assert client.poll()
    return _in_two_lives(client)


def stored_url():
    """The same, and the address comes from the client store."""
    from board import Board

    from ufota.fleet_client import FleetClient
    from ufota.sources import http

    net.plug(http)
    client = FleetClient(Board(), http.HttpSource())
    step("made")
    if not client.poll():
        client.start(URL)
    return _in_two_lives(client)


def _in_two_lives(client):
    def half():
        while client.done < _HALF:
            client.step()
            client.board.feed()
        step("half")
        return client.board

    def rest():
        step("polled")
        assert client.run()
        assert b"Range: " in net.asked
        return client.board

    import machine

    return half if machine.reset_cause() == machine.PWRON_RESET else rest


def patched():
    """The server is told which image runs, and sends less."""
    from board import Board

    from ufota.patch_client import PatchClient
    from ufota.sources import http

    net.plug(http)
    client = PatchClient(Board(), http.HttpSource())
    step("made")
    client.start(URL)
    step("started")
    assert client.run() and b"Ufota-Image: " in net.asked
    return client.board


def arun():
    import asyncio

    client = _fleet()
    assert client.poll()
    step("polled")
    assert asyncio.run(_beside(client))
    return client.board


async def _beside(client):
    return await client.arun()


# ufota.loop


class _Over(Exception):
    """The scene is."""


def _looped():
    """(client, is_healthy): the reset after an update, and a third question, end the scene.

    Questions while an update is under way do not count.
    """
    from ufota.client import FAILED, IDLE

    client = _fleet(interval_s=2)
    client.board.reset = _over
    looks = []

    def is_healthy():
        if client.state in (IDLE, FAILED):
            looks.append(1)
        return len(looks) < 3 or _over()

    return client, is_healthy


def _over():
    raise _Over


def loop():
    from board import Board

    from ufota import loop

    try:
        loop.run(*_looped())
    except _Over:
        return Board()


def aloop():
    import asyncio

    from board import Board

    from ufota import loop

    try:
        asyncio.run(loop.arun(*_looped()))
    except _Over:
        return Board()
