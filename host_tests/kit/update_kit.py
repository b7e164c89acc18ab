"""What tests of the update client share: signed manifests, payloads, a fake network.

Runs on CPython and on MicroPython.
"""

from errno import ENODEV

from fwcore import errors
from fwcore.errors import FwError
from fwcore.p256 import PublicKey
from helpers import vectors
from ufota import client
from ufota_testkit import simboard
from ufota_testkit.noise import noise

OLD = 1, noise(600, 1)  # what trial_setup() runs
# What the fixtures packed_... make of it, and the class key of those that are encrypted.
AFTER = OLD[1][:200] + b"changed" + OLD[1][250:] + noise(90, 11)
CLASS_KEY = bytes(range(16))
BASE = "http://host/dir/"
MANIFEST_URL = BASE + "update"
PAYLOAD_URL = BASE + "payload.bin"

_fixtures = vectors("client/manifests.json")


_packed = {}


def _entry(name):
    if not name.startswith("packed_"):
        return _fixtures["manifests"][name]
    if not _packed:  # a heap of 64 KB has no room for both
        _packed.update(vectors("client/packed.json"))
    return _packed[name]


def signed(name):
    """DER bytes of a manifest of vectors/client; make_client_vectors.py lists them."""
    return bytes.fromhex(_entry(name)["hex"])


