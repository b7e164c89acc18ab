"""Scenes: what a device is doing when power goes. powercut.py sweeps them.

A scene makes a world (a Life, or a store of keys) up to the moment that is cut: the world's
act() is what every operation of is cut, its settle() what the device does afterwards.

Runs on CPython and on MicroPython.
"""

from fwcore.journal import Journal
from fwcore.journal import _commit as commit
from fwcore.journal import _record as record
from fwcore.kv import KeyValue
from fwcore.state import State
from helpers import noise
from journals import card, nor, storage
from powercut_life import BEGUN, DONE, NO, Life, Wrong
from simboard import BLOCK, trial_layout

KINDS = ("flash", "spi", "sd")


class Shape:
    """Two images. Sizes are such that header and image fill `old` and `new` blocks.

    same: blocks that are equal in both (the first one never is: it has the header)
    last: bytes of the new image in its last block
    """

    def __init__(self, gap, old, new, same=(), last=BLOCK - 56):
        self.blocks = max(old, new)
        self.old = bytearray(noise(old * BLOCK - gap - 40, 1))
        self.new = bytearray(noise((new - 1) * BLOCK - gap + last, 2))
        for block in same:
            at, end = block * BLOCK - gap, (block + 1) * BLOCK - gap
            self.new[at:end] = self.old[at : min(end, len(self.new))]


def life(mode, kind, act, shape=(2, 2), habit="confirms", tries=3, before=(), **more):
    """A function that makes a Life, and brings it to the act.

    act, before:  names of its methods; what it does when power goes, and what it did
    shape:        blocks of the old and of the new image, and the equal ones
    more:         further keys of the layout
    """

    def make():
        gap = 512 if (mode, kind) == ("swap", "sd") else 128
        made = Shape(gap, *shape)
        layout = trial_layout(mode, kind, made.blocks, trials=max(tries, 1), **more)
        world = Life(layout, bytes(made.old), bytes(made.new), habit, tries)
        for name in before:
            getattr(world, name)()
        world.power.reset()
        world.act = lambda: _do(world, act)
        return world

    return make


def hidden(make):
    """A Life whose journal hides a record, torn and unreadable, that is newer than the newest.

    It comes back at the next start; by then it must have been wiped (R6).
    """

    def made():
        world = make()
        region = world.board.layout["state"]
        disk = world.board.disks[region["device"]]
        size = region["size"] // 3
        journal = State(world.board).journal
        base = journal._banks.index(max(journal._banks))
        blank, other = [bank for bank in range(3) if bank != base]
        stale = journal._banks[base][1] + 2
        parts = record(stale, journal.payload), commit(stale), commit(stale)
        page = b"".join([part + b"\xff" * (-len(part) % disk.program_size) for part in parts])
        disk.load(region["start"] + blank * size, b"\xff" * size)
        disk.load(region["start"] + other * size, b"\xff" * size)
        disk.make_moody(region["start"] + other * size, noise(len(page), 5), page)
        world.power.mood, world.power.cycles = 0b11111110, 0
        return world

    return made


def _do(world, names):
    for name in names.split():
        getattr(world, name)()


class Store:
    """A store of keys in which one value is being changed, as a Life is an image."""

    def __init__(self, make_disk):
        self._disk = make_disk()
        self.power = self._disk.power
        self.truth = StoreTruth()
        first = self._open()
        first.put(b"keep", b"kept")
        first.put(b"change", b"old")
        self.power.reset()

    def _open(self):
        self.power.cycle()
        return KeyValue(Journal(storage(self._disk), 0, len(self._disk.data), 60))

    def act(self):
        self._put(self._open())

    def _put(self, store):
        self.truth.changed = max(self.truth.changed, BEGUN)
        store.put(b"change", b"new")
        self.truth.changed = DONE

    def settle(self):
        store = self._open()
        self._look(store)
        self._put(store)
        for _ in range(3):
            self._look(self._open())

    def _look(self, store):
        found = store.get(b"change")
        allowed = {NO: (b"old",), BEGUN: (b"old", b"new"), DONE: (b"new",)}[self.truth.changed]
        if found not in allowed or store.get(b"keep") != b"kept":
            raise Wrong("a value was lost")


class StoreTruth:
    def __init__(self):
        self.changed = NO
        self.cuts = 0

    def copy(self):
        other = StoreTruth()
        other.changed, other.cuts = self.changed, self.cuts
        return other


