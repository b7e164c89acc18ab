"""fwtool state, layout, factory and combine, for boards with a state region."""

import json
import os
import struct
from hashlib import sha256

import bincopy
import pytest

from fwcore import errors_boot, header
from fwcore.header import Header
from fwcore.manifest import version_word
from fwcore.regions import storage_of
from fwcore.state import BACK, MARK, NOWHERE, REVERTED, State
from fwcore.statement import digest_of
from fwtool.images import headers, image, layouts
from fwtool.signing import statements
from fwtool.virtual import state as states
from fwtool_cli import FOR_LAMP, fwtool
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

BLOCK = 4096
IMAGE = image.build({"main.py": noise(5000)}, "lfs2", BLOCK)
GOLDEN = image.build({"main.py": noise(3000, 1)}, "lfs2", BLOCK)


def swapping():
    """Flash: boot, active, state, recovery, user; SPI NOR: spare block and candidate."""
    return {
        "devices": {
            "flash": {"size": 64 * BLOCK, "erase": BLOCK, "program": 256},
            "spi": {"size": 32 * BLOCK, "erase": BLOCK, "program": 256},
        },
        "active": {
            "device": "flash",
            "header": 4 * BLOCK,
            "start": 4 * BLOCK + 256,
            "size": 8 * BLOCK - 256,
            "format": "lfs2",
        },
        "state": {"device": "flash", "start": 12 * BLOCK, "size": 3 * BLOCK},
        "mode": "swap",
        "trials": 2,
        "watchdog_ms": 8000,
        "signed": True,
        "downgrade": False,
        "candidates": {"device": "spi", "start": BLOCK, "size": 9 * BLOCK, "locations": 1},
        "recovery": {
            "device": "flash",
            "header": 16 * BLOCK,
            "start": 17 * BLOCK,
            "size": 8 * BLOCK,
            "format": "lfs2",
        },
        "regions": {
            "boot": {"device": "flash", "start": 0, "size": 4 * BLOCK},
            "user": {"device": "flash", "start": 40 * BLOCK, "size": 8 * BLOCK},
        },
    }


def chained():
    """The same with two slots of boot stages, which the chain tries in turn."""
    made = swapping()
    made["signed"] = False
    made["stages"] = {
        "active": {
            "device": "spi",
            "header": 16 * BLOCK,
            "start": 16 * BLOCK + 256,
            "size": 3 * BLOCK,
            "format": "romfs",
        },
        "candidates": {
            "device": "spi",
            "start": 20 * BLOCK,
            "size": 4 * BLOCK,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "spi", "start": 24 * BLOCK, "size": 3 * BLOCK},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
    }
    return made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fwtool("keygen", "key.pem")
    (tmp_path / "app.img").write_bytes(IMAGE)
    (tmp_path / "golden.img").write_bytes(GOLDEN)
    (tmp_path / "layout.json").write_text(json.dumps(swapping()))
    return tmp_path


MAKE = ("--layout", "layout.json", "--app", "app.img", "--version", "1.2.0")
SIGN = ("--sign-key", "key.pem", *FOR_LAMP)
FACTORY = ("--key", "key.pub", *SIGN)


def make_board(folder, layout=None, *more):
    if layout:
        (folder / "layout.json").write_text(json.dumps(layout))
    fwtool("factory", "board", *MAKE, *FACTORY, *more)
    return folder / "board"


class Files:
    """A board's chips in memory, as much of a board as State asks for; save() writes them."""

    def __init__(self, board, layout):
        self.layout = layout
        self._rot = headers.rot_of(str(board / "identity.json"))
        self._board = board
        self._disks = {}

    def rot(self):
        return self._rot

    def device(self, name):
        if name not in self._disks:
            spec = self.layout["devices"][name]
            disk = Disk(spec["size"], spec["erase"], spec["program"], spec.get("overwrite", False))
            disk.load(0, (self._board / f"{name}.bin").read_bytes())
            self._disks[name] = disk
        return self._disks[name]

    def save(self):
        for name, disk in self._disks.items():
            (self._board / f"{name}.bin").write_bytes(bytes(disk.data))


def leave(board, layout, **fields):
    """Put a boot state on the board's chips."""
    chips = Files(board, layout)
    state = State(chips)
    for name, value in fields.items():
        setattr(state, name, value)
    state.put()
    chips.save()


