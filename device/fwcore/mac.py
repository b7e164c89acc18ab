"""HMAC-SHA256, and a comparison whose time does not show where two texts differ.

Used by header.py: a candidate header is bound to this device.
No I/O, no formats. MicroPython has no hmac module.
source: RFC 2104; vectors in host_tests/vectors/wycheproof/hmac_sha256_test.json
"""

from hashlib import sha256


def hmac_sha256(key, message):
    """HMAC-SHA256.

    key:      bytes, any length
    message:  bytes-like, any length; not copied
    returns:  32 bytes
    """
    if len(key) > 64:
        key = sha256(key).digest()
    pad = bytearray(b"\x36" * 64)
    for i in range(len(key)):
        pad[i] ^= key[i]
    inner = sha256(pad)
    inner.update(message)
    for i in range(64):
        pad[i] ^= 0x36 ^ 0x5C
    outer = sha256(pad)
    outer.update(inner.digest())
    return outer.digest()


def same(a, b):
    """True when two byte strings are equal; the time depends on their length alone."""
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):
        difference |= a[i] ^ b[i]
    return difference == 0
