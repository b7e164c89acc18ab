"""Updaters that others wrote, on MicroPython: each brings SIZE.bin, as it does it.

    micropython -X heapsize=N -m bench_peer heap FOLDER URL SIZE PEER
    micropython -m bench_peer time FOLDER URL SIZE REPEATS

The first prints "done"; bench_peers.py looks for the smallest N that gets there. The second
prints what bench_time.ratios() returns, as JSON, in its last line. What a peer brings is
FOLDER/SIZE.bin, and replaces other bytes there, but for the floor and ours, which write to
the card.

Senko and espFOTA are what PyPI has, unchanged. For espFOTA `machine` and `network` are stand-ins,
as it drives a Wi-Fi and a lamp at start, and resets in the end; that ends its work here.
"""

import gc
import os
import sys


class Pin:
    """Stands for what has no meaning on a host: `machine` and `network`, and all in them."""

    OUT = STA_IF = 0

    def __init__(self, *_):
        pass

    def value(self, level):
        pass

    active = connect = disconnect = value

    def isconnected(self):
        return True


Pin.Pin = Pin.WLAN = Pin


class Restart(BaseException):
    pass


def restart():
    raise Restart


def floor(folder, url, size):
    from bench_board import Board
    from bench_floor import fetch

    first = Board.layout["candidates"]["start"] // 512
    fetch(Board(folder).storage, first, url, size, memoryview(bytearray(4096)))


def ours(folder, url, size):
    buf = bytearray(4096)  # first, as in bench_board
    from bench_board import Board
    from ufota.client import Client
    from ufota.sources.http import HttpSource

    client = Client(Board(folder, "PublicKey"), HttpSource(), buf)
    client.start("%s%d.der" % (url, size))
    client.run()


def senko(folder, url, size):
    from senko import Senko

    if not Senko(None, None, url=url[:-1], files=["%d.bin" % size]).update():
        raise ValueError


def espfota(folder, url, size):
    sys.modules["machine"] = sys.modules["network"] = Pin
    Pin.reset = restart
    from espFOTA import espFOTA

    try:
        espFOTA("ssid", "password", "%s%d.bin" % (url, size)).callback()
    except Restart:
        os.rename("main.py", "%d.bin" % size)


def mip(folder, url, size):
    from mip import install

    install("%s%d.json" % (url, size), target=".")


WORKS = {"floor": floor, "ours": ours, "senko": senko, "espfota": espfota, "mip": mip}


def once(work, folder, url, size):
    with open("%d.bin" % size, "w") as file:
        file.write("old")
    work(folder, url, size)


def heap(name, folder, url, size):
    gc.threshold(256)  # as in bench_board
    once(WORKS[name], folder, url, size)
    print("\ndone")


def timed(folder, url, size, repeats):
    import json

    from bench_time import ratios

    names = sorted(WORKS, key=lambda name: name != "floor")  # the floor is the first
    works = [(name, lambda work=WORKS[name]: once(work, folder, url, size)) for name in names]
    print()
    print(json.dumps(ratios(works, repeats)))


if __name__ == "__main__":
    kind, folder, url, size, more = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    os.chdir(folder)  # where Senko and espFOTA leave what they bring
    if kind == "heap":
        heap(more, folder, url, int(size))
    else:
        timed(folder, url, int(size), int(more))