def statement_of(board):
    """Digest of the statement about the image of MAKE on a board."""
    ids = json.loads((board / "identity.json").read_text())
    of = statements.Board(bytes.fromhex(ids["vendor_id"]), bytes.fromhex(ids["class_id"]))
    head = version_word("1.2.0"), len(IMAGE), sha256(IMAGE).digest()
    return digest_of(of, "MAIN", head)


def shown(board, **options):
    return json.loads(fwtool("state", board, "--json", **options).stdout)


def test_a_new_board_is_idle(folder):
    board = make_board(folder)
    flash = (board / "flash.bin").read_bytes()
    assert set(flash[12 * BLOCK : 15 * BLOCK]) == {0xFF}
    found = shown(board)
    assert found == {
        "record": False,
        "trust": "not recorded",
        "phase": "IDLE",
        "tries": 0,
        "result": "NONE",
        "reason": 0,
        "words": None,
        "mode": "swap",
        "active": 0,
        "location": 0,
        "kept": 0,
        "done": 0,
        "floor": "0",
        "new": None,
        "old": None,
        "signed": False,
        "failed": [],
    }
    said = fwtool("state", board).stdout
    assert "phase             IDLE\n" in said and "reason            none\n" in said


def bad(seed):
    return {"version": f"0.{seed}.0", "digest": noise(16, seed).hex()}


def failed(*images):
    """Entries of (seed, kind), and behind them a bar."""
    entries = [
        struct.pack(">Q16sB", (1 << 55) | (seed << 16), noise(16, seed), kind)
        for seed, kind in images
    ]
    return b"".join(entries).ljust(100, b"\0") + struct.pack(
        ">Q16sB", (1 << 55) | (9 << 16), noise(16, 9), 0x30
    )


def test_a_list_that_an_older_release_wrote_is_shown(folder):
    board = make_board(folder)
    leave(board, swapping(), bad=noise(32, 3) + noise(32, 4) + bytes(64))
    found = [(image["digest"], image["rounds"]) for image in shown(board)["failed"]]
    assert found == [(noise(32, 3).hex(), None), (noise(32, 4).hex(), None)]


def test_every_field_of_a_state_is_shown(folder):
    board = make_board(folder)
    new = Header((1 << 55) | (2 << 40), 4711, noise(32, 1), bytes(16))
    old = Header(1700000000, 815, noise(32, 2), bytes(16))
    leave(
        board,
        swapping(),
        phase=BACK,
        tries=2,
        result=REVERTED,
        reason=errors_boot.NOT_CONFIRMED,
        location=0,
        kept=NOWHERE,
        done=7,
        floor=(1 << 55) | (1 << 16) | 5,
        new=new,
        old=old,
        signature=noise(64),
        verified=noise(32, 5) + statement_of(board),
        bad=failed((3, 255), (1, 255), (5, 0x21)) + MARK,
    )
    found = shown(board)
    assert found == {
        "record": True,
        "trust": "recorded",
        "phase": "BACK",
        "tries": 2,
        "result": "REVERTED",
        "reason": 80,
        "words": "the image was not confirmed in its trial boots",
        "mode": "swap",
        "active": 0,
        "location": 0,
        "kept": None,
        "done": 7,
        "floor": "0.1.5",
        "new": {"version": "2.0.0", "size": 4711, "digest": noise(32, 1).hex()},
        "old": {"version": "1700000000", "size": 815, "digest": noise(32, 2).hex()},
        "signed": True,
        "failed": [
            {**bad(3), "rounds": None, "starts": None, "bar": False},
            {**bad(1), "rounds": None, "starts": None, "bar": False},
            {**bad(5), "rounds": 2, "starts": 1, "bar": False},
            {**bad(9), "rounds": 3, "starts": 0, "bar": True},
        ],
    }
    said = " ".join(fwtool("state", board).stdout.split())
    for part in (
        "phase BACK",
        "trial boots left 2",
        "result REVERTED",
        "reason 80, the image was not confirmed",
        "record valid",
        "active slot 0",
        "new in slot 0",
        "old in slot nowhere",
        "moves done 7",
        "floor 0.1.5",
        f"new 2.0.0, 4711 bytes, {noise(32, 1).hex()}",
        f"old 1700000000, 815 bytes, {noise(32, 2).hex()}",
        "signature of new yes",
        "signature recorded",
        f"failed 0 0.3.0, {noise(16, 3).hex()}, black-listed",
        f"failed 2 0.5.0, {noise(16, 5).hex()}, not confirmed, rounds 2, starts since 1",
        f"failed 3 0.9.0, {noise(16, 9).hex()}, fell out of the list: nothing up to this version",
    ):
        assert part in said, part


