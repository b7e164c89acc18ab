"""fwtool serve: what a device of a class finds at the address of its class."""

import json
import uuid
from hashlib import sha256

import pytest

import http_driver
from conftest import run_micropython
from fwcore import formats
from fwcore.manifest import version_word
from fwtool.payloads.packing import Packed
from fwtool.signing import keys, manifests
from helpers import here
from serve_kit import ask, serving
from ufota_testkit.simboard import CLASS_ID, VENDOR_ID
from update_kit import bundle, payload, signed

ADDRESS = f"/class/{CLASS_ID.hex()}/newest.fw"
OTHERS = uuid.UUID(bytes=b"class--of-others")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "public").mkdir()
    return tmp_path / "public"


@pytest.fixture
def server(folder):
    with serving(folder) as process:
        yield process.server


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "maker.pem"
    keys.create(str(path))
    return keys.load_private(str(path))


def made(key, version, image=b"image", vendor=VENDOR_ID, class_=CLASS_ID, **fields):
    """A bundle of an image that says its version."""
    image += version.encode()
    ids = uuid.UUID(bytes=vendor), uuid.UUID(bytes=class_)
    return manifests.create(key, image, *ids, version, **fields) + image


def rejected(name):
    digest = sha256(payload(name)).hexdigest()[:16]
    return {"Ufota-Result": f"reverted 81 2.0.0 {digest}"}


def test_newest_is_told_by_the_version_not_by_name_or_date(server, folder, key):
    for name, version in (("z", "1.9.9"), ("a", "1.10.0"), ("m", "1.2.0")):
        (folder / name).write_bytes(made(key, version))
    response, body = ask(server, ADDRESS)
    assert (response.status, body) == (200, made(key, "1.10.0"))
    (folder / "b").write_bytes(made(key, "2.0.0"))
    assert ask(server, ADDRESS)[1] == made(key, "2.0.0")
    (folder / "b").unlink()
    assert ask(server, ADDRESS)[1] == made(key, "1.10.0")


def test_nothing_for_a_class_is_404(server, folder):
    (folder / "others").write_bytes(bundle("other_class"))
    (folder / "other").write_bytes(bundle("other_component"))
    for path in (ADDRESS, "/class/nonsense/newest.fw", ADDRESS + "x", "/class/", "/class"):
        assert ask(server, path)[0].status == 404, path
    assert ask(server, f"/class/{OTHERS.hex}/newest.fw")[0].status == 200
    assert ask(server, ADDRESS, "POST")[0].status == 405


def test_a_class_can_be_written_in_three_ways(server, folder):
    (folder / "small").write_bytes(bundle("small"))
    name = str(uuid.UUID(bytes=CLASS_ID))
    for text in (name, name.upper(), name.replace("-", "")):
        assert ask(server, f"/class/{text}/newest.fw")[1] == bundle("small")


def test_component_and_vendor_may_be_asked_for(server, folder, key):
    (folder / "modem").write_bytes(bundle("other_component"))
    (folder / "small").write_bytes(bundle("small"))
    (folder / "theirs").write_bytes(made(key, "9.0.0", vendor=b"vendor-of-others"))
    assert ask(server, ADDRESS)[1] == made(key, "9.0.0", vendor=b"vendor-of-others")
    assert ask(server, ADDRESS + "?component=MODEM")[1] == bundle("other_component")
    assert ask(server, ADDRESS + "?component=OTHER")[0].status == 404
    assert ask(server, f"{ADDRESS}?vendor={VENDOR_ID.hex()}")[1] == bundle("small")
    for vendor in (OTHERS.hex, "nonsense", "%00"):
        assert ask(server, f"{ADDRESS}?vendor={vendor}")[0].status == 404, vendor


def test_what_is_not_whole_is_not_offered(server, folder):
    later = bundle("later")
    (folder / "small").write_bytes(bundle("small"))
    for spoilt in (later[:-1], later + b"x", later[: len(signed("later")) - 1], b"", b"\x30"):
        (folder / "later").write_bytes(spoilt)
        assert ask(server, ADDRESS)[1] == bundle("small")
    (folder / "small").unlink()
    (folder / "later").write_bytes(bundle("empty"))
    assert ask(server, ADDRESS)[0].status == 404


