"""fwtool serve: files, ranges and refusals, asked over a real socket."""

import http.client
import signal
import subprocess
import sys
from hashlib import sha256

import pytest

from fwcore import boot_errors, errors
from fwtool import demo, serve
from fwtool_cli import fwtool, python_environment
from helpers import noise
from update_kit import bundle, payload, signed


@pytest.fixture
def process(tmp_path):
    """`fwtool serve` of a folder with the file image.bin."""
    (tmp_path / "image.bin").write_bytes(noise(5000))
    command = [
        sys.executable,
        "-m",
        "fwtool.cli",
        "serve",
        str(tmp_path),
        "--port",
        "0",
        "--quiet",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=python_environment()
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        process.stdout.close()


@pytest.fixture
def server(process):
    """Its address."""
    return process.stdout.readline().strip().removeprefix("http://").rstrip("/")


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection(server, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


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
    for path in ("/missing", "/", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd"):
        assert ask(server, path)[0].status == 404


def test_what_is_private_is_not_served(server, tmp_path):
    for name in ("maker.pem", "maker.PEM", ".hidden", "identity.json", "public.txt"):
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o600 if name == "identity.json" else 0o644)
    for folder in (".git", "lib"):
        (tmp_path / folder).mkdir(mode=0o700)
        (tmp_path / folder / "config").write_text("x")
        (tmp_path / folder / "config").chmod(0o644)
    (tmp_path / "innocent").symlink_to("maker.pem")
    private = ("maker.pem", "maker.PEM", ".hidden", "identity.json", ".git/config", "innocent")
    for path in (*private, "lib/../maker.pem", "%2ehidden", "lib/../.git/config"):
        for method in ("GET", "HEAD"):
            assert ask(server, "/" + path, method)[0].status == 404, path
    for path in ("public.txt", "lib/config"):
        assert ask(server, "/" + path)[0].status == 200


def test_a_folder_below_a_hidden_one_is_served(tmp_path):
    assert serve.is_public("app.fw", 0o100644) and not serve.is_public("a/.b/c", 0o100644)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "app.fw").write_bytes(b"x")
    (tmp_path / ".cache" / "app.fw").chmod(0o644)
    with demo.Server(tmp_path / ".cache") as server:
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
        ("reverted", boot_errors.NOT_CONFIRMED, True),
        ("reverted", errors.BAD_SIGNATURE, True),
        ("reverted", 4711, True),
        ("reverted", boot_errors.INSTALL_FAILED, False),
        ("reverted", errors.CORRUPT, False),
        ("refused", errors.BAD_SIGNATURE, True),
        ("refused", errors.TOO_BIG, True),
        ("refused", boot_errors.BELOW_FLOOR, True),
        ("refused", boot_errors.BLACK_LISTED, True),
        ("refused", errors.READ_FAILED, False),
        ("refused", errors.CORRUPT, False),
        ("refused", boot_errors.INSTALL_FAILED, False),
        ("refused", errors.BAD_MAC, False),
    ],
)
def test_what_lies_in_the_device_does_not_make_an_image_go(word, reason, final):
    for version in ("2.0.0", "999.999.999", "0", str(2**64 - 1)):
        result = serve.read_result(f"{word} {reason} {version} {DIGEST}")
        assert result == (word, reason, version, DIGEST)
        assert result.is_final == final


def test_result_of_a_device_is_printed_with_its_address(process, server, tmp_path):
    """Once for a manifest or a bundle, whichever image it speaks of; never for a payload."""
    (tmp_path / "small").write_bytes(bundle("small"))
    told = f"reverted 80 2.0.0 {'0' * 16}"
    for path in ("/image.bin", "/small"):
        assert ask(server, path, **{"Ufota-Result": told})[0].status == 200
    assert process.stdout.readline() == f"127.0.0.1: {told}\n"
    told = f"refused 23 2.0.0 {DIGEST}"
    assert ask(server, "/small", **{"Ufota-Result": told})[0].status == 410
    assert process.stdout.readline() == f"127.0.0.1: {told}\n"


def test_no_folder_and_no_port(tmp_path):
    fwtool("serve", tmp_path / "missing", code=1)
    fwtool("serve", tmp_path, "--port", 70000, code=2)
    fwtool("serve", tmp_path, "--host", "host.invalid", code=4)