def test_every_phase_and_result_has_its_name(folder):
    from fwcore import state

    board = make_board(folder)
    for name in ("IDLE", "PENDING", "FORWARD", "TRIAL", "BACK"):
        leave(board, swapping(), phase=getattr(state, name))
        assert shown(board)["phase"] == name
    for name in ("NONE", "CONFIRMED", "REVERTED", "REFUSED"):
        leave(board, swapping(), result=getattr(state, name))
        assert shown(board)["result"] == name
    leave(board, swapping(), phase=5, floor=3)  # out of its range: the record is none
    assert (shown(board)["phase"], shown(board)["floor"]) == ("IDLE", "0")
    leave(board, swapping(), reason=255)
    assert shown(board)["words"] == "unknown error"
    leave(board, swapping(), reason=256)
    assert shown(board)["words"] == "the application's own"
    assert "256, the application's own" in fwtool("state", board).stdout


def test_why_an_image_starts_is_told(folder):
    def told(board, trust, words):
        assert shown(board)["trust"] == trust
        assert f"signature         {words}\n" in fwtool("state", board).stdout

    board = make_board(folder)
    told(board, "not recorded", "not recorded: verified at the next start")
    assert "Signature verified" in fwtool("boot", board).stdout
    told(board, "recorded", "recorded")
    identity = board / "identity.json"
    ids = json.loads(identity.read_text())
    identity.write_text(json.dumps({**ids, "rot": "00" * 16}))  # another device's chip
    told(board, "not recorded", "not recorded: verified at the next start")
    assert not shown(board)["record"]
    identity.write_text(json.dumps({**ids, "key": ""}))
    told(board, "unprovisioned", "unprovisioned: not asked until the board has its key")
    identity.unlink()
    told(board, "unprovisioned", "unprovisioned: not asked until the board has its key")
    for signed, trust, words in (
        (False, "not asked", "not asked"),
        ("start", "each start", "verified at each start"),
    ):
        (board / "layout.json").write_text(json.dumps({**swapping(), "signed": signed}))
        told(board, trust, words)
    flash = bytearray((board / "flash.bin").read_bytes())
    flash[0x4000:0x4100] = b"\xff" * 0x100
    (board / "flash.bin").write_bytes(flash)
    assert shown(board)["trust"] is None
    assert "signature         no image\n" in fwtool("state", board).stdout


def test_an_external_state_is_not_older_than_its_anchor(folder):
    layout = swapping()
    layout["state"]["external"] = True
    board = make_board(folder, layout)
    identity = board / "identity.json"
    ids = json.loads(identity.read_text())
    leave(board, swapping(), floor=9, count=1)
    assert (shown(board)["floor"], shown(board)["record"]) == ("9", True)
    anchor = struct.pack("<IQ", 2, 11).hex()
    identity.write_text(json.dumps({**ids, "anchor.MAIN": anchor}))
    assert shown(board)["floor"] == "11"


def test_an_identity_that_is_none_is_told(folder):
    board = make_board(folder)
    for text in ("[]", '{"rot": 5}', '{"rot": "00", "key": "xy"}', "{}"):
        (board / "identity.json").write_text(text)
        assert "no identity file" in fwtool("state", board, code=1).stderr


def test_moves_are_counted_with_their_marks(folder):
    board = make_board(folder)
    chips = Files(board, swapping())
    state = State(chips)
    state.done = 3
    state.put()
    state.journal.mark()
    state.journal.mark()
    chips.save()
    assert shown(board)["done"] == 5


def test_the_state_of_the_boot_stages_is_shown_too(folder):
    board = make_board(folder, chained())
    stages = {**chained()["stages"], "devices": chained()["devices"]}
    leave(board, stages, active=1, floor=9)
    found = shown(board)
    assert (found["active"], found["floor"], found["mode"]) == (0, "0", "swap")
    assert (found["stages"]["active"], found["stages"]["floor"]) == (1, "9")
    assert found["stages"]["mode"] == "direct"
    said = " ".join(fwtool("state", board).stdout.split())
    assert "active slot 0" in said and "stages: active slot 1" in said


