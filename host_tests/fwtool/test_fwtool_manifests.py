"""fwtool manifest and bundle: what they make is what Arm's tools and the device read."""

import json
import os
import shutil
import subprocess
import uuid
from hashlib import sha256

import pytest

from fwcore import errors, errors_net, formats, manifest
from fwcore.p256 import PublicKey
from fwcore.statement import digest_of
from fwtool.images import image
from fwtool.signing import keys, manifests
from fwtool_cli import BY_KEY, FOR_LAMP, LAYOUT, fwtool
from helpers import PATIENCE_S, here
from ufota_testkit.noise import noise

VECTORS = here("vectors/manifests/")
ARM = VECTORS + "v3_raw_signed_image.manifest.bin"
ARM_KEY = VECTORS + "keys/dev.cert.der"
# Arm's manifest-tool pins its libraries to old versions, so it lives in an environment of
# its own; the tests that ask it run where $MANIFEST_TOOL names its command.
MANIFEST_TOOL = os.environ.get("MANIFEST_TOOL") or shutil.which("manifest-tool")


@pytest.fixture
def maker(tmp_path):
    """A folder with key.pem and image.bin; the tests run in it."""
    fwtool("keygen", tmp_path / "key.pem")
    (tmp_path / "image.bin").write_bytes(noise(5000))
    os.chdir(tmp_path)
    return tmp_path


def test_the_device_reads_what_was_meant(maker):
    (maker / "extra").write_bytes(b"batch 7")
    fwtool(
        *("manifest", "create", "image.bin", "-o", "m.der", "--key", "key.pem", *BY_KEY),
        *("--uri", "http://a/b", "--priority", 7, "--component", "SENSOR"),
        *("--vendor-data", "extra"),
    )
    data = (maker / "m.der").read_bytes()
    point = (maker / "key.point").read_bytes()
    found = manifest.read(data, PublicKey(point).verify)
    assert len(found.image_signature) == 64
    vendor = uuid.uuid5(uuid.NAMESPACE_DNS, "example.com")
    assert found.vendor_id == vendor.bytes
    assert found.class_id == uuid.uuid5(vendor, "lamp").bytes
    assert manifest.version_text(found.version) == "1.2.0"
    assert (found.uri, found.priority, found.component) == ("http://a/b", 7, "SENSOR")
    assert (found.size, found.vendor_data, found.end) == (5000, b"batch 7", len(data))
    said = digest_of(found, "SENSOR", (found.version, 5000, found.digest))
    assert PublicKey(point).verify(said, found.image_signature)


def test_what_an_image_needs_is_told_to_the_device(maker):
    making = ("manifest", "create", "image.bin", "-o", "m.der", "--key", "key.pem", *BY_KEY)
    making += ("--uri", "x")
    fwtool(*making, "--needs", "SYSTEM=1.24.0", "--needs", "RADIO=2.0.0")
    found = manifest.read((maker / "m.der").read_bytes(), lambda *_: True)
    assert found.vendor_data == b"needs:SYSTEM=1.24.0,RADIO=2.0.0"
    shown = json.loads(fwtool("manifest", "show", "m.der", "--json").stdout)
    assert shown["needs"] == "SYSTEM=1.24.0,RADIO=2.0.0" and "vendor_data" not in shown
    (maker / "extra").write_bytes(b"batch 7")
    fwtool(*making, "--needs", "SYSTEM=1.0.0", "--vendor-data", "extra", code=2)
    for bad in ("SYSTEM", "SYSTEM=1.2", "=1.0.0", "SYS,X=1.0.0", "TOO-LONG-A=1.0.0"):
        fwtool(*making, "--needs", bad, code=2)


def test_ids_may_be_given_as_they_are(maker):
    vendor, class_ = str(uuid.UUID(int=1)), uuid.UUID(int=2).hex
    ids = ("--vendor-id", vendor, "--class-id", class_, "--image-signature", "none")
    fwtool(
        "bundle",
        "--raw",
        "image.bin",
        "-o",
        "a.fw",
        "--key",
        "key.pem",
        "--version",
        "1.0.0",
        *ids,
    )
    shown = json.loads(fwtool("manifest", "show", "a.fw", "--json").stdout)
    assert shown["vendor_id"] == vendor
    assert shown["class_id"] == str(uuid.UUID(int=2))
    assert shown["image_signature"] == "none"


def test_verify_tells_what_the_image_signature_is_over(maker):
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    shown = json.loads(fwtool("manifest", "show", "a.fw", "--json").stdout)
    assert shown["image_signature"] == "not checked"
    shown = json.loads(fwtool("manifest", "verify", "a.fw", "--key", "key.pub", "--json").stdout)
    assert shown["image_signature"] == "statement"
    shown = json.loads(fwtool("manifest", "verify", ARM, "--cert", ARM_KEY, "--json").stdout)
    assert shown["image_signature"] == "digest"


