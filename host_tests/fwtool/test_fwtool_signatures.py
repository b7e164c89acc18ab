"""Signatures of images on the host: who makes them, where they lie, who refuses them."""

import json
import os
import struct
import uuid
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from fwcore import errors, p256
from fwcore.errors import FwError
from fwcore.header import INTERNAL_SIZE
from fwcore.manifest import version_word
from fwcore.stage import STAGE_SIZE
from fwtool.images import headers, image, layouts, stage
from fwtool.signing import keys, maker_key, statements
from fwtool_cli import FOR_LAMP, LAYOUT, application, fwtool
from ufota_testkit.noise import noise

VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "example.com")
CLASS = uuid.uuid5(VENDOR, "lamp")
VERSION = ("--version", "1.2.0")
SIGN = ("--sign-key", "key.pem", *FOR_LAMP)
HEADER_AT, SLOT_AT = 0x10000, 0x120000
IMAGE = image.build({"main.py": noise(5000)}, "lfs2", 4096)
GOLDEN = image.build({"main.py": noise(3000, 1)}, "lfs2", 4096)
STAGE = noise(5000, 3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("key", "stranger"):
        fwtool("keygen", name + ".pem")
    for name, data in (("app", IMAGE), ("golden", GOLDEN), ("stage", STAGE)):
        (tmp_path / f"{name}.img").write_bytes(data)
    return tmp_path


def chained():
    """The virtual board's layout with two boot stages, all signed."""
    made = layouts.load(LAYOUT)
    del made["regions"]["user"]
    device, at, size = {"device": "flash"}, SLOT_AT, 0x8000
    active = {"header": at, "start": at + 256, "size": size - 256, "format": "lfs2"}
    made["stages"] = {
        "active": {**device, **active},
        "candidates": {**device, "start": at + size, "size": size, "locations": 1},
        "state": {**device, "start": at + 2 * size, "size": 0x6000},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
        "signed": True,
    }
    made["stages"]["candidates"]["internal"] = True
    return made


def layout_with(**changes):
    """layout.json: the virtual board's layout with other fields."""
    Path("layout.json").write_text(json.dumps({**layouts.load(LAYOUT), **changes}))


def is_by(signature, component, version, data, name="key"):
    """True when the signature is of this key, over the bytes of docs/FORMATS.md."""
    said = b"ufota statement\x01" + VENDOR.bytes + CLASS.bytes + component.encode().ljust(8, b"\0")
    said += struct.pack("<QQ", version_word(version), len(data)) + sha256(data).digest()
    r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
    public = keys.load_private(f"{name}.pem").public_key()
    try:
        public.verify(utils.encode_dss_signature(r, s), said, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return len(signature) == 64 and len(said) == 104


def sign_file(name, component="MAIN", version="1.2.0", key="key", class_=CLASS):
    """Write NAME.sig as fwtool image would."""
    private = keys.load_private(key + ".pem")
    data = Path(name).read_bytes()
    made = statements.sign(private, VENDOR, class_, component, version_word(version), data)
    Path(name + ".sig").write_bytes(made)


# --- the file beside an image


def test_an_image_is_signed_into_a_file_beside_it(folder):
    tree = application(folder)
    making = ("image", tree, "-o", "a.img", "--json")
    told = json.loads(fwtool(*making, *VERSION, *SIGN).stdout)
    data = (folder / "a.img").read_bytes()
    assert told["signature"] == "a.img.sig"
    assert is_by((folder / "a.img.sig").read_bytes(), "MAIN", "1.2.0", data)
    fwtool(*making, *VERSION, *SIGN, "--component", "RECOVERY")
    assert is_by((folder / "a.img.sig").read_bytes(), "RECOVERY", "1.2.0", data)
    (folder / "a.img.sig").unlink()
    assert "signature" not in json.loads(fwtool(*making).stdout)
    assert not (folder / "a.img.sig").exists()


def test_a_stage_is_signed_as_the_component_of_its_layout(folder):
    layout = chained()
    layout["stages"]["component"] = "STAGE1"
    layout["stages"]["active"]["size"] = 0x40000 - 256
    layout["stages"]["candidates"].update({"start": SLOT_AT + 0x40000, "size": 0x40000})
    layout["stages"]["state"]["start"] = SLOT_AT + 0x80000
    (folder / "layout.json").write_text(json.dumps(layout))
    for options, component in ((("--layout", "layout.json"), "STAGE1"), ((), "BOOT")):
        fwtool("stage", "-o", "s.img", *options, *VERSION, *SIGN)
        data = (folder / "s.img").read_bytes()
        assert is_by((folder / "s.img.sig").read_bytes(), component, "1.2.0", data)
    fwtool("stage", "-o", "s.img", "--component", "OTHER", *VERSION, *SIGN)
    assert is_by((folder / "s.img.sig").read_bytes(), "OTHER", "1.2.0", data)


def test_all_that_is_signed_has_to_be_said(folder):
    tree = application(folder)
    cases = (
        SIGN,
        (*VERSION, *FOR_LAMP),
        (*VERSION, *SIGN[:2]),
        (*VERSION, *SIGN[:4]),
        VERSION,
        ("--component", "RECOVERY"),
        (*VERSION, *SIGN, "--component", "NINE-LONG"),
        (*VERSION, *SIGN, "--component", ""),
        (*VERSION, *SIGN, "--component", "MAIN\u00e9"),
    )
    for command in (("image", tree), ("stage",)):
        for options in cases:
            fwtool(*command, "-o", "a.img", *options, code=2)
        fwtool(*command, "-o", "-", *VERSION, *SIGN, code=2)
    assert not (folder / "a.img").exists() and not (folder / "a.img.sig").exists()


def test_a_signature_replaces_no_key(folder):
    os.rename("key.pem", "a.img.sig")
    before = (folder / "a.img.sig").read_bytes()
    signing = ("--sign-key", "a.img.sig", *VERSION, *FOR_LAMP)
    fwtool("image", application(folder), "-o", "a.img", *signing, code=5)
    assert (folder / "a.img.sig").read_bytes() == before


# --- into the flash


APP = ("--app", "app.img", *VERSION)
MORE = ("--recovery", "golden.img", "--stage", "stage.img", "--stage-version", "3.0.0")


def commands(layout="layout.json"):
    """factory and combine, without what signs."""
    common = ("--layout", layout, *APP)
    yield ("factory", "board", *common, "--key", "key.pub", *FOR_LAMP)
    yield ("combine", *common, "-o", "all.bin")


def signature_at(data, at, size=INTERNAL_SIZE):
    return data[at + size : at + size + 64]


def test_each_image_has_its_signature_behind_its_header(folder):
    (folder / "layout.json").write_text(json.dumps(chained()))
    fwtool(*next(commands()), *MORE, "--sign-key", "key.pem")
    flash = (folder / "board" / "flash.bin").read_bytes()
    spi = (folder / "board" / "spi.bin").read_bytes()
    assert is_by(signature_at(flash, HEADER_AT), "MAIN", "1.2.0", IMAGE)
    assert is_by(signature_at(flash, SLOT_AT, STAGE_SIZE), "BOOT", "3.0.0", STAGE)
    golden = layouts.load(LAYOUT)["recovery"]["header"]
    assert is_by(signature_at(spi, golden), "RECOVERY", "1.2.0", GOLDEN)


def test_an_image_is_not_written_beside_the_signature_of_another_one(folder):
    (folder / "app").mkdir()
    (folder / "app/main.py").write_text("print(1)")
    fwtool("image", "app", "-o", "made.img", *SIGN, *VERSION)
    before = (folder / "made.img").read_bytes()
    fwtool("image", "app", "-o", "made.img")  # the same again
    (folder / "app/main.py").write_text("print(2)")
    assert (
        "made.img.sig is of another image"
        in fwtool("image", "app", "-o", "made.img", code=5).stderr
    )
    assert (folder / "made.img").read_bytes() == before
    fwtool("image", "app", "-o", "made.img", *SIGN, *VERSION)
    fwtool("stage", "-o", "boot.img", *SIGN, *VERSION)
    (folder / "boot.img").unlink()
    assert "boot.img.sig" in fwtool("stage", "-o", "boot.img", code=5).stderr


def test_combine_refuses_a_signature_that_is_not_of_this_image_when_it_has_the_key(folder):
    layout_with()
    making = ("combine", "--layout", "layout.json", *APP, "-o", "all.bin", "--key", "key.pub")
    sign_file("app.img")
    assert "--vendor-id" in fwtool(*making, code=2).stderr
    fwtool(*making, *FOR_LAMP)
    (folder / "all.bin").unlink()
    (folder / "app.img").write_bytes(GOLDEN)  # the file beside it is that of the one before
    assert "not signed by the key" in fwtool(*making, *FOR_LAMP, code=3).stderr
    sign_file("app.img")
    stranger = (*making[:-1], "stranger.pub", *FOR_LAMP)
    assert "not signed by the key" in fwtool(*stranger, code=3).stderr
    assert not (folder / "all.bin").exists()


def test_combine_makes_the_same_by_key_and_by_files(folder):
    layout = chained()
    layout["recovery"].update({"device": "flash", "header": 0x200000, "start": 0x201000})
    (folder / "layout.json").write_text(json.dumps(layout))
    making = ("combine", "--layout", "layout.json", *APP, *MORE)
    fwtool(*making, *SIGN, "-o", "key.bin")
    sign_file("app.img")
    sign_file("golden.img", "RECOVERY")
    sign_file("stage.img", "BOOT", "3.0.0")
    fwtool(*making, "-o", "files.bin")
    made = (folder / "key.bin").read_bytes()
    assert made == (folder / "files.bin").read_bytes()
    assert is_by(signature_at(made, 0), "MAIN", "1.2.0", IMAGE)
    assert is_by(signature_at(made, 0x200000 - HEADER_AT), "RECOVERY", "1.2.0", GOLDEN)
    fwtool("header", "create", "app.img", "-o", "h", *VERSION)
    fwtool(*making[:3], "--app", "app.img", "--header", "h", *MORE, "-o", "header.bin")
    assert made == (folder / "header.bin").read_bytes()


def test_without_a_signature_a_signed_layout_gets_no_image(folder):
    (folder / "layout.json").write_text(json.dumps(chained()))
    for name, component, version in (
        ("app.img", "MAIN", "1.2.0"),
        ("golden.img", "RECOVERY", "1.2.0"),
        ("stage.img", "BOOT", "3.0.0"),
    ):
        said = fwtool(*next(commands()), *MORE, code=1).stderr
        assert "--sign-key" in said and f"{name}.sig" in said, said
        sign_file(name, component, version)
    os.unlink("app.img.sig")
    said = fwtool("combine", "--layout", LAYOUT, *APP, "-o", "all.bin", code=1).stderr
    assert "--sign-key" in said and "app.img.sig" in said
    assert not (folder / "board").exists() and not (folder / "all.bin").exists()


def test_the_python_factory_asks_for_what_signs(folder):
    from fwtool.exits import Failure
    from fwtool.images import factory

    who = keys.load_point("key.pub"), VENDOR, CLASS
    with pytest.raises(Failure):
        factory.make("board", layouts.load(LAYOUT), IMAGE, 1, *who)
    assert not (folder / "board").exists()


BAD = {
    "another key": {"key": "stranger"},
    "another version": {"version": "1.2.1"},
    "another class": {"class_": uuid.UUID(int=5)},
    "another component": {"component": "RECOVERY"},
}


@pytest.mark.parametrize("how", BAD)
def test_a_board_that_would_not_start_does_not_leave_the_factory(folder, how):
    layout_with()
    sign_file("app.img", **BAD[how])
    said = fwtool(*next(commands()), code=3).stderr
    assert "MAIN" in said and not (folder / "board").exists()
    sign_file("app.img")
    fwtool(*next(commands()))


def test_a_key_that_the_board_does_not_trust_makes_no_board(folder):
    fwtool(*next(commands(LAYOUT)), "--sign-key", "stranger.pem", code=3)
    assert not (folder / "board").exists()


def test_what_is_no_signature_is_told(folder):
    layout_with()
    for data, code in ((b"", 3), (bytes(63), 3), (bytes(65), 1), (bytes(64), 3)):
        (folder / "app.img.sig").write_bytes(data)
        for command in commands():
            if command[0] == "factory" or len(data) != 64:  # combine has no key to verify with
                fwtool(*command, code=code)
    assert not (folder / "board").exists() and not (folder / "all.bin").exists()


def test_the_image_of_a_stage_is_judged_by_the_stages_layout(folder):
    """Where the stages take Arm's signatures, the application does not, and the other way."""
    digest = keys.sign(keys.load_private("key.pem"), sha256(STAGE).digest())
    (folder / "stage.img.sig").write_bytes(digest)
    sign_file("app.img")
    options = ("--stage", "stage.img", "--stage-version", "3.0.0")
    layout = chained()
    layout["arm_signature"] = True
    (folder / "layout.json").write_text(json.dumps(layout))
    assert "BOOT" in fwtool(*next(commands()), *options, code=3).stderr
    del layout["arm_signature"]
    layout["stages"]["arm_signature"] = True
    (folder / "layout.json").write_text(json.dumps(layout))
    fwtool(*next(commands()), *options)


def test_the_signature_of_arms_tool_counts_where_the_layout_says_so(folder):
    digest = keys.sign(keys.load_private("key.pem"), sha256(IMAGE).digest())
    (folder / "app.img.sig").write_bytes(digest)
    layout_with()
    fwtool(*next(commands()), code=3)
    layout_with(arm_signature=True)
    fwtool(*next(commands()))
    flash = (folder / "board" / "flash.bin").read_bytes()
    assert signature_at(flash, HEADER_AT) == digest


def test_a_key_without_an_identity_signs_nothing(folder):
    combine = ("combine", "--layout", LAYOUT, *APP, "-o", "all.bin")
    fwtool(*combine, *SIGN[:2], code=2)
    fwtool(*combine, *SIGN[:4], code=2)
    assert not (folder / "all.bin").exists()


def test_a_layout_that_is_not_signed_needs_nothing(folder):
    layout_with(signed=False)
    for command in commands():
        fwtool(*command)
    made = (folder / "all.bin").read_bytes()
    assert set(signature_at(made, 0)) == {0xFF}
    head = headers.installed({}, 7, IMAGE)
    assert len(head) == INTERNAL_SIZE


# --- the frozen key


def test_tables_are_written_as_a_module_too(folder):
    fwtool("tables", "key.pub", "-o", "tables.bin")
    assert "--vendor-id" in fwtool("tables", "key.pub", "-o", "maker_key.py", code=2).stderr
    fwtool("tables", "key.pub", "-o", "maker_key.py", *FOR_LAMP)
    space = {}
    exec((folder / "maker_key.py").read_text(), space)
    assert space["TABLES"] == (folder / "tables.bin").read_bytes()
    assert p256.FixedKey(space["TABLES"])
    assert len(space["VENDOR_ID"]) == len(space["CLASS_ID"]) == 16


def layout_file():
    """layout.py whose boot stage asks for a frozen key."""
    Path("layout.py").write_text("LAYOUT = " + repr({**layouts.load(LAYOUT), "signed": "start"}))


def test_a_layout_that_verifies_at_each_start_has_its_key_beside_it(folder):
    layout_file()
    check = ("layout", "check", "layout.py")
    said = fwtool(*check, code=1).stderr
    assert "maker_key.py" in said and "fwtool tables" in said
    fwtool("tables", "key.pub", "-o", "maker_key.py", *FOR_LAMP)
    fwtool(*check)
    good = (folder / "maker_key.py").read_text()
    for bad in (
        "",
        good.replace("TABLES", "TABLE"),
        good.replace("uPK1", "uPK2"),
        good.replace("CLASS_ID", "CLASS"),
        "TABLES = 7\n",
        "TABLES = open('key.pem').read()\n",
        "TABLES = " + "[" * 5000,
    ):
        (folder / "maker_key.py").write_text(bad)
        assert "is not as fwtool tables makes it" in fwtool(*check, code=1).stderr
    (folder / "maker_key.py").write_bytes(b"\xff\xfe")
    assert "is not as fwtool tables makes it" in fwtool(*check, code=1).stderr
    (folder / "layout.py").write_text("LAYOUT = " + repr(chained() | {"signed": False}))
    fwtool(*check)


def test_stages_may_ask_for_the_frozen_key_alone(folder):
    layout = chained()
    assert not maker_key.is_needed(layout)
    layout["stages"]["signed"] = "start"
    assert maker_key.is_needed(layout)
    (folder / "layout.json").write_text(json.dumps(layout))
    assert "maker_key.json" in fwtool("layout", "check", "layout.json", code=1).stderr


def test_the_factory_puts_the_key_where_the_board_looks(folder):
    layout_file()
    fwtool(*next(commands("layout.py")), "--sign-key", "key.pem")
    fwtool("layout", "check", "board/layout.json")
    frozen = json.loads((folder / "board" / maker_key.JSON).read_text())
    tables = bytes.fromhex(frozen["TABLES"])
    assert b"\4" + tables[4:68] == (folder / "key.point").read_bytes()
    (folder / "board" / maker_key.JSON).write_text("{}")
    assert (
        "is not as fwtool tables makes it"
        in fwtool("layout", "check", "board/layout.json", code=1).stderr
    )
    layout_with()
    fwtool("factory", "other", *next(commands())[2:], "--sign-key", "key.pem")
    assert not (folder / "other" / maker_key.JSON).exists()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"signed": "start", "unsigned": True}, "unsigned images have no signature"),
        ({"signed": False, "arm_signature": True}, "arm_signature does nothing without signed"),
        ({"signed": 1}, "signed is no bool or str"),
        ({"arm_signature": 1}, "arm_signature is no bool"),
        ({"client": {**layouts.load(LAYOUT)["client"], "external": True}}, "'external'"),
        ({"state": {**layouts.load(LAYOUT)["state"], "external": 1}}, "external is no bool"),
    ],
)
def test_a_layout_with_what_nobody_can_verify_is_refused(folder, changes, part):
    layout_with(**changes)
    said = fwtool("layout", "check", "layout.json", code=1).stderr
    assert part in said and "error 6" not in said


def test_the_layouts_own_words_are_taken(folder):
    fwtool("tables", "key.pub", "-o", "maker_key.py", *FOR_LAMP)
    external = {**layouts.load(LAYOUT)["state"], "external": True}
    for changes in (
        {"signed": True, "unsigned": True},
        {"arm_signature": True},
        {"state": external},
    ):
        layout_with(**changes)
        fwtool("layout", "check", "layout.json")
    layout_with(signed="always")
    assert "error 60" in fwtool("layout", "check", "layout.json", code=1).stderr


# --- what a boot stage is made of


def test_a_boot_stage_brings_what_verifies():
    found = stage.collect(str(Path(LAYOUT).parent))
    assert {"fwcore/p256.py", "fwcore/statement.py", "fwcore/errors_boot.py"} <= set(found)


def test_only_a_signature_that_is_wrong_is_called_wrong():
    """A board with no good key is another fault, and says so."""
    board = statements.Board(VENDOR.bytes, CLASS.bytes, bytes(65), {})
    sign = statements.checked(lambda *_: bytes(64), board)
    with pytest.raises(FwError) as refused:
        sign("MAIN", 1, IMAGE)
    assert refused.value.code == errors.BAD_KEY
