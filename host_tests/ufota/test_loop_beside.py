"""loop.arun() beside other tasks: none of them waits for a server that is silent, or drips.

Turns are counted, on real sockets: an asyncio task plays the server, so it is one of those that
would wait. A poll that blocks ends, with an error, before that task gets its turns.
"""

import asyncio
import socket

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources.group import Group
from ufota.sources.hawkbit import HawkbitSource
from ufota.sources.http import HttpSource
from ufota.sources.poll import Pace, Poll
from ufota.web.service import HttpService
from ufota_testkit import simboard
from update_kit import Key

BOTH = True  # runs on CPython and on MicroPython

PORT = 8460  # and up; MicroPython's sockets do not tell theirs
TURNS = 20
DRIPS = b"HTTP/1.1 200 OK\r\nX: " + 200 * b"x"
SILENT = b""


class Server:
    """Listens; `said` goes to whoever comes, a byte at each turn."""

    def __init__(self, said):
        self.said = said
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for self.port in range(PORT, PORT + 200):
            try:
                self.socket.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                break
            except OSError:
                pass  # another test has it
        self.socket.listen(4)
        self.socket.setblocking(False)
        self.url = "http://127.0.0.1:{}/d".format(self.port)
        self.guest = None
        self.turns = 0  # since somebody came

    async def turn(self):
        await asyncio.sleep(0.01)
        if self.guest is None:
            try:
                self.guest = self.socket.accept()[0]
            except OSError:
                pass  # nobody yet
            return
        said = self.said[self.turns : self.turns + 1]
        if said:
            self.guest.send(said)
        self.turns += 1

    def close(self):
        self.socket.close()
        if self.guest:
            self.guest.close()


def hawkbit(board, url):
    return HawkbitSource(board, HttpService(), url, "TargetToken x", pace=Pace(60, None, 0))


def poll(board, url):
    return Poll(HttpSource(), url, 3600, first_s=0)


def group(board, url):
    return Group([hawkbit(board, url)], board)


def beside(make, said, asked):
    """Error lines of a board, after the server that it polls has had its turns."""
    server = Server(said)
    board = simboard.make("spi", 1, Key())
    client = FleetClient(board, make(board, server.url))

    def is_healthy():
        asked.append(1)
        return False

    async def main():
        task = asyncio.create_task(loop.arun(client, is_healthy))
        while server.turns < TURNS:
            await server.turn()
        told = [line for line in board.lines if "error" in line]
        task.cancel()
        return told

    try:
        return asyncio.run(main())
    finally:
        server.close()


def test_no_task_waits_for_a_server():
    for make in hawkbit, poll, group:
        for said in SILENT, DRIPS:
            asked = []
            assert beside(make, said, asked) == [], (make, said)
            assert asked


def test_a_task_has_its_turns_while_a_poll_goes_on():
    """The steps themselves: between two of them the server has not been waited for."""
    server = Server(DRIPS)
    board = simboard.make("spi", 1, Key())
    source = hawkbit(board, server.url)
    steps = source.polling()
    fed = board.fed
    for _ in range(TURNS):
        assert next(steps) == 50
        asyncio.run(server.turn())
    assert board.fed == fed  # who takes the steps feeds
    source.close()
    raises(errors.CONNECT, next, steps)
    server.close()


class Busy:
    """A source that says it is busy, three times."""

    cost = 1
    header = b""
    readinto = None

    def offer(self):
        raise FwError(errors_net.BUSY)


def test_a_group_waits_for_a_busy_source_in_steps():
    board = simboard.make("spi", 1, Key())
    steps = Group([Busy()], board).polling()
    for _ in range(20):
        assert next(steps) == 50
    raises(errors_net.NO_SOURCE, next, steps)
