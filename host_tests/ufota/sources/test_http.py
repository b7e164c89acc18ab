"""The HTTP source against servers that misbehave, on CPython and on MicroPython.

Cases carry the ids of vectors/http/http_conformance.json. Each must end in bounded
time, as success or as a stable FwError, with no other exception and no socket left.
"""

import json
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from hashlib import sha256
from pathlib import Path

import pytest

import http_driver
from fwcore import errors, errors_boot, errors_net
from fwcore.manifest import version_word
from fwtool import paths
from helpers import PATIENCE_S
from ufota.sources import http
from ufota_testkit.noise import noise
from ufota_testkit.server.badserver import (
    BadServer,
    FullServer,
    endless,
    in_pieces,
    keeps_open,
    lines,
    page,
    resets,
    silent,
)
from update_kit import bundle, payload, signed

TIMEOUT_MS = 600  # where it is to pass
LATE_MS = 20 * TIMEOUT_MS
PATIENT_MS = 30000  # elsewhere: a machine may be busy
HEAP = {
    "fetch": "128k",
    "update": "384k",
    "again": "512k",
}  # modules are compiled from source in it
BODY = noise(3000, 8)
OK = "ok"
V2 = str(version_word("2.0.0"))
HERE = Path(__file__).resolve().parents[2]


LENGTH = b"Content-Length: 3000"
CHUNKED = b"bb8\r\n" + BODY + b"\r\n0\r\n\r\n"

