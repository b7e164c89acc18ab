"""fwtool header, layout, combine and factory: what ends up on which address."""

import json
import os
import stat
import uuid

import bincopy
import pytest

from fwcore import errors, header, manifest
from fwcore.stage import unpack_stage
from fwtool.images import factory, image, layouts
from fwtool_cli import FOR_LAMP, LAYOUT, fwtool
from helpers import vectors
from ufota_testkit.noise import noise

HEADER_AT, IMAGE_AT = 0x10000, 0x11000  # boards/virtual/layout.py
IMAGE = image.build({"main.py": noise(5000)}, "lfs2", 4096)
SIGN = ("--sign-key", "key.pem", *FOR_LAMP)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "image.bin").write_bytes(IMAGE)
    (tmp_path / "boot.bin").write_bytes(noise(3000, 1))
    os.chdir(tmp_path)
    fwtool("keygen", "key.pem")
    return tmp_path


def _identity(folder, rot):
    (folder / "identity.json").write_text(json.dumps({"rot": rot}))


def test_headers_are_those_of_the_device(folder):
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "1.2.0", "--layout", LAYOUT)
    head = header.unpack_internal((folder / "h").read_bytes())
    assert (head.size, head.version) == (len(IMAGE), manifest.version_word("1.2.0"))
    _identity(folder, "00" * 16)
    bound = ("--kind", "external", "--identity", "identity.json")
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "1700000000", *bound)
    key = header.device_key(bytes(16))
    assert header.unpack_external((folder / "h").read_bytes(), key).version == 1700000000
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "7", "--kind", "stage")
    data = (folder / "h").read_bytes() + IMAGE
    assert unpack_stage(data, len(data)).size == len(IMAGE)
    assert json.loads(fwtool("header", "show", "h", "--json").stdout)["kind"] == "stage"
    (folder / "h").write_bytes(data[:30] + b"x" + data[31:])
    assert f"error {errors.BAD_CRC}" in fwtool("header", "show", "h", code=3).stderr


def test_arms_headers_are_shown(folder):
    case = vectors("headers/internal_headers_v2.json")["vectors"][1]
    raw = bytes.fromhex(case["header"])
    (folder / "h").write_bytes(bytes(100) + raw)
    shown = json.loads(fwtool("header", "show", "h", "--at", 100, "--json").stdout)
    assert shown["kind"] == "internal"
    assert str(shown["version_word"]) == case["version"]


def test_a_damaged_or_foreign_header_is_not_shown(folder):
    _identity(folder, "00" * 16)
    bound = ("--kind", "external", "--identity", "identity.json")
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "1.0.0", *bound)
    fwtool("header", "show", "h", "--identity", "identity.json")
    fwtool("header", "show", "h", code=3)
    _identity(folder, "11" * 16)
    said = fwtool("header", "show", "h", "--identity", "identity.json", code=3).stderr
    assert said.startswith(f"fwtool: error {errors.BAD_MAC}")
    _identity(folder, "11" * 15)
    fwtool("header", "show", "h", "--identity", "identity.json", code=1)
    _identity(folder, "no hex")
    fwtool("header", "show", "h", "--identity", "identity.json", code=1)
    make = ("header", "create", "image.bin", "-o", "-")
    for version in ("1.2", 2**64, "9" * 5000, "-1", "", "\xb2.0.0", "1.0.\u0663"):
        fwtool(*make, "--version", version, code=2)


def test_an_option_the_kind_of_header_has_no_use_for_is_a_usage_error(folder):
    _identity(folder, "00" * 16)
    make = ("header", "create", "image.bin", "-o", "h", "--version", "1", "--kind")
    campaign = ("--campaign", "0" * 32)
    identity = ("--identity", "identity.json")
    fwtool(*make, "external", code=2)
    fwtool(*make, "internal", *identity, code=2)
    fwtool(*make, "stage", *identity, code=2)
    fwtool(*make, "stage", *campaign, code=2)
    assert not (folder / "h").exists()
    fwtool(*make, "internal", *campaign)


def test_a_layout_is_checked_and_drawn(folder):
    assert "good" in fwtool("layout", "check", LAYOUT).stdout
    drawn = fwtool("layout", "show", LAYOUT, "--svg", "map.svg").stdout
    for text in ("0x00011000", "956 KiB", "active image", "candidate 0", "user", "32 MiB"):
        assert text in drawn
    assert "\x1b" not in drawn  # no colours where no terminal is
    first = (folder / "map.svg").read_bytes()
    fwtool("layout", "show", LAYOUT, "--svg", "map.svg")
    assert b"<svg" in first and (folder / "map.svg").read_bytes() == first