# Ways to the act
PENDING = ("offer",)
ON_TRIAL = ("offer", "boot")
LAST_TRIAL = ("offer", "boot", "boot", "boot")

SHAPES = ((2, 2), (3, 3, (1,)), (3, 2), (2, 3), (3, 3), (2, 2, (), 1), (1, 1))


def _scenes():
    """(mode, name, function that makes the world) of every scene."""
    found = []

    def add(row, name, make):
        found.append((row, name, make))

    for mode, kind in (("swap", "spi"), ("swap", "sd"), ("overwrite", "spi"), ("direct", "flash")):
        add("client write", mode + " " + kind, life(mode, kind, "offer"))
    for kind in KINDS:
        row = "swap SD" if kind == "sd" else "swap NOR"
        for shape in SHAPES[: 6 if kind == "sd" else 7]:
            name = "{} {}".format(kind, shape)
            add(row, name, life("swap", kind, "boot", shape, before=PENDING))
            add(row, name + " dies", life("swap", kind, "boot", shape, "dies", before=PENDING))
        add(row, kind + " permanent", life("swap", kind, "boot", (2, 2), "dies", 0, PENDING))
    for kind in "spi", "sd":
        for shape in (2, 2), (1, 2), (2, 1):
            name = "{} {}".format(kind, shape)
            add("overwrite", name, life("overwrite", kind, "boot", shape, before=PENDING))
            make = life("overwrite", kind, "boot", shape, "dies", before=PENDING)
            add("overwrite", name + " dies", make)
        make = life("overwrite", kind, "boot", (2, 2), "dies", 0, PENDING)
        add("overwrite", kind + " permanent", make)
    for kind in "flash", "spi":
        for habit in "confirms", "dies":
            make = life("direct", kind, "boot", (2, 2), habit, before=PENDING)
            add("direct", kind + " " + habit, make)
    _add_ends(add)
    for disk in nor, card:
        add("kv put", disk.__name__, lambda disk=disk: Store(disk))
    chain = {"headers": "stage"}
    for habit in "confirms", "dies":
        add(
            "chain", "update " + habit, life("direct", "flash", "offer boot", habit=habit, **chain)
        )
        make = life("direct", "flash", "boot", habit=habit, before=LAST_TRIAL, **chain)
        add("chain", "end of trial, " + habit, make)
    return found


def _add_ends(add):
    """The ways a trial ends, in every mode."""
    for mode, kind in MODES:
        name = mode + " " + kind
        for shape in ((2, 2), (2, 3), (3, 2)) if mode == "swap" else ((2, 2),):
            make = life(mode, kind, "boot", shape, "dies", before=LAST_TRIAL)
            add("revert", "{} {}".format(name, shape), make)
        make = life(mode, kind, "reject boot", (2, 2), "rejects", before=ON_TRIAL)
        add("revert", name + " rejected", make)
        make = life(mode, kind, "confirm", (2, 2), "dies", before=LAST_TRIAL)
        add("confirm", name + " hidden record", hidden(make))
        for before in ON_TRIAL, LAST_TRIAL:
            for habit in "confirms", "dies":
                make = life(mode, kind, "confirm", (2, 2), habit, before=before)
                add("confirm", "{} {} boots {}".format(name, len(before) - 1, habit), make)


MODES = (
    ("swap", "spi"),
    ("swap", "sd"),
    ("overwrite", "spi"),
    ("overwrite", "sd"),
    ("direct", "flash"),
)


def lives():
    """(mode, name, maker) of whole lives, from the download to the end: for storms."""
    found = []
    for mode, kind in MODES + (("swap", "flash"),):
        for habit in "confirms", "dies", "rejects":
            for shape in ((2, 3), (3, 2), (2, 2)) if mode == "swap" else ((2, 2),):
                row = {"overwrite": mode, "direct": mode}.get(mode, "swap NOR")
                row = "swap SD" if (mode, kind) == ("swap", "sd") else row
                name = "life {} {} {}".format(kind, shape, habit)
                found.append((row, name, life(mode, kind, "offer settle", shape, habit)))
    chain = life("direct", "flash", "offer settle", habit="confirms", headers="stage")
    return found + [("chain", "life", chain)]


SCENES = _scenes()
