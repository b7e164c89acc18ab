"""fwtool serve: files, ranges and refusals, asked over a real socket."""

import http.client
import signal
import subprocess
import sys

import pytest

from fwtool import demo, serve
from fwtool_cli import fwtool, python_environment
from helpers import noise


@pytest.fixture
def server(tmp_path):
    """Address of a server for a folder with the file image.bin."""
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
        yield process.stdout.readline().strip().removeprefix("http://").rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        process.stdout.close()


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


def test_no_folder_and_no_port(tmp_path):
    fwtool("serve", tmp_path / "missing", code=1)
    fwtool("serve", tmp_path, "--port", 70000, code=2)
    fwtool("serve", tmp_path, "--host", "host.invalid", code=4)
