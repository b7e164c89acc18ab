"""fwtool bundle: patches, deflated and encrypted payloads, and the board that takes them."""

import json
import os
import uuid
from hashlib import sha256
from pathlib import Path

import pytest

from fwcore import errors, errors_net, formats, manifest
from fwcore.manifest import version_word
from fwcore.p256 import PublicKey
from fwcore.statement import digest_of
from fwtool.images import image
from fwtool.payloads import payloads, unpack
from fwtool.payloads.packing import Packed
from fwtool.signing import keys, manifests
from fwtool_cli import BY_KEY, FOR_LAMP, fwtool
from helpers import here
from ufota.decoders import errors as decoders
from ufota_testkit.noise import noise
from ufota_testkit.server.badserver import BadServer, page

BOARD = Path(here("../boards/virtual"))
CLASS_KEY = bytes(range(16))
KEY = ("--key", "key.pem", *BY_KEY)
PATCH = formats.DEFLATED | formats.PATCH
DEFLATED = formats.DEFLATED | formats.RAW


@pytest.fixture
def maker(tmp_path):
    """A folder with keys and images; the tests run in it."""
    fwtool("keygen", tmp_path / "key.pem")
    (tmp_path / "class.key").write_text(CLASS_KEY.hex() + "\n")
    text = [f"print({i})\n".encode() * 400 for i in range(3)]
    for name, parts in (("one", text[:1]), ("two", text[:2]), ("new", text)):
        made = {"main.py": b"".join(parts), "data": noise(2000), "mark": unpack.MAGIC}
        (tmp_path / name).write_bytes(image.build(made, "lfs2", 4096))
    (tmp_path / "noise").write_bytes(noise(3000, 7))
    os.chdir(tmp_path)
    return tmp_path


def parts(path):
    """(Manifest, as the device reads it; payload) of a bundle."""
    data = Path(path).read_bytes()
    found = manifest.read(data, PublicKey(keys.load_point("key.pub")).verify)
    assert len(found.image_signature) == 64
    return found, data[found.end :]


def digest(name):
    return sha256(Path(name).read_bytes()).digest()


def check(path, number, old=None, key=None):
    """A bundle of `new` in this format, for devices with the image `old`."""
    found, payload = parts(path)
    whole = Path("new").read_bytes()
    assert found.format == number and found.precursor == (digest(old) if old else b"")
    assert (found.size, found.digest) == (len(payload), sha256(payload).digest())
    assert (found.installed_size, found.installed_digest) == (len(whole), digest("new"))
    point = keys.load_point("key.pub")
    head = found.version, found.installed_size, found.installed_digest
    said = digest_of(found, found.component, head)
    assert PublicKey(point).verify(said, found.image_signature)
    before = Path(old).read_bytes() if old else None
    assert unpack.unpack(number, payload, len(whole), before, key) == whole
    return payload


def test_for_one_image_it_has_a_patch(maker):
    said = fwtool("bundle", "new", "-o", "a.fw", "--from", "one", *KEY).stdout
    assert "deflated-detools-patch" in said
    assert len(check("a.fw", PATCH, "one")) < 2000
    shown = json.loads(fwtool("manifest", "show", "a.fw", "--json").stdout)
    assert shown["format"] == "deflated-detools-patch"
    assert shown["precursor"] == digest("one").hex()
    assert shown["installed_digest"] == digest("new").hex()


def test_for_several_there_is_one_for_each(maker):
    make = ("bundle", "new", "--from", "one", "--from", "two", *KEY)
    told = json.loads(fwtool(*make, "-o", "a-{}.fw", "--json").stdout)
    names = [f"a-{digest(old).hex()[:16]}.fw" for old in ("one", "two")]
    assert [row["file"] for row in told] == names
    for name, old in zip(names, ("one", "two")):
        check(name, PATCH, old)
    fwtool(*make, "-o", "a.fw", code=2)
    assert not Path("a.fw").exists()


def test_an_image_before_may_come_by_stdin(maker):
    make = ("bundle", "new", "-o", "a-{}.fw", "--from", "-", *KEY)
    fwtool(*make, stdin=Path("one").read_bytes())
    check(f"a-{digest('one').hex()[:16]}.fw", PATCH, "one")


def test_without_one_it_may_be_deflated(maker):
    fwtool("bundle", "new", "-o", "a.fw", "--deflate", *KEY)
    check("a.fw", DEFLATED)
    assert "deflated" in fwtool("manifest", "show", "a.fw").stdout
    fwtool("manifest", "verify", "a.fw", "--key", "key.pub", *FOR_LAMP)


