"""Headers: what was torn, blank, foreign or cut short is never taken for an image.

That the bytes are Arm's is test_conform.py's.
"""

import struct
from binascii import crc32
from hashlib import sha256

from fwcore import errors, errors_boot, header
from fwcore.header import Header
from fwcore.stage import STAGE_SIZE, pack_stage, unpack_stage
from helpers import raises
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython

KEY = header.device_key(bytes(range(16)))
HEAD = Header(0xFEDCBA9876543210, 123456, noise(32, 1), noise(16, 2))


def stage_of(version, firmware):
    return pack_stage(version, len(firmware), sha256(firmware).digest())


def flips(packed, end):
    """Every single-bit flip of packed[:end]."""
    for at in range(end):
        for bit in range(8):
            torn = bytearray(packed)
            torn[at] ^= 1 << bit
            yield torn


def test_sizes_are_those_of_the_formats():
    assert len(header.pack_internal(HEAD)) == header.INTERNAL_SIZE == 112
    assert len(header.pack_external(HEAD, KEY)) == header.EXTERNAL_SIZE == 296
    assert len(stage_of(1, b"x")) == STAGE_SIZE == 56


def test_what_is_packed_reads_back():
    assert header.unpack_internal(header.pack_internal(HEAD)) == HEAD
    assert header.unpack_external(header.pack_external(HEAD, KEY), KEY) == HEAD
    page = memoryview(bytearray(header.pack_internal(HEAD) + b"\xff" * 144))
    assert header.unpack_internal(page) == HEAD
    assert header.is_v2(page)


def test_every_flipped_bit_of_an_internal_header_is_refused():
    count = 0
    for torn in flips(header.pack_internal(HEAD), 112):
        raises(errors.BAD_CRC, header.unpack_internal, torn)
        count += 1
    assert count == 896


def test_every_flipped_byte_of_an_external_header_is_refused_but_the_unsigned_room():
    packed = header.pack_external(HEAD, KEY)
    for at in range(264):
        torn = bytearray(packed)
        torn[at] ^= 1 << at % 8
        raises(errors.BAD_MAC, header.unpack_external, torn, KEY)
    for at in range(264, 296):
        torn = bytearray(packed)
        torn[at] ^= 0xFF
        assert header.unpack_external(torn, KEY) == HEAD


def test_header_of_another_device_is_refused():
    other = header.device_key(bytes(16))
    raises(errors.BAD_MAC, header.unpack_external, header.pack_external(HEAD, other), KEY)


def test_blank_storage_holds_no_header():
    for fill in (b"\x00", b"\xff"):
        raises(errors.BAD_CRC, header.unpack_internal, fill * 112)
        raises(errors.BAD_MAC, header.unpack_external, fill * 296, KEY)
        raises(errors_boot.BAD_MAGIC, unpack_stage, fill * 56, 1000)
        assert not header.is_v2(fill * 112)


def test_cut_short_is_refused():
    internal, external = header.pack_internal(HEAD), header.pack_external(HEAD, KEY)
    for size in range(112):
        raises(errors.BAD_CRC, header.unpack_internal, internal[:size])
    for size in range(0, 296, 5):
        raises(errors.BAD_MAC, header.unpack_external, external[:size], KEY)
    stage = stage_of(1, b"x")
    for size in range(56):
        raises(errors_boot.BAD_MAGIC, unpack_stage, stage[:size], 1000)


def test_active_header_needs_magic_and_format():
    packed = header.pack_internal(HEAD)
    assert header.is_v2(packed)
    for torn in flips(packed, 8):
        assert not header.is_v2(torn)


def test_root_of_trust_is_16_bytes():
    for size in (0, 15, 17, 32):
        raises(errors.BAD_KEY, header.device_key, bytes(size))


def test_stage_header_reads_back():
    firmware = noise(1000)
    packed = stage_of(7, firmware)
    found = unpack_stage(packed + firmware, 1056)
    assert (found.version, found.size) == (7, 1000)
    assert found.digest == unpack_stage(packed, 1056).digest
    assert found.campaign == header.NO_CAMPAIGN


def test_every_flipped_bit_of_a_stage_header_is_refused():
    for torn in flips(stage_of(7, b"firmware"), 56):
        try:
            unpack_stage(torn, 1000)
        except errors.FwError as error:
            assert error.code in (errors_boot.BAD_MAGIC, errors.BAD_CRC)
            continue
        raise AssertionError("accepted")


def signed_stage(form, size):
    """A stage header with its checksum right and whatever form and size."""
    packed = bytearray(stage_of(1, b"x"))
    struct.pack_into("<I", packed, 4, form)
    struct.pack_into("<I", packed, 12, size)
    struct.pack_into("<I", packed, 8, crc32(packed[12:], crc32(packed[:8])))
    return packed


def test_stage_size_is_bounded_by_the_slot():
    assert unpack_stage(signed_stage(1, 1000), 1000).size == 944
    assert unpack_stage(signed_stage(1, 57), 1000).size == 1
    for size in (0, 55, 56, 1001, 0xFFFFFFFF):
        assert raises(errors.TOO_BIG, unpack_stage, signed_stage(1, size), 1000).at == 12


def test_stage_format_is_checked_after_its_checksum():
    assert raises(errors_boot.BAD_MAGIC, unpack_stage, signed_stage(2, 57), 1000).at == 4
