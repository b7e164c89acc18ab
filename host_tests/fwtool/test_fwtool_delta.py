"""fwtool delta: what it makes, the device's decoders make the image of; what is broken is told."""

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fwtool.payloads import deflate, payloads, unpack
from fwtool.payloads.delta import KINDS
from fwtool_cli import fwtool
from helpers import here
from microdots import FORMS, PAIRS, build
from ufota_testkit.noise import noise

TOOL = shutil.which(os.environ.get("MANIFEST_TOOL", "manifest-tool"))
needs_tool = pytest.mark.skipif(not TOOL, reason="no manifest-tool: set MANIFEST_TOOL")
HAVE = [kind for kind in KINDS if TOOL or kind != "arm"]


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("microdot")
    build(folder)
    return folder


@pytest.fixture
def pair(tmp_path):
    """A folder with old and new, small; the tests run in it."""
    old = unpack.MAGIC + noise(3000, 1) + b"text " * 400
    (tmp_path / "old").write_bytes(old)
    (tmp_path / "new").write_bytes(old[:2000] + b"here" + old[2000:] + noise(200, 2))
    os.chdir(tmp_path)
    return tmp_path


def names(folder, pair, form):
    return [folder / f"{release}.{form}" for release in pair]


@needs_tool
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("releases_", PAIRS)
def test_every_kind_makes_the_release_byte_for_byte(releases, tmp_path, releases_, form):
    old, new = names(releases, releases_, form)
    sizes = {}
    for kind in KINDS:
        patch, made = tmp_path / kind, tmp_path / "made"
        fwtool("delta", "make", old, new, "-o", patch, "--kind", kind)
        fwtool("delta", "apply", old, patch, "-o", made)
        assert made.read_bytes() == new.read_bytes()
        sizes[kind] = patch.stat().st_size
    assert sizes["patch"] < sizes["arm"] < sizes["deflate"] < new.stat().st_size
    told = json.loads(fwtool("delta", "make", old, new, "-o", tmp_path / "p", "--json").stdout)
    assert {row["kind"]: row["size"] for row in told["kinds"]} == sizes
    assert told["chosen"] == "patch"
    assert (tmp_path / "p").read_bytes() == (tmp_path / "patch").read_bytes()


@pytest.mark.parametrize("kind", HAVE)
def test_micropython_makes_the_release_and_takes_the_ram_told(
    releases, tmp_path, micropython, kind
):
    old, new = names(releases, PAIRS[1], "lfs2")
    patch = tmp_path / "patch"
    fwtool("delta", "make", old, new, "-o", patch, "--kind", kind)
    script = here("fwtool/apply_patch.py")
    done = micropython(script, kind, old, patch, new.stat().st_size, heap="2M")
    assert done.returncode == 0, done.stdout + done.stderr
    digest, taken = done.stdout.split()
    assert digest == sha256(new.read_bytes()).hexdigest()
    told = payloads.ram(payloads.KINDS[kind])
    # Buffers; the decoders themselves come on top, in words of 8 bytes here.
    assert told < int(taken) + 64 < told + 512, (taken, told)


@pytest.mark.parametrize("wbits", range(9, 13))
@pytest.mark.parametrize("kind", ["deflate", "patch"])
def test_all_windows_are_made_and_read(pair, kind, wbits):
    option = ("--wbits", wbits)
    fwtool("delta", "make", "old", "new", "-o", "patch", "--kind", kind, *option)
    fwtool("delta", "apply", "old", "patch", "-o", "made", *option)
    assert (pair / "made").read_bytes() == (pair / "new").read_bytes()


def test_a_smaller_ram_asks_for_another_kind(pair):
    def chosen(ram, code=0):
        done = fwtool("delta", "make", "old", "new", "-o", "p", "--ram", ram, "--json", code=code)
        return json.loads(done.stdout)["chosen"] if not code else done.stderr

    most = payloads.ram(payloads.KINDS["patch"])
    assert chosen(most) == chosen("1M") == "patch"
    assert chosen(most - 1) == ("arm" if TOOL else "deflate")
    if TOOL:
        assert chosen(payloads.ram(payloads.KINDS["arm"])) == "arm"
    (pair / "p").unlink()
    assert "takes more than 999 bytes of RAM" in chosen(999, code=5)
    assert not (pair / "p").exists()


@needs_tool
def test_the_table_is_for_people(pair):
    said = fwtool("delta", "make", "old", "new", "-o", "patch").stdout.splitlines()
    assert said[0].split() == ["kind", "size", "%", "of", "NEW", "RAM"]
    assert [line.split()[0] for line in said[1:]] == list(KINDS)
    made = fwtool("delta", "make", "old", "new", "-o", "-")
    assert made.stdout_bytes == (pair / "patch").read_bytes() and "RAM" in made.stderr
    assert fwtool("delta", "make", "old", "new", "-o", "-", "--json").stderr == ""


def test_without_arms_tool_it_says_so_and_the_others_are_made(pair, monkeypatch):
    monkeypatch.setenv("MANIFEST_TOOL", str(pair / "bin" / "manifest-tool"))
    monkeypatch.setenv("PATH", str(pair))
    told = json.loads(fwtool("delta", "make", "old", "new", "-o", "p", "--json").stdout)
    arm = told["kinds"][-1]
    assert arm["size"] is None and "manifest-delta-tool is not installed" in arm["why_not"]
    assert told["chosen"] == "patch"
    said = fwtool("delta", "make", "old", "new", "-o", "q", "--kind", "arm", code=1).stderr
    assert "manifest-delta-tool is not installed" in said and not (pair / "q").exists()


