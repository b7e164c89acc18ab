"""One source in loop.arun(), beside a task that wants a turn each 10 ms; MicroPython.

    micropython -m waits_device FOLDER KIND PORT SECONDS

Prints the longest time between two feeds of the watchdog, and that between two turns of the
other task, in ms. bench_waits.py plays the servers. FOLDER has the board's card and key.
"""

import asyncio
import sys
import time

import bench_board
from ufota import loop
from ufota.fleet_client import FleetClient
from ufota.sources.poll import Pace, Poll


class Gaps:
    """The longest time between two marks, ms."""

    def __init__(self):
        self.longest = 0
        self._last = time.ticks_ms()

    def mark(self):
        now = time.ticks_ms()
        self.longest = max(self.longest, time.ticks_diff(now, self._last))
        self._last = now


class Board(bench_board.Board):
    def __init__(self, path):
        super().__init__(path, "PublicKey")
        self.gaps = Gaps()

    def feed(self):
        self.gaps.mark()

    def log(self, text):
        pass

    def reset(self):
        pass  # the loop goes on


def http(board, port):
    from ufota.sources.http import HttpSource

    return Poll(HttpSource(), "http://127.0.0.1:{}/app.fw".format(port), 3600, first_s=0)


def https(board, port):
    """What it asks for is not there: this is about the handshake."""
    from ufota.sources.http import HttpSource
    from ufota.web import tls

    with open(board.path + "/ca.der", "rb") as file:
        source = HttpSource(tls=tls.context(file.read()))
    return Poll(source, "https://127.0.0.1:{}/none".format(port), 3600, first_s=0)


def hawkbit(board, port):
    from ufota.sources.hawkbit import HawkbitSource
    from ufota.web.service import HttpService

    url = "http://127.0.0.1:{}/t/controller/v1/dev".format(port)
    return HawkbitSource(board, HttpService(), url, "TargetToken x", pace=Pace(60, None, 0))


def card(board, port):
    from ufota.sources.card import CardSource

    return CardSource(board, board.path)


def mqtt(board, port):
    from umqtt.simple import MQTTClient

    from ufota.sources.alibaba import AlibabaSource

    broker = MQTTClient("id", "127.0.0.1", port, "user", "password", keepalive=60)
    source = AlibabaSource(board, broker, "key", "dev", version="1.0.0")
    source.link.reconnect_s = 1  # or it would log in later
    return source


class Nothing:
    """Offers nothing: what is measured then is the machine."""

    header = b""

    def offer(self):
        return None


def nothing(board, port):
    return Nothing()


KINDS = {
    "nothing": nothing,
    "HTTP": http,
    "HTTPS": https,
    "hawkBit": hawkbit,
    "card": card,
    "MQTT": mqtt,
}


async def blink(gaps, end_ms):
    while time.ticks_diff(end_ms, time.ticks_ms()) > 0:
        await asyncio.sleep_ms(10)
        gaps.mark()


async def main(path, kind, port, seconds):
    board = Board(path)
    turns = Gaps()
    client = FleetClient(board, KINDS[kind](board, int(port)))
    task = asyncio.create_task(loop.arun(client, lambda: False))
    await blink(turns, time.ticks_add(time.ticks_ms(), int(seconds) * 1000))
    task.cancel()
    board.feed()
    print(board.gaps.longest, turns.longest)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