def test_showing_the_state_writes_nothing(folder):
    board = make_board(folder, chained())
    leave(board, chained(), phase=2)
    for path in board.iterdir():
        path.chmod(0o444)
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in board.iterdir()}
    fwtool("state", board)
    shown(board)
    after = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in board.iterdir()}
    assert after == before


def test_what_keeps_no_state_is_told(folder):
    layout = swapping()
    for field in ("state", "mode", "trials", "downgrade"):
        del layout[field]
    board = make_board(folder, layout)
    assert "no state region" in fwtool("state", board, code=1).stderr
    fwtool("state", "missing", code=1)
    (board / "layout.json").write_text("{")
    fwtool("state", board, code=1)


def test_a_chip_that_is_not_there_is_a_device_error(folder):
    layout = swapping()
    layout["state"] = {"device": "spi", "start": 16 * BLOCK, "size": 3 * BLOCK}
    board = make_board(folder, layout)
    (board / "spi.bin").unlink()
    assert "spi.bin" in fwtool("state", board, code=4).stderr


def test_garbage_in_the_state_region_is_an_idle_board(folder):
    board = make_board(folder)
    flash = bytearray((board / "flash.bin").read_bytes())
    flash[12 * BLOCK : 15 * BLOCK] = noise(3 * BLOCK)
    (board / "flash.bin").write_bytes(flash)
    assert (shown(board)["phase"], shown(board)["record"]) == ("IDLE", False)
    assert "record            no valid record\n" in fwtool("state", board).stdout


def test_the_journal_is_read_where_the_layout_says(folder):
    board = make_board(folder)
    leave(board, swapping(), floor=5)
    flash = (board / "flash.bin").read_bytes()
    assert flash[12 * BLOCK : 15 * BLOCK].count(b"uFWj") == 1
    chips = Files(board, swapping())
    assert storage_of(chips, swapping()["state"]).size == 64 * BLOCK
    assert states.read(str(board))["floor"] == "5"


def rows(layout):
    return [(r["device"], r["name"], r["start"], r["end"]) for r in layouts.rows(layout)]


def test_a_swapping_layout_is_drawn(folder):
    assert "9 regions on 2 devices" in fwtool("layout", "check", "layout.json").stdout
    assert rows(swapping()) == [
        ("flash", "boot", 0, 0x4000),
        ("flash", "active header", 0x4000, 0x4100),
        ("flash", "active image", 0x4100, 0xC000),
        ("flash", "boot state", 0xC000, 0xF000),
        ("flash", "free", 0xF000, 0x10000),
        ("flash", "recovery header", 0x10000, 0x11000),
        ("flash", "recovery image", 0x11000, 0x19000),
        ("flash", "free", 0x19000, 0x28000),
        ("flash", "user", 0x28000, 0x30000),
        ("flash", "free", 0x30000, 0x40000),
        ("spi", "free", 0, 0x1000),
        ("spi", "spare block", 0x1000, 0x2000),
        ("spi", "candidate 0", 0x2000, 0xA000),
        ("spi", "free", 0xA000, 0x20000),
    ]
    said = fwtool("layout", "show", "layout.json").stdout
    for name in ("boot state", "spare block", "candidate 0", "recovery header", "recovery image"):
        assert name in said


def test_a_chain_is_drawn(folder):
    (folder / "layout.json").write_text(json.dumps(chained()))
    assert "13 regions on 2 devices" in fwtool("layout", "check", "layout.json").stdout
    assert rows(chained())[-6:] == [
        ("spi", "stages active header", 0x10000, 0x10100),
        ("spi", "stages active image", 0x10100, 0x13100),
        ("spi", "free", 0x13100, 0x14000),
        ("spi", "stages second slot", 0x14000, 0x18000),
        ("spi", "stages boot state", 0x18000, 0x1B000),
        ("spi", "free", 0x1B000, 0x20000),
    ]


