"""Scenes: HTTP, HTTPS, files, several sources; see scenes_calls.py for what a scene is."""

import os

import net
import server
from report import step, unwatched

URL = "http://updates.example/app.fw"
_ELSEWHERE = "/elsewhere.fw"


def http(kind):
    """What most servers do not do. kind: chunked, moved, kept, busy"""
    from board import Board

    from fwcore.errors import FwError
    from ufota.client import Client
    from ufota.sources import http
    from ufota.web.service import HttpService

    net.plug(http)
    net.serve = {"chunked": _chunked, "moved": _moved, "busy": _busy}.get(kind)
    source = HttpService() if kind == "kept" else http.HttpSource()
    client = Client(Board(), source)
    step("made")
    try:
        client.start(URL.replace("/app.fw", "/app.man") if kind == "kept" else URL)
        assert client.run() and kind != "busy"
    except FwError as error:
        assert kind == "busy" and error.at == 503


def _chunked(request):
    data = net.page("/app.fw")
    size = b"%x\r\n" % len(data)
    return [
        memoryview(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size),
        data,
        memoryview(b"\r\n0\r\n\r\n"),
    ]


def _moved(request):
    if _ELSEWHERE.encode() in request:
        return net.parts(200, net.page("/app.fw"))
    line = "Location: http://other.example" + _ELSEWHERE + "\r\n"
    return net.parts(302, b"", line)


def _busy(request):
    return net.parts(503, b"", "Retry-After: Sat, 21 Nov 2026 10:00:00 GMT\r\n")


# TLS: both ends show a certificate. The server's stack is not on ours, and not counted.


def tls(kind, of_server=""):
    """kind: rsa or p256

    of_server:  kind of the server's certificate, where the device trusts another CA
    """
    from board import Board

    from ufota.client import READY, Client
    from ufota.sources import http

    far = server.Server(of_server or kind)
    net.plug(http, far)
    client = Client(Board(), http.HttpSource(60000, context(kind)))
    step("made")
    client.start(URL.replace("http:", "https:"))
    step("started")
    shaken = False
    while client.state != READY:
        client.step()
        client.board.feed()
        if client.source.status and not shaken:
            shaken = True
            step("shaken")
        unwatched(far.go_on)
    return client.board


def context(kind):
    from ufota.web.tls import context

    return context(*[net.read(kind + name) for name in ("/ca", "/client", "/client-key")])


def atls(kind):
    """By asyncio, and as a poll begins it."""
    import asyncio

    from ufota.fleet_client import FleetClient
    from ufota.sources import http, poll

    far = server.Server(kind)
    net.plug(http, far)
    source = http.HttpSource(60000, context(kind))
    news = poll.Poll(source, URL.replace("http:", "https:"), 3600, first_s=0)
    client = FleetClient(far.beside(), news)
    step("made")
    assert client.poll()
    step("polled")
    asyncio.run(_beside(client, source))
    return client.board


async def _beside(client, source):
    import asyncio

    task = asyncio.create_task(client.arun())
    while not source.status:
        await asyncio.sleep(0)
    step("shaken")
    assert await task


# Files


def card(kind=""):
    """update.bin on /user, as it would be on a card. kind: group: and a server"""
    from fwcore.errors import FwError
    from ufota.sources.card import CardSource

    board = _board()
    source = CardSource(board, "/user")
    if kind:
        source = _group(source, board)
    client = _fleet(board, source)
    if not client.poll():
        return  # an image was refused, or has come from here
    step("polled")
    try:
        assert client.run()
    except FwError as error:
        step("refused", error.code, " ".join(os.listdir("/user")))
        return
    client.poll()
    return board


def _board():
    from board import Board

    return Board()


def _fleet(board, source):
    from ufota.fleet_client import FleetClient

    client = FleetClient(board, source)
    step("made")
    return client


def _group(card_source, board):
    from ufota.sources import http
    from ufota.sources.group import Group
    from ufota.sources.poll import Poll

    net.plug(http)
    return Group([card_source, Poll(http.HttpSource(), URL, 3600, first_s=0)], board)
