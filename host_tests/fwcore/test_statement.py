"""The maker's statement: its bytes, and that nothing else than the whole of it is signed.

The signatures below are OpenSSL's, made once by the package cryptography with a key that was
thrown away.
"""

import struct
from hashlib import sha256

from fwcore import errors, errors_boot, p256
from fwcore.header import Header
from fwcore.statement import RECOVERY, SIGNATURE_SIZE, digest_of, is_signed
from helpers import raises
from ufota_testkit.simboard import CLASS_ID, VENDOR_ID, Board, ToyKey, trial_layout

BOTH = True  # runs on CPython and on MicroPython

IMAGE = b"an image"
HEAD = Header(0x0102030405060708, len(IMAGE), sha256(IMAGE).digest(), bytes(16))

# What is signed of HEAD as MAIN of the boards below
STATEMENT = bytes.fromhex(
    "75666f74612073746174656d656e7401"
    "76656e646f722d6f662d746573747321"
    "636c6173732d2d6f662d2d7465737473"
    "4d41494e00000000"
    "0807060504030201"
    "0800000000000000"
    "a5df3fde7b200c3fa2791144c7e05c5c2bced4c6ad863d3a4cf76c972c1712f9"
)
POINT = bytes.fromhex(
    "0407d731fbe9ee8bb2b6a6e6d5d2f3d11c307b5fad77628b174c5a275b688c32bf"
    "8ce661858a83189105973b2a3cf4e52865c1da31a6678edfde2614bfa2fb3437"
)
SIGNATURE = bytes.fromhex(
    "630859f41f9ff739f04b7324f02318abbd04a714ff71e50b9888b3cb99e2882f"
    "0113d0e54c10d662054239aa3ab12d490de0adc5e53b8cf493aa00b68ae44578"
)
AS_RECOVERY = bytes.fromhex(
    "656d62d9f25ac490c9ab0c91177092577ea0b24536662c45788ccb96a87a4dd5"
    "7547d8198f84224705abbbb50b713c94fc273ffcb12d7f9b8215400000f5e7f2"
)
OVER_THE_DIGEST = bytes.fromhex(
    "14920cb480affb818ee1c2e34b938e518fef80d8fcdf23ac542ad834b3e6c7a1"
    "45498472da9b130bac8fd75a9010e246793472713091aba6f22524f7143d4579"
)


def board(key=None, **more):
    return Board(trial_layout("direct", signed=True, **more), key=key)


def test_the_bytes_lie_where_the_table_says():
    packed = bytearray(104)
    packed[0:16] = b"ufota statement\x01"
    packed[16:32] = VENDOR_ID
    packed[32:48] = CLASS_ID
    packed[48:52] = b"MAIN"
    struct.pack_into("<Q", packed, 56, HEAD.version)
    struct.pack_into("<Q", packed, 64, HEAD.size)
    packed[72:104] = HEAD.digest
    assert packed == STATEMENT
    assert digest_of(board(), "MAIN", HEAD) == sha256(packed).digest()
    assert digest_of(board(), "MAIN", HEAD[:3]) == sha256(packed).digest()
    assert SIGNATURE_SIZE == 64


def test_a_component_is_padded_to_eight_bytes():
    for component, field in (
        ("M", b"M\0\0\0\0\0\0\0"),
        ("BOOT", b"BOOT\0\0\0\0"),
        ("EIGHT_CH", b"EIGHT_CH"),
        (RECOVERY, b"RECOVERY"),
    ):
        expected = sha256(STATEMENT[:48] + field + STATEMENT[56:]).digest()
        assert digest_of(board(), component, HEAD) == expected


def test_the_largest_numbers_are_stated_whole():
    most = (1 << 64) - 1
    expected = STATEMENT[:56] + b"\xff" * 16 + STATEMENT[72:]
    head = Header(most, most, HEAD.digest, bytes(16))
    assert digest_of(board(), "MAIN", head) == sha256(expected).digest()