def test_a_simple_layout_with_one_location_is_good_and_warned_of(folder):
    simple = layouts.load(LAYOUT)
    for name in ("state", "mode", "trials", "downgrade", "stages"):
        simple.pop(name, None)
    for count, said in ((1, "warning: candidates: one location, and no state."), (2, "")):
        simple["candidates"]["locations"] = count
        (folder / "layout.json").write_text(json.dumps(simple))
        done = fwtool("layout", "check", "layout.json")
        assert "good" in done.stdout and done.stderr[: len(said)] == said
        assert bool(done.stderr) == bool(said), done.stderr
        told = json.loads(fwtool("layout", "check", "layout.json", "--json").stdout)
        assert told["good"] and len(told["warnings"]) == bool(said)
    assert not fwtool("layout", "check", LAYOUT).stderr


def test_the_map_covers_every_byte_once():
    for name, spec in layouts.load(LAYOUT)["devices"].items():
        mine = [row for row in layouts.rows(layouts.load(LAYOUT)) if row["device"] == name]
        assert mine[0]["start"] == 0 and mine[-1]["end"] == spec["size"]
        assert all(a["end"] == b["start"] for a, b in zip(mine, mine[1:], strict=False))


def test_a_json_layout_is_the_same_layout(folder):
    (folder / "layout.json").write_text(json.dumps(layouts.load(LAYOUT)))
    shown = fwtool("layout", "show", "layout.json", "--json").stdout
    assert shown == fwtool("layout", "show", LAYOUT, "--json").stdout


def _with(*path):
    """The virtual board's layout with one field changed, as JSON."""
    *keys, last, value = path
    changed = place = layouts.load(LAYOUT)
    for key in keys:
        place = place[key]
    place[last] = value
    return json.dumps(changed)


def test_a_bad_layout_is_named_not_executed(folder):
    overlap = layouts.load(LAYOUT)
    overlap["regions"]["user"]["start"] = 0xF0000
    cases = (
        (json.dumps(overlap), "user"),
        ("LAYOUT = {'devices': {}}", "active"),
        ("LAYOUT = __import__('os').mkdir('pwned')", "literal"),
        ("import os\nos.mkdir('pwned')", "no LAYOUT"),
        ("LAYOUT = " + "[" * 5000, "literal"),
        ("LAYOUT = []", "error 60"),
        ("LAYOUT = 7\n", "error 60"),
        ("{", "literal"),
        ("\x00\xff", "literal"),
        ("x" * 70_000, "larger"),
        (_with("devices", "sd", "size", 1 << 60), "(sd, size)"),
        (_with("candidates", "locations", 1000), "locations"),
        (_with("regions", "boot", "device", "\x1b[31m\n"), "error 60"),
        ("LAYOUT = {'devices': {1, 2}}", "literal"),
    )
    for text, part in cases:
        (folder / "layout.py").write_text(text)
        assert part in fwtool("layout", "check", "layout.py", code=1).stderr, text[:40]
    assert not (folder / "pwned").exists()


def test_a_layout_with_what_nobody_meant_is_refused(folder):
    cases = (
        (_with("copy_retry", 3), "'copy_retry'"),
        (_with("devices", "sd", "overwrites", True), "'overwrites'"),
        (_with("active", "offset", 0), "'offset'"),
        (_with("candidates", "slots", 2), "'slots'"),
        (_with("regions", "user", "formt", "lfs2"), "'formt'"),
        (_with("devices", "sd", "overwrite", 1), "overwrite"),
        (_with("candidates", "internal", "no"), "internal"),
        (_with("candidates", "locations", True), "locations"),
        (_with("regions", "boot", "start", False), "start"),
        (_with("regions", "user", "format", 2), "format"),
        (_with("regions", "\x1b[31m", {"device": "sd", "start": 0, "size": 512}), "name"),
        (_with("devices", "", {"size": 512, "erase": 512, "program": 512}), "name"),
    )
    for text, part in cases:
        (folder / "layout.json").write_text(text)
        for command in ("check", "show"):
            said = fwtool("layout", command, "layout.json", code=1).stderr
            assert part in said and "error 6" not in said, said


