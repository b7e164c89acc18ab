"""The type check sees what MicroPython lacks, and only that."""

import pytest

import check_types


@pytest.fixture(scope="module")
def typeshed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typeshed")
    check_types.build(folder)
    return folder


def findings(typeshed, tmp_path, text):
    path = tmp_path / "tried.py"
    path.write_text(text)
    done = check_types.check([path], typeshed)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line.split(": ", 1)[1] for line in done.stdout.splitlines() if ": error: " in line]


BAD = """\
import hashlib
import time
import typing_extensions
import dataclasses

def use(socket):
    hashlib.sha256(b"").hexdigest()
    hashlib.sha256(b"").copy()
    (5).bit_length()
    "a".removeprefix("b")
    time.monotonic()
    vars(socket)
    try:
        socket.send(b"")
    except TimeoutError:
        pass
"""

GOOD = """\
import hashlib
import socket
import time
from collections import namedtuple

import vfs
from micropython import const

SIZE = const(4)
Pair = namedtuple("Pair", ("a", "b"))

class Device:
    def __init__(self):
        self.name = None

    def rename(self):
        self.name = Pair("a", "b").a
        return self.name.find("a")

def use(device):
    mv = memoryview(bytearray(SIZE))
    mv[0:2] = b"ab"
    hasher = hashlib.sha256(mv[1:])
    hasher.update(mv)
    connection = socket.socket()
    connection.readinto(mv)
    vfs.mount(vfs.VfsLfs2(device, readsize=256, progsize=256), "/app", readonly=True)
    if time.ticks_diff(time.ticks_ms(), 0) > 100:
        connection.close()
    return hasher.digest().hex(), int.from_bytes(mv, "big")
"""


def test_what_micropython_lacks_is_found(typeshed, tmp_path):
    found = findings(typeshed, tmp_path, BAD)
    for word in "hexdigest copy bit_length removeprefix monotonic vars TimeoutError".split():
        assert sum(f'"{word}"' in line for line in found) == 1, (word, found)
    assert any("dataclasses" in line for line in found)
    assert len(found) == 8


def test_what_micropython_has_passes(typeshed, tmp_path):
    assert findings(typeshed, tmp_path, GOOD) == []


def test_boards_are_checked_against_the_stubs_of_their_ports(typeshed, tmp_path):
    check_types.port("mimxrt", typeshed)
    good = "import machine, mimxrt\nmimxrt.Flash()\nmachine.WDT(timeout=5000)\n"
    assert not findings(typeshed, tmp_path, good)
    assert findings(typeshed, tmp_path, "import machine\nmachine.WDT(timeout_ms=5000)\n")
    assert findings(typeshed, tmp_path, "import mimxrt\nmimxrt.Partition\n")
