"""No payload makes much work out of few bytes: the worst that are known, for each decoder."""

import zlib
from hashlib import sha256

import pytest

from decoders_kit import (
    Old,
    Sink,
    arm,
    detools,
    frame,
    head,
    inflate,
    leb,
    literals,
    number,
    outcome,
    patch,
    plain,
    pour,
    signed,
    stored,
    wide_block,
)
from decoders_work import Work, limit
from fuzz_decoders import deflate
from fwcore.errors import CORRUPT, FwError
from test_decrypt import KEK, WRAPPED
from ufota.decoders import errors
from ufota.decoders.decrypt import Decrypt
from ufota.decoders.inflate import Inflate
from ufota_testkit.noise import noise

SIZE = 4000
OLD = Old(noise(SIZE, 1))
RECORDS = SIZE // 8  # that make all of the image
MORE = 16
EMPTY = b"\0" + number(SIZE) + b"\0" + bytes(1 << 20)  # 349,525 records that make no byte


def packed(data):
    return deflate(data, zlib.Z_FINISH)


def records(diff, extra, count):
    """So many records that jump through all of the old image, then one that makes the rest."""
    place, left = 0, SIZE
    for i in range(count):
        place += diff
        move = -place if i % 2 else SIZE - diff - place
        yield b"\3" * diff, b"\1" * extra, move
        place += move
        left -= diff + extra
    if left:
        yield b"", bytes(left), 0


def long_numbers(data):
    """Each record as noise, with its numbers as long as they can be."""
    out = bytearray(data[:4])
    for _ in range(RECORDS):
        out += b"\x84\x80\x80\x80\0" + b"\3" * 4 + b"\x84\x80\x80\x80\0" + b"\1" * 4
        out += b"\x80\x80\x80\x80\0"
    return bytes(out)


def arm_frames(diff, extra, count):
    """Frames of one byte each."""
    out = head(SIZE)
    for added, new, move in records(diff, extra, count):
        out += leb(len(added)) + leb(len(new)) + signed(move)
        out += b"".join(frame(literals(bytes([byte]))) for byte in added + new)
    return out


def arm_packed(sink):
    return Inflate(arm(OLD, SIZE, 512, False)(sink), None)


def patches():
    for diff, extra, count in (
        (8, 0, RECORDS),
        (4, 4, RECORDS),
        (0, 8, RECORDS),
        (1, 0, RECORDS + MORE - 1),
        (0, 0, MORE),
    ):
        yield patch(SIZE, *records(diff, extra, count))
    yield long_numbers(patch(SIZE))


def hostile():
    yield "records", detools(OLD, SIZE, False), packed(patch(SIZE, *records(1, 0, SIZE)))
    yield "empty records", detools(OLD, SIZE, False), packed(EMPTY)
    for diff, extra in (1, 0), (0, 1), (4, 4), (SIZE, 0):
        frames = arm_frames(diff, extra, SIZE // (diff + extra))
        yield f"frames {diff} {extra}", arm_packed, packed(frames)
    yield "empty records of Arm", arm_packed, packed(head(SIZE) + bytes(1 << 20))
    yield "empty blocks", inflate(SIZE), stored(b"", False) * SIZE
    yield "blocks that make a byte", inflate(SIZE), wide_block() * 100


def test_patches_as_dense_as_bsdiff_can_make_them_pass():
    for data in patches():
        for make, payload in (
            (plain(OLD, SIZE, False), data),
            (detools(OLD, SIZE, False), packed(data)),
        ):
            with Work(limit(payload, SIZE)):
                assert len(outcome(make, payload, SIZE)) == SIZE


def test_more_records_than_that_are_refused():
    for spare, wanted in (MORE - 1, None), (MORE, errors.BAD_STREAM):
        data = patch(SIZE, *records(1, 0, RECORDS + spare))
        found = outcome(plain(OLD, SIZE, False), data, SIZE)
        assert found == wanted if wanted else len(found) == SIZE


@pytest.mark.parametrize(
    ("make", "payload"), [pytest.param(*row[1:], id=row[0]) for row in hostile()]
)
def test_what_makes_work_only_ends_within_the_limit(make, payload):
    with Work(limit(payload, SIZE)):
        assert outcome(make, payload, SIZE) in (errors.BAD_STREAM, errors.STARVED)


def test_deciphering_takes_no_more():
    payload = WRAPPED + noise(16 + SIZE)
    with Work(limit(payload, 0)), pytest.raises(FwError) as raised:
        pour(Decrypt(Sink(SIZE), KEK, sha256(payload).digest(), 64), payload)
    assert raised.value.code == CORRUPT