def payload(name):
    entry = _entry(name)
    if "payload" in entry:
        return bytes.fromhex(entry["payload"])
    if "seed" not in entry:  # of PATTERNS in make_client_vectors.py
        return noise(512, 7) * (entry["size"] // 512)
    return noise(entry["size"], entry["seed"])


def bundle(name):
    return signed(name) + payload(name)


def delivery(name):
    """Pages of a manifest-first delivery."""
    return {MANIFEST_URL: Page(signed(name)), PAYLOAD_URL: Page(payload(name))}


def tired(board, name):
    """This image had two rounds of trials, and has rested: the next one is its last."""
    from hashlib import sha256

    from fwcore.header import Header
    from fwcore.state import KIND, State

    state = State(board)
    head = Header(1, 1, sha256(payload(name)).digest(), b"")
    for _ in range(2):
        state.blacklist(head, True)
    at = state.find(head.digest) + KIND
    state.bad = state.bad[:at] + b"\x25" + state.bad[at + 1 :]
    state.put()


class Key:
    """The public key of the fixtures; remembers verdicts, as sweeps ask a thousand times."""

    _key = PublicKey(bytes.fromhex(_fixtures["key"]))
    _known = {}

    def verify(self, digest, signature):
        case = bytes(digest), bytes(signature)
        if case not in self._known:
            self._known[case] = self._key.verify(digest, signature)
        return self._known[case]


class Page:
    """What a server does when asked for one address.

    body:    bytes, all that ever comes
    length:  what it announces: a number, None for nothing; the length of body if left out
    hangs:   True when it falls silent after body, instead of closing
    tag:     names this version of the object
    ranges:  False: whatever is asked for, it begins at 0
    error:   raised instead of the end of body
    """

    def __init__(self, body, length=-1, hangs=False, error=None, tag=b'"1"', ranges=True):
        self.tag = tag
        self.ranges = ranges
        self.body = body
        self.length = len(body) if length == -1 else length
        self.hangs = hangs
        self.error = error


class FakeSource:
    """The source interface (ufota/sources/http.py) without a network.

    pages:   url -> Page, or bytes for an honest one. A range is served unless the page says no
    pieces:  bytes a read returns at most, used in turn
    gaps:    reads that find nothing (None) before each one that finds bytes
    patience: reads in a row that may find nothing before the source gives up: TIMEOUT

    drops:   bytes after which each connection breaks: CUT_SHORT; 0: never
    opened:  addresses asked for;  asked: byte each was asked for from
    lines:   the header lines that went there
    served:  bytes handed out;  is_open: close() came last, or open()
    waited:  calls of wait()
    """

    def __init__(self, pages, pieces=(4096,), gaps=0, patience=100):
        self._pages = pages
        self._pieces = pieces
        self._gaps = gaps
        self._patience = patience
        self.length = None
        self.tag = b""
        self.at = self.drops = self.served = 0
        self.header = b""
        self.opened = []
        self.lines = []
        self.asked = []
        self.is_open = False
        self.waited = 0

    def open(self, url, at=0, tag=b""):
        self.opened.append(url)
        self.lines.append(self.header)
        self.asked.append(at)
        page = self._pages.get(url)
        if page is None:
            raise FwError(errors.CONNECT)
        self._page = page if isinstance(page, Page) else Page(page)
        goes_on = self._page.ranges and tag in (b"", self._page.tag)
        self._at = at if goes_on else 0
        self._begins = self._at
        self._turn = self._silent = 0
        self._until = self.served + self.drops
        self.length = None
        self.is_open = True

    def readinto(self, mv):
        assert self.is_open and len(mv)
        if self._silent < self._gaps:
            return self._nothing()
        page = self._page
        self.length = page.length
        self.tag = page.tag
        self.at = self._begins
        if self.drops and self.served == self._until:
            raise FwError(errors.CUT_SHORT, self._at)
        count = min(len(mv), self._pieces[self._turn % len(self._pieces)], self._due())
        if not count:
            return self._end()
        if self.drops:
            count = min(count, self._until - self.served)
        self._silent = 0
        self._turn += 1
        self.served += count
        mv[:count] = memoryview(page.body)[self._at : self._at + count]
        self._at += count
        return count

    def _due(self):
        page = self._page
        end = len(page.body) if page.length is None else min(len(page.body), page.length)
        return end - self._at

    def _end(self):
        page = self._page
        if page.length == self._at:
            return 0
        if page.error:
            raise page.error
        if page.hangs:
            return self._nothing()
        if page.length is not None:
            raise FwError(errors.CUT_SHORT, self._at)
        return 0

    def _nothing(self):
        self._silent += 1
        if self._silent > self._patience:
            raise FwError(errors.TIMEOUT)

    def wait(self, ms):
        self.waited += 1

    def close(self):
        self.is_open = False


class Faulty:
    """A disk that lies: stands in front of a Disk and spoils one write, or is pulled.

    spoil:   number of the writeblocks call (from 1) that goes wrong without an error
    how:     "flip" one bit, or "lose" the write
    pull:    number of the block protocol call after which nothing answers any more
    """

    def __init__(self, disk, spoil=0, how="flip", pull=0):
        self.disk = disk
        self.writes = 0
        self.calls = 0
        self._spoil = spoil
        self._how = how
        self._pull = pull

    def _answer(self):
        self.calls += 1
        if self._pull and self.calls > self._pull:
            raise OSError(ENODEV)

    def readblocks(self, *args):
        self._answer()
        return self.disk.readblocks(*args)

    def writeblocks(self, block, buf, *offset):
        self._answer()
        self.writes += 1
        if self.writes == self._spoil:
            if self._how == "lose":
                return 0
            buf = bytearray(buf)
            buf[1] ^= 0x10  # in the image even where the rest of the unit is padding
        return self.disk.writeblocks(block, buf, *offset)

    def ioctl(self, request, argument):
        self._answer()
        return self.disk.ioctl(request, argument)


def setup(pages, kind="sd", locations=1, **options):
    """(board, source, client) for an update; start() and run() are the test's.

    options: of FakeSource (pieces, gaps, patience) and of Client
    """
    board = simboard.make(kind, locations, Key())
    names = ("pieces", "gaps", "patience")
    mine = {name: options.pop(name) for name in names if name in options}
    source = FakeSource(pages, **mine)
    return board, source, client.Client(board, source, **options)


def trial_setup(pages, mode, kind="spi", key=None, **options):
    """(board, source, client) for a layout with a state region that runs OLD.

    options: of Client; any other is a further key of the layout
    """
    names = ("approve_download", "approve_install", "permanent")
    mine = {name: options.pop(name) for name in names if name in options}
    board = simboard.Board(
        simboard.trial_layout(mode, kind, **options), simboard.ROT, key or Key()
    )
    simboard.put(board, simboard.active_slot(board), *OLD)
    source = FakeSource(pages)
    return board, source, client.Client(board, source, **mine)


def update(made):
    """Run the update of setup() from MANIFEST_URL to its end."""
    made[2].start(MANIFEST_URL)
    return made[2].run()


def refused(code, made):
    """The update must end with this error: state FAILED, source closed, active image untouched.

    returns: the FwError
    """
    board, source, machine = made
    try:
        update(made)
    except FwError as error:
        assert error.code == code, "code {}, not {}".format(error.code, code)
        assert machine.state == client.FAILED and machine.error is error
        assert not source.is_open
        assert running(board) == (1, noise(1200, 1))
        return error
    raise AssertionError("accepted, but code {} was due".format(code))


def running(board):
    """(version, image) in the active region."""
    return simboard.read(board, simboard.active_slot(board))


def staged(board):
    """(version, image) of each candidate slot; (0, None) for an empty one."""
    return [simboard.read(board, slot) for slot in simboard.candidate_slots(board)]
