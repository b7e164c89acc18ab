"""Patches that detools makes and streams that zlib makes, all kinds of them, on both interpreters.

CPython makes them; MicroPython gets them as files (decoders_driver.py).
"""

import io
import json
import random
import zlib
from hashlib import sha256

import detools
import lz4.block
import pytest

import decoders_driver
from decoders_kit import Old, outcome, plain, unpacked
from helpers import here, vectors
from ufota.decoders import errors
from ufota.decoders import lz4 as ours
from ufota_testkit.noise import noise

FLUSHES = {
    "block": zlib.Z_BLOCK,
    "partial": zlib.Z_PARTIAL_FLUSH,
    "sync": zlib.Z_SYNC_FLUSH,
    "full": zlib.Z_FULL_FLUSH,
}


class Folder:
    """Cases for decoders_driver.py, in a folder."""

    def __init__(self, path):
        self.path = path
        self.cases = []

    def add(self, payload, image, old=None, wbits=0, chunk=512, about=""):
        names = []
        for data in (payload, old):
            name = data and sha256(data).hexdigest()[:16]
            if name:
                (self.path / name).write_bytes(data)
            names.append(name)
        self.cases.append(
            {
                "payload": names[0],
                "old": names[1],
                "size": len(image),
                "digest": sha256(image).hexdigest(),
                "wbits": wbits,
                "chunk": chunk,
                "about": about,
            }
        )

    def run(self, micropython, capsys):
        """All of them, on both interpreters."""
        (self.path / "index.json").write_text(json.dumps(self.cases))
        done = micropython(here("ufota/decoders/decoders_driver.py"), self.path)
        wanted = f"{len(self.cases)} of {len(self.cases)}\n"
        assert done.stdout == wanted, done.stdout[-2000:] + done.stderr
        decoders_driver.main(str(self.path))
        assert capsys.readouterr().out == wanted


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def patch_of(old, new):
    out = io.BytesIO()
    detools.create_patch(io.BytesIO(old), io.BytesIO(new), out, compression="none")
    return out.getvalue()


def deflate(data, wbits=10, level=9, memory=9, strategy=zlib.Z_DEFAULT_STRATEGY, flush=None):
    """flush: (how, after each so many bytes)."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -wbits, memory, strategy)
    if not flush:
        return packer.compress(data) + packer.flush()
    how, step = flush
    out = b""
    for at in range(0, len(data), step):
        out += packer.compress(data[at : at + step])
        for each in how:
            out += packer.flush(each)
    return out + packer.flush()


def small():
    (row,) = [row for row in vectors("delta/index.json") if row["name"] == "small_edit_256"]
    return unpacked(row["old"], row["old_size"])


def edited(rng, data):
    """data with pieces changed, moved, put in and taken out."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 12)):
        at, count = rng.randrange(len(data) + 1), rng.choice((1, 4, 30, 400))
        kind = rng.randrange(4)
        piece = rng.randbytes(count) if kind else data[-count:]
        data[at : at + (count if kind > 1 else 0)] = piece if kind < 3 else b""
    return bytes(data)


# detools


def test_patches_of_detools(folder, micropython, capsys):
    rng = random.Random(1)
    base = small()
    for i in range(60):
        old = base[: rng.choice((1, 50, 3000, 24016))]
        new = edited(rng, old) if i % 6 else rng.randbytes(rng.randrange(1, 900))
        data = patch_of(old, new)
        chunk = rng.choice((1, 7, 64, 512, 4096))
        folder.add(data, new, old, 0, chunk, f"patch {i}")
        folder.add(deflate(data), new, old, 10, chunk, f"deflated patch {i}")
    folder.add(patch_of(base, b""), b"", base, 0, 1, "of no bytes")
    folder.run(micropython, capsys)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "crle"},
        {"compression": "heatshrink"},
        {"compression": "lzma"},
        {"patch_type": "in-place", "memory_size": 65536, "segment_size": 512},
        {"patch_type": "hdiffpatch", "algorithm": "hdiffpatch", "use_mmap": False},
    ],
)
def test_what_else_detools_makes_is_refused(options):
    old, out = small(), io.BytesIO()
    kind = {"compression": "none", **options}
    detools.create_patch(io.BytesIO(old), io.BytesIO(old + b"more"), out, **kind)
    found = outcome(plain(Old(old), len(old) + 4), out.getvalue(), len(old) + 4)
    assert found == errors.OTHER_PATCH


# zlib


def images():
    """Texts, tables, noise, nothing, and what differences of images look like."""
    rng = random.Random(2)
    base = small()
    sparse = bytearray(20000)
    for _ in range(300):
        sparse[rng.randrange(len(sparse))] = rng.randrange(256)
    yield "code", base
    yield "noise", noise(6000)
    yield "zeros", bytes(70000)
    yield "sparse", bytes(sparse)
    yield "turns", noise(1500) + bytes(30000) + base[:3000] + noise(1500)
    yield "short", b"a"


def test_streams_of_zlib_with_any_setting(folder, micropython, capsys):
    strategies = zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE
    for name, image in images():
        for wbits in 9, 10, 11, 12:
            folder.add(deflate(image, wbits), image, None, wbits, 512, f"{name} {wbits}")
        for level in range(10):
            folder.add(deflate(image, level=level), image, None, 10, 64, f"{name} level {level}")
        for memory in 1, 4, 9:
            for strategy in (*strategies, zlib.Z_FIXED):
                data = deflate(image, memory=memory, strategy=strategy)
                folder.add(data, image, None, 10, 4096, f"{name} {memory} {strategy}")
    folder.run(micropython, capsys)


def test_streams_of_zlib_with_a_flush_after_every_few_bytes(folder, micropython, capsys):
    """Twice as many bytes as images have, or ten times; what _EACH is about."""
    for name, image in images():
        image = image[:9000]
        for kind, flush in FLUSHES.items():
            for level in 0, 1, 9:
                for step in 1, 2, 3, 10, 100, 1000:
                    data = deflate(image, level=level, memory=1, flush=([flush], step))
                    about = f"{name} {kind} {level} {step}"
                    folder.add(data, image, None, 10, 4096, about)
    folder.run(micropython, capsys)


def test_a_byte_of_zlib_costs_eleven_at_most():
    """But for those of several flushes in a row, which nobody asks for."""
    image = noise(1000)
    for flush in FLUSHES.values():
        for level in range(10):
            assert len(deflate(image, level=level, flush=([flush], 1))) <= 11 * 1000 + 10


def test_flushes_in_a_row_are_fine_now_and_then(folder, micropython, capsys):
    image = noise(9000)
    for step in 10, 100, 1000:
        data = deflate(image, level=0, flush=(list(FLUSHES.values()), step))
        folder.add(data, image, None, 10, 4096, f"all {step}")
    folder.run(micropython, capsys)


# LZ4


def test_blocks_of_lz4():
    rng = random.Random(3)
    base = small()
    for i in range(400):
        at, size = rng.randrange(20000), rng.randrange(1, 3000)
        data = [base[at : at + size], rng.randbytes(size), bytes(size)][i % 3]
        mode = rng.choice(("default", "fast", "high_compression"))
        block = lz4.block.compress(data, mode=mode, store_size=False)
        out = memoryview(bytearray(size))
        assert ours.unpack(memoryview(block), out) == size and out == data
        for short in range(0, size, 97):
            assert ours.unpack(memoryview(block), out[:short]) == -1
