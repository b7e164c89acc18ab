"""The timed and counted rows, on MicroPython. bench.py starts it:

    micropython -m bench_time ROW FOLDER URL SIZE REPEATS [WORK]

Times all works of a row against its floor, in turns, in this one process, and prints what
ratios() returns, as JSON. With WORK it looks at no clock: it does that work REPEATS times, for
a tool that counts instructions, and a file takes the place of the server.
"""

import gc
import json
import sys
import time
from hashlib import sha256

from blockdev import FileCard

from bench_board import Board
from bench_floor import fetch, read_back
from fwcore import header, p256
from fwcore.regions import fixed_slot
from fwcore.slot import Slot, active_slot, slots
from fwcore.slot_writer import Writer
from fwcore.storage import Storage

BUFFER = 4096


def ratios(works, repeats):
    """Rounds of all works in turn.

    works:    [(name, function)], the floor first
    returns:  (ms of the floor, {name: (ratio, low, high)}): of each the fastest over the fastest
              of the floor, as what disturbs a round only ever adds to it; low and high are
              the quartiles of what the rounds give by themselves
    """
    functions = [work for _, work in works]
    for work in functions:
        work()  # imports what it needs
    rounds = [[_clock(work) for work in functions] for _ in range(repeats)]
    fastest = [min(times) for times in zip(*rounds)]
    found = {}
    for i, (name, _) in enumerate(works[1:], 1):
        each = sorted([times[i] / times[0] for times in rounds])
        found[name] = fastest[i] / fastest[0], each[repeats // 4], each[-1 - repeats // 4]
    return fastest[0] / 1000, found


def _clock(function):
    gc.collect()
    start = time.ticks_us()
    function()
    return time.ticks_diff(time.ticks_us(), start)


class Sink:
    """A card that takes everything and keeps nothing."""

    def readblocks(self, block, buf):
        return 0

    def writeblocks(self, block, buf):
        return 0

    def ioctl(self, op, arg):
        return 1 << 20 if op == 4 else 512


def write_image(size, mv):
    writer = Writer(Slot(Storage(Sink(), 512, 512, True), 0, 512, 1 << 29, True), size)
    writer.begin()
    for _ in range(size // len(mv)):
        writer.write(mv)
    writer.digest()


def hash_image(size, mv):
    digest = sha256()
    update = digest.update
    for _ in range(size // len(mv)):
        update(mv)
    digest.digest()


def writer(piece):
    def works(folder, url, size):
        mv = memoryview(bytearray(piece))
        return [
            ("floor", lambda: hash_image(size, mv)),
            ("writer", lambda: write_image(size, mv)),
        ]

    return works


def crc(folder, url, size):
    from bdev.sdcard import crc16, crc_tables

    tables, block = crc_tables(), bytes(range(256)) * 2

    def once():
        for _ in range(size // len(block)):
            crc16(block, tables)

    return [("floor", lambda: hash_image(size, block)), ("SD CRC-16", once)]


def signed(folder):
    """(digest, signature): what the manifest of an update brings to a key."""
    with open(folder + "/signed", "rb") as file:
        return file.read(32), file.read(64)


def made_key(folder, name):
    with open(folder + "/" + name, "rb") as file:
        return getattr(p256, name)(file.read())


def check(key, digest, signature):
    if not key.verify(digest, signature):
        raise ValueError


def verify(folder, url, size):
    chunk = bytes(size)
    pair = signed(folder)
    works = [("floor", lambda: sha256(chunk).digest())]
    for name in ("PublicKey", "FixedKey"):
        key = made_key(folder, name)
        works += [
            (name, lambda key=key: check(key, *pair)),
            (name + " made", lambda name=name: made_key(folder, name)),
        ]
    return works


class FileBoard(Board):
    """The board of the benches with boards/virtual's card."""

    def __init__(self, path, key=None):
        super().__init__(path, key)
        self.storage = FileCard(path + "/storage", self.layout["devices"]["storage"]["size"])


class StateBoard(FileBoard):
    """The same with a state region. The mode does not matter to an idle boot."""

    def __init__(self, path, asked=False):
        super().__init__(path, "PublicKey")
        self.layout = dict(self.layout)
        self.layout["mode"] = "overwrite"
        self.layout["state"] = {"device": "storage", "start": 0x980000, "size": 0x3000}
        self.layout["signed"] = asked
        self.layout["active"] = dict(self.layout["active"])
        self.layout["active"]["header"] = 512  # its own, with a signature, of the same image

    def hung(self):
        return False


def update_once(folder, url, size, buf):
    from ufota.client import Client
    from ufota.sources.http import HttpSource

    board = FileBoard(folder, "PublicKey")  # a key is made once an update
    client = Client(board, HttpSource(), buf)
    client.start("%s%d.der" % (url, size))
    client.run()


def fetch_once(folder, url, size, buf):
    board = FileBoard(folder)
    block = slots(board.layout, board.storage)[0].body_at // 512
    fetch(board.storage, block, url, size, memoryview(buf))


def update(folder, url, size):
    places = folder, url, size, bytearray(BUFFER)
    return [
        ("floor", lambda: fetch_once(*places)),
        ("whole update", lambda: update_once(*places)),
    ]


def copy(device, source, target, size, buf):
    """The floor of an install: read, write, read back and digest."""
    for i in range(0, size // 512, len(buf) // 512):
        device.readblocks(source + i, buf)
        device.writeblocks(target + i, buf)
    return read_back(device, target, size, buf)


def install(folder, url, size):
    from fwboot import install as stage

    board = FileBoard(folder)
    mv = memoryview(bytearray(BUFFER))
    candidate = slots(board.layout, board.storage)[0]
    active = active_slot(board.layout, board.storage)
    head = candidate.read_header(mv, header.device_key(board.rot()))
    places = candidate.body_at // 512, active.body_at // 512, size, mv

    def whole():
        if stage.install(candidate, head, b"", active, mv, board.log, board.feed) != stage.DONE:
            raise ValueError

    return [("floor", lambda: copy(board.storage, *places)), ("install", whole)]


def boot(folder, url, size):
    from fwboot import main
    from fwcore.state import State

    board = FileBoard(folder)
    mv = memoryview(bytearray(BUFFER))
    active = active_slot(board.layout, board.storage)
    old = active.read_header(mv, None)

    def once():
        read_back(board.storage, active.body_at // 512, size, mv)

    def whole():
        if not main.run(board):
            raise ValueError

    def installing():
        # Both images have the same bytes, so an old header makes the old version again.
        active.write_header(header.pack_internal(old))
        whole()

    with_state = StateBoard(folder)
    recorded, started = StateBoard(folder, True), StateBoard(folder, "start")
    with open(folder + "/statement", "rb") as file:
        signature = file.read()
    slot = fixed_slot(recorded.layout, recorded.layout["active"], recorded.storage)
    slot.write_header(header.pack_internal(old) + signature)
    state = State(with_state)
    state.floor = old.version
    state.put()

    def idle(board):
        if main.run(board).head.version < old.version:
            raise ValueError

    idle(recorded)  # it verifies, and records that
    whole()  # it installs: from here on nothing is left to do
    return [
        ("floor", once),
        ("boot, installing", installing),
        ("boot, idle", whole),
        ("boot, idle, with a state", lambda: idle(with_state)),
        ("boot, idle, signed", lambda: idle(recorded)),
        ("boot, idle, verified at each start", lambda: idle(started)),
    ]


def decoders(folder, url, size):
    from bench_decoders import Payloads

    payloads = Payloads(folder + "/payloads")
    works = [("floor", lambda: hash_image(payloads.size, payloads.buf))]
    return works + payloads.works()


class Stream:
    """A connection to a server that has sent all before anything is read: a file.

    What a socket holds each time, and how often nothing, is up to what else the machine does.
    """

    folder = ""  # of the answers
    readinto = readline = None  # until a request is sent

    def __init__(self, *_):
        pass

    def connect(self, _):
        pass

    setblocking = connect

    def send(self, request):
        file = open(self.folder + str(request.split(b" ", 2)[1], "ascii"), "rb")
        self.readinto, self.readline, self.close = file.readinto, file.readline, file.close
        return len(request)

    write = send


class Network:
    """In place of the modules socket and select, and of a poll object."""

    SOCK_STREAM = POLLIN = POLLOUT = 0
    socket = Stream

    @staticmethod
    def getaddrinfo(*_):
        return [(0, None)]

    @staticmethod
    def poll(*_):
        return Network

    register = modify = poll


def count(work, repeats, folder):
    import bench_floor
    from ufota.sources import http

    Stream.folder = folder + "/answers"
    bench_floor.socket = http.socket = http.select = Network
    for _ in range(repeats):
        gc.collect()
        work()


ROWS = {
    "writer-512": writer(512),
    "writer-4096": writer(BUFFER),
    "crc": crc,
    "verify": verify,
    "update": update,
    "install": install,
    "boot": boot,
    "decoders": decoders,
}


def main(row, folder, url, size, repeats, work=None):
    works = ROWS[row](folder, url, int(size))
    if work:
        count(dict(works)[work], int(repeats), folder)
    else:
        print(json.dumps(ratios(works, int(repeats))))


if __name__ == "__main__":
    main(*sys.argv[1:])