def test_a_delta_is_not_for_all_of_a_class(server, folder):
    with open(here("vectors/manifests/v3_delta.manifest.bin"), "rb") as file:
        delta = file.read()
    (folder / "delta").write_bytes(delta)
    found = manifests.read(delta)
    assert ask(server, f"/class/{found.class_id.hex()}/newest.fw")[0].status == 404
    assert json.loads(ask(server, "/")[1])["files"][0]["manifest"]["format"] == "arm-patch-stream"


def test_what_is_private_is_not_offered(server, folder):
    (folder / "small").write_bytes(bundle("small"))
    for name in ("later.pem", ".later", "later"):
        (folder / name).write_bytes(bundle("later"))
    (folder / "later").chmod(0o600)
    assert ask(server, ADDRESS)[1] == bundle("small")
    (folder / "later").chmod(0o644)
    assert ask(server, ADDRESS)[1] == bundle("later")


def test_a_manifest_is_newest_and_its_payload_is_found_beside_it(server, folder, key):
    (folder / "new").mkdir()
    (folder / "new" / "manifest").write_bytes(signed("two"))
    (folder / "payload.bin").write_bytes(b"another file of that name")
    (folder / "secret").write_bytes(b"x")
    assert ask(server, ADDRESS)[1] == signed("two")
    beside = f"/class/{CLASS_ID.hex()}/payload.bin"
    assert ask(server, beside)[0].status == 404
    (folder / "new" / "payload.bin").write_bytes(payload("two"))
    response, body = ask(server, beside, Range="bytes=100-")
    assert (response.status, body) == (206, payload("two")[100:])
    for path in (f"/class/{OTHERS.hex}/payload.bin", f"/class/{CLASS_ID.hex()}/secret"):
        assert ask(server, path)[0].status == 404
    image = b"image 3.0.0"
    ids = uuid.UUID(bytes=VENDOR_ID), uuid.UUID(bytes=CLASS_ID)
    for uri, status in (("the%20image", 200), ("../../../etc/passwd", 404), ("tls.key", 404)):
        (folder / "three").write_bytes(manifests.create(key, image, *ids, "3.0.0", uri=uri))
        (folder / "the image").write_bytes(image)
        (folder / "tls.key").write_bytes(image)
        assert ask(server, f"/class/{CLASS_ID.hex()}/{uri}")[0].status == status, uri


def test_bundle_goes_before_a_manifest_of_the_same_version(server, folder):
    (folder / "a").write_bytes(signed("small"))
    (folder / "b").write_bytes(bundle("small"))
    (folder / "c").write_bytes(signed("small"))
    assert ask(server, ADDRESS)[1] == bundle("small")


def test_who_rejected_the_newest_gets_the_newest_of_the_others(server, folder):
    (folder / "later").write_bytes(bundle("later"))
    assert ask(server, ADDRESS, **rejected("later"))[0].status == 410
    (folder / "small").write_bytes(bundle("small"))
    assert ask(server, ADDRESS)[1] == bundle("later")
    assert ask(server, ADDRESS, **rejected("later"))[1] == bundle("small")
    assert ask(server, ADDRESS, **rejected("small"))[1] == bundle("later")


def test_ranges_and_validators_follow_the_file_that_is_newest(server, folder):
    (folder / "small").write_bytes(bundle("small"))
    response, _ = ask(server, ADDRESS)
    tag = response.getheader("ETag")
    assert response.getheader("Cache-Control") == "no-cache"
    assert ask(server, ADDRESS, **{"If-None-Match": tag})[0].status == 304
    resume = {"Range": "bytes=100-", "If-Range": tag}
    response, body = ask(server, ADDRESS, **resume)
    assert (response.status, body) == (206, bundle("small")[100:])
    (folder / "later").write_bytes(bundle("later"))
    response, body = ask(server, ADDRESS, **resume)
    assert (response.status, body) == (200, bundle("later"))
    assert ask(server, ADDRESS, **{"If-None-Match": tag})[0].status == 200