# path: (answer, OK or error code, `at` when it matters)
FETCH = {
    "L01": (page(BODY), OK),
    "L03-early-end": (lines(LENGTH, body=BODY[:1000]), errors.CUT_SHORT, 1000),
    "L03-no-body": (lines(LENGTH, body=b""), errors.CUT_SHORT, 0),
    "L03-reset": (resets(lines(LENGTH, body=BODY[:1000])), errors.CONNECT),
    "L05-chunked": (lines(b"Transfer-Encoding: chunked", body=CHUNKED), OK),
    "L06-until-close": (page(BODY, length=False), OK),
    "L06-never-closed": (keeps_open(page(BODY, length=False)), errors.TIMEOUT),
    "L07-two-lengths": (lines(LENGTH, b"Content-Length: 2999", body=BODY), errors.BAD_RESPONSE),
    "L07-same-twice": (lines(LENGTH, LENGTH, body=BODY), OK),
    "L08-negative": (lines(b"Content-Length: -5", body=BODY), errors.BAD_RESPONSE),
    "L08-empty": (lines(b"Content-Length:", body=BODY), errors.BAD_RESPONSE),
    "L08-plus": (lines(b"Content-Length: +3000", body=BODY), errors.BAD_RESPONSE),
    "L08-hex": (lines(b"Content-Length: 0xbb8", body=BODY), errors.BAD_RESPONSE),
    "L08-40-digits": (lines(b"Content-Length: " + b"3" * 40, body=BODY), errors.BAD_RESPONSE),
    "L08-list": (lines(b"Content-Length: 3000, 3000", body=BODY), OK),
    "L08-two-in-a-list": (lines(b"Content-Length: 3000, 2999", body=BODY), errors.BAD_RESPONSE),
    "L08-float": (lines(b"Content-Length: 3e3", body=BODY), errors.BAD_RESPONSE),
    "L08-other-digits": (lines("Content-Length: ٣".encode(), body=BODY), errors.BAD_RESPONSE),
    "L09-both": (lines(LENGTH, b"Transfer-Encoding: chunked", body=BODY), errors.BAD_RESPONSE),
    "L10-endless": (endless(lines(LENGTH, body=BODY), b"x" * 1000), OK),
    "E01-gzip": (lines(LENGTH, b"Content-Encoding: gzip", body=BODY), errors.BAD_RESPONSE),
    "E01-identity": (lines(LENGTH, b"Content-Encoding: IDENTITY", body=BODY), OK),
    "H01-case": (lines(b"CONTENT-length:3000", body=BODY), OK),
    "H01-blanks": (lines(b"Content-Length: \t 3000 \t ", b"X:", b":", b"no colon", body=BODY), OK),
    "H02-bare-lf": (b"HTTP/1.0 200 OK\nContent-Length: 3000\n\n" + BODY, OK),
    "H03-fold": (lines(b"X-Long: a", b" b", b"\tc", LENGTH, body=BODY), OK),
    "H03-folded-length": (lines(b"Content-Length:", b" 3000", body=BODY), errors.BAD_RESPONSE),
    "H03-blank-line-in-fold": (lines(b"X-Long: a", b"  ", LENGTH, body=BODY), OK),
    "H04-200-kB-line": (lines(b"X: " + b"a" * 200_000, LENGTH, body=BODY), errors.BAD_RESPONSE),
    "H04-no-line-end": (endless(b"HTTP/1.0 200 ", b"a" * 1000), errors.BAD_RESPONSE),
    "H04-long-but-bounded": (lines(b"X: " + b"a" * 4000, LENGTH, body=BODY), OK),
    "H05-10000": (
        lines(*[b"X-%d: y" % i for i in range(10_000)], LENGTH, body=BODY),
        errors.BAD_RESPONSE,
    ),
    "H05-endless": (endless(b"HTTP/1.0 200 OK\r\n", b"X: y\r\n"), errors.BAD_RESPONSE),
    "H06-nothing": (b"", errors.BAD_RESPONSE),
    "H06-in-status": (b"HTTP/1.0 20", errors.BAD_RESPONSE),
    "H06-after-status": (b"HTTP/1.0 200 OK\r\n", errors.BAD_RESPONSE),
    "H06-in-header": (b"HTTP/1.0 200 OK\r\nContent-Le", errors.BAD_RESPONSE),
    "H06-reset": (resets(b"HTTP/1.0 200 OK\r\n"), errors.CONNECT),
    "H07-binary": (bytes(range(256)) * 40, errors.BAD_RESPONSE),
    "H07-http2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errors.BAD_RESPONSE),
    "H07-empty-line": (b"\r\n" + page(BODY), errors.BAD_RESPONSE),
    "H07-no-number": (lines(LENGTH, start=b"HTTP/1.1 abc OK", body=BODY), errors.BAD_RESPONSE),
    "H07-two-digits": (lines(LENGTH, start=b"HTTP/1.1 20 OK", body=BODY), errors.BAD_RESPONSE),
    "H07-zero": (lines(LENGTH, start=b"HTTP/1.1 000 OK", body=BODY), errors.BAD_RESPONSE),
    "H07-other-protocol": (b"SSH-2.0-OpenSSH_9.0 200\r\n\r\n", errors.BAD_RESPONSE),
    "H07-no-reason": (lines(LENGTH, start=b"HTTP/1.1 200", body=BODY), OK),
    "H08-continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + page(BODY), OK),
    "H08-hints": (b"HTTP/1.1 103 H\r\nContent-Length: 5\r\n\r\n" + page(BODY), OK),
    "H08-only": (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), errors.BAD_RESPONSE),
    "H09-204": (keeps_open(lines(start=b"HTTP/1.1 204 N", body=b"")), errors.HTTP_STATUS, 204),
    "H09-205": (keeps_open(lines(start=b"HTTP/1.1 205 R", body=b"")), errors.HTTP_STATUS, 205),
    "H09-304": (keeps_open(lines(start=b"HTTP/1.1 304 N", body=b"")), errors.HTTP_STATUS, 304),
    "T02-silent": (silent, errors.TIMEOUT),
    "T02-silent-in-header": (keeps_open(b"HTTP/1.0 200 OK\r\nX"), errors.TIMEOUT),
    "T03-drip-header": (in_pieces(page(BODY), 1, 0.1), errors.TIMEOUT),
    "T03-drip-body": (in_pieces(page(BODY), 60, 0.2), errors.TIMEOUT),
    "T04-stall": (in_pieces(page(BODY), 1500, 0.4), OK),
    "T06-kept-open": (keeps_open(page(BODY)), OK),
    "T06-empty": (keeps_open(page(b"")), OK),
    "S01-401": (page(BODY, status=b"401 U"), errors.HTTP_STATUS, 401),
    "S01-403": (page(BODY, status=b"403 F"), errors.HTTP_STATUS, 403),
    "S02-404": (page(BODY, status=b"404 N"), errors.HTTP_STATUS, 404),
    "S02-410": (page(BODY, status=b"410 G"), errors.HTTP_STATUS, 410),
    "S04-500": (page(BODY, status=b"500 E"), errors.HTTP_STATUS, 500),
    "S04-503": (page(BODY, b"Retry-After: 5", status=b"503 U"), errors.HTTP_STATUS, 503),
    "S04-206": (page(BODY, status=b"206 P"), errors.HTTP_STATUS, 206),
    "D01-302": (page(b"", b"Location: L01", status=b"302 F"), OK),
    "D01-302-nowhere": (page(b"", b"Location: /L01", status=b"302 F"), errors.HTTP_STATUS, 404),
}

SIZE = len(bundle("two"))
FLIPPED = bundle("two")[:-1] + bytes([bundle("two")[-1] ^ 1])
UNSIGNED = bundle("two")[: len(signed("two")) - 1] + b"\0" + payload("two")
PORTAL = page(b"<html>Please log in</html>" + b" " * 3000, b"Content-Type: text/html")

