"""An identity is given once, whole or not at all; from a file at the first start, or by hand."""

import json
import os
from binascii import hexlify
from hashlib import sha256

from boards_kit import IDENTITY, World, read
from fwboot import main
from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.journal import Journal
from fwcore.kv import KeyValue
from fwcore.state import IDLE, State
from fwcore.statement import digest_of
from fwcore.storage import Storage
from ufota import provision
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk, every_cut

BOTH = True  # runs on CPython and on MicroPython
HEAP = "128M"  # chips of 8 MiB

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

    layout = {}

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


# The image that is there before anybody can verify it

OLD = 1, noise(600, 1)


def shipped(name="RPI_PICO_W", **more):
    """A World whose chips have an image, that nobody signed, and no identity."""
    world = World(name, **more)
    with world.ports():
        simboard.put(world, simboard.active_slot(world), *OLD, b"")
    return world


def starts(world, *lines):
    """A start, which must be of OLD, with one of these lines about signatures; None: no line."""
    world.lines.clear()
    with world.ports():
        assert read(main.run(world.start())) == OLD, world.lines
    said = [text for text in world.lines if "ignature" in text]
    assert (said[0] if said else None) in lines and len(said) < 2


UNCHECKED = "[WARN] Signature not checked, no key yet"
RECORDED = "[DBG ] Signature recorded"


def test_the_image_that_is_there_is_recorded_before_the_key_comes():
    for name in ("RPI_PICO_W", "ESP32_GENERIC", "PYBV11"):
        world = shipped(name)
        starts(world, UNCHECKED)
        with world.ports():
            board = world.start()
            assert provision.provision(board, GOOD) is True
            board = world.start()
            head = simboard.active_slot(world).read_header(memoryview(bytearray(4096)), None)
            said = digest_of(board, "MAIN", head)
            state = State(board)
            assert state.verified == said + bytes(32) and state.is_verified(said)
            assert state.phase == IDLE and state.floor == 0
        for _ in range(2):
            starts(world, RECORDED)


def test_the_key_is_not_written_when_the_image_cannot_be_recorded():
    world = shipped("ESP32_GENERIC")
    with world.ports():
        region = world.layout["active"]
        world.disks[region["device"]].bad_blocks.add(region["start"] // 4096)
        try:
            provision.provision(world.start(), GOOD)
        except OSError:
            assert not provision.is_provisioned(world.start())
        else:
            raise AssertionError("provisioned")
        world.disks[region["device"]].bad_blocks.clear()
    starts(world, UNCHECKED)
    with world.ports():
        assert provision.provision(world.start(), GOOD) is True
    starts(world, RECORDED)


def test_an_image_that_is_not_whole_is_not_recorded():
    world = shipped()
    region = world.layout["active"]
    world.disks[region["device"]].data[region["start"] + 5] ^= 1
    with world.ports():
        assert provision.provision(world.start(), GOOD) is True
        assert State(world.start()).verified == bytes(64)
        assert main.run(world.start()) is None


def test_nothing_is_recorded_where_nobody_asks_or_each_start_does():
    for asked in (False, "start"):
        world = shipped(signed=asked)
        with world.ports():
            assert provision.provision(world.start(), GOOD) is True
            state = State(world.start())
            assert state.is_new and state.verified == bytes(64)
    world = shipped(signed=False)
    starts(world, None)


def test_power_may_go_at_any_moment_and_the_image_starts():
    def act(world):
        with world.ports():
            provision.provision(world.start(), GOOD)

    def check(world):
        with world.ports():
            done = provision.is_provisioned(world.start())
        starts(world, RECORDED if done else UNCHECKED, RECORDED)
        with world.ports():
            assert provision.provision(world.start(), OTHER) is not done
            assert identity(world.start()) == (IDENTITY if done else OTHERS)
        starts(world, RECORDED)

    count = every_cut(shipped, act, check)
    assert count > 60, count


def test_a_key_that_a_cut_left_in_doubt_is_written_again_before_the_file_goes():
    """The commit of the last value reads well once, and never again."""

    def act(world):
        with world.ports():
            provision.provision(world.start(), GOOD)

    def check(world):
        for _ in range(3):
            with world.ports():
                done = provision.is_provisioned(world.start())
            if done:
                break
            world.power.cycle()
        for _ in range(3):
            world.power.cycle()
            with world.ports():
                assert not done or identity(world.start()) == IDENTITY

    count = 0
    for mood in 0b01, 0b10, 0b110:

        def world(mood=mood):
            made = shipped()
            made.power.mood = mood
            return made

        count += every_cut(world, act, check, ("moody",))
    assert count > 60, count


def test_what_anybody_could_write_before_is_forgotten():
    """A state that was planted while nobody had a key: its MAC is one that all can make."""
    for field, value in (("verified", None), ("floor", (1 << 64) - 1), ("count", 0xFFFFFFFF)):
        world = shipped("PYBV11")
        with world.ports():
            board = world.start()
            state = State(board)
            rogue = digest_of(Ids, "MAIN", (9, 600, sha256(ROGUE).digest()))
            setattr(state, field, rogue + bytes(32) if value is None else value)
            state.put()
            assert provision.provision(board, GOOD) is True
            state = State(world.start())
            assert (state.floor, state.count) == (0, 0) and not state.is_verified(rogue)
        starts(world, RECORDED)


ROGUE = noise(600, 9)


class Ids:
    vendor_id, class_id = bytes.fromhex(GOOD["vendor_id"]), bytes.fromhex(GOOD["class_id"])


def test_an_image_that_is_misread_once_is_recorded():
    for at in "header", "start":
        world = shipped()
        region = world.layout["active"]
        disk = world.disks[region["device"]]
        wrong = region[at] + 5
        read, left = disk.readblocks, [1]

        def readblocks(block, buf, offset=0, wrong=wrong, read=read, left=left):
            code = read(block, buf, offset)
            first = block * 4096 + offset
            if left and first <= wrong < first + len(buf):
                left.pop()
                buf[wrong - first] ^= 1
            return code

        disk.readblocks = readblocks
        with world.ports():
            assert provision.provision(world.start(), GOOD) is True
        assert not left
        starts(world, RECORDED)


def test_the_state_of_a_device_that_asks_for_no_signature_is_kept():
    world = shipped(signed=False)
    with world.ports():
        state = State(world.start())
        state.floor, state.active = 7, 1
        state.put()
        assert provision.provision(world.start(), GOOD) is True
        state = State(world.start())
        assert (state.is_new, state.floor, state.active) == (False, 7, 1)