def test_same_input_same_bundle(maker):
    make = ("bundle", "--raw", "image.bin", "-o", "-", "--key", "key.pem", *BY_KEY)
    assert fwtool(*make).stdout_bytes == fwtool(*make).stdout_bytes


def test_a_bundle_is_manifest_then_payload(maker):
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    data = (maker / "a.fw").read_bytes()
    size = json.loads(fwtool("manifest", "show", "a.fw", "--json").stdout)["manifest_size"]
    assert data[size:] == (maker / "image.bin").read_bytes()
    shown = json.loads(fwtool("manifest", "verify", "a.fw", "--key", "key.pub", "--json").stdout)
    assert shown["payload"] == "good"
    fwtool("manifest", "verify", "a.fw", "--key", "key.pub", "--payload", "image.bin", code=2)


def test_a_bundle_takes_a_manifest_made_before(maker):
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    making = ("--key", "key.pem", "--uri", "", *BY_KEY)
    fwtool("manifest", "create", "image.bin", "-o", "m.der", *making)
    fwtool("bundle", "--raw", "image.bin", "-o", "b.fw", "--manifest", "m.der")
    assert (maker / "a.fw").read_bytes() == (maker / "b.fw").read_bytes()
    (maker / "other.bin").write_bytes(noise(5000, 1))
    fwtool("bundle", "--raw", "other.bin", "-o", "c.fw", "--manifest", "m.der", code=3)
    fwtool("bundle", "--raw", "image.bin", "-o", "c.fw", "--manifest", "a.fw", code=1)  # too large
    (maker / "m.der").write_bytes((maker / "m.der").read_bytes() + b"x")
    fwtool("bundle", "--raw", "image.bin", "-o", "c.fw", "--manifest", "m.der", code=3)
    fwtool(
        "bundle",
        "--raw",
        "image.bin",
        "-o",
        "c.fw",
        "--manifest",
        "m.der",
        "--version",
        "1.0.0",
        code=2,
    )
    assert not (maker / "c.fw").exists()


def test_arms_manifest_verifies_by_certificate_and_point_and_no_other_key():
    fwtool("manifest", "verify", ARM, "--cert", ARM_KEY)
    fwtool("manifest", "verify", ARM, "--key", VECTORS + "keys/dev.pub.bin")
    said = fwtool("manifest", "verify", ARM, "--cert", VECTORS + "keys/other.cert.der", code=3)
    assert said.stderr.startswith("fwtool: error 23: not signed by")


def test_a_wrong_payload_is_told_from_a_wrong_signature(maker):
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    data = bytearray((maker / "a.fw").read_bytes())
    for at, number in ((-1, errors.CORRUPT), (60, errors.BAD_SIGNATURE)):
        bad = bytearray(data)
        bad[at] ^= 1
        (maker / "bad.fw").write_bytes(bad)
        said = fwtool("manifest", "verify", "bad.fw", "--key", "key.pub", code=3).stderr
        assert said.startswith(f"fwtool: error {number}:")
    for cut in (data[:-1], data + b"x"):
        (maker / "bad.fw").write_bytes(cut)
        fwtool("manifest", "verify", "bad.fw", "--key", "key.pub", code=3)


def test_an_image_signature_by_nobody_is_found(maker):
    from fwtool.signing import manifest_der

    image = (maker / "image.bin").read_bytes()
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    found = manifests.read((maker / "a.fw").read_bytes())
    fields = _fields(found) | {"installed-signature": bytes(64)}
    key = keys.load_private("key.pem")
    made = manifest_der.signed_resource(fields, lambda body: keys.sign(key, sha256(body).digest()))
    (maker / "bad.fw").write_bytes(made + image)
    said = fwtool("manifest", "verify", "bad.fw", "--key", "key.pub", code=3).stderr
    assert said.startswith(f"fwtool: error {errors.BAD_SIGNATURE}:")


def _fields(found):
    """Manifest -> what manifest_der.signed_resource() takes."""
    return {
        "vendor-id": found.vendor_id,
        "class-id": found.class_id,
        "update-priority": found.priority,
        "component-name": found.component,
        "payload-version": manifest.version_text(found.version),
        "payload-digest": found.digest,
        "payload-size": found.size,
        "payload-uri": found.uri,
        "payload-format": found.format,
        "installed-signature": found.image_signature,
        **({"payload-metadata": _metadata(found)} if found.precursor else {}),
    }


def _metadata(found):
    return {
        "installed-size": found.installed_size,
        "installed-digest": found.installed_digest,
        "precursor-digest": found.precursor,
    }


