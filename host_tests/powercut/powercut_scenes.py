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
from journals import card, nor, storage
from powercut_fetch import Fetched, with_client_store
from powercut_life import (
    BEGUN,
    DONE,
    FIXTURE,
    GOLDEN_ON,
    NO,
    Life,
    NewStages,
    Patched,
    Repaired,
    Rescued,
    Stages,
    Wrong,
)
from powercut_wired import AllOnChips, OnChips
from ufota_testkit.noise import noise
from ufota_testkit.simboard import BLOCK, MODES, trial_layout
from update_kit import AFTER, payload
from update_kit import OLD as RUNS

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


class Fixture:
    """The images of the signed fixture, as a Shape."""

    blocks = 3
    old, new = RUNS[1], payload(FIXTURE)


class Packed(Fixture):
    """The image that runs and the one its patch makes, as a Shape."""

    new = AFTER


def life(mode, kind, act, shape=(2, 2), habit="confirms", tries=3, before=(), **more):
    """A function that makes a Life, and brings it to the act.

    act, before:  names of its methods; what it does when power goes, and what it did
    shape:        blocks of the old and of the new image, and the equal ones; None: those of
                  a Fixture, or of a Patched
    more:         of the_layout()
    """

    def make():
        gap = 512 if kind == "sd" and mode != "overwrite" else 256
        fixture = Packed if more.get("what") is Patched else Fixture
        made = Shape(gap, *shape) if shape else fixture
        layout, kind_of_life = the_layout(mode, kind, made.blocks, max(tries, 1), **more)
        world = kind_of_life(layout, bytes(made.old), bytes(made.new), habit, tries)
        for name in before:
            getattr(world, name)()
        world.power.reset()
        world.act = lambda: _do(world, act)
        return world

    return make


def the_layout(
    mode, kind, blocks, trials, what=Life, card=False, on="flash", external=False, **more
):
    """(layout, class of the Life) of a scene.

    what:   Life, or a class made from it that needs another layout
    card:   True: the state is on the card
    on:     disk of the client store, for a Fetched
    external: True: the state is on a chip that others can write
    more:   further keys of the layout
    """
    more = dict({"signed": True}, **more)
    layout = trial_layout(mode, kind, blocks, trials=trials, **more)
    if external:
        layout["state"]["external"] = True
    if what is Fetched:
        layout = with_client_store(layout, 7, on)
    if card:
        sd = layout["devices"]["sd"]
        layout["state"] = {"device": "sd", "start": sd["size"], "size": 18 * BLOCK}
        sd["size"] += 18 * BLOCK
    if what in (Rescued, Repaired):
        layout["devices"][GOLDEN_ON] = {"size": 2 * BLOCK, "erase": BLOCK, "program": 128}
        layout["recovery"] = {
            "device": GOLDEN_ON,
            "header": 0,
            "start": 256,
            "size": 2 * BLOCK - 256,
            "format": "romfs",
        }
    if what in (Stages, NewStages):
        layout = _chained(layout)
    return layout, what


def _chained(stages):
    """A layout whose stages are this one's, behind an application that has its own state."""
    outer = trial_layout("direct", "flash", component="APP")
    flash = outer["devices"]["flash"]
    at = flash["size"]
    flash["size"] += stages.pop("devices")["flash"]["size"]
    for name in ("active", "candidates", "state"):
        stages[name]["start"] += at
    stages["active"]["header"] += at
    stages.update({"headers": "stage", "component": "MAIN"})  # as the fixture's
    outer["stages"] = stages
    return outer


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
        journal = Journal(storage(self._disk), 0, len(self._disk.data), 60)
        return KeyValue(journal, journal.load())

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

SHAPES = ((2, 2), (3, 3, (1,)), (3, 2), (2, 3), (3, 3), (2, 3, (), 1), (1, 1))


def _scenes():
    """(mode, name, function that makes the world) of every scene."""
    found = []

    def add(row, name, make):
        found.append((row, name, make))

    _add_client(add)
    _add_fetches(add)
    _add_installs(add)
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
    _add_selector(add)
    _add_rescues(add)
    _add_state_on_card(add)
    return found


def _add_selector(add):
    """The chain again, by the selector and its view of the board."""
    for habit in "confirms", "dies", "crashes":
        for name, act, before in (
            ("update", "offer", ()),
            ("update, start", "offer boot", ()),
            ("start", "boot", PENDING),
            ("trial", "app boot", ON_TRIAL),
            ("end of trial", "boot", LAST_TRIAL),
        ):
            make = life("direct", "flash", act, None, habit, before=before, what=Stages)
            add("selector", name + ", " + habit, make)
        make = life("direct", "flash", "boot app boot", None, habit, what=NewStages)
        add("selector", "first start, " + habit, make)