def test_an_image_that_no_board_could_start_is_not_placed(folder):
    cases = {
        b"": "empty",
        noise(5000): "LittleFS2",
        image.build({"main.py": b""}, "lfs2", 512): "blocks of 512",
        image.build({"lib/main.py": b""}, "lfs2", 4096): "main.py",
        IMAGE[:-4096]: "mounted",
        image.build({"main.py": b""}, "romfs", 4096): "LittleFS2",
    }
    common = ("--layout", LAYOUT, "--app", "bad.img")
    for data, part in cases.items():
        (folder / "bad.img").write_bytes(data)
        making = ("--version", "1", "--key", "key.pub", *FOR_LAMP)
        assert part in fwtool("factory", "board", *common, *making, code=1).stderr
        assert part in fwtool("combine", *common, "--version", "1", "-o", "all", code=1).stderr
    assert not (folder / "board").exists() and not (folder / "all").exists()


@pytest.mark.parametrize("form", ["fat", "romfs"])
def test_an_image_of_the_other_formats_is_checked_too(folder, form):
    (folder / "layout.json").write_text(_with("active", "format", form))
    combine = ("combine", "--layout", "layout.json", "--app", "app", "--version", "1", "-o", "all")
    combine += SIGN
    good = image.build({"main.py": b""}, form, 512)
    bad = [IMAGE, b"", bytes(9000), good[1:]]
    if form == "fat":
        odd = good[:11] + b"\x00\x03" + good[13:] + bytes(1 << 15)  # sectors of 768 bytes
        bad += [good[:-512], odd, good[:510] + b"\x55\xab" + good[512:]]
    for data in bad:
        (folder / "app").write_bytes(data)
        fwtool(*combine, code=1)
    (folder / "app").write_bytes(good)
    fwtool(*combine)


def test_fat_sectors_smaller_than_what_the_device_reads_are_refused(folder):
    layout = json.loads(_with("active", "format", "fat"))
    layout["devices"]["flash"]["program"] = 1024
    del layout["client"]  # its banks are too small for such units
    (folder / "layout.json").write_text(json.dumps(layout))
    combine = ("combine", "--layout", "layout.json", "--app", "app", "--version", "1", "-o", "all")
    combine += SIGN
    for sector, code in ((512, 1), (1024, 0)):
        (folder / "app").write_bytes(image.build({"main.py": b""}, "fat", sector))
        fwtool(*combine, code=code)


def test_combine_puts_each_part_in_its_place(folder):
    parts = ("--layout", LAYOUT, "--app", "image.bin", "--version", "1.2.0", "--boot", "boot.bin")
    fwtool("combine", *parts, *SIGN, "-o", "all.bin")
    data = (folder / "all.bin").read_bytes()
    assert len(data) == IMAGE_AT + len(IMAGE)
    assert data[:3000] == noise(3000, 1)
    assert data[3000:HEADER_AT] == b"\xff" * (HEADER_AT - 3000)
    assert header.unpack_internal(data[HEADER_AT:]).size == len(IMAGE)
    assert data[IMAGE_AT:] == IMAGE


def test_combine_to_hex_and_back(folder):
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "1.2.0")
    boot = bincopy.BinFile()
    boot.add_binary(noise(3000, 1), address=0x08000000)
    (folder / "boot.hex").write_text(boot.as_ihex())
    common = ("--layout", LAYOUT, "--app", "image.bin", *SIGN)
    base = ("--base", "0x08000000")
    fwtool("combine", *common, "--header", "h", "--boot", "boot.hex", *base, "-o", "all.hex")
    fwtool("combine", *common, "--version", "1.2.0", "--boot", "boot.bin", "-o", "all.bin")
    made = bincopy.BinFile(str(folder / "all.hex"))
    assert made.minimum_address == 0x08000000
    assert bytes(made.as_binary()) == (folder / "all.bin").read_bytes()


def test_no_output_replaces_an_input(folder):
    (folder / "layout.json").write_text(json.dumps(layouts.load(LAYOUT)))
    fwtool("header", "create", "image.bin", "-o", "h", "--version", "1.2.0")
    parts = ("--app", "image.bin", "--header", "h", "--boot", "boot.bin", *SIGN)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for name in ("layout.json", "image.bin", "h", "boot.bin", "key.pem"):
        fwtool("combine", "--layout", "layout.json", *parts, "-o", name, code=5)
    fwtool("layout", "show", "layout.json", "--svg", "./layout.json", code=5)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    (folder / "image.hex").write_bytes(IMAGE)
    hexed = ("--app", "image.hex", "--version", "1", "-o", "image.hex", *SIGN)
    fwtool("combine", "--layout", LAYOUT, *hexed, code=5)


