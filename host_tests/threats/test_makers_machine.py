"""Attacks on the maker's own machine: what its server gives, and what a command may destroy."""

import os
import uuid

import pytest

from fwtool.signing import keys, manifests
from fwtool_cli import fwtool
from serve_kit import ask, serving
from ufota_testkit.simboard import CLASS_ID, VENDOR_ID

ADDRESS = f"/class/{CLASS_ID.hex()}/"
SECRET = b"TOP SECRET"
VENDOR, CLASS = uuid.UUID(bytes=VENDOR_ID), uuid.UUID(bytes=CLASS_ID)
CLIMBS = (
    "../outside/secret",
    "..%2foutside%2fsecret",
    "%2e%2e/outside/secret",
    "..%5coutside%5csecret",
    "sub/..%2f..%2foutside%2fsecret",
    "sub/../../outside/secret",
    "link",
    "folder/secret",
    "%2f{root}%2foutside%2fsecret",
    "/{root}/outside/secret",
    "app.fw%00/../../outside/secret",
)


@pytest.fixture
def public(tmp_path):
    """A folder to serve, with links out of it and manifests whose payload is outside."""
    for name in ("outside", "public", "public/sub"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside/secret").write_bytes(SECRET)
    folder = tmp_path / "public"
    (folder / "link").symlink_to("../outside/secret")
    (folder / "folder").symlink_to("../outside")
    keys.create(str(tmp_path / "maker.pem"))
    key = keys.load_private(str(tmp_path / "maker.pem"))
    for number, climb in enumerate(("../outside/secret", f"{tmp_path}/outside/secret", "link")):
        made = manifests.create(key, SECRET, VENDOR, CLASS, f"{number + 1}.0.0", uri=climb)
        (folder / f"{number}.mf").write_bytes(made)
    return folder


def test_climb_out_of_the_served_folder(public):
    root = str(public.parent).strip("/").replace("/", "%2f")
    with serving(public) as process:
        for climb in CLIMBS:
            for base in ("/", ADDRESS):
                response, body = ask(process.server, base + climb.format(root=root))
                assert response.status in (400, 404) and SECRET not in body, base + climb
        response, body = ask(process.server, ADDRESS + "newest.fw")
        assert SECRET not in body, response.status


def test_what_serve_prints_moves_no_cursor(public, tmp_path):
    """Names of files that somebody sent, and an address that somebody wrote into a header."""
    control, key, log, said = "\x1b]0;title\x07", tmp_path / "maker.pem", tmp_path / "log", []
    made = manifests.create(keys.load_private(str(key)), SECRET, VENDOR, CLASS, "9.0.0", uri="x")
    (public / f"{control}.fw").write_bytes(made)
    (public / f"{control}.txt").write_bytes(key.read_bytes())
    with serving(public, "--log", log, quiet=False, stderr=said) as process:
        told = process.line()
        ask(process.server, "/sub", **{"X-Forwarded-For": control})
        asked = process.line()
    assert told.startswith("?]0;title?.fw, version 9.0.0") and "?]0;title?.txt has" in said[0]
    assert asked.startswith("127.0.0.1 GET /sub ") and asked in log.read_text()


COMMANDS = (
    ("image", "app"),
    ("tables", "maker.point"),
    ("manifest", "create", "app.img", "--uri", "app.img", "--key", "maker.pem"),
    ("bundle", "app.img", "--key", "maker.pem"),
)
IDENTITY = ("--version", "1.0.0", "--vendor-domain", "vendor.example", "--model", "demo-board")


@pytest.mark.parametrize("command", COMMANDS, ids=[" ".join(each[:2]) for each in COMMANDS])
@pytest.mark.parametrize("output", ["other.pem", "link"])
def test_key_as_an_output(command, output, tmp_path, monkeypatch):
    """A slip of the hand: the fleet could never be updated again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("print(1)\n")
    for name in ("maker.pem", "other.pem"):
        keys.create(name)
    os.symlink("other.pem", "link")
    fwtool("image", "app", "-o", "app.img")
    before = (tmp_path / "other.pem").read_bytes()
    more = IDENTITY if command[0] in ("manifest", "bundle") else ()
    assert (
        "a private key in it: not overwritten"
        in fwtool(*command, "-o", output, *more, code=5).stderr
    )
    assert (tmp_path / "other.pem").read_bytes() == before
    assert (tmp_path / output).read_bytes() == before


def test_key_as_a_log(tmp_path, monkeypatch):
    """A server appends a line for each request, for as long as it runs."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("public")
    keys.create("maker.pem")
    os.symlink("maker.pem", "link")
    before = (tmp_path / "maker.pem").read_bytes()
    for log in "maker.pem", "link":
        said = fwtool("serve", "public", "--port", "0", "--log", log, code=5).stderr
        assert "a private key in it: not overwritten" in said
    assert (tmp_path / "maker.pem").read_bytes() == before
