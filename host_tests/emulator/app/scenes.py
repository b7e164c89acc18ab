"""Scenes: what an application does with ufota. Each is a function, whose arguments are words;
it may tell its steps, and returns a board that is to be reset, or None.
"""

import time

import net
import server
from report import step, unwatched

URL = "http://updates.example/app.fw"


def boot():
    """Nothing but the start."""


def first_start():
    from board import Board

    from ufota import provision

    assert provision.first_start(Board())


def confirm():
    from board import Board

    import ufota

    ufota.confirm(Board())


def reject():
    from board import Board

    import ufota

    board = Board()
    ufota.reject(board, 300)
    return board


def result():
    """What came of the last update."""
    from board import Board

    import ufota

    found = ufota.last_result(Board())
    step("result", *(found[:2] if found else ("none",)))


def hang():
    while True:  # nobody feeds the watchdog
        time.sleep(1)


def update():
    """As README.md has it."""
    from board import Board

    from ufota.client import Client
    from ufota.sources import http

    net.plug(http)
    client = Client(Board(), http.HttpSource())
    step("made")
    client.start(URL)
    step("started")
    assert client.run()
    return client.board


def _fleet():
    from board import Board

    from ufota import fleet
    from ufota.sources import http, poll

    net.plug(http)
    source = poll.Poll(http.HttpSource(), URL, 3600, first_s=0)
    client = fleet.FleetClient(Board(), source)
    step("made")
    return client


def fleet():
    client = _fleet()
    assert client.poll()
    step("polled")
    assert client.run()
    return client.board


def hawkbit():
    """A service: fake_hawkbit.py of host_tests, whose stack is not counted."""
    from board import Board

    from ufota.fleet import FleetClient
    from ufota.sources import http
    from ufota.sources.hawkbit import Hawkbit
    from ufota.sources.poll import Pace
    from ufota.sources.rest import Rest

    unwatched(lambda: __import__("fake_hawkbit"))
    import fake_hawkbit

    far = fake_hawkbit.FakeHawkbit()
    far.files["/app.fw"] = net.page("/app.fw")
    far.deploy("5", fake_hawkbit.HOST + "/app.fw")
    net.Plain.serve = lambda how, path, head, body: far.answer(
        how, fake_hawkbit.HOST + path, head, body
    )
    net.plug(http)
    board = Board()
    pace = Pace(300, first_s=0)
    own = {"hw_revision": "2"}
    source = Hawkbit(board, Rest(), far.url, far.token, attributes=own, pace=pace)
    client = FleetClient(board, source, approve_install=source.approve)
    step("made")
    while not client.poll():
        pace.notify()
    step("polled")
    assert client.run()
    return board


def arun():
    import asyncio

    client = _fleet()
    assert client.poll()
    step("polled")
    assert asyncio.run(_beside(client))
    return client.board


async def _beside(client):
    return await client.arun()


def tls(kind, of_server=""):
    """Over HTTPS; both ends show a certificate, kind is rsa or p256. The server's turn comes
    between two steps of the client: its stack is not on ours, and not counted.

    of_server:  kind of the server's certificate, where the device trusts another CA
    """
    from board import Board

    from ufota.client import READY, Client
    from ufota.sources import http
    from ufota.sources.tls import context

    far = server.Server(of_server or kind)
    net.plug(http, far)
    own = [net.read(kind + name) for name in ("/ca", "/client", "/client-key")]
    client = Client(Board(), http.HttpSource(60000, context(*own)))
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
