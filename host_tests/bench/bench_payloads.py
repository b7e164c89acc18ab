"""Files for bench_decoders.py: an image of the vectors, packed in all ways."""

import json
import zlib
from binascii import unhexlify
from io import BytesIO

import detools
import lz4.block

from decoders_kit import arm, cases, made, read

LZ4_BLOCK = 1024


def write(folder):
    """Make the files. Returns the bytes of the image."""
    folder.mkdir(exist_ok=True)
    row, old = next(cases("mpycross_1024"))
    size, delta = row["new_size"], read("mpycross_1024.arm")
    new = made(arm(old, size, row["frame"]), delta, size)
    patch = BytesIO()
    detools.create_patch(BytesIO(bytes(old.data)), BytesIO(new), patch, compression="none")
    files = {
        "old": bytes(old.data) + bytes(-old.size % 512),  # of whole blocks
        "new": new,
        "digest": unhexlify(row["new_sha256"]),
        "sizes": json.dumps([old.size, size]).encode(),
        "new.z": _deflate(new),
        "new.lz4": b"".join(_blocks(new)),
        "detools": patch.getvalue(),
        "detools.z": _deflate(patch.getvalue()),
        "arm": delta,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return size


def _deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -10, 9)
    return packer.compress(data) + packer.flush()


def _blocks(data):
    for at in range(0, len(data), LZ4_BLOCK):
        piece = data[at : at + LZ4_BLOCK]
        block = lz4.block.compress(piece, mode="high_compression", store_size=False)
        yield len(block).to_bytes(2, "little") + block