def _add_rescues(add):
    """An active image that is not whole, and a recovery image started by key, in every mode."""
    for mode in MODES:
        for kind in KINDS:
            name = mode + " " + kind
            make = life(mode, kind, "boot", tries=0, before=("strand",))
            add("rescue", name, make)
            make = life(mode, kind, "boot", before=("offer", "damage"))
            add("rescue", name + " by an update", make)
            back = ("offer", "boot", "confirm", "boot", "lose")
            make = life(mode, kind, "boot", before=back, downgrade=True)
            add("rescue", name + " by the old one", make)
            for habit in "confirms", "dies":
                make = life(mode, kind, "recover boot", (2, 2), habit, 3, ON_TRIAL, what=Rescued)
                add("recovery", name + " " + habit, make)
            make = life(mode, kind, "offer", None, tries=0, what=Repaired)
            add("recovery", name + " permanent", make)


def _add_state_on_card(add):
    """The state's journal where each write replaces a block, in every mode."""
    for mode in MODES:
        for kind in KINDS:
            for name, act, habit, before in (
                ("offer", "offer", "confirms", ()),
                ("boot", "boot", "confirms", PENDING),
                ("boot dies", "boot", "dies", PENDING),
                ("end of trial", "boot", "dies", LAST_TRIAL),
                ("confirm", "confirm", "confirms", ON_TRIAL),
            ):
                make = life(mode, kind, act, (2, 2), habit, before=before, card=True)
                add("state on a card", "{} {} {}".format(mode, kind, name), make)


def _add_client(add):
    """The client brings an update, in every mode."""
    for mode in MODES:
        for kind in KINDS:
            for tries in 3, 0:
                name = "{} {}{}".format(mode, kind, "" if tries else " permanent")
                add("client write", name, life(mode, kind, "offer", None, tries=tries))
            make = life(mode, kind, "offer boot", None, what=Patched)
            add("client write", "{} {} patched".format(mode, kind), make)


LONG = (2, 10)  # blocks: steps of the slot, three of them, need so many
FETCHES = (
    ("direct", "flash", "flash"),
    ("direct", "sd", "sd"),
    ("overwrite", "spi", "flash"),
    ("swap", "spi", "flash"),
)  # and the disk of the client store


def _add_fetches(add):
    """The client that goes on after a cut brings an update, and what it finds in its store."""
    for mode, kind, on in FETCHES:
        for name, before in (
            ("", ()),
            (" half-way", ("fetch",)),
            (" another", ("fetch_another",)),
            (" spoilt", ("spoil",)),
        ):
            if before and mode in ("overwrite", "swap"):
                continue
            make = life(mode, kind, "offer", LONG, before=before, what=Fetched, on=on)
            add("fetch", "{} {}{}".format(mode, kind, name), make)


def _add_installs(add):
    """What a client left is installed, or tried, in every mode."""
    for kind in KINDS:
        row = "swap SD" if kind == "sd" else "swap NOR"
        for shape in SHAPES[: 6 if kind == "sd" else 7]:
            name = "{} {}".format(kind, shape)
            add(row, name, life("swap", kind, "boot", shape, before=PENDING))
            add(row, name + " dies", life("swap", kind, "boot", shape, "dies", before=PENDING))
        add(row, kind + " permanent", life("swap", kind, "boot", (2, 2), "dies", 0, PENDING))
    for kind in KINDS:
        for shape in (2, 2), (1, 2), (2, 1):
            name = "{} {}".format(kind, shape)
            add("overwrite", name, life("overwrite", kind, "boot", shape, before=PENDING))
            make = life("overwrite", kind, "boot", shape, "dies", before=PENDING)
            add("overwrite", name + " dies", make)
        make = life("overwrite", kind, "boot", (2, 2), "dies", 0, PENDING)
        add("overwrite", kind + " permanent", make)
    for kind in KINDS:
        for habit in "confirms", "dies":
            make = life("direct", kind, "boot", (2, 2), habit, before=PENDING)
            add("direct", kind + " " + habit, make)