def test_the_gap_between_header_and_image_is_drawn_as_what_it_is():
    layout = swapping()
    layout["active"].update({"start": 6 * BLOCK, "size": 6 * BLOCK})
    assert ("flash", "active header", 4 * BLOCK, 6 * BLOCK) in rows(layout)
    layout["mode"] = "overwrite"
    layout["candidates"]["locations"] = 2
    assert ("flash", "active header", 4 * BLOCK, 5 * BLOCK) in rows(layout)
    assert ("flash", "free", 5 * BLOCK, 6 * BLOCK) in rows(layout)
    assert [row[1] for row in rows(layout) if row[0] == "spi"][1:3] == [
        "candidate 0",
        "candidate 1",
    ]
    layout["active"].update({"header": 11 * BLOCK, "start": 4 * BLOCK, "size": 7 * BLOCK})
    assert ("flash", "active header", 11 * BLOCK, 12 * BLOCK) in rows(layout)


@pytest.mark.parametrize(
    ("path", "value", "part"),
    [
        ("trials", True, "trials is no int"),
        ("watchdog_ms", True, "watchdog_ms is no int"),
        ("signed", 0, "signed is no bool"),
        ("downgrade", "no", "downgrade is no bool"),
        ("trails", 3, "'trails' is no field"),
        ("state.erase", 4096, "state: 'erase' is no field"),
        ("stages.trials", True, "stages layout: trials"),
        ("recovery.locations", 1, "recovery: 'locations' is no field"),
        ("stages.activ", {}, "stages layout: 'activ' is no field"),
        ("stages.signed", 1, "stages layout: signed"),
        ("stages.active.offset", 0, "stages active: 'offset'"),
        ("stages.candidates.slots", 2, "stages candidates: 'slots'"),
        ("stages.state.banks", 3, "stages state: 'banks'"),
        ("stages.regions", {"\x1b": {"device": "spi", "start": 0, "size": 1}}, "stages regions"),
    ],
)
def test_misspelt_fields_are_found_everywhere(folder, path, value, part):
    layout = chained()
    table = layout
    *parents, name = path.split(".")
    for parent in parents:
        table = table[parent]
    table[name] = value
    (folder / "layout.json").write_text(json.dumps(layout))
    said = fwtool("layout", "check", "layout.json", code=1).stderr
    assert part in said and "error 6" not in said, said


def test_what_does_nothing_without_a_state_is_refused(folder):
    layout = swapping()
    del layout["state"], layout["mode"]
    for field in ("trials", "downgrade"):
        (folder / "layout.json").write_text(json.dumps(layout))
        said = fwtool("layout", "check", "layout.json", code=1).stderr
        assert f"{field} does nothing without a state region" in said
        del layout[field]
    (folder / "layout.json").write_text(json.dumps(layout))
    fwtool("layout", "check", "layout.json")


def test_what_cannot_work_is_named_by_its_field(folder):
    layout = chained()
    layout["stages"]["state"]["size"] = BLOCK
    (folder / "layout.json").write_text(json.dumps(layout))
    said = fwtool("layout", "check", "layout.json", code=1).stderr
    assert "error 33" in said and "(stages state, size)" in said


def test_the_factory_puts_a_recovery_image_in_its_place(folder):
    board = make_board(folder, None, "--recovery", "golden.img")
    flash = (board / "flash.bin").read_bytes()
    head = header.unpack_internal(flash[16 * BLOCK :])
    assert (head.size, head.version) == (
        len(GOLDEN),
        header.unpack_internal(flash[0x4000:]).version,
    )
    assert flash[17 * BLOCK : 17 * BLOCK + len(GOLDEN)] == GOLDEN
    assert flash[0x4100 : 0x4100 + len(IMAGE)] == IMAGE
    rest = flash[0xC000:0x10000] + flash[17 * BLOCK + len(GOLDEN) :] + flash[:0x4000]
    assert set(rest) == {0xFF}


def test_what_the_factory_made_boots_and_recovers(folder):
    board = make_board(folder, None, "--recovery", "golden.img")
    assert "[DBG ] Active firmware up-to-date" in fwtool("boot", board).stdout
    flash = bytearray((board / "flash.bin").read_bytes())
    flash[0x4000:0x4100] = b"\xff" * 0x100
    (board / "flash.bin").write_bytes(flash)
    assert "[DBG ] Starting the recovery image" in fwtool("boot", board).stdout


