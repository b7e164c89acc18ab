"""Files and records from outside, given to what parses them; runs on CPython and on MicroPython.

Each parser takes bytes and returns, or raises FwError: of a file from a server or a card, of what
lies on a chip that others can write, of a broker, of a chip that says what it is. A manifest is
believed whoever signed it, and a header or state is tried as it comes and once more under the
right checksum, so that what is behind them is reached.
"""

from binascii import crc32

from alibaba_kit import KEY, NAME, real_clock, set_clock
from bdev import sfdp
from fwboot import main
from fwcore import formats, manifest
from fwcore import header as headers
from fwcore.errors import FwError
from fwcore.journal import Journal
from fwcore.mac import hmac_sha256
from fwcore.stage import unpack_stage
from fwcore.state import State
from fwcore.storage import Storage
from journals import nor, storage
from messages_kit import MESSAGES
from resume_kit import board_of
from ufota import provision, trial
from ufota.alibaba import bounded_socket, connect
from ufota.client import Client
from ufota.firmware import targets
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.card import CardSource
from ufota.update import client_store, resume
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from ufota_testkit.simboard import BLOCK, ROT
from update_kit import CLASS_KEY, MANIFEST_URL, FakeSource, Page, signed

SLOT = 4096
TAKEN = (formats.RAW, formats.PATCH, formats.ARM_PATCH)
STATE_KEY = hmac_sha256(ROT, b"ufota boot state MAIN")
DEVICE_KEY = headers.device_key(ROT)
_IDENTITY = 1024  # bytes that a device reads of the file
_STATE = 700  # of a state, as large as a bank here can hold
_PUMPS = 40
_TURNS = 20000


class Believing:
    """In place of the key: whoever signed it."""

    def verify(self, digest, signature):
        return True


def read_manifest(data):
    size = manifest.frame_size(data, len(data))
    found = manifest.read(data, Believing().verify)
    assert size in (0, found.end)
    formats.check(found, TAKEN)


def bundle(data):
    """A whole update, as a client fetches it."""
    board = board_of("sd")
    board._key = Believing()
    board.class_key = lambda: CLASS_KEY
    # No length: what is cut or too long is found at its end, not before its beginning.
    machine = Client(board, FakeSource({MANIFEST_URL: Page(data, None)}))
    machine.start(MANIFEST_URL)
    assert machine.run()


def header(data):
    """As it is, then under the right CRC, and the right MAC."""
    internal = data[:108] + crc32(data[:108]).to_bytes(4, "big")
    external = data[:232] + hmac_sha256(DEVICE_KEY, data[:232]) + bytes(32)
    stage = data[:8] + crc32(data[:8] + data[12:56]).to_bytes(4, "little") + data[12:56]
    failed = None
    for unpack, one, more in (
        (headers.unpack_internal, data, ()),
        (headers.unpack_external, data, (DEVICE_KEY,)),
        (unpack_stage, data, (SLOT,)),
        (headers.unpack_internal, internal, ()),
        (headers.unpack_external, external, (DEVICE_KEY,)),
        (unpack_stage, stage, (SLOT,)),
    ):
        try:
            unpack(one, *more)
        except FwError as error:
            failed = error
    if failed:
        raise failed


def state(data):
    """A boot state under the right MAC: the device starts, and its application asks."""
    board = simboard.Board(simboard.trial_layout("swap"))
    region = board.layout["state"]
    chip = Storage(board.disks[region["device"]], BLOCK, 128)
    payload = data[: _STATE - 16]
    payload += hmac_sha256(STATE_KEY, payload)[:16]
    Journal(chip, region["start"], region["size"], _STATE).put(payload)
    State(board)
    trial.last_result(board)
    main.run(board)


def journal(data):
    """What lies in the banks of a journal."""
    disk = nor()
    disk.load(0, data[: len(disk.data)])
    one = Journal(storage(disk), 0, len(disk.data), 100)
    one.load()
    one.put(b"new")
    assert Journal(storage(disk), 0, len(disk.data), 100).load() == b"new"


def store(data):
    """A client store: of the update that goes on, of a card, of firmware."""
    board = board_of("sd")
    region = board.layout["client"]
    chip = Storage(board.disks[region["device"]], 1024, 256)
    Journal(chip, region["start"], region["size"], client_store.LIMIT).put(
        data[: client_store.LIMIT]
    )
    board.systems = {"SYSTEM": Firmware()}
    client_store.of(board).count()
    resume.pending(board)
    targets.on_trial(board)
    CardSource(board)._noted(b"")
    UpdateWriter(board).begin(signed("small"), False, 512)
    update = UpdateWriter(board)
    update.begin(signed("small"))
    while update.open().catch_up():
        pass


class Firmware(targets.Target):
    def version(self):
        return 1

    def failed(self, begun):
        return True


class Identityless:
    """A board that waits for its identity."""

    layout = {}

    def __init__(self):
        self.values = {}

    def store(self):
        return self

    def get(self, key, default=None):
        return self.values.get(key, default)

    def put(self, key, value):
        self.values[key] = value


def identity(data):
    provision.provision(Identityless(), provision._parsed(data[:_IDENTITY]))


def tables(data):
    """What a NOR chip says of itself; beyond its end there is nothing."""

    def read(at, mv):
        part = data[at : at + len(mv)]
        mv[:] = part + b"\xff" * (len(mv) - len(part))

    shape = sfdp.parse(read, memoryview(bytearray(sfdp.SCRATCH)))
    if shape:
        assert 0 <= shape.size <= 1 << 32 and shape.erases
        assert 0 < shape.page_ms <= sfdp.LONGEST_MS


class Net:
    """In place of `socket` and `select`: one connection, on which these bytes come."""

    SOCK_STREAM = POLLIN = 1
    POLLOUT = 4

    def __init__(self, data):
        self._data = data
        self._at = 0
        self.turns = 0

    def getaddrinfo(self, host, port, *_):
        return [(2, 1, 6, "", (host, port))]

    def socket(self, *_):
        return self

    def poll(self, ms=0):
        return self

    def register(self, *_):
        pass

    def setblocking(self, flag):
        pass

    connect = register

    def write(self, mv):
        return len(mv)

    def readinto(self, mv):
        self.turns += 1
        assert self.turns < _TURNS
        count = min(len(mv), len(self._data) - self._at)
        mv[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count

    def close(self):
        pass


def mqtt(data):
    """What a broker sends, to umqtt.simple, from the answer to CONNECT on."""
    from umqtt.simple import MQTTClient

    client = MQTTClient("d", "host", 1883, "user", "password", keepalive=60)
    cloud = AlibabaSource(
        simboard.Board(simboard.layout()), client, KEY, NAME, version="1.0.0", random=_at_once
    )
    net = Net(data)
    kept = connect.socket, connect.select, bounded_socket.select
    connect.socket = connect.select = bounded_socket.select = net
    set_clock()
    try:
        for _ in range(_PUMPS):
            url = cloud.offer()
            if url:
                _drain(cloud, url)
                break
    finally:
        connect.socket, connect.select, bounded_socket.select = kept
        real_clock()


def _drain(cloud, url):
    cloud.open(url, 0, b"")
    mv = memoryview(bytearray(256))
    for _ in range(_TURNS):
        if cloud.readinto(mv) == 0:
            return
    raise AssertionError("no end")


def _at_once(bits):
    return 0


PARSERS = dict(MESSAGES)
PARSERS.update(
    {
        "manifest": read_manifest,
        "bundle": bundle,
        "header": header,
        "state": state,
        "journal": journal,
        "store": store,
        "identity": identity,
        "tables": tables,
        "mqtt": mqtt,
    }
)