def test_combine_refuses_what_does_not_fit_naming_both(folder):
    common = ("combine", "--layout", LAYOUT, "-o", "all.bin", "--version", "1.2.0", *SIGN)
    (folder / "large").write_bytes(bytes(0xF0000))
    said = fwtool(*common, "--app", "large", code=1).stderr
    assert "large" in said and "active region" in said and "error 33" in said
    said = fwtool(*common, "--app", "image.bin", "--boot", "large", code=1).stderr
    assert "boot" in said and str(0xA000) in said
    fwtool("header", "create", "boot.bin", "-o", "h", "--version", "1.0.0")
    wrong = ("--app", "image.bin", "--header", "h")
    fwtool("combine", "--layout", LAYOUT, "-o", "all.bin", *wrong, code=3)
    fwtool(*common, "--app", "image.bin", "--header", "h", code=2)
    fwtool("combine", "--layout", LAYOUT, "-o", "all.bin", "--app", "image.bin", code=2)
    assert not (folder / "all.bin").exists()


def test_combine_refuses_hostile_hex_files(folder):
    common = ("combine", "--layout", LAYOUT, "--version", "1.0.0", "--app", "image.bin", *SIGN)
    far = bincopy.BinFile()
    far.add_binary(b"a", address=0)
    far.add_binary(b"b", address=0xFFFFFFF0)
    elsewhere = bincopy.BinFile()
    elsewhere.add_binary(b"a", address=0x20)
    (folder / "boot.hex").write_text(far.as_ihex())
    assert "covers" in fwtool(*common, "--boot", "boot.hex", "-o", "all.bin", code=1).stderr
    for text in (elsewhere.as_ihex(), "", ":00", ":0000\xff", "garbage\n"):
        (folder / "boot.hex").write_text(text)
        fwtool(*common, "--boot", "boot.hex", "-o", "all.bin", code=1)
    fwtool(*common, "--base", "0xffffffff", "-o", "all.hex", code=1)


def test_a_board_leaves_the_factory_blank_but_for_its_application(folder):
    common = ("--layout", LAYOUT, "--app", "image.bin", "--version", "1.2.0", "--key", "key.pub")
    common += SIGN[:2]
    for name in ("one", "two"):
        fwtool("factory", name, *common, *FOR_LAMP)
    flash = (folder / "one" / "flash.bin").read_bytes()
    assert len(flash) == 0x400000
    assert header.unpack_internal(flash[HEADER_AT:]).version == manifest.version_word("1.2.0")
    assert flash[IMAGE_AT : IMAGE_AT + len(IMAGE)] == IMAGE
    assert set(flash[IMAGE_AT + len(IMAGE) :]) == set(flash[:HEADER_AT]) == {0xFF}
    assert set((folder / "one" / "spi.bin").read_bytes()) == {0xFF}
    card = (folder / "one" / "sd.bin").stat()
    assert card.st_size == 0x2000000 and card.st_blocks * 512 < 1 << 20
    assert json.loads((folder / "one" / "layout.json").read_text()) == layouts.load(LAYOUT)
    assert stat.S_IMODE((folder / "one" / "identity.json").stat().st_mode) == 0o600
    one, two = [json.loads((folder / n / "identity.json").read_text()) for n in ("one", "two")]
    assert one["rot"] != two["rot"] and len(one["rot"]) == 32
    assert bytes.fromhex(one["key"]) == (folder / "key.point").read_bytes()
    assert one["vendor_id"] == two["vendor_id"]
    fwtool("factory", "one", *common, *FOR_LAMP, code=5)  # a board is not made twice
    fwtool("factory", "three", *common, code=2)


def test_a_board_of_a_strange_layout_does_not_fill_the_disk(folder):
    """One chip of 256 MiB may be; who sends a layout may name a thousand of them."""
    strange = layouts.load(LAYOUT)
    for name in "one", "two":
        strange["devices"][name] = {"size": 1 << 27, "erase": 4096, "program": 256}
    (folder / "layout.json").write_text(json.dumps(strange))
    files = ("--layout", "layout.json", "--app", "image.bin", *SIGN[:2])
    options = ("--version", "1.2.0", "--key", "key.pub", *FOR_LAMP)
    said = fwtool("factory", "board", *files, *options, code=1).stderr
    assert "larger than 268435456 bytes" in said and not (folder / "board").exists()


def test_a_root_of_trust_of_another_length_makes_no_board(folder):
    ids = (uuid.UUID(int=1), uuid.UUID(int=2))
    for size in (15, 32):
        with pytest.raises(errors.FwError) as refused:
            factory.make("board", layouts.load(LAYOUT), IMAGE, 1, bytes(65), *ids, rot=bytes(size))
        assert refused.value.code == errors.BAD_KEY
    assert not (folder / "board").exists()