def test_what_does_not_get_smaller_stays_what_it_is(maker):
    fwtool("bundle", "--raw", "noise", "-o", "a.fw", "--from", "one", *KEY)
    found, payload = parts("a.fw")
    assert found.format == formats.RAW and payload == noise(3000, 7) and found.precursor == b""


def test_kind_and_ram_may_be_asked_for(maker):
    make = ("bundle", "new", "-o", "a.fw", "--from", "one", *KEY)
    fwtool(*make, "--kind", "deflate")
    check("a.fw", DEFLATED)
    fwtool(*make, "--kind", "raw")
    check("a.fw", formats.RAW)
    fwtool(*make, "--ram", 0)
    check("a.fw", formats.RAW)
    key = ("--class-key", "class.key")
    fwtool(*make, *key, "--ram", payloads.ram(PATCH | formats.ENCRYPTED))
    check("a.fw", PATCH | formats.ENCRYPTED, "one", CLASS_KEY)
    fwtool(*make, *key, "--ram", payloads.ram(PATCH | formats.ENCRYPTED) - 1)
    assert parts("a.fw")[0].format != PATCH | formats.ENCRYPTED
    Path("a.fw").unlink()
    fwtool(*make, *key, "--kind", "patch", "--ram", 100, code=5)
    for options in (("--kind", "patch"), ("--deflate", "--from", "one")):
        fwtool("bundle", "new", "-o", "a.fw", *options, *KEY, code=2)
    assert not Path("a.fw").exists()


def test_with_a_class_key_nobody_else_reads_it(maker):
    cases = (
        ((), formats.RAW, None),
        (("--deflate",), DEFLATED, None),
        (("--from", "one"), PATCH, "one"),
    )
    for options, number, old in cases:
        making = ("-o", "a.fw", "--class-key", "class.key", *options, *KEY)
        fwtool("bundle", "new", *making)
        first = check("a.fw", number | formats.ENCRYPTED, old, CLASS_KEY)
        fwtool("bundle", "new", *making)
        assert check("a.fw", number | formats.ENCRYPTED, old, CLASS_KEY)[:40] != first[:40]
        assert "encrypted" in fwtool("manifest", "show", "a.fw").stdout
    (maker / "class.key").write_bytes(b"short")
    fwtool("bundle", "new", "-o", "b.fw", "--class-key", "class.key", *KEY, code=1)
    assert not Path("b.fw").exists()


def test_verify_does_as_the_device_and_refuses_as_it_does(maker):
    fwtool("bundle", "new", "-o", "a.fw", "--from", "one", "--class-key", "class.key", *KEY)
    verify = ("manifest", "verify", "a.fw", "--key", "key.pub")
    key = ("--class-key", "class.key")
    told = json.loads(fwtool(*verify, *key, "--from", "one", "--json").stdout)
    assert told["payload"] == "good"

    def refused(code, *options):
        return fwtool(*verify, *options, code=code).stderr

    assert f"error {errors.UNSUPPORTED}:" in refused(5)
    assert f"error {errors.UNSUPPORTED}:" in refused(5, "--from", "one")
    assert f"error {errors.UNSUPPORTED}:" in refused(5, *key)
    assert f"error {errors_net.WRONG_PRECURSOR}:" in refused(5, *key, "--from", "two")
    (maker / "class.key").write_bytes(bytes(16))
    assert f"error {decoders.WRONG_CLASS_KEY}:" in refused(3, *key, "--from", "one")


def test_verify_finds_a_payload_that_makes_another_image(maker):
    """Well signed, and announced as what it is not: a signer's mistake."""
    packed = payloads.make("patch", *(Path(name).read_bytes() for name in ("one", "two")))
    key = keys.load_private("key.pem")
    fwtool("bundle", "new", "-o", "a.fw", "--from", "one", *KEY)
    found, _ = parts("a.fw")
    ids = uuid.UUID(bytes=found.vendor_id), uuid.UUID(bytes=found.class_id)
    whole = Path("new").read_bytes()
    wrong = Packed(packed.format, packed.data, digest("one"))
    head = manifests.create(key, whole, *ids, "1.2.0", packed=wrong)
    Path("a.fw").write_bytes(head + packed.data)
    said = fwtool("manifest", "verify", "a.fw", "--key", "key.pub", "--from", "one", code=3)
    assert "fwtool: error" in said.stderr


