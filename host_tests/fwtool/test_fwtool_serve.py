"""fwtool serve: files, ranges and refusals, asked over a real socket."""

import asyncio
import json
import os
import re
from email.utils import formatdate
from hashlib import sha256

import pytest

from fwcore import errors, errors_boot
from fwtool.demos import demo
from fwtool.server import serve_app, serve_folder, serve_results
from fwtool_cli import fwtool
from serve_kit import ask, serving
from ufota_testkit.noise import noise
from update_kit import bundle, payload, signed


@pytest.fixture
def process(tmp_path):
    """`fwtool serve` of a folder with the file image.bin."""
    (tmp_path / "image.bin").write_bytes(noise(5000))
    with serving(tmp_path) as process:
        yield process


@pytest.fixture
def server(process):
    """Its address."""
    return process.server


def test_whole_files_with_their_length(server):
    response, body = ask(server, "/image.bin")
    assert response.status == 200 and body == noise(5000)
    assert response.getheader("Content-Length") == "5000"
    response, body = ask(server, "/image.bin", "HEAD")
    assert response.status == 200 and body == b""


def test_ranges(server):
    response, body = ask(server, "/image.bin", Range="bytes=4000-")
    assert (response.status, body) == (206, noise(5000)[4000:])
    assert response.getheader("Content-Range") == "bytes 4000-4999/5000"
    response, body = ask(server, "/image.bin", Range="bytes=10-19")
    assert (response.status, body) == (206, noise(5000)[10:20])
    assert ask(server, "/image.bin", Range="bytes=5000-")[0].status == 416


def test_nothing_outside_the_folder(server):
    for path in ("/missing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"):
        assert ask(server, path)[0].status == 404


def test_what_is_private_is_not_served(server, tmp_path):
    for name in ("maker.pem", "maker.PEM", ".hidden", "identity.json", "public.txt", "tls.key"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600 if name == "identity.json" else 0o644)
    for folder in (".git", "lib"):
        (tmp_path / folder).mkdir(mode=0o700)
        (tmp_path / folder / "config").write_text("x")
        (tmp_path / folder / "config").chmod(0o644)
    (tmp_path / "innocent").symlink_to("maker.pem")
    private = (
        "maker.pem",
        "maker.PEM",
        ".hidden",
        "identity.json",
        ".git/config",
        "innocent",
        "tls.key",
    )
    for path in (*private, "lib/../maker.pem", "%2ehidden", "lib/../.git/config"):
        for method in ("GET", "HEAD"):
            assert ask(server, "/" + path, method)[0].status == 404, path
    for path in ("public.txt", "lib/config"):
        assert ask(server, "/" + path)[0].status == 200


def test_a_folder_below_a_hidden_one_is_served(tmp_path):
    assert serve_folder.is_public("app.fw", 0o100644) and not serve_folder.is_public(
        "a/.b/c", 0o100644
    )
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "app.fw").write_bytes(b"x")
    (tmp_path / ".cache" / "app.fw").chmod(0o644)
    with demo.server_of(tmp_path / ".cache") as server:
        address = server.url.removeprefix("http://").rstrip("/")
        assert ask(address, "/app.fw")[1] == b"x"


DIGEST = sha256(payload("small")).hexdigest()[:16]


def test_image_that_a_device_has_rejected_for_good_is_gone_for_it(server, tmp_path):
    (tmp_path / "small").write_bytes(bundle("small"))
    (tmp_path / "manifest").write_bytes(signed("small"))
    (tmp_path / "payload.bin").write_bytes(payload("small"))
    (tmp_path / "later").write_bytes(bundle("later"))
    (tmp_path / "empty").write_bytes(b"")

    def status(path, result, method="GET"):
        headers = {"Ufota-Result": result} if result else {}
        return ask(server, path, method, **headers)[0].status

    rejected = f"reverted 80 2.0.0 {DIGEST}"
    for method in ("GET", "HEAD"):
        assert status("/small", rejected, method) == 410
        assert status("/manifest", rejected, method) == 410
    for path in ("/later", "/payload.bin", "/empty"):
        assert status(path, rejected) == 200
    assert ask(server, "/small", **{"Ufota-Result": rejected})[1] == b""
    for result in (
        None,
        f"reverted 26 2.0.0 {DIGEST}",
        f"resting 80 2.0.0 {DIGEST}",
        f"reverted 80 2.0.0 {DIGEST[:-1]}",
        f"reverted 80 2.0.0 {DIGEST}0",
        f"reverted 80 2.0.0 {'0' * 16}",
        "reverted 80 2.0.0 ",
        f"confirmed 0 2.0.0 {DIGEST}",
        f"reverted 80 2.0.0 {DIGEST.upper()} ",
        "reverted 80 2.0.0 " + "z" * 16,
        f"reverted -1 2.0.0 {DIGEST}",
        "x" * 5000,
    ):
        assert status("/small", result) == 200, result


