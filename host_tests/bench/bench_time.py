"""The timed rows, on MicroPython. bench.py starts it:

    micropython -m bench_time ROW FOLDER URL SIZE REPEATS

Prints one JSON object: {name: [ratio..., milliseconds of the floor]}. Each
figure is taken against a floor that runs in turn with it, in this one process.
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
from fwcore.slot import Slot, active_slot, slots
from fwcore.slot_writer import Writer
from fwcore.storage import Storage

BUFFER = 4096


class Bench:
    """`repeats` rounds of all works in turn. Of each the fastest counts: what disturbs a round
    only ever adds to it.
    """

    def __init__(self, repeats):
        self.repeats = repeats

    def ratios(self, *works):
        """works: the floor, then what is held against it

        returns: [fastest of each but the floor / fastest of the floor..., the latter in ms]
        """
        best = [_clock(work) for work in works]
        for _ in range(self.repeats):
            for i, work in enumerate(works):
                best[i] = min(best[i], _clock(work))
        return [us / best[0] for us in best[1:]] + [best[0] / 1000]


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


def writer(bench, folder, url, size):
    def of(mv):
        return bench.ratios(lambda: hash_image(size, mv), lambda: write_image(size, mv))

    return {str(length): of(memoryview(bytearray(length))) for length in (512, BUFFER)}


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


def verify(bench, folder, url, size):
    chunk = bytes(64 << 10)
    pair = signed(folder)

    def of(name):
        key = made_key(folder, name)
        return bench.ratios(
            lambda: sha256(chunk).digest(),
            lambda: check(key, *pair),
            lambda: made_key(folder, name),
        )

    return {name: of(name) for name in ("PublicKey", "FixedKey")}


class FileBoard(Board):
    """The board of the benches with boards/virtual's card."""

    def __init__(self, path, key=None):
        super().__init__(path, key)
        self.storage = FileCard(path + "/storage", self.layout["devices"]["storage"]["size"])


class StateBoard(FileBoard):
    """The same with a state region. The mode does not matter to an idle boot."""

    def __init__(self, path):
        super().__init__(path)
        self.layout = dict(self.layout)
        self.layout["mode"] = "overwrite"
        self.layout["state"] = {"device": "storage", "start": 0x980000, "size": 0x3000}

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


def update(bench, folder, url, size):
    buf = bytearray(BUFFER)
    places = folder, url, size, buf
    return {
        "update": bench.ratios(lambda: fetch_once(*places), lambda: update_once(*places)),
    }


def copy(device, source, target, size, buf):
    """The floor of an install: read, write, read back and digest."""
    for i in range(0, size // 512, len(buf) // 512):
        device.readblocks(source + i, buf)
        device.writeblocks(target + i, buf)
    return read_back(device, target, size, buf)


def install(bench, folder, url, size):
    from fwboot import install as stage

    board = FileBoard(folder)
    mv = memoryview(bytearray(BUFFER))
    candidate = slots(board.layout, board.storage)[0]
    active = active_slot(board.layout, board.storage)
    head = candidate.read_header(mv, header.device_key(board.rot()))
    places = candidate.body_at // 512, active.body_at // 512, size, mv

    def whole():
        if stage.install(candidate, head, active, mv, board.log, board.feed) != stage.DONE:
            raise ValueError

    return {"install": bench.ratios(lambda: copy(board.storage, *places), whole)}


def boot(bench, folder, url, size):
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
    state = State(with_state)
    state.floor = old.version
    state.put()

    def trial():
        if main.run(with_state).head.version < old.version:
            raise ValueError

    installing_ratio, idle_ratio, trial_ratio, floor_ms = bench.ratios(
        once, installing, whole, trial
    )
    return {
        "installing": (installing_ratio, floor_ms),
        "idle": (idle_ratio, floor_ms),
        "idle, with a state": (trial_ratio, floor_ms),
    }


def count(bench, folder, url, size):
    """No clock: one kind of work `size` times, for a tool that counts instructions.

    url:  KIND of work, or KIND@URL of a server
    """
    kind, _, url = url.partition("@")
    work = counted(kind, folder, url)
    for _ in range(size):
        work()
    return {}


def counted(kind, folder, url):
    """Function that does the work once. Images are of 64 KiB, updates and boots of 1 MiB."""
    buf = bytearray(BUFFER)
    mv = memoryview(buf)
    if kind in ("PublicKey", "FixedKey"):
        key, pair = made_key(folder, kind), signed(folder)
        return lambda: check(key, *pair)
    if kind in ("fetch", "update"):
        once = fetch_once if kind == "fetch" else update_once
        return lambda: once(folder, url, 1 << 20, buf)
    if kind in ("read", "boot"):
        from fwboot import main

        board = FileBoard(folder)
        active = active_slot(board.layout, board.storage)
        main.run(board)  # it installs, the further ones are idle
        if kind == "boot":
            return lambda: main.run(board)
        return lambda: read_back(board.storage, active.body_at // 512, 1 << 20, mv)
    once = write_image if kind == "writer" else hash_image
    return lambda: once(64 << 10, mv)


ROWS = {
    "writer": writer,
    "verify": verify,
    "update": update,
    "install": install,
    "boot": boot,
    "count": count,
}

if __name__ == "__main__":
    name, folder, url, size, repeats = sys.argv[1:]
    print(json.dumps(ROWS[name](Bench(int(repeats)), folder, url, int(size))))
