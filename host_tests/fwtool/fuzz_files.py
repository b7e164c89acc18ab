"""Fuzzes what the host's tools read: files, and requests to `fwtool serve`. CPython only.

    python host_tests/fwtool/fuzz_files.py [N]     N inputs in all; 100,000

Whatever a file is, a tool ends with a Failure or an FwError, which it tells in one line, or takes
it; a server answers every request, none with 500. The same N gives the same inputs everywhere; a
failure prints its number and the input.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
import uuid
from pathlib import Path

import bincopy
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec

import record_seeds
from fuzz_decoders import LIMIT_S, changed, seeds
from fwcore import formats
from fwcore.errors import FwError
from fwtool import paths
from fwtool.exits import Failure
from fwtool.images import combine, headers, layouts
from fwtool.payloads import unpack
from fwtool.server import serve_app
from fwtool.signing import class_key, keys, manifests
from ufota_testkit.noise import noise
from ufota_testkit.simboard import CLASS_ID, VENDOR_ID
from update_kit import bundle

COUNT = 100_000
CLASS = str(uuid.UUID(bytes=CLASS_ID))  # of the bundles of update_kit.py
VENDOR = str(uuid.UUID(bytes=VENDOR_ID))
WORDS = (
    b"\n",
    b'"',
    b"{",
    b"[" * 200,
    b"]",
    b"9" * 5000,
    b"-1",
    b"\0",
    b"\xff",
    b"../",
    b"%2e",
    b"",
)


class Reader:
    """Gives bytes to a tool that wants the name of a file."""

    def __init__(self, folder, act, suffix=""):
        self._path = os.path.join(folder, "file" + suffix)
        self._act = act

    def __call__(self, data):
        with open(self._path, "wb") as file:
            file.write(data)
        self._act(self._path)


class Server:
    """`fwtool serve` without a socket: a request, as the bytes of its head."""

    def __init__(self, folder):
        for name in ("small", "packed_all"):
            Path(folder, name + ".fw").write_bytes(bundle(name))
        self._app = serve_app.application(folder, lambda line: None)
        self._loop = asyncio.new_event_loop()

    def __call__(self, data):
        line, *fields = data.split(b"\n")
        method, _, target = line.partition(b" ")
        path, _, query = target.partition(b"?")
        pairs = [field.partition(b": ")[::2] for field in fields]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method.decode("latin-1"),
            "scheme": "http",
            "path": path.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in pairs],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 80),
        }
        self.status, self._asked = 0, False
        self._loop.run_until_complete(self._app(scope, self._receive, self._send))
        assert 200 <= self.status < 500, self.status
        if self.status >= 400:
            raise Failure(str(self.status))

    async def _receive(self):
        if self._asked:
            await asyncio.Future()  # it does not hang up
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message):
        self.status = message.get("status", self.status)


def show_manifest(data):
    found = manifests.read(data)
    manifests.rows(found)
    if len(data) > found.end:
        manifests.check_payload(found, data[found.end :])


def show_patch(data):
    number = unpack.guess(data)
    if number == formats.ARM_PATCH:
        unpack.records(number, data)
    unpack.unpack(formats.DEFLATED | formats.RAW, data, None)


def parsers(folder):
    """Name of each kind of input: what reads it."""
    public = os.path.join(folder, "public")
    os.makedirs(public, exist_ok=True)
    return {
        "manifest": show_manifest,
        "header": headers.parse,
        "patch": show_patch,
        "identity": Reader(folder, headers.identity_of),
        "private key": Reader(folder, keys.load_private),
        "public key": Reader(folder, keys.load_point),
        "class key": Reader(folder, class_key.load),
        "layout": Reader(folder, layouts.load, ".py"),
        "layout.json": Reader(folder, layouts.load, ".json"),
        "hex": Reader(folder, lambda path: combine.read_firmware(path, 0, 1 << 20), ".hex"),
        "srec": Reader(folder, lambda path: combine.read_firmware(path, 0, 1 << 20), ".srec"),
        "request": Server(public),
    }


def inputs():
    """Name of each kind of input: inputs that are taken."""
    records = record_seeds.seeds()
    key = ec.derive_private_key(0xA5A5, ec.SECP256R1())
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    public = key.public_key()
    info = form.PublicFormat.SubjectPublicKeyInfo
    files = bincopy.BinFile()
    files.add_binary(noise(100), address=0x40)
    texts = [path.read_bytes() for path in sorted(paths.layouts().values())]
    parsed = [layouts.load(str(path)) for path in sorted(paths.layouts().values())]
    return {
        "manifest": records["bundle"],
        "header": records["header"],
        "patch": [data for found in seeds().values() for data in found],
        "identity": records["identity"],
        "private key": [private],
        "public key": [
            public.public_bytes(form.Encoding.PEM, info),
            public.public_bytes(form.Encoding.DER, info),
            keys.point(public),
            private,
        ],
        "class key": [bytes(16), b"0123456789abcdef" * 2 + b"\n"],
        "layout": texts,
        "layout.json": [json.dumps(layout).encode() for layout in parsed],
        "hex": [files.as_ihex().encode()],
        "srec": [files.as_srec().encode()],
        "request": list(_requests()),
    }


def _requests():
    newest = b"GET /class/" + CLASS.encode() + b"/newest.fw"
    yield b'GET /small.fw\nhost: a\nrange: bytes=5-90,100-\nif-range: "x"'
    yield b'GET /small.fw\nif-none-match: "x", *\nif-modified-since: Wed, 21 Oct 2026 07:28:00 GMT'
    yield newest + b"?component=MAIN&vendor=" + VENDOR.encode() + b"\nhost: a"
    yield (
        newest
        + b"\nufota-result: reverted 80 2.0.0 0123456789abcdef\nufota-image: 1.0.0 "
        + b"0f" * 16
    )
    yield b"HEAD /\nhost: a"
    yield b"GET /x/../packed_all.fw?x=%20\nhost: a"


def fuzz(name, count, read):
    """(how many of them were taken, longest time of an input in ms of the processor)."""
    rng, seed, taken, longest = random.Random(name), inputs()[name], 0, 0
    for i in range(count):
        data = rng.choice(seed)
        for _ in range(rng.randrange(2)):
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.choice(WORDS) + data[at + rng.choice((0, 0, 1, 4)) :]
        data = changed(rng, data)
        start = time.process_time()
        try:
            read(data)
            taken += 1
        except (Failure, FwError):
            pass
        except BaseException:
            print(f"{name}, input {i}: {data.hex()}")
            raise
        took = time.process_time() - start
        assert took < LIMIT_S, (name, i, data.hex(), took)
        longest = max(longest, took)
    return taken, longest * 1000


def main(count):
    with tempfile.TemporaryDirectory() as folder:
        found = parsers(folder)
        share = -(-count // len(found))
        for name, read in found.items():
            taken, longest = fuzz(name, share, read)
            print(f"{name}: {share}, {taken} taken, longest {longest:.1f} ms", flush=True)
    print(f"{share * len(found)} inputs, 0 escapes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