def test_manifest_and_payload_may_be_two_files(maker):
    make = ("manifest", "create", "new", "-o", "m.der", "--uri", "p.bin", *KEY)
    fwtool(*make, "--payload", "p.bin", "--from", "one")
    joined = (maker / "m.der").read_bytes() + (maker / "p.bin").read_bytes()
    fwtool("bundle", "p.bin", "-o", "a.fw", "--manifest", "m.der")
    assert (maker / "a.fw").read_bytes() == joined
    check("a.fw", PATCH, "one")
    fwtool(
        *("manifest", "verify", "m.der", "--key", "key.pub"),
        *("--payload", "p.bin"),
        *("--from", "one"),
    )
    for options in (
        ("--from", "one"),
        ("--payload", "q.bin"),
        ("--payload", "q.bin", "--from", "one", "--from", "two"),
    ):
        fwtool(*make, *options, code=2)
    fwtool("bundle", "p.bin", "-o", "b.fw", "--manifest", "m.der", "--from", "one", code=2)
    for name in ("one", "new", "key.pem"):
        fwtool(*make, "--payload", name, "--from", "one", code=5)
    assert not Path("q.bin").exists() and not Path("b.fw").exists()


def test_no_output_replaces_an_image_before_or_a_class_key(maker):
    before = {path: path.read_bytes() for path in maker.iterdir()}
    make = ("bundle", "new", "--from", "one", "--class-key", "class.key", *KEY)
    for name in ("new", "one", "class.key", "key.pem"):
        fwtool(*make, "-o", name, code=5)
    fwtool(*make, "--from", "missing", "-o", "a-{}.fw", code=1)
    assert {path: path.read_bytes() for path in maker.iterdir()} == before


def test_a_board_takes_each_and_starts_it(maker, micropython):
    """On MicroPython: the client with its decoders, then the boot stage."""
    cases = (
        ("--deflate",),
        ("--from", "one"),
        ("--from", "one", "--class-key", "class.key"),
    )
    for number, options in enumerate(cases):
        state = maker / f"board{number}"
        new_board(state, "one", "--class-key", "class.key")
        fwtool("bundle", "new", "-o", "a.fw", *options, *KEY)
        assert update(micropython, state, "a.fw") == f"ready {version_word('1.2.0')}\n"
        script = BOARD / "_boot.py"
        done = micropython(script, state, "--boot-only", heap="256k", folders=(BOARD,))
        assert "New active firmware is valid" in done.stdout
    new_board(maker / "other", "two")
    assert update(micropython, maker / "other", "a.fw").startswith(
        f"refused {errors_net.WRONG_PRECURSOR}"
    )
    new_board(maker / "keyless")
    assert update(micropython, maker / "keyless", "a.fw") == f"refused {decoders.NO_CLASS_KEY}\n"


def new_board(state, app="one", *more):
    fwtool(
        *("factory", state, "--layout", BOARD / "layout.py", "--key", "key.pub", *FOR_LAMP),
        *("--app", app, "--version", "1.0.0", "--sign-key", "key.pem", *more),
    )


def update(micropython, state, name):
    with BadServer({"/a": page(Path(name).read_bytes())}) as server:
        script = here("kit/virtual_update.py")
        return micropython(script, state, server.url("/a"), heap="256k", folders=(BOARD,)).stdout


def test_what_no_board_could_start_is_refused_unless_told(maker):
    """An image of each kind, with the usual blocks, is one; noise, zeros, firmware are none."""
    for kind, block in (
        ("lfs2", 4096),
        ("lfs2", 16384),
        ("fat", 512),
        ("fat", 4096),
        ("romfs", 1),
    ):
        built = image.build({"main.py": b"pass"}, kind, block)
        (maker / "other").write_bytes(built)
        fwtool("bundle", "other", "-o", "x.fw", *KEY)
        (maker / "x.fw").unlink()
    for data in (b"\x00" * 9000, noise(9000), b"\x7fELF" + bytes(600), b"x"):
        (maker / "other").write_bytes(data)
        said = fwtool("bundle", "other", "-o", "x.fw", *KEY, code=5).stderr
        assert "other is no image" in said and "--raw" in said and not (maker / "x.fw").exists()
        fwtool("bundle", "other", "-o", "x.fw", "--raw", *KEY)
        (maker / "x.fw").unlink()
        fwtool("bundle", "other", "-o", "x.fw", "--component", "SYSTEM", *KEY)
        (maker / "x.fw").unlink()
