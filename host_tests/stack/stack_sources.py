"""Scenes of stack_scenes.py: each source, from what an application asks to an image that is ready.

Each function prepares a board, and returns what is watched.
"""

import os

import stack_worlds as worlds
from stack_hardware import put_card
from stack_net import Net, Web, pages
from stack_worlds import URL
from update_kit import bundle

_SERVER = b"http://elsewhere.example/file"


def http(chunked=False, moved=False, name="small"):
    """Client.start() and run() by an HTTP server like this."""
    board = worlds.sold().running()
    if moved:
        answer = pages({"/file": bundle(name)}, [], moved={"/dir/update": _SERVER.decode()})
        Net(lambda port: Web(answer)).plug()
    else:
        worlds.web(name, chunked=chunked)

    def act():
        from ufota.client import Client
        from ufota.sources.http import HttpSource

        client = Client(board, HttpSource())
        client.start(URL)
        assert client.run()

    return act


def chunked():
    return http(True)


def redirect():
    return http(moved=True)


def service():
    """A Client whose source is the one for services, over kept connections."""
    board = worlds.sold().running()
    worlds.web("two", True)

    def act():
        from ufota.client import Client
        from ufota.web.service import HttpService

        client = Client(board, HttpService())
        client.start(URL)
        assert client.run()

    return act


def refused():
    """A server that says when to come back: poll() raises, and the back-off begins."""
    board = worlds.sold().running()

    def answer(*_):
        return 503, b"Content-Length: 0\r\nRetry-After: Sat, 21 Nov 2026 10:00:00 GMT\r\n", b""

    Net(lambda port: Web(answer)).plug()

    def act():
        from fwcore.errors import FwError
        from ufota.fleet_client import FleetClient
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        client = FleetClient(board, Poll(HttpSource(), URL, 3600, first_s=0))
        try:
            assert client.poll() and client.run()
        except FwError as error:
            assert error.at == 503
            return
        raise AssertionError

    return act


# Cards, and several at once


def card_bundle(packed="small", group=False):
    """A bundle on an SD card with a FAT, through the driver. group: and a server that has none."""
    import vfs

    world = worlds.sold()
    put_card(world)
    card = world.running().open("sd", None)
    vfs.VfsFat.mkfs(card)
    vfs.mount(vfs.VfsFat(card), "/sd")
    with open("/sd/update.bin", "wb") as file:
        file.write(bundle(packed))
    board = world.running()
    worlds.web("small")

    def act():
        from fwcore.errors import FwError
        from ufota.fleet_client import FleetClient
        from ufota.sources.card import CardSource
        from ufota.sources.group import Group
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        source = CardSource(board, "/sd")
        if group:
            source = Group([source, Poll(HttpSource(), URL, 3600, first_s=0)], board)
        client = FleetClient(board, source)
        assert client.poll()
        try:
            assert client.run() and packed == "small"
        except FwError:
            assert packed == "stranger" and "update.e23" in os.listdir("/sd")
            return
        client.poll()

    return act


def refused_card():
    """The file is renamed, by what it was refused for."""
    return card_bundle("stranger")


def group():
    return card_bundle(group=True)


def group_http():
    """Of two sources the one that fails is left out."""
    board = worlds.sold().running()
    worlds.web("small")

    def act():
        from ufota.fleet_client import FleetClient
        from ufota.sources.card import CardSource
        from ufota.sources.group import Group
        from ufota.sources.http import HttpSource
        from ufota.sources.poll import Poll

        sources = [CardSource(board, "/nothing"), Poll(HttpSource(), URL, 3600, first_s=0)]
        client = FleetClient(board, Group(sources, board))
        assert client.poll()
        assert client.run()

    return act


SCENES = {
    "HTTP, chunked": chunked,
    "HTTP, redirect": redirect,
    "HTTP, kept connections": service,
    "HTTP, come back later": refused,
    "card": card_bundle,
    "card, refused": refused_card,
    "group, card": group,
    "group, HTTP": group_http,
}
