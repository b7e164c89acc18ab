"""HMAC-SHA256 and the compare, against vectors that catch wrong implementations."""

from fwcore.mac import hmac_sha256, same
from helpers import vectors

BOTH = True  # runs on CPython and on MicroPython


def test_every_wycheproof_vector():
    tried = 0
    for group in vectors("wycheproof/hmac_sha256_test.json")["testGroups"]:
        size = group["tagSize"] // 8
        for case in group["tests"]:
            key, message = bytes.fromhex(case["key"]), bytes.fromhex(case["msg"])
            tag = hmac_sha256(key, message)[:size]
            accepted = same(tag, bytes.fromhex(case["tag"]))
            assert accepted == (case["result"] == "valid"), case["tcId"]
            tried += 1
    assert tried == 174


def test_message_may_be_a_memoryview():
    assert hmac_sha256(b"k", memoryview(b"message")) == hmac_sha256(b"k", b"message")


def test_same_is_equality():
    a = bytes(range(32))
    assert same(a, bytearray(a))
    assert same(memoryview(a), a)
    assert same(b"", b"")
    assert not same(a, a[:31])
    assert not same(a, a + b"\x00")
    for i in range(32):
        for bit in (1, 0x80):
            b = bytearray(a)
            b[i] ^= bit
            assert not same(a, b)