@needs_tool
def test_an_old_image_that_arms_tool_does_not_take_is_told(pair):
    (pair / "old").write_bytes(noise(3000))
    said = fwtool("delta", "make", "old", "new", "-o", "p", "--kind", "arm", code=1).stderr
    assert "PELION/BSDIFF001" in said and not (pair / "p").exists()


@needs_tool
def test_arms_tool_that_fails_is_told_with_its_words(pair, monkeypatch):
    tool = pair / "manifest-delta-tool"
    tool.write_text("#!/bin/sh\necho first\necho the reason >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("MANIFEST_TOOL", str(pair / "manifest-tool"))
    said = fwtool("delta", "make", "old", "new", "-o", "p", "--kind", "arm", code=1).stderr
    assert "manifest-delta-tool fails: the reason" in said


def test_a_tool_that_makes_another_image_is_found(pair, monkeypatch):
    monkeypatch.setattr(payloads, "_patch", lambda old, new: b"\x00\x01\x00\x00\x01x\x00")
    said = fwtool("delta", "make", "old", "new", "-o", "p", "--kind", "patch", code=1).stderr
    assert "a device's decoders refuse it" in said and not (pair / "p").exists()


@pytest.mark.parametrize("kind", HAVE)
def test_show_tells_what_is_in_a_patch(pair, kind):
    fwtool("delta", "make", "old", "new", "-o", "patch", "--kind", kind)
    told = json.loads(fwtool("delta", "show", "patch", "--json", "--records").stdout)
    assert told["kind"] == kind and told["size"] == (pair / "patch").stat().st_size
    assert told["image_size"] == (pair / "new").stat().st_size
    assert told["ram"] == payloads.ram(payloads.KINDS[kind])
    found = told["list"]
    if kind == "deflate":
        assert found == [] and told["format"] == "deflated"
        return
    assert told["records"] == len(found) > 1
    assert told["of_old"] + told["new"] == told["image_size"]
    assert told["of_old"] == sum(record[0] for record in found)
    assert 0 < told["old_reach"] <= (pair / "old").stat().st_size
    said = fwtool("delta", "show", "patch", "--records").stdout.splitlines()
    assert len([line for line in said if line.endswith(f"then {found[0][2]:+}")]) >= 1


@pytest.mark.parametrize("kind", HAVE)
def test_a_patch_that_is_cut_or_goes_on_is_refused_and_nothing_written(pair, kind):
    fwtool("delta", "make", "old", "new", "-o", "patch", "--kind", kind)
    data = (pair / "patch").read_bytes()
    cuts = {0, 1, 15, 16, 39, 40, 41, len(data) // 2, len(data) - 1}
    for broken in [data[:cut] for cut in sorted(cuts)] + [data + b"\x00", data + data]:
        (pair / "broken").write_bytes(broken)
        for command in ("apply", "old", "broken", "-o", "made"), ("show", "broken"):
            fwtool("delta", *command, code=3)
    assert not (pair / "made").exists()


def test_what_is_no_patch_is_refused(pair):
    for data in (b"", b"\x00", noise(500), b"text", bytes(4096), b"\xff" * 4096):
        (pair / "junk").write_bytes(data)
        fwtool("delta", "apply", "old", "junk", "-o", "made", code=3)
        fwtool("delta", "show", "junk", code=3)
    fwtool("delta", "apply", "old", "missing", "-o", "made", code=1)
    assert not (pair / "made").exists()


def test_each_error_of_a_filter_has_its_exit_code(pair):
    def made(*parts):
        data = deflate.smallest(b"".join(parts))
        (pair / "patch").write_bytes(data)
        command = ("delta", "apply", "old", "patch", "-o", "made", "--kind", "patch")
        return lambda code: fwtool(*command, code=code).stderr

    assert "error 154:" in made(b"\x10\x05\x00")(5)  # another type of detools' patches
    assert "error 152:" in made(b"\x00\x05\x00\x06")(3)
    assert "error 153:" in made(b"\x00\x05\x00\x00\x01x\x41")(3)
    assert "error 151:" in made(b"\x00\x05\x00\x05")(3)
    assert not (pair / "made").exists()


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=900), st.binary(max_size=300), st.integers(0, 900))
def test_any_pair_is_packed_and_comes_back(old, part, at):
    """payloads.make() itself refuses what the device's decoders do not bring back."""
    new = old[at:] + part + old[:at]
    sizes = [len(payloads.make(kind, old, new).data) for kind in ("deflate", "patch")]
    assert max(sizes) < 2 * len(new) + 64


def test_an_image_that_begins_like_a_patch_is_still_an_image(pair):
    for image in (bytes(4000), b"\x00\x05\x00" + noise(300), noise(2)):
        (pair / "new").write_bytes(image)
        fwtool("delta", "make", "old", "new", "-o", "patch", "--kind", "deflate")
        fwtool("delta", "apply", "old", "patch", "-o", "made")
        assert (pair / "made").read_bytes() == image


def test_no_output_replaces_an_input(pair):
    fwtool("delta", "make", "old", "new", "-o", "patch")
    before = {path: path.read_bytes() for path in pair.iterdir()}
    for name in ("old", "new"):
        fwtool("delta", "make", "old", "new", "-o", name, code=5)
    for name in ("old", "patch"):
        fwtool("delta", "apply", "old", "patch", "-o", name, code=5)
    assert {path: path.read_bytes() for path in pair.iterdir()} == before


def test_usage(pair):
    make = ("delta", "make", "old", "new", "-o", "p")
    for options in (("--kind", "raw"), ("--wbits", 8), ("--wbits", 13), ("--ram", "-1")):
        fwtool(*make, *options, code=2)
    assert not Path("p").exists()