def test_a_device_name_cannot_leave_the_folder(folder):
    hostile = layouts.load(LAYOUT)
    hostile["devices"]["../evil"] = {"size": 4096, "erase": 4096, "program": 256}
    (folder / "layout.json").write_text(json.dumps(hostile))
    options = ("--layout", "layout.json", "--app", "image.bin", "--version", "1", *FOR_LAMP)
    fwtool("factory", "dev", *options, "--key", "key.pub", code=1)
    assert not (folder / "evil.bin").exists() and not (folder / "dev").exists()


STAGE = noise(5000, 3)
FIRST = ("--stage", "stage.img", "--stage-version", "1.2.0")
# Of the chain, behind all else of the virtual board on either device.
SLOT_AT, SLOT_SIZE = 0x120000, 0x8000


def _chained(device="flash"):
    """The virtual board's layout with two stages on a device, in place of what is at SLOT_AT."""
    made = layouts.load(LAYOUT)
    del made["regions"]["user"], made["recovery"]
    made["signed"] = False
    at = SLOT_AT
    active = {"header": at, "start": at + 256, "size": SLOT_SIZE - 256, "format": "lfs2"}
    made["stages"] = {
        "active": {"device": device, **active},
        "candidates": {
            "device": device,
            "start": at + SLOT_SIZE,
            "size": SLOT_SIZE,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": device, "start": at + 2 * SLOT_SIZE, "size": 0x6000},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
    }
    return made


def _chain_files(folder, layout):
    (folder / "stage.img").write_bytes(STAGE)
    (folder / "layout.json").write_text(json.dumps(layout))
    common = ("--layout", "layout.json", "--app", "image.bin", "--version", "1.0.0")
    return (*common, *SIGN)


def test_the_factory_and_combine_put_a_stage_with_its_header_into_the_first_slot(folder):
    common = _chain_files(folder, _chained())
    fwtool("factory", "board", *common, *FIRST, "--key", "key.pub")
    flash = (folder / "board" / "flash.bin").read_bytes()
    head = unpack_stage(flash[SLOT_AT:], SLOT_SIZE)
    assert (head.size, head.version) == (len(STAGE), manifest.version_word("1.2.0"))
    assert flash[SLOT_AT + 256 : SLOT_AT + 256 + len(STAGE)] == STAGE
    assert set(flash[SLOT_AT + 256 + len(STAGE) :]) == {0xFF}
    assert flash[IMAGE_AT : IMAGE_AT + len(IMAGE)] == IMAGE
    fwtool("combine", *common, *FIRST, "-o", "all.bin")
    made = (folder / "all.bin").read_bytes()
    assert flash[HEADER_AT : HEADER_AT + len(made)] == made and STAGE in made
    fwtool("combine", *common, *FIRST, "-o", "stage.img", code=5)


def test_the_factory_puts_a_stage_on_another_device_and_combine_refuses_it(folder):
    common = _chain_files(folder, _chained("spi"))
    fwtool("factory", "board", *common, *FIRST, "--key", "key.pub")
    chip = (folder / "board" / "spi.bin").read_bytes()
    assert unpack_stage(chip[SLOT_AT:], SLOT_SIZE).size == len(STAGE)
    assert chip[SLOT_AT + 256 : SLOT_AT + 256 + len(STAGE)] == STAGE
    said = fwtool("combine", *common, *FIRST, "-o", "all.bin", code=1).stderr
    assert "the stage slot is not on flash" in said and not (folder / "all.bin").exists()


def test_a_stage_without_a_place_a_version_or_room_makes_no_board(folder):
    common = _chain_files(folder, _chained())
    board = ("factory", "board", *common, "--key", "key.pub")
    for command in (board, ("combine", *common, "-o", "all.bin")):
        fwtool(*command, *FIRST[:2], code=2)
        fwtool(*command, *FIRST[2:], code=2)
        for data, part in ((bytes(SLOT_SIZE), "does not fit a stage slot"), (b"", "is empty")):
            (folder / "stage.img").write_bytes(data)
            assert part in fwtool(*command, *FIRST, code=1).stderr
        (folder / "stage.img").write_bytes(STAGE)
        (folder / "layout.json").write_text(json.dumps(layouts.load(LAYOUT)))
        assert "the layout has no stages" in fwtool(*command, *FIRST, code=1).stderr
        (folder / "layout.json").write_text(json.dumps(_chained()))
    assert not (folder / "board").exists() and not (folder / "all.bin").exists()
