"""Files and records that records_kit.py takes, for fuzz_messages.py. CPython only."""

import json
import struct
import sys
from pathlib import Path

from alibaba_kit import BLOCK_REPLY, GET_REPLY, MESSAGES, UPGRADE, reply
from boards_kit import IDENTITY
from fwcore import header, kv
from fwcore.journal import Journal
from fwcore.stage import pack_stage
from fwcore.state import BACK, FORWARD, PENDING, TRIAL, State
from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch
from helpers import here
from images import head_of
from journals import nor, storage
from records_kit import DEVICE_KEY, SLOT
from ufota.firmware import targets
from ufota.update import resume
from ufota_testkit import simboard
from ufota_testkit.chips.fake_nor import KINDS, sfdp
from ufota_testkit.noise import noise
from update_kit import bundle, signed

_BUNDLES = (
    "small",
    "packed_deflated",
    "packed_patch",
    "packed_deflated_patch",
    "packed_arm",
    "packed_encrypted",
    "packed_all",
)
_SIGNED = (*_BUNDLES, "two", "packed_system")
UMQTT = paths.device().parent / "build" / "umqtt"


def find_umqtt():
    """Have umqtt.simple importable here; fetched the first time. Returns its folder."""
    for name in ("struct", "socket", "binascii"):
        sys.modules.setdefault("u" + name, __import__(name))
    folder = str(fetch(UMQTT))
    if folder not in sys.path:
        sys.path.append(folder)
    return folder


def seeds():
    """Name of each parser: what it takes."""
    manifests = sorted(Path(here("vectors/manifests")).glob("v3_*.bin"))
    head = head_of(2, noise(900, 1))
    return {
        "manifest": [signed(name) for name in _SIGNED] + [one.read_bytes() for one in manifests],
        "bundle": [bundle(name) for name in _BUNDLES],
        "header": [
            header.pack_internal(head),
            header.pack_external(head, DEVICE_KEY),
            pack_stage(2, SLOT // 2, head.digest),
        ],
        "state": list(_states()),
        "journal": list(_journals()),
        "store": list(_stores()),
        "identity": list(_identities()),
        "tables": [sfdp(kind, kind.size) for kind in KINDS.values() if kind.sfdp],
        "mqtt": list(_packets()),
    }


def _states():
    board = simboard.Board(simboard.trial_layout("swap"))
    state = State(board)
    yield state._pack(0)[:-16]
    state.new, state.old = head_of(2, noise(700, 1)), head_of(1, noise(600, 2))
    state.floor, state.reason, state.tries = 1, 80, 2
    for phase in (PENDING, FORWARD, TRIAL, BACK):
        state.phase = phase
        state.equal = b"\x0f" * (phase == FORWARD)
        yield state._pack(phase)[:-16]
    state.blacklist(state.new)
    yield state._pack(0)[:-16]


def _journals():
    disk = nor()
    one = Journal(storage(disk), 0, len(disk.data), 100)
    for size in (0, 1, 100, 40):
        one.put(noise(size, size))
        yield bytes(disk.data)
    while one.room():
        one.mark()
    yield bytes(disk.data)


def _stores():
    """Of the client: a download that is under way, in order and not; a card; firmware."""
    head = head_of(2, noise(700, 1))
    record = struct.pack(resume._RECORD, 0x400, head.size, head.digest)
    url = {b"url": b"http://host/update", b"count": (3).to_bytes(4, "little")}
    yield kv._pack({b"job": record, **url})
    yield kv._pack({b"job": record + b"\1\xff\x0f", **url})
    note = struct.pack("<12s12sBI", bytes(12), noise(12), 1, 27)
    system = struct.pack(targets._RECORD, 2, 5, head.digest, 16, 4)
    yield kv._pack({b"drop": note, targets._KEY + b"SYSTEM": system})


def _identities():
    texts = {name.decode(): value.hex() for name, value in IDENTITY.items()}
    yield json.dumps(texts).encode()
    yield json.dumps({**texts, "class_key": "00" * 16}, indent=1).encode()
    for odd in (5, None, True, [], {}, "", "\u00fc", [texts]):  # each of them is JSON
        yield json.dumps(odd).encode()
        yield json.dumps({**texts, "rot": odd}).encode()


def _packets():
    """What follows CONNECT: it is taken, both subscriptions are, and messages come."""
    hello = b"\x20\x02\0\0" + b"\x90\x03\0\1\1" + b"\x90\x03\0\2\1"
    yield hello + b"\xd0\0" + _publish("other", b"text")
    offers = [name for name in MESSAGES if name.startswith(("upgrade_", "query_reply"))]
    for name in offers:
        text = json.dumps(MESSAGES[name]).encode()
        topic = UPGRADE if name.startswith("upgrade_") else GET_REPLY
        yield hello + _publish(topic, text) + b"\x40\x02\0\3"
    part = noise(44)
    yield (
        hello
        + _publish(UPGRADE, text, 3)
        + b"\x90\x03\0\4\0"
        + _publish(BLOCK_REPLY, reply(0, part, 300))
    )


def _publish(topic, text, pid=0):
    """A PUBLISH; with a packet id: of quality 1."""
    body = len(topic).to_bytes(2, "big") + topic.encode()
    body += pid.to_bytes(2, "big") * bool(pid) + text
    size, head = len(body), bytes((0x32 if pid else 0x30,))
    while size > 127:
        head += bytes((size & 127 | 128,))
        size >>= 7
    return head + bytes((size,)) + body