def test_policy_refuses_what_is_well_signed(maker):
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", "--key", "key.pem", *BY_KEY)
    check = ("manifest", "verify", "a.fw", "--key", "key.pub")
    fwtool(*check, *FOR_LAMP, "--newer-than", "1.1.9")
    refused = (
        (("--newer-than", "1.2.0"), errors.NOT_NEWER),
        (("--newer-than", "2.0.0"), errors.NOT_NEWER),
        (("--vendor-domain", "example.org"), errors.WRONG_VENDOR),
        (("--vendor-domain", "example.com", "--model", "heater"), errors.WRONG_CLASS),
    )
    for options, number in refused:
        assert f"error {number}:" in fwtool(*check, *options, code=5).stderr


def _signed(maker, image, **changes):
    """A bundle as fwtool makes it, but for some fields; its path."""
    from fwtool.signing import manifest_der

    fwtool("bundle", "--raw", "image.bin", "-o", "good.fw", "--key", "key.pem", *BY_KEY)
    fields = _fields(manifests.read((maker / "good.fw").read_bytes()))
    key = keys.load_private("key.pem")
    made = manifest_der.signed_resource(
        {**fields, "installed-signature": b"", **changes},
        lambda body: keys.sign(key, sha256(body).digest()),
    )
    (maker / "other.fw").write_bytes(made + image)
    return maker / "other.fw"


def test_verify_refuses_what_the_client_cannot_install(maker):
    image = (maker / "image.bin").read_bytes()
    nothing = {"payload-size": 0, "payload-digest": sha256(b"").digest()}
    cases = (
        ({"component-name": "SENSOR"}, image, f"error {errors_net.WRONG_COMPONENT}:"),
        (nothing, b"", "empty"),
    )
    for changes, payload, part in cases:
        path = _signed(maker, payload, **changes)
        said = fwtool("manifest", "verify", path, "--key", "key.pub", code=5).stderr
        assert part in said
        fwtool("manifest", "show", path)
    delta = VECTORS + "v3_delta.manifest.bin"
    said = fwtool("manifest", "verify", delta, "--key", ARM_KEY, code=5).stderr
    assert f"error {errors.UNSUPPORTED}:" in said
    assert "arm-patch-stream" in fwtool("manifest", "show", delta).stdout


def test_an_empty_image_is_not_signed(maker):
    (maker / "image.bin").write_bytes(b"")
    key = ("--key", "key.pem", *BY_KEY)
    fwtool("bundle", "--raw", "image.bin", "-o", "a.fw", *key, code=5)
    fwtool("manifest", "create", "image.bin", "-o", "a.fw", "--uri", "", *key, code=5)
    assert not (maker / "a.fw").exists()


def test_with_a_layout_an_image_must_be_one_its_boards_start(maker):
    key = ("--key", "key.pem", *BY_KEY)
    fwtool("manifest", "create", "image.bin", "-o", "m.der", "--uri", "", *key)
    commands = (
        ("bundle", "--raw", "image.bin", "-o", "a.fw", "--layout", LAYOUT, *key),
        ("bundle", "--raw", "image.bin", "-o", "a.fw", "--layout", LAYOUT, "--manifest", "m.der"),
        ("manifest", "create", "image.bin", "-o", "a.fw", "--layout", LAYOUT, "--uri", "", *key),
    )
    for command in commands:
        assert "image.bin: no LittleFS2" in fwtool(*command, code=1).stderr
    assert not (maker / "a.fw").exists()
    (maker / "image.bin").write_bytes(image.build({"main.py": b""}, "lfs2", 4096))
    fwtool("manifest", "create", "image.bin", "-o", "m.der", "--uri", "", *key)
    for command in commands:
        fwtool(*command)


def test_no_output_replaces_an_input(maker):
    (maker / "extra").write_bytes(b"x")
    os.link(maker / "key.pem", maker / "other name")
    fwtool(
        "manifest", "create", "image.bin", "-o", "m.der", "--key", "key.pem", "--uri", "", *BY_KEY
    )
    making = ("--key", "key.pem", "--vendor-data", "extra", *BY_KEY)
    before = {path: path.read_bytes() for path in maker.iterdir()}
    for name in ("image.bin", "key.pem", "extra", "other name", "../" + maker.name + "/key.pem"):
        fwtool("bundle", "--raw", "image.bin", "-o", name, *making, code=5)
        fwtool("manifest", "create", "image.bin", "-o", name, "--uri", "", *making, code=5)
    fwtool("bundle", "--raw", "image.bin", "-o", "m.der", "--manifest", "m.der", code=5)
    fwtool("tables", "key.pem", "-o", "key.pem", code=5)
    fwtool("header", "create", "image.bin", "-o", "image.bin", "--version", "1", code=5)
    assert {path: path.read_bytes() for path in maker.iterdir()} == before