def test_each_field_changes_the_digest():
    other_vendor, other_class = board(), board()
    other_vendor.vendor_id = VENDOR_ID[:15] + b"?"
    other_class.class_id = b"?" + CLASS_ID[1:]
    other = sha256(b"another image").digest()
    found = [
        digest_of(board(), "MAIN", HEAD),
        digest_of(other_vendor, "MAIN", HEAD),
        digest_of(other_class, "MAIN", HEAD),
        digest_of(board(), "MAIM", HEAD),
        digest_of(board(), "MAIN", (HEAD.version + 1, HEAD.size, HEAD.digest)),
        digest_of(board(), "MAIN", (HEAD.version, HEAD.size + 1, HEAD.digest)),
        digest_of(board(), "MAIN", (HEAD.version, HEAD.size, other)),
    ]
    assert len(set(found)) == len(found)
    assert all(len(digest) == 32 for digest in found)


def test_the_campaign_is_not_stated():
    head = Header(HEAD.version, HEAD.size, HEAD.digest, b"c" * 16)
    assert digest_of(board(), "MAIN", head) == digest_of(board(), "MAIN", HEAD)


def test_a_signature_of_openssl_is_the_makers():
    for component, good, bad in (
        ("MAIN", SIGNATURE, AS_RECOVERY),
        (RECOVERY, AS_RECOVERY, SIGNATURE),
    ):
        device = board(p256.PublicKey(POINT))
        assert is_signed(device, component, HEAD, good) is True
        assert is_signed(device, component, HEAD, bad) is False
    assert is_signed(board(p256.PublicKey(POINT)), "BOOT", HEAD, SIGNATURE) is False


def test_a_signature_is_for_this_image_of_this_class_only():
    key = p256.PublicKey(POINT)
    for at in (0, 31, 32, 63):
        wrong = bytearray(SIGNATURE)
        wrong[at] ^= 1
        assert not is_signed(board(key), "MAIN", HEAD, wrong)
    for wrong in (b"", SIGNATURE[:63], SIGNATURE + b"\0", bytes(64), b"\xff" * 64):
        assert not is_signed(board(key), "MAIN", HEAD, wrong)
    for head in (
        (HEAD.version - 1, HEAD.size, HEAD.digest),
        (HEAD.version, HEAD.size - 1, HEAD.digest),
        (HEAD.version, HEAD.size, sha256(b"").digest()),
    ):
        assert not is_signed(board(key), "MAIN", head, SIGNATURE)
    other = board(key)
    other.class_id = VENDOR_ID
    assert not is_signed(other, "MAIN", HEAD, SIGNATURE)


def test_a_signature_over_the_digest_alone_counts_only_where_the_layout_says():
    key = p256.PublicKey(POINT)
    for more, arm in (
        ({}, False),
        ({"arm_signature": False}, False),
        ({"arm_signature": True}, True),
    ):
        device = board(key, **more)
        assert is_signed(device, "MAIN", HEAD, OVER_THE_DIGEST) is arm
        assert is_signed(device, "MAIN", HEAD, SIGNATURE) is True
        assert is_signed(device, "MAIN", HEAD, AS_RECOVERY) is False
        assert is_signed(device, "MAIN", HEAD, bytes(64)) is False


def test_a_good_signature_is_checked_once():
    key = ToyKey()
    device = board(key, arm_signature=True)
    good = key.sign(digest_of(device, "MAIN", HEAD))
    assert is_signed(device, "MAIN", HEAD, good) and key.asked == 1
    assert is_signed(device, "MAIN", HEAD, key.sign(HEAD.digest)) and key.asked == 3


def test_what_the_key_raises_is_no_verdict():
    raises(errors_boot.NO_KEY, is_signed, board(False), "MAIN", HEAD, SIGNATURE)

    def bad_key():
        p256.PublicKey(POINT[:64])

    device = board()
    device.key = bad_key
    raises(errors.BAD_KEY, is_signed, device, "MAIN", HEAD, SIGNATURE)