# path: (answer, None for ready or error code, has it erased)
UPDATE = {
    "L01": (page(bundle("two")), OK, True),
    "L06": (page(bundle("two"), length=False), OK, True),
    "E01-empty": (page(bundle("two"), b"Content-Encoding:"), OK, True),
    "E01-aws-chunked": (page(bundle("two"), b"Content-Encoding: aws-chunked"), OK, True),
    "L06-never-closed": (
        keeps_open(page(bundle("two"), length=False)),
        errors.TIMEOUT,
        True,
    ),
    "L02-longer": (page(bundle("two") + b"?"), errors_net.OTHER_LENGTH, False),
    "L02-shorter": (page(bundle("two")[:-1]), errors_net.OTHER_LENGTH, False),
    "L03": (
        lines(b"Content-Length: %d" % SIZE, body=bundle("two")[:-1]),
        errors.CUT_SHORT,
        True,
    ),
    "L05-endless": (endless(page(bundle("two"), length=False), b"x" * 99), errors.TOO_LONG, True),
    "L05-endless-manifest": (
        endless(page(b"\x30\x82\x01\x00", length=False), b"\0" * 99),
        errors.MALFORMED,
        False,
    ),
    "L06-short": (page(bundle("two")[:-1], length=False), errors.CUT_SHORT, True),
    "L10": (
        endless(lines(b"Content-Length: %d" % SIZE, body=bundle("two")), b"x" * 99),
        OK,
        True,
    ),
    "T04-pieces": (in_pieces(page(bundle("two")), 777, 0.02), OK, True),
    "T06": (keeps_open(page(bundle("two"))), OK, True),
    "S05-portal": (PORTAL, errors.MALFORMED, False),
    "X03-flipped-bit": (page(FLIPPED), errors.CORRUPT, True),
    "X04-wrong-signature": (page(UNSIGNED), errors.BAD_SIGNATURE, False),
    "X04-stranger": (page(bundle("stranger")), errors.BAD_SIGNATURE, False),
}

INTERPRETERS = ("cpython", "micropython")


class Sockets:
    """Stands for the module `socket` in the HTTP source, and keeps what it gives away."""

    def __init__(self):
        self.made = []

    def __getattr__(self, name):
        return getattr(socket, name)

    def socket(self, *args):
        self.made.append(socket.socket(*args))
        return self.made[-1]

    def still_open(self):
        return len([each for each in self.made if each.fileno() >= 0])


@pytest.fixture(params=INTERPRETERS)
def drive(request, micropython, monkeypatch):
    """drive(verb, url): what http_driver prints, on either interpreter; sockets are checked."""

    def run(verb, url, timeout_ms=PATIENT_MS):
        if request.param == "cpython":
            sockets = Sockets()
            monkeypatch.setattr(http, "socket", sockets)
            found = getattr(http_driver, verb)(url, timeout_ms)
            found["sockets"] = sockets.still_open()
        else:
            script = HERE / "kit" / "http_driver.py"
            done = micropython(script, verb, url, timeout_ms, heap=HEAP[verb])
            assert done.returncode == 0, done.stdout + done.stderr
            found = json.loads(done.stdout)
        assert found["sockets"] == 0
        assert found["ms"] < 20 * timeout_ms
        return found

    return run


@pytest.fixture(scope="module")
def server():
    answers = {"/fetch/" + name: case[0] for name, case in FETCH.items()}
    answers.update({"/update/" + name: case[0] for name, case in UPDATE.items()})
    answers["/first/update"] = page(signed("two"))
    answers["/first/payload.bin"] = page(payload("two"))
    answers["/lone/update"] = page(signed("two"))
    answers["/lone/payload.bin"] = page(b"gone", status=b"404 Not Found")
    answers["/long/update"] = page(signed("two"))
    answers["/long/payload.bin"] = page(payload("two") + b"?")
    with BadServer(answers) as server:
        yield server


@pytest.mark.parametrize("name", FETCH)
def test_fetch(name, drive, server):
    _answer, wanted, *at = FETCH[name]
    limit_ms = TIMEOUT_MS if wanted == errors.TIMEOUT else PATIENT_MS
    found = drive("fetch", server.url("/fetch/" + name), limit_ms)
    if wanted == OK:
        body = b"" if name == "T06-empty" else BODY
        assert found.get("digest") == sha256(body).hexdigest(), found
        assert found["length"] in (None, len(body))
        if name.startswith("T06"):
            assert found["ms"] < PATIENT_MS
    else:
        assert found.get("code") == wanted, found
        assert not at or found["at"] == at[0]
    if wanted == errors.TIMEOUT:
        assert TIMEOUT_MS <= found["ms"] < LATE_MS


@pytest.mark.parametrize("name", UPDATE)
def test_update(name, drive, server):
    _answer, wanted, erases = UPDATE[name]
    limit_ms = TIMEOUT_MS if wanted == errors.TIMEOUT else PATIENT_MS
    found = drive("update", server.url("/update/" + name), limit_ms)
    if wanted == OK:
        assert found.get("ready") and found["staged"] == V2, found
    else:
        assert found.get("code") == wanted and found["staged"] == "0", found
    assert bool(found["ops"]) == erases