def test_what_no_device_would_accept_is_not_made(maker):
    make = ("manifest", "create", "image.bin", "-o", "m.der", "--key", "key.pem", *BY_KEY)
    (maker / "extra").write_bytes(bytes(65))
    refused = (
        (("--uri", "http://" + "x" * 249), errors.URI_TOO_LONG),
        (("--uri", "http://\xe4"), errors.MALFORMED),
        (("--uri", "", "--component", "NINE_LONG"), errors.MALFORMED),
        (("--uri", "", "--vendor-data", "extra"), errors.VENDOR_DATA),
    )
    for options, number in refused:
        assert f"error {number}:" in fwtool(*make, *options, code=1).stderr
    assert not (maker / "m.der").exists()


def test_usage_is_checked_before_anything_is_signed(maker):
    make = ("bundle", "--raw", "image.bin", "-o", "a.fw")
    key = ("--key", "key.pem")
    for options in (
        (),
        key,
        (*key, "--version", "1.2"),
        (*key, "--version", "\xb2.0.0", *FOR_LAMP),
        (*key, "--version", "1.2.1000", *FOR_LAMP),
        (*key, "--version", "1.0.0"),
        (*key, "--version", "1.0.0", "--model", "lamp"),
        (*key, *BY_KEY, "--vendor-id", str(uuid.UUID(int=1))),
        (*key, *BY_KEY, "--class-id", str(uuid.UUID(int=1))),
        (*key, *BY_KEY, "--priority", -1),
        (*key, *BY_KEY, "--priority", 2**31),
        (*key, "--version", "1.0.0", "--vendor-id", "no-uuid"),
    ):
        fwtool(*make, *options, code=2)
    fwtool(*make, "--key", "key.pub", *BY_KEY, code=1)
    fwtool(*make, "--key", "missing", *BY_KEY, code=1)
    fwtool("bundle", "missing", "-o", "a.fw", *key, *BY_KEY, code=1)
    assert not (maker / "a.fw").exists()


def test_stdin_and_stdout(maker):
    image = (maker / "image.bin").read_bytes()
    made = fwtool("bundle", "--raw", "-", "-o", "-", "--key", "key.pem", *BY_KEY, stdin=image)
    assert made.stdout_bytes.endswith(image)
    fwtool("manifest", "verify", "-", "--key", "key.pub", stdin=made.stdout_bytes)


FOR_ARM = ("--image-signature", "digest")


def arms_words(code=0):
    """What Arm's tool says of m.der, ending with this code."""
    command = [MANIFEST_TOOL, "parse", "m.der", "-p", "key.point"]
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


@pytest.mark.skipif(not MANIFEST_TOOL, reason="no manifest-tool: set MANIFEST_TOOL")
def test_arms_tool_verifies_our_manifest(maker):
    making = ("--key", "key.pem", "--uri", "http://a/b", *BY_KEY)
    fwtool("manifest", "create", "image.bin", "-o", "m.der", *making, *FOR_ARM)
    said = arms_words()
    assert "Manifest Signature verified!" in said
    assert "Image Signature verified!" in said
    # It knows no statements, which say more.
    fwtool("manifest", "create", "image.bin", "-o", "m.der", *making)
    assert "Manifest Signature verified!" in arms_words(1)


@pytest.mark.skipif(not MANIFEST_TOOL, reason="no manifest-tool: set MANIFEST_TOOL")
def test_arms_tool_verifies_our_manifest_of_its_patch(maker):
    old = b"PELION/BSDIFF001" + noise(5000)
    (maker / "old.bin").write_bytes(old)
    (maker / "image.bin").write_bytes(old[:3000] + b"here" + old[3000:])
    making = ("--key", "key.pem", "--uri", "x", *BY_KEY, "--payload", "p.bin")
    making += ("--from", "old.bin", "--kind", "arm", *FOR_ARM)
    fwtool("manifest", "create", "image.bin", "-o", "m.der", *making)
    said = arms_words()
    assert "Image Signature verified!" in said
    assert f"precursor-digest: {sha256(old).hexdigest()}" in said


def test_every_format_the_device_knows_has_a_name():
    known = {number for number in range(0x500) if formats.is_known(number)}
    names = manifests.PAYLOAD_FORMATS
    assert known <= set(names)
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("name", ["v3_raw", "v3_raw_signed_image", "v3_raw_component", "v3_delta"])
def test_our_encoder_makes_arms_bytes(name):
    """Arm's manifest, taken apart and put together again, but for the random signatures."""
    from fwtool.signing import manifest_der

    with open(VECTORS + name + ".manifest.bin", "rb") as file:
        data = file.read()
    found = manifest.read(data, PublicKey(keys.load_point(ARM_KEY)).verify)
    assert manifest_der.signed_resource(_fields(found), lambda body: data[-64:]) == data