def test_a_recovery_image_may_be_on_another_chip(folder):
    layout = swapping()
    layout["recovery"].update({"device": "spi", "header": 16 * BLOCK, "start": 17 * BLOCK})
    board = make_board(folder, layout, "--recovery", "golden.img")
    spi = (board / "spi.bin").read_bytes()
    assert header.unpack_internal(spi[16 * BLOCK :]).size == len(GOLDEN)
    assert spi[17 * BLOCK : 17 * BLOCK + len(GOLDEN)] == GOLDEN
    assert set(spi[: 16 * BLOCK]) == {0xFF}
    said = fwtool(
        "combine", *MAKE, *SIGN, "--recovery", "golden.img", "-o", "all.bin", code=1
    ).stderr
    assert "recovery region is not on flash" in said


def test_a_recovery_image_that_could_not_start_is_refused(folder):
    small = swapping()
    small["recovery"]["size"] = 2 * BLOCK
    none = swapping()
    del none["recovery"]
    other = swapping()
    other["recovery"]["format"] = "fat"
    for layout, part in (
        (small, f"golden.img of {len(GOLDEN)} bytes does not fit the recovery region of 8192"),
        (none, "no recovery region"),
        (other, "golden.img: "),
    ):
        (folder / "layout.json").write_text(json.dumps(layout))
        recovery = ("--recovery", "golden.img")
        said = fwtool("factory", "board", *MAKE, *FACTORY, *recovery, code=1).stderr
        assert part in said, said
        said = fwtool("combine", *MAKE, *SIGN, *recovery, "-o", "all.bin", code=1).stderr
        assert part in said, said
    assert not os.path.exists("board") and not os.path.exists("all.bin")


def test_combine_makes_what_the_factory_makes(folder):
    (folder / "boot.bin").write_bytes(noise(3000, 2))
    more = ("--recovery", "golden.img", "--boot", "boot.bin")
    board = make_board(folder, None, *more)
    fwtool("combine", *MAKE, *SIGN, *more, "-o", "all.bin")
    flash = (board / "flash.bin").read_bytes()
    made = (folder / "all.bin").read_bytes()
    assert flash.startswith(made) and set(flash[len(made) :]) == {0xFF}
    fwtool("combine", *MAKE, *SIGN, *more, "--base", "0x10000000", "-o", "all.hex")
    hexed = bincopy.BinFile(str(folder / "all.hex"))
    assert bytes(hexed.as_binary()) == made and hexed.minimum_address == 0x10000000
    before = (folder / "golden.img").read_bytes()
    fwtool("combine", *MAKE, *SIGN, *more, "-o", "golden.img", code=5)
    assert (folder / "golden.img").read_bytes() == before


def test_combine_gives_the_recovery_image_the_version_of_a_header_file(folder):
    fwtool("header", "create", "app.img", "-o", "h", "--version", "3.0.0")
    given = ("--layout", "layout.json", "--app", "app.img", "--header", "h")
    fwtool("combine", *given, *SIGN, "--recovery", "golden.img", "-o", "all.bin")
    made = (folder / "all.bin").read_bytes()
    versions = [header.unpack_internal(made[at:]).version for at in (0, 12 * BLOCK)]
    assert versions == [(1 << 55) | (3 << 40)] * 2


def test_a_layout_of_stage_headers_gets_stage_headers(folder):
    from fwcore.stage import STAGE_SIZE, unpack_stage

    layout = swapping()
    del layout["recovery"]
    layout.update({"mode": "direct", "headers": "stage"})
    layout["candidates"]["internal"] = True
    board = make_board(folder, layout)
    flash = (board / "flash.bin").read_bytes()
    head = unpack_stage(flash[4 * BLOCK :], STAGE_SIZE + 8 * BLOCK)
    assert (head.size, flash[0x4100 : 0x4100 + head.size]) == (len(IMAGE), IMAGE)
    fwtool("header", "create", "app.img", "-o", "h", "--version", "3.0.0")
    given = ("--layout", "layout.json", "--app", "app.img", "-o", "all.bin", "--header", "h")
    given += SIGN
    fwtool("combine", *given, code=3)
    fwtool("header", "create", "app.img", "-o", "h", "--version", "3.0.0", "--kind", "stage")
    fwtool("combine", *given)
    assert unpack_stage((folder / "all.bin").read_bytes(), 1 << 20).version == (1 << 55) | (
        3 << 40
    )