def test_the_index_names_the_address_of_each_class(server, folder):
    for name in ("small", "later", "other_class", "other_component", "combined"):
        (folder / name).write_bytes(bundle(name))
    classes = json.loads(ask(server, "/")[1])["classes"]
    found = {(row["file"], row["version"]): row["address"] for row in classes}
    assert found == {
        ("later", "3.0.0"): ADDRESS,
        ("other_class", "2.0.0"): f"/class/{OTHERS.hex}/newest.fw",
        ("other_component", "2.0.0"): ADDRESS + "?component=MODEM",
    }
    for (name, _), address in found.items():
        assert ask(server, address)[1] == bundle(name)


RUNS, OTHER = sha256(b"the image that runs").digest(), sha256(b"another image").digest()
DEFLATED = formats.DEFLATED | formats.RAW
PATCH = formats.DEFLATED | formats.PATCH


def packed(key, version, number, size, precursor=b"", bundled=True):
    """A bundle, or a manifest, whose payload stands for the image of made()."""
    ids = uuid.UUID(bytes=VENDOR_ID), uuid.UUID(bytes=CLASS_ID)
    payload = bytes([number & 0xFF]) * size
    one = Packed(number, payload, precursor)
    head = manifests.create(key, b"image" + version.encode(), *ids, version, packed=one)
    return head + payload if bundled else head


def runs(digest, version="1.0.0"):
    return {"Ufota-Image": f"{version} {digest.hex()[:32]}"}


def test_a_device_gets_the_smallest_patch_for_what_it_runs(server, folder, key):
    files = {
        "full": made(key, "2.0.0"),
        "a": packed(key, "2.0.0", PATCH, 900, RUNS),
        "b": packed(key, "2.0.0", PATCH, 700, RUNS),
        "c": packed(key, "2.0.0", PATCH, 800, RUNS),
        "other": packed(key, "2.0.0", PATCH, 100, OTHER),
        "third": packed(key, "2.0.0", PATCH, 10, sha256(b"third").digest()),
        "older": packed(key, "1.9.0", PATCH, 5, RUNS),
        "alone": packed(key, "2.0.0", PATCH, 20, RUNS, bundled=False),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert ask(server, ADDRESS, **runs(RUNS))[1] == files["b"]
    assert ask(server, ADDRESS, **runs(OTHER))[1] == files["other"]
    assert ask(server, ADDRESS, **runs(bytes(32)))[1] == files["full"]
    assert ask(server, ADDRESS)[1] == files["full"]
    (folder / "arm").write_bytes(packed(key, "2.0.0", formats.ARM_PATCH, 600, RUNS))
    assert ask(server, ADDRESS, **runs(RUNS))[1] == (folder / "arm").read_bytes()
    (folder / "sealed").write_bytes(packed(key, "2.0.0", PATCH | formats.ENCRYPTED, 500, RUNS))
    assert ask(server, ADDRESS, **runs(RUNS))[1] == (folder / "sealed").read_bytes()
    (folder / "newer").write_bytes(made(key, "2.0.1"))
    assert ask(server, ADDRESS, **runs(RUNS))[1] == made(key, "2.0.1")


def test_patches_for_others_never_count(server, folder, key):
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 9, OTHER))
    for headers in ({}, runs(RUNS)):
        assert ask(server, ADDRESS, **headers)[0].status == 404
    (folder / "full").write_bytes(made(key, "1.0.0"))
    for headers in ({}, runs(RUNS)):
        assert ask(server, ADDRESS, **headers)[1] == made(key, "1.0.0")
    classes = json.loads(ask(server, "/")[1])["classes"]
    assert [row["file"] for row in classes] == ["full"]


def test_a_deflated_image_is_for_all_but_goes_first_only_where_it_is_known(server, folder, key):
    deflated = packed(key, "2.0.0", DEFLATED, 5)
    (folder / "a").write_bytes(deflated)
    for headers in ({}, runs(RUNS)):
        assert ask(server, ADDRESS, **headers)[1] == deflated
    (folder / "b").write_bytes(made(key, "2.0.0"))
    assert ask(server, ADDRESS)[1] == made(key, "2.0.0")
    assert ask(server, ADDRESS, **runs(RUNS))[1] == deflated
    (folder / "c").write_bytes(packed(key, "2.0.0", DEFLATED | formats.ENCRYPTED, 61))
    assert ask(server, ADDRESS, **runs(RUNS))[1] == deflated


