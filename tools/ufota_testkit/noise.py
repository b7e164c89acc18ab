"""Bytes for tests; runs on CPython and on MicroPython."""

import hashlib


def noise(size, seed=0):
    """Bytes that look random and are the same in every run (SHA-256 of a counter)."""
    out = bytearray(size)
    for at in range(0, size, 32):
        piece = hashlib.sha256(b"%d %d" % (seed, at)).digest()
        out[at : at + 32] = piece[: size - at]
    return bytes(out)
