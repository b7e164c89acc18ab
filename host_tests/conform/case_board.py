"""A board of case_update.py with a client store: the benches' card, with a region for it.

resets() throws the client away again and again; cuts() cuts the power at every write in turn.
"""

from micropython import const

import bench_board

CLIENT_AT = const(0x980000)
_CLIENT_SIZE = const(0x6000)
_MOST_CUTS = const(500)


class PowerCut(BaseException):
    """The board is dark. No `except Exception` lives through it."""


class Card(bench_board.Card):
    """cut: number of the 512-byte block write that is torn; 0: none."""

    cut = 0
    writes = 0

    def writeblocks(self, block, buf):
        if not self.cut:
            super().writeblocks(block, buf)
            return
        mv = memoryview(buf)
        for at in range(0, len(buf), 512):
            self.writes += 1
            self.file.seek(block * 512 + at)
            if self.writes == self.cut:
                self.file.write(bytes(range(256)))  # half a block, neither old nor new
                raise PowerCut
            self.file.write(mv[at : at + 512])


class Board(bench_board.Board):
    def __init__(self, path):
        super().__init__(path, "PublicKey")
        self.storage = Card(path + "/storage")
        self.layout = dict(bench_board.Board.layout)
        self.layout["client"] = {"device": "storage", "start": CLIENT_AT, "size": _CLIENT_SIZE}


class Reset(Exception):
    """The board was reset; comes out of feed()."""


def resets(client_of, url, limits):
    """Throw the client away when so many bytes are done, in turn. Returns (lives, 0)."""
    for life, limit in enumerate([int(each) for each in limits] + [1 << 30]):
        client = client_of()

        def feed():
            if client.done >= limit:  # noqa: B023  (called in this turn only)
                raise Reset

        client.board.feed = feed
        try:
            client.start(url)
            client.run()
            return life + 1, 0
        except Reset:
            client.source.close()
        finally:
            client.board.storage.file.close()


def cuts(client_of, url, _limits):
    """Cut at write 1, 2, ... until one life needs no more.

    client_of: makes a client on the same board
    returns:   (cuts, how often the life after the cut arrived)
    """
    arrived = 0
    for cut in range(1, _MOST_CUTS):
        client = client_of()
        _blank(client.board)
        client.board.storage.cut = cut
        client.start(url)
        try:
            client.run()
            return cut - 1, arrived
        except PowerCut:
            client.source.close()
        finally:
            client.board.storage.file.close()
        client = client_of()
        client.start(url)
        arrived += client.run() and _whole(client.board, client.manifest)
        client.board.storage.file.close()
    return 0, 0


def _blank(board):
    """Forget what is at the front of both candidates, and all that the client remembers."""
    area = board.layout["candidates"]
    file = board.storage.file
    for start, size in (
        (CLIENT_AT, _CLIENT_SIZE),
        (area["start"], 0x4000),
        (area["start"] + area["size"] // 2, 0x4000),
    ):
        file.seek(start)
        for _ in range(size // 512):
            file.write(bytes(512))


def _whole(board, found):
    """True when a candidate holds the image, by what is on the card."""
    from hashlib import sha256

    from fwcore import header
    from fwcore.slot import slots

    buf = memoryview(bytearray(512))
    for slot in slots(board.layout, board.storage):
        try:
            head = slot.read_header(buf, header.device_key(board.rot()))
        except header.FwError:
            continue
        digest = sha256()
        for at in range(0, head.size, 512):
            board.storage.readblocks((slot.body_at + at) // 512, buf)
            digest.update(buf[: min(512, head.size - at)])
        if digest.digest() == found.installed_digest:
            return True
    return False