def test_what_is_no_image_of_ours_is_not_looked_at(server, folder, key):
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 9, RUNS))
    (folder / "full").write_bytes(made(key, "2.0.0"))
    digits = RUNS.hex()
    wrong = ("", digits, f"1.0.0 {digits}", f"1.0.0 {digits[:31]}", f"1.0.0 {digits[:32].upper()}")
    for text in (*wrong, f"x {digits[:32]}", f"1.0.0 {digits[:32]} ", f"1.0.0  {digits[:32]}"):
        headers = {"Ufota-Image": text.replace(" ", "\t") if text.endswith(" ") else text}
        assert ask(server, ADDRESS, **headers)[1] == made(key, "2.0.0"), text
    assert ask(server, ADDRESS, **runs(RUNS, "36028797018963968"))[1] != made(key, "2.0.0")


def test_who_rejected_an_image_gets_no_patch_to_it(server, folder, key):
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 9, RUNS))
    (folder / "full").write_bytes(made(key, "2.0.0"))
    old = packed(key, "1.5.0", PATCH, 9, RUNS)
    digest = sha256(b"image2.0.0").hexdigest()[:16]
    headers = {**runs(RUNS), "Ufota-Result": f"reverted 81 2.0.0 {digest}"}
    assert ask(server, ADDRESS, **headers)[0].status == 410
    (folder / "old").write_bytes(old)
    assert ask(server, ADDRESS, **headers)[1] == old


def test_component_and_vendor_count_for_patches_too(server, folder, key):
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 9, RUNS))
    assert ask(server, f"{ADDRESS}?vendor={VENDOR_ID.hex()}", **runs(RUNS))[0].status == 200
    for query in (f"?vendor={OTHERS.hex}", "?component=MODEM"):
        assert ask(server, ADDRESS + query, **runs(RUNS))[0].status == 404
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 9, RUNS)[:-1])
    assert ask(server, ADDRESS, **runs(RUNS))[0].status == 404


def test_caches_are_told_what_the_answer_depends_on(server, folder, key):
    assert "Ufota-Image" in ask(server, ADDRESS)[0].getheader("Vary")  # 404
    (folder / "a").write_bytes(packed(key, "2.0.0", PATCH, 900, RUNS))
    (folder / "full").write_bytes(made(key, "2.0.0"))
    response, patch = ask(server, ADDRESS, **runs(RUNS))
    tag = response.getheader("ETag")
    assert "Ufota-Image" in response.getheader("Vary")
    assert ask(server, ADDRESS)[0].getheader("ETag") != tag
    response, _ = ask(server, ADDRESS, **{**runs(RUNS), "If-None-Match": tag})
    assert response.status == 304 and "Ufota-Image" in response.getheader("Vary")
    resume = {"Range": "bytes=100-", "If-Range": tag}
    response, body = ask(server, ADDRESS, **{**runs(RUNS), **resume})
    assert (response.status, body) == (206, patch[100:])
    response, body = ask(server, ADDRESS, **resume)  # and the running image was not told
    assert (response.status, body) == (200, made(key, "2.0.0"))


@pytest.mark.parametrize("name", ["small", "two"])
@pytest.mark.parametrize("interpreter", ["CPython", "MicroPython"])
def test_a_device_updates_itself_from_the_address_of_its_class(server, folder, name, interpreter):
    """From a bundle, and from a manifest whose payload-uri is relative."""
    whole = bundle(name) if name == "small" else signed(name)
    (folder / "app.fw").write_bytes(whole)
    (folder / "payload.bin").write_bytes(payload(name))
    url = f"http://{server}{ADDRESS}"
    if interpreter == "CPython":
        found = http_driver.update(url, 2000)
    else:
        done = run_micropython(http_driver.__file__, "update", url, 2000)
        assert done.returncode == 0, done.stdout + done.stderr
        found = json.loads(done.stdout)
    assert found["ready"] and int(found["staged"]) == version_word("2.0.0"), found
