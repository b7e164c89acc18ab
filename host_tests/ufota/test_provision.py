"""An identity is given once, whole or not at all; from a file at the first start, or by hand."""

import json
import os
from binascii import hexlify

from boards_kit import IDENTITY, World
from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.journal import Journal
from fwcore.kv import KeyValue
from fwcore.storage import Storage
from ufota import provision
from ufota_testkit.simdisk import Disk, every_cut

BOTH = True  # runs on CPython and on MicroPython

PATH = "/tmp/ufota-identity-{}.json".format(int.from_bytes(os.urandom(6), "big"))
GOOD = {name.decode(): hexlify(value).decode() for name, value in IDENTITY.items()}
OTHER = dict(GOOD, rot="77" * 16)
OTHERS = dict(IDENTITY)
OTHERS[b"rot"] = b"\x77" * 16


def put(text):
    with open(PATH, "w") as file:
        file.write(text)


def is_there():
    try:
        os.stat(PATH)
        return True
    except OSError:
        return False


def remove():
    if is_there():
        os.remove(PATH)


def identity(board):
    return {name: board.store().get(name) for name in IDENTITY}


def refused(function, *args):
    try:
        function(*args)
    except FwError as error:
        return error.code, error.at
    raise AssertionError("not refused")


def started(name="RPI_PICO_W"):
    """(World, its Board with blank chips)"""
    world = World(name)
    with world.ports():
        return world, world.start()


def test_a_first_start_takes_the_identity_from_the_file_and_removes_it():
    for name in ("RPI_PICO_W", "ESP32_GENERIC", "PYBV11"):
        world, board = started(name)
        with world.ports():
            assert not provision.is_provisioned(board)
            put(json.dumps(GOOD))
            assert provision.first_start(board, PATH) is True
            assert not is_there()
            again = world.start()  # what is in flash
            assert identity(again) == IDENTITY and provision.is_provisioned(again)
            assert again.rot() == IDENTITY[b"rot"] and again.key()


def test_without_a_file_nothing_happens():
    world, board = started()
    with world.ports():
        remove()
        assert provision.first_start(board, PATH) is False
        assert not any(identity(world.start()).values())


def test_it_is_never_repeated():
    world, board = started()
    with world.ports():
        put(json.dumps(GOOD))
        provision.first_start(board, PATH)
        put(json.dumps(OTHER))
        assert provision.first_start(world.start(), PATH) is True
        assert not is_there()  # whosever it was, it has a secret in it
        assert provision.provision(world.start(), OTHER) is False
        assert identity(world.start()) == IDENTITY


def test_what_is_no_identity_is_refused_and_nothing_written():
    wrong = (
        ("rot", None),
        ("rot", "00" * 15),
        ("vendor_id", 5),
        ("class_id", "xy" * 16),
        ("class_id", []),
        ("class_key", ""),
        ("class_key", "11" * 15),
        ("class_key", 5),
        ("key", "04" * 64),
        ("key", ""),
    )
    world, board = started()
    with world.ports():
        for name, value in wrong:
            made = dict(GOOD)
            if value is None:
                del made[name]
            else:
                made[name] = value
            assert refused(provision.provision, board, made) == (errors_net.BAD_IDENTITY, name)
        off_curve = dict(GOOD, key="04" + "11" * 64)
        assert refused(provision.provision, board, off_curve)[0] == errors.BAD_KEY
        for text in ("", "{", "5", "[]", "[" * 2000, '"rot"', " " * 2000 + json.dumps(GOOD)):
            put(text)
            assert refused(provision.first_start, board, PATH)[0] == errors_net.BAD_IDENTITY
            assert is_there()
        assert not any(identity(world.start()).values())
    remove()


def test_a_file_that_cannot_be_read_is_not_taken_for_none():
    world, board = started()
    with world.ports():
        try:
            provision.first_start(board, "/tmp")
        except OSError:
            return
    raise AssertionError("no error")


def test_a_class_key_may_be_among_it():
    for name in ("RPI_PICO_W", "ESP32_GENERIC", "PYBV11"):
        world, board = started(name)
        with world.ports():
            assert board.class_key() is None
            assert provision.provision(board, dict(GOOD, class_key="5a" * 16)) is True
            again = world.start()
            assert again.class_key() == b"\x5a" * 16 and identity(again) == IDENTITY
            names = again.store().keys()
            assert b"class_key" in names
        world, board = started(name)
        with world.ports():
            assert provision.provision(board, GOOD) is True
            assert world.start().class_key() is None
            names = world.start().store().keys()
            assert b"class_key" not in names


def test_a_class_key_left_by_a_cut_is_not_that_of_the_next_identity():
    for name in ("RPI_PICO_W", "ESP32_GENERIC"):
        world, board = started(name)
        with world.ports():
            for part in ("rot", "vendor_id", "class_id"):
                board.store().put(part.encode(), b"\x77" * 16)
            board.store().put(b"class_key", b"\x77" * 16)  # and the key did not come
            assert not provision.is_provisioned(board)
            assert provision.provision(world.start(), GOOD) is True
            again = world.start()
            assert identity(again) == IDENTITY and again.class_key() is None


class Plain:
    """Nothing but a store, on a disk whose reads can fail."""

    def __init__(self, disk):
        storage = Storage(disk, 4096, 16)
        journal = Journal(storage, 0, 3 * 4096, 512)
        self._store = KeyValue(journal, journal.load())

    def store(self):
        return self._store


def test_a_store_that_cannot_be_read_is_not_taken_for_an_empty_one():
    disk = Disk(3 * 4096, 4096, 16)
    assert provision.provision(Plain(disk), GOOD) is True
    put(json.dumps(OTHER))
    disk.bad_blocks.update((0, 1, 2))
    try:
        provision.first_start(Plain(disk), PATH)
    except OSError:
        pass
    else:
        raise AssertionError("no error")
    disk.bad_blocks.clear()
    assert is_there() and identity(Plain(disk)) == IDENTITY
    remove()


def test_power_may_go_at_any_moment():
    def make():
        world = World("RPI_PICO_W")
        put(json.dumps(GOOD))
        return world

    def act(world):
        with world.ports():
            provision.first_start(world.start(), PATH)

    def check(world):
        with world.ports():
            board = world.start()
            other = not provision.is_provisioned(board)
            if other:  # then nothing of the first one stays
                assert is_there()
                put(json.dumps(OTHER))
            assert provision.first_start(board, PATH) is True
            assert identity(world.start()) == (OTHERS if other else IDENTITY)

    count = every_cut(make, act, check)
    assert count > 20, count
    remove()