@pytest.mark.parametrize(
    ("word", "reason", "final"),
    [
        ("reverted", errors_boot.NOT_CONFIRMED, True),
        ("reverted", errors.BAD_SIGNATURE, True),
        ("reverted", 4711, True),
        ("resting", errors_boot.NOT_CONFIRMED, False),
        ("resting", errors_boot.HUNG, False),
        ("resting", errors_boot.BLACK_LISTED, False),
        ("reverted", errors_boot.INSTALL_FAILED, False),
        ("reverted", errors.CORRUPT, False),
        ("refused", errors.BAD_SIGNATURE, True),
        ("refused", errors.TOO_BIG, True),
        ("refused", errors_boot.BELOW_FLOOR, True),
        ("refused", errors_boot.BLACK_LISTED, True),
        ("refused", errors.READ_FAILED, False),
        ("refused", errors.CORRUPT, False),
        ("refused", errors_boot.INSTALL_FAILED, False),
        ("refused", errors.BAD_MAC, False),
    ],
)
def test_what_lies_in_the_device_does_not_make_an_image_go(word, reason, final):
    for version in ("2.0.0", "999.999.999", "0", str(2**64 - 1)):
        result = serve_results.read(f"{word} {reason} {version} {DIGEST}")
        assert result == (word, reason, version, DIGEST)
        assert result.is_final == final


def test_result_of_a_device_is_printed_with_its_address(process, server, tmp_path):
    """Once for a manifest or a bundle, whichever image it speaks of; never for a payload."""
    (tmp_path / "small").write_bytes(bundle("small"))
    told = f"reverted 80 2.0.0 {'0' * 16}"
    for path in ("/image.bin", "/small"):
        assert ask(server, path, **{"Ufota-Result": told})[0].status == 200
    assert process.line() == f"127.0.0.1: {told}"
    told = f"refused 23 2.0.0 {DIGEST}"
    assert ask(server, "/small", **{"Ufota-Result": told})[0].status == 410
    assert process.line() == f"127.0.0.1: {told}"


def test_the_same_bytes_are_not_sent_twice(server, tmp_path):
    response, _ = ask(server, "/image.bin")
    tag, date = response.getheader("ETag"), response.getheader("Last-Modified")
    assert re.fullmatch('"[0-9a-f]{32}"', tag)  # strong
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": f'"other", {tag}'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": date},
        {"If-None-Match": tag, "Range": "bytes=10-"},
    ):
        response, body = ask(server, "/image.bin", **headers)
        assert (response.status, body) == (304, b""), headers
        assert response.getheader("ETag") == tag
    for headers in (
        {"If-None-Match": '"other"', "If-Modified-Since": date},
        {"If-Modified-Since": formatdate(0, usegmt=True)},
    ):
        assert ask(server, "/image.bin", **headers)[0].status == 200, headers


def test_a_range_of_what_has_changed_is_all_of_it(server, tmp_path):
    response, _ = ask(server, "/image.bin")
    tag, date = response.getheader("ETag"), response.getheader("Last-Modified")
    for known in (tag, date):
        response, body = ask(server, "/image.bin", Range="bytes=4000-", **{"If-Range": known})
        assert (response.status, body) == (206, noise(5000)[4000:])
    about = os.stat(tmp_path / "image.bin")
    (tmp_path / "new").write_bytes(noise(5000, 1))
    os.utime(tmp_path / "new", ns=(about.st_atime_ns, about.st_mtime_ns))  # as archives do
    os.replace(tmp_path / "new", tmp_path / "image.bin")
    response, body = ask(server, "/image.bin", Range="bytes=4000-", **{"If-Range": tag})
    assert (response.status, body) == (200, noise(5000, 1))
    for known in ("W/" + response.getheader("ETag"), formatdate(0, usegmt=True)):
        response, body = ask(server, "/image.bin", Range="bytes=4000-", **{"If-Range": known})
        assert response.status == 200, known