def test_update_fetches_the_payload_its_manifest_names(drive, server):
    found = drive("update", server.url("/first/update"))
    assert found.get("ready") and found["staged"] == V2, found


def test_update_without_its_payload_erases_nothing(drive, server):
    found = drive("update", server.url("/lone/update"))
    assert (found.get("code"), found.get("at"), found["ops"]) == (errors.HTTP_STATUS, 404, 0)
    found = drive("update", server.url("/long/update"))
    assert (found.get("code"), found.get("at"), found["ops"]) == (errors_net.OTHER_LENGTH, 5001, 0)


def test_request_is_right_byte_for_byte(drive):
    with BadServer({"/a/b?c=%20": page(BODY)}) as server:
        assert drive("fetch", server.url("/a/b?c=%20#part"))["size"] == 3000
        assert server.requests == [
            b"GET /a/b?c=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: ufota/0.1.0\r\n"
            b"Connection: close\r\nAccept-Encoding: identity\r\n\r\n" % server.port
        ]


def test_request_names_the_version_of_the_package(drive):
    with open(HERE.parent / "pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    with BadServer({"/": page(BODY)}) as server:
        drive("fetch", server.url("/"))
        assert b"User-Agent: ufota/%s\r\n" % version.encode() in server.requests[0]


def test_ipv6_literal_is_used_and_named_in_brackets(drive):
    try:
        server = BadServer({"/": page(BODY)}, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert drive("fetch", server.url("")).get("size") == 3000
        assert b"Host: [::1]:%d\r\n" % server.port in server.requests[0]


def test_refused_connection(drive):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = drive("fetch", f"http://127.0.0.1:{port}/")
    assert found["code"] == errors.CONNECT and found["ms"] < PATIENT_MS


def test_connection_that_never_completes_is_bounded(drive):
    with FullServer() as server:
        found = drive("fetch", f"http://127.0.0.1:{server.port}/", TIMEOUT_MS)
    assert found["code"] == errors.CONNECT
    assert TIMEOUT_MS // 2 <= found["ms"] < LATE_MS


@pytest.mark.parametrize("host", ["no.such.name.invalid", "a..b", "x" * 64, "[::zz]", "."])
def test_name_that_cannot_be_found(drive, host):
    found = drive("fetch", f"http://{host}/")
    assert found["code"] in (errors.CONNECT, errors.BAD_URL)


# Real servers


@pytest.fixture(params=["http.server", "fwtool serve"])
def real_server(request, tmp_path):
    """Address of a folder with `update` (manifest), `payload.bin` and bundles."""
    (tmp_path / "update").write_bytes(signed("two"))
    (tmp_path / "payload.bin").write_bytes(payload("two"))
    for name in ("small", "later"):
        (tmp_path / name).write_bytes(bundle(name))
    (tmp_path / "bundle").write_bytes(bundle("two"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), str(port)]
    cwd = tmp_path
    if request.param == "fwtool serve":
        command = ["fwtool.cli", "serve", str(tmp_path), "--port", str(port), "--quiet"]
        cwd = paths.shim().parent
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def _await(port):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


def test_update_from_a_real_server(drive, real_server):
    for name in ("update", "bundle"):
        found = drive("update", real_server + name, PATIENT_MS)
        assert found.get("ready") and found["staged"] == V2, found
    found = drive("update", real_server + "nothing", PATIENT_MS)
    assert (found.get("code"), found.get("at")) == (errors.HTTP_STATUS, 404)


def test_image_that_was_rejected_is_gone_on_our_server_and_refused_from_others(drive, real_server):
    found = drive("again", real_server + "small", PATIENT_MS)
    if _is_ours(real_server):
        assert (found.get("code"), found.get("at")) == (errors.HTTP_STATUS, 410)
    else:
        assert found.get("code") == errors_boot.BLACK_LISTED
    found = drive("again", real_server + "later")
    assert found.get("ready"), found


def _is_ours(address):
    with urllib.request.urlopen(address + "payload.bin") as answer:
        return "SimpleHTTP" not in answer.headers.get("Server", "")


def test_result_is_told_byte_for_byte(drive):
    digest = sha256(payload("small")).hexdigest()[:16].encode()
    with BadServer({"/small": page(bundle("small"))}) as server:
        assert drive("again", server.url("/small")).get("code") == errors_boot.BLACK_LISTED
        line = b"Ufota-Result: reverted 80 2.0.0 " + digest + b"\r\n"
        assert server.requests[0].endswith(b"Accept-Encoding: identity\r\n" + line + b"\r\n")