def _add_ends(add):
    """The ways a trial ends, in every mode."""
    for mode, kind in PLACES:
        name = mode + " " + kind
        for shape in ((2, 2), (2, 3), (3, 2)) if mode == "swap" else ((2, 2),):
            make = life(mode, kind, "boot", shape, "dies", before=LAST_TRIAL)
            add("revert", "{} {}".format(name, shape), make)
        make = life(mode, kind, "reject boot", (2, 2), "rejects", before=ON_TRIAL)
        add("revert", name + " rejected", make)
        make = life(mode, kind, "confirm", (2, 2), "dies", before=LAST_TRIAL)
        add("confirm", name + " hidden record", hidden(make))
        for habit in "confirms", "dies":
            act = "confirm" if habit == "confirms" else "boot"
            before = ON_TRIAL if habit == "confirms" else LAST_TRIAL
            made = life(mode, kind, act, (2, 2), habit, before=before, external=True)
            add("confirm", name + " external " + habit, made)
            made = life(mode, kind, "boot", (2, 2), habit, before=PENDING, signed="start")
            add("confirm", name + " verified at each start " + habit, made)
            made = life(mode, kind, "boot", (2, 2), habit, before=PENDING, signed=False)
            add("confirm", name + " unsigned " + habit, made)
        for before in ON_TRIAL, LAST_TRIAL:
            for habit in "confirms", "dies":
                make = life(mode, kind, "confirm", (2, 2), habit, before=before)
                add("confirm", "{} {} boots {}".format(name, len(before) - 1, habit), make)


PLACES = (
    ("swap", "flash"),
    ("swap", "spi"),
    ("swap", "sd"),
    ("overwrite", "flash"),
    ("overwrite", "spi"),
    ("overwrite", "sd"),
    ("direct", "flash"),
)


def lives():
    """(mode, name, maker) of whole lives, from the download to the end: for storms."""
    found = []
    for mode, kind in PLACES:
        for habit in "confirms", "dies", "rejects":
            for shape in ((2, 3), (3, 2), (2, 2)) if mode == "swap" else ((2, 2),):
                row = {"overwrite": mode, "direct": mode}.get(mode, "swap NOR")
                row = "swap SD" if (mode, kind) == ("swap", "sd") else row
                name = "life {} {} {}".format(kind, shape, habit)
                found.append((row, name, life(mode, kind, "offer settle", shape, habit)))
        make = life(mode, kind, "offer settle", None, what=Patched)
        found.append(("client write", "life {} {} patched".format(mode, kind), make))
    for mode, kind, on in FETCHES:
        make = life(mode, kind, "offer settle", LONG, what=Fetched, on=on)
        found.append(("fetch", "life {} {}".format(mode, kind), make))
    chain = life("direct", "flash", "offer settle", habit="confirms", headers="stage")
    found.append(("chain", "life", chain))
    for habit in "confirms", "dies", "crashes":
        make = life("direct", "flash", "offer settle", None, habit, what=Stages)
        found.append(("selector", "life " + habit, make))
        make = life("direct", "flash", "settle", None, habit, what=NewStages)
        found.append(("selector", "life from the factory " + habit, make))
    for mode, kind in ("swap", "spi"), ("overwrite", "sd"), ("direct", "flash"):
        make = life(mode, kind, "offer settle", habit="dies", card=True)
        found.append(("state on a card", "life {} {}".format(mode, kind), make))
    return found


SCENES = _scenes()

MANY = (2, 5)  # blocks: a client writes some of them with one command
# (row, name, mode, kind, class): what is behind the drivers of SPI chips
CHIPS = (
    ("NOR chip", "swap", "swap", "spi", OnChips),
    ("NOR chip", "direct", "direct", "flash", AllOnChips),
    ("SD card", "overwrite", "overwrite", "sd", OnChips),
    ("SD card", "swap", "swap", "sd", OnChips),
    ("both chips", "swap", "swap", "sd", AllOnChips),
)


def _wired():
    """As _scenes(), through the drivers: what writes images, or puts them in another's place."""
    found = []
    for row, name, mode, kind, what in CHIPS:
        for act, make in (
            ("offer", life(mode, kind, "offer", MANY, what=what)),
            ("install", life(mode, kind, "boot", before=PENDING, what=what)),
            ("go back", life(mode, kind, "boot", habit="dies", before=LAST_TRIAL, what=what)),
        ):
            found.append((row, name + ", " + act, make))
    make = life("swap", "sd", "boot", before=PENDING, what=OnChips, card=True)
    found.append(("SD card", "state on it, install", make))
    return found


def wired_lives():
    """As lives(), through the drivers."""
    found = []
    for row, name, mode, kind, what in CHIPS:
        for habit in "confirms", "dies":
            make = life(mode, kind, "offer settle", habit=habit, what=what)
            found.append((row, "life {} {}".format(name, habit), make))
    return found


WIRED = _wired()