def test_the_index_lists_what_is_public_and_what_it_brings(server, tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "app.fw").write_bytes(bundle("small"))
    (tmp_path / "maker.pem").write_text("x")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "app.fw").write_bytes(bundle("small"))
    (tmp_path / "mine").write_text("x")
    (tmp_path / "mine").chmod(0o600)
    (tmp_path / "outside").symlink_to("/etc/passwd")
    (tmp_path / "nowhere").symlink_to("missing")
    response, body = ask(server, "/")
    assert response.getheader("Content-Type") == "application/json"
    index = json.loads(body)
    assert [row["file"] for row in index["files"]] == ["image.bin", "lib/app.fw"]
    plain, made = index["files"]
    assert plain == {"file": "image.bin", "size": 5000}
    assert made["offered"] and made["manifest"]["version"] == "2.0.0"
    assert made["size"] == len(bundle("small"))


def test_log_has_a_line_for_each_request(tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "image.bin").write_bytes(noise(5000))
    (tmp_path / "public" / "small").write_bytes(bundle("small"))
    log = tmp_path / "log"
    log.write_text("older\n")
    told = f"reverted 80 2.0.0 {'0' * 16}"
    with serving(tmp_path / "public", "--log", log, quiet=False) as process:
        assert process.line().startswith("small, version 2.0.0: http://127.0.0.1:")
        # A line comes after its answer: the next request waits for it, or they may change places.
        ask(process.server, "/image.bin?x=%1b", Range="bytes=10-19")
        shown = [process.line()]
        ask(process.server, "/", "HEAD")
        shown.append(process.line())
        ask(process.server, "/%1b[31m")
        shown.append(process.line())
        ask(process.server, "/small", **{"Ufota-Result": told})
        shown += [process.line(), process.line()]
    lines = log.read_text().splitlines()
    assert lines[0] == "older"
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", "", line) for line in lines[1:]] == shown
    expected = (
        r"127.0.0.1 GET /image.bin\?x=%1b 206 10 \d+\.\d{3}",
        r"127.0.0.1 HEAD / 200 0 \d+\.\d{3}",
        r"127.0.0.1 GET /%1b\[31m 404 9 \d+\.\d{3}",
        "127.0.0.1: " + told,
        rf"127.0.0.1 GET /small 200 {len(bundle('small'))} \d+\.\d{{3}}",
    )
    for line, form in zip(shown, expected):
        assert re.fullmatch(form, line), line


def test_log_line_has_nothing_that_a_terminal_acts_on():
    lines = []
    asked = {
        "type": "http",
        "client": None,
        "method": "GET",
        "raw_path": b"/a\x1b[31m\x9b b\n",
        "query_string": b"\x07=\xff",
    }

    async def nothing(scope, receive, send):
        pass

    asyncio.run(serve_app.logged(nothing, lines.append)(asked, None, None))
    assert re.fullmatch(r"- GET /a\?\[31m\?\?b\?\?\?=\? - 0 0\.0\d\d", lines[0]), lines


def test_quiet_keeps_requests_out_of_stdout_not_out_of_the_log(tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "small").write_bytes(bundle("small"))
    with serving(tmp_path / "public", "--log", tmp_path / "log") as process:
        ask(process.server, "/small")
        ask(process.server, "/small", **{"Ufota-Result": f"reverted 80 2.0.0 {DIGEST}"})
        assert process.line() == f"127.0.0.1: reverted 80 2.0.0 {DIGEST}"
    assert len((tmp_path / "log").read_text().splitlines()) == 3


def test_what_cannot_be_served(tmp_path):
    (tmp_path / "public").mkdir()
    for name in ("public/log", "public/tls.key", "public/both", "certificate"):
        (tmp_path / name).write_text("x")
    fwtool("serve", tmp_path / "missing", code=1)
    fwtool("serve", tmp_path, "--port", 70000, code=2)
    fwtool("serve", tmp_path, "--host", "host.invalid", code=4)
    fwtool("serve", tmp_path, "--key", tmp_path / "certificate", code=2)
    fwtool("serve", tmp_path / "public", "--log", tmp_path / "public" / "log", code=5)
    fwtool("serve", tmp_path / "public", "--log", tmp_path / "missing" / "log", code=1)
    with_key = ("--certificate", tmp_path / "certificate", "--key")
    fwtool("serve", tmp_path / "public", *with_key, tmp_path / "public" / "tls.key", code=5)
    fwtool("serve", tmp_path / "public", with_key[0], tmp_path / "public" / "both", code=5)
    fwtool("serve", tmp_path / "public", *with_key, tmp_path / "missing", code=1)
    fwtool("serve", tmp_path / "public", *with_key, tmp_path / "certificate", code=1)
