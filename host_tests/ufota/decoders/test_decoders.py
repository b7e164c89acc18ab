"""Payload decoders: images come out of patches and of deflate as those who packed put them in."""

import sys

from decoders_kit import (
    Old,
    Sink,
    arm,
    arm_patch,
    cases,
    detools,
    fixed_zeros,
    frame,
    head,
    inflate,
    is_new,
    leb,
    literals,
    made,
    packed_bits,
    patch,
    plain,
    pour,
    read,
    signed,
    stored,
    wide_block,
)
from fwcore import errors as fw_errors
from fwcore import formats
from fwcore.slot import Slot
from fwcore.storage import Storage
from helpers import raises
from ufota.decoders import errors, lz4
from ufota.decoders.add import adder
from ufota.decoders.add_wide import Wide
from ufota.decoders.chain import chain
from ufota.decoders.delta import Patch
from ufota.decoders.delta_arm import ArmPatch
from ufota.decoders.inflate import Inflate
from ufota.decoders.precursor import Precursor
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

BOTH = True
CHUNKS = 1, 7, 64, 512, 4096

# What others packed


def test_every_patch_of_arms_tool_makes_its_image_in_any_pieces():
    for row, old in cases():
        data = read(row["name"] + ".arm")
        for chunk in CHUNKS:
            make = arm(old, row["new_size"], row["frame"])
            assert is_new(row, made(make, data, row["new_size"], chunk)), (row["name"], chunk)


def test_every_deflated_patch_of_detools_makes_its_image_in_any_pieces():
    for row, old in cases():
        data = read(row["name"] + ".detools.z")
        for chunk in CHUNKS:
            make = detools(old, row["new_size"])
            assert is_new(row, made(make, data, row["new_size"], chunk)), (row["name"], chunk)


def test_without_machine_code_they_make_the_same():
    for row, old in cases("small_edit_256"):
        size = row["new_size"]
        found = made(detools(old, size, False), read(row["name"] + ".detools.z"), size)
        assert is_new(row, found)
        assert made(arm(old, size, 256, False), read(row["name"] + ".arm"), size) == found


# Chains


def test_a_chain_feeds_the_watchdog_while_much_comes_out():
    size, fed = 4096, []
    payloads = (
        (formats.DEFLATED | formats.RAW, fixed_zeros(size)),
        (formats.ARM_PATCH, arm_patch(size, *((noise(256, i), b"", -256) for i in range(16)))),
    )
    for number, payload in payloads:
        sink = Sink(size)
        fed.clear()
        pour(chain(number, size, sink, Old(noise(512)), None, lambda: fed.append(1)), payload)
        assert sink.ended and len(sink.made) == size
        assert len(fed) >= 4, number


# Sums


def test_both_sums_are_mod_256_for_all_pairs_and_lengths():
    for add in adder(256), Wide(256).add:
        for first in range(256):
            old = bytearray(range(256))
            add(memoryview(old), memoryview(bytes([first]) * 256))
            assert old == bytes([(first + i) & 255 for i in range(256)])
        for size in 1, 2, 7, 8, 9, 255, 256:
            a, b = noise(size, 1), noise(size, 2)
            old = bytearray(a)
            add(memoryview(old), memoryview(b))
            assert old == bytes([(x + y) & 255 for x, y in zip(a, b)])


def test_machine_code_is_used_where_it_can_be_had_and_wanted():
    native = sys.implementation.name == "micropython"
    assert (type(adder(256)) is type(Wide(256).add)) != native
    assert type(adder(256, False)) is type(Wide(256).add)


def test_machine_code_refuses_lengths_that_differ():
    if sys.implementation.name != "micropython":
        return
    from ufota.decoders.add_native import add

    for size in 0, 7, 9:
        old = memoryview(bytearray(8))
        try:
            add(old, memoryview(b"\x01" * size))
            raise AssertionError
        except ValueError:
            assert old == bytes(8)


# A detools patch


OLD = Old(noise(1000, 3))


def test_a_record_adds_copies_and_moves():
    diff, extra = noise(600, 4), noise(50, 5)
    data = patch(660, (diff, extra, -590), (b"\x01" * 10, b"", 980))
    wanted = [(x + y) & 255 for x, y in zip(OLD.data, diff)]
    wanted = bytes(wanted) + extra + bytes([(x + 1) & 255 for x in OLD.data[10:20]])
    for chunk in CHUNKS:
        assert made(plain(OLD, 660), data, 660, chunk) == wanted


def test_an_image_of_no_bytes_is_a_header():
    assert made(plain(OLD, 0), b"\x00\x00", 0) == b""
    assert made(arm(OLD, 0), head(0), 0) == b""
    assert made(inflate(0), stored(b""), 0) == b""


def refused(make, data, size, code, at=None):
    error = raises(code, pour, make(Sink(size)), data)
    assert at is None or error.at == at, error.at


def test_other_patches_are_refused_for_what_they_are():
    make = plain(OLD, 10)
    for kind in 0x10, 0x20, 0x04, 0x01, 0x80, 0x70:  # in-place, hdiffpatch, heatshrink, lzma
        refused(make, patch(10, (b"", bytes(10), 0), kind=kind), 10, errors.OTHER_PATCH, kind)
    refused(make, patch(10, format=3), 10, errors.OTHER_PATCH, 3)
    refused(make, patch(11), 10, errors.OTHER_SIZE, 11)
    refused(make, patch(-10), 10, errors.OTHER_SIZE, -10)


def test_a_patch_stays_within_the_old_image():
    for records, at in (
        ([(bytes(1001), b"", 0)], 1001),
        ([(bytes(900), b"", 0), (bytes(101), b"", 0)], 1001),
        ([(bytes(10), b"", -11)], -1),
        ([(bytes(10), b"", 991)], 1001),
        ([(b"", bytes(1100), 1001)], 1001),  # in the last record, too
        ([(b"", bytes(1100), -1)], -1),
    ):
        refused(plain(OLD, 1100), patch(1100, *records), 1100, errors.OUTSIDE_OLD, at)
        limit = arm_patch(1100, *records, limit=2048)
        refused(arm(OLD, 1100, 2048), limit, 1100, errors.OUTSIDE_OLD, at)


def test_a_patch_may_use_the_old_image_to_its_ends():
    data = patch(1100, (bytes(1000), b"", -1000), (bytes(100), b"", 900))
    assert made(plain(OLD, 1100), data, 1100) == bytes(OLD.data) + bytes(OLD.data[:100])
    data = arm_patch(1100, (bytes(1000), b"", -1000), (bytes(100), b"", 900), limit=2048)
    assert made(arm(OLD, 1100, 2048), data, 1100) == bytes(OLD.data) + bytes(OLD.data[:100])


def test_a_patch_makes_no_more_than_announced():
    for records in (
        [(bytes(11), b"", 0)],
        [(b"", bytes(11), 0)],
        [(bytes(5), bytes(6), 0)],
        [(bytes(9), b"", 0), (b"", bytes(2), 0)],
    ):
        refused(plain(OLD, 10), patch(10, *records), 10, errors.TOO_MUCH, 10)
        refused(arm(OLD, 10), arm_patch(10, *records), 10, errors.TOO_MUCH, 10)
    for size in (-1, -5):
        data = b"\x00" + b"\x0a\x00" + bytes([0x40 | -size])
        refused(plain(OLD, 10), data, 10, errors.TOO_MUCH)


def test_nothing_follows_the_last_record():
    good = patch(10, (bytes(10), b"", 0))
    refused(plain(OLD, 10), good + b"\x00", 10, errors.BAD_STREAM, len(good))
    good = arm_patch(10, (bytes(10), b"", 0))
    refused(arm(OLD, 10), good + b"\x00", 10, errors.BAD_STREAM, len(good))


def test_numbers_are_short():
    refused(plain(OLD, 10), b"\x00\x8a\x80\x80\x80\x80\x00", 10, errors.BAD_STREAM, 6)
    refused(plain(OLD, 10), b"\x00\x8a\x80\x80\x80\x00\x05", 10, errors.OTHER_PATCH, 5)
    data = head(10) + b"\x80" * 6 + b"\x00" + b"\x8a" + b"\x80" * 6 + b"\x00"
    refused(arm(OLD, 10), data, 10, errors.BAD_STREAM, 40 + 14)


# Arm's patch


def test_the_header_of_arms_patch_is_checked():
    tail = leb(0) + leb(10) + signed(0) + frame(literals(bytes(10)))
    make = arm(OLD, 10, 512)
    assert made(make, head(10) + tail, 10) == bytes(10)
    refused(make, head(10, magic=b"PELION/BSDIFF002") + tail, 10, errors.OTHER_PATCH)
    refused(make, head(11) + tail, 10, errors.OTHER_SIZE, 11)
    refused(make, head(10 | 1 << 63) + tail, 10, errors.OTHER_SIZE)
    refused(make, head(10, 513) + tail, 10, errors.BIG_FRAME, 513)
    refused(make, head(10, 63) + tail, 10, errors.BAD_STREAM, 24)
    assert made(make, head(10, 64) + tail, 10) == bytes(10)
    assert made(arm(OLD, 10, 1), head(10, 64) + tail, 10) == bytes(10)  # the least buffer


def test_frames_are_within_what_the_header_says():
    start = head(200, 64) + leb(0) + leb(200) + signed(0)
    for block in (
        literals(bytes(63)),  # of 65 bytes
        b"\x1f\x07\x01\x00\x2d\x00",  # makes 65
        b"\x00",  # makes none
        b"",
    ):
        refused(arm(OLD, 200), start + frame(block), 200, errors.BAD_STREAM)
    good = literals(bytes(62))
    assert len(good) == 64
    refused(arm(OLD, 200), start + frame(good), 200, errors.STREAM_CUT)
    more = head(200, 64) + leb(5) + leb(195) + signed(0) + frame(literals(bytes(6)))
    refused(arm(OLD, 200), more, 200, errors.BAD_STREAM)  # of 5 that are due


def test_large_frames_are_added_in_steps():
    diff = noise(1000, 6)
    data = arm_patch(1000, (diff, b"", 0), limit=1100)
    wanted = bytes([(x + y) & 255 for x, y in zip(OLD.data, diff)])
    assert made(arm(OLD, 1000, 1100), data, 1000) == wanted


def test_the_watchdog_is_fed_for_every_frame():
    fed = []
    sevens = b"\x1f\x07\x01\x00\x27\x10\x07"
    assert lz(sevens) == b"\x07" * 60
    data = head(1200, 64) + leb(0) + leb(1200) + signed(0) + frame(sevens) * 20
    sink = Sink(1200)
    pour(ArmPatch(sink, OLD, 1200, 512, lambda: fed.append(1)), data)
    assert len(fed) == 20 and sink.made == b"\x07" * 1200


# LZ4


def lz(block, limit=4096):
    out = memoryview(bytearray(limit))
    count = lz4.unpack(memoryview(block), out)
    return None if count < 0 else bytes(out[:count])


def test_lz4_blocks():
    assert lz(b"\x00") == b""
    assert lz(literals(b"abc")) == b"abc"
    for size in 14, 15, 16, 269, 270, 271, 600:
        assert lz(literals(noise(size))) == noise(size)
    # Copies that overlap what they make: token, literals, offset, (length), last literals.
    for back in 1, 2, 3, 5, 8:
        for count in 4, 5, 18, 19, 33, 274, 500:
            length = count - 4
            more = b"" if length < 15 else b"\xff" * ((length - 15) // 255)
            more += b"" if length < 15 else bytes([(length - 15) % 255])
            block = bytes([8 << 4 | min(length, 15)]) + b"abcdefgh" + bytes([back, 0]) + more
            wanted = bytearray(b"abcdefgh")
            for _ in range(count):
                wanted.append(wanted[-back])
            assert lz(block + b"\x10z") == bytes(wanted) + b"z", (back, count)


def test_bad_lz4_blocks():
    for block in (
        b"",
        b"\x20a",  # literals cut short
        b"\xf0",  # their length cut short
        b"\xf0\xff",
        b"\x11a\x00\x00\x00",  # offset 0
        b"\x11a\x02\x00\x00",  # before the begin
        b"\x11a\x01",  # offset cut short
        b"\x10a\x01\x00",  # ends with a copy
        b"\x1fa\x01\x00",  # length of the copy cut short
    ):
        assert lz(block) is None, block
    assert lz(literals(bytes(9)), 8) is None
    assert lz(b"\x14a\x01\x00\x00", 8) is None  # 1 + 8 bytes
    assert lz(b"\x13a\x01\x00\x00", 8) == b"a" * 8


# Deflate


def test_stored_blocks_of_any_size():
    for size in 1, 500, 1023, 1024, 1025, 5000:
        data = noise(size, 7)
        for chunk in CHUNKS:
            assert made(inflate(size), stored(data), size, chunk) == data


def test_the_size_of_what_is_deflated_is_exact():
    for size in 10, 2000, 5000:
        data = stored(noise(size))
        refused(inflate(size - 1), data, size - 1, errors.TOO_MUCH, size - 1)
        refused(inflate(size + 1), data, size + 1, errors.STREAM_CUT)


def test_nothing_follows_the_last_block():
    for size in 10, 2000, 5000:
        for chunk in CHUNKS:
            data = stored(noise(size))
            make = Inflate(Sink(size), size)
            error = raises(errors.BAD_STREAM, pour, make, data + b"\x00" * 3000, chunk)
            assert error.at >= len(data)
        refused(inflate(size), data + b"\x00", size, errors.BAD_STREAM, len(data))


def test_empty_blocks_without_end_are_refused():
    empty = stored(b"", False)
    for count in 2, 60:
        assert made(inflate(1), empty * count + stored(b"a"), 1) == b"a"
    refused(inflate(1), empty * 3000 + stored(b"a"), 1, errors.STARVED)
    refused(inflate(1), stored(b"a", False) + empty * 3000, 1, errors.STARVED)
    refused(inflate(1), empty * 100, 1, errors.STREAM_CUT)


def test_blocks_of_one_byte_are_read():
    data = noise(3000, 8)
    packed = b"".join([stored(data[i : i + 1], False) + stored(b"", False) for i in range(3000)])
    for chunk in CHUNKS:
        found = made(inflate(3000), packed + stored(b""), 3000, chunk)
        assert found == data


def test_large_trees_between_blocks_of_one_byte_are_read():
    """More input than zlib could need for the bytes that are read at a time."""
    one = stored(b"\x07", False) + stored(b"", False)
    for ones in 144, 150, 200:
        packed = (one * ones + wide_block()) * 8
        size = (ones + 1) * 8
        for chunk in CHUNKS:
            found = made(inflate(size), packed + stored(b""), size, chunk)
            assert found == b"\x07" * size


def test_what_was_in_the_memory_before_does_not_come_out():
    # A fixed block: match of 3 bytes at distance 1024, from before the first byte; end of block.
    # 1, 10, 0000001, 10011, 11111111 (255 more), 0000000: bits as they are packed, low first.
    bits = "1" + "10" + "0000001" + "10011" + "11111111" + "0000000"
    assert made(inflate(3), packed_bits(bits), 3) == bytes(3)


def test_windows():
    row, old = next(cases("small_edit_256"))
    data = read("small_edit_256.detools.z")
    for wbits in 10, 11, 12:
        sink = Sink(row["new_size"])
        pour(Inflate(Patch(sink, old, row["new_size"]), None, wbits), data)
        assert is_new(row, sink.made)
    if sys.implementation.name == "micropython":  # zlib lets them pass
        make = Inflate(Patch(Sink(row["new_size"]), old, row["new_size"]), None, 9)
        raises(errors.BAD_STREAM, pour, make, data)


def test_the_watchdog_is_fed_while_much_comes_out():
    fed = []
    size = 200000
    packed = fixed_zeros(size)
    assert len(packed) < 4096
    sink = Sink(size)
    pour(Inflate(sink, size, feed=lambda: fed.append(len(sink.made))), packed)
    assert sink.made == bytes(size)
    assert max([b - a for a, b in zip([0] + fed, fed)]) <= 1024


# The image before


class Units(Disk):
    """A disk that is read in whole program units."""

    def readblocks(self, block, buf, offset=None):
        assert (offset or 0) % self.program_size == 0 and len(buf) % self.program_size == 0
        return super().readblocks(block, buf, offset)


def slots(size):
    for erase, program, overwrite, body in (
        (4096, 256, False, 512),
        (512, 512, True, 1024),
        (2048, 2048, False, 2048),
        (1024, 4, False, 116),
        (4096, 1024, False, 3072),
    ):
        disk = Units(32768, erase, program, overwrite)
        disk.load(body, noise(size, 9))
        end = 32768
        yield disk, Slot(Storage(disk, erase, program, overwrite), 0, body, end, False)


def test_a_precursor_reads_any_bytes():
    size = 5003
    image = noise(size, 9)
    for _, slot in slots(size):
        old = Precursor(slot, size)
        assert old.size == size
        for at, count in (
            [(0, 1), (0, 512), (511, 2), (1, 4000), (5002, 1), (5003, 0), (0, 5003), (4990, 13)]
            + [(at, 7) for at in range(0, 4990, 97)]
            + [(at, 700) for at in range(4000, 0, -301)]
        ):
            mv = memoryview(bytearray(count))
            old.read(at, mv)
            assert mv == image[at : at + count], (at, count)


def test_a_precursor_reads_nothing_but_the_image():
    size = 5003
    for _, slot in slots(size):
        old = Precursor(slot, size)
        for at, count in (-1, 1), (0, 5004), (5003, 1), (5000, 4), (1 << 40, 1), (-5, 10):
            raises(errors.OUTSIDE_OLD, old.read, at, memoryview(bytearray(count)))
        whole = slot.end - slot.body_at  # to the end of the device
        raises(fw_errors.TOO_BIG, Precursor, slot, whole + 1)
        Precursor(slot, whole).read(whole - 1, memoryview(bytearray(1)))


def test_a_page_is_read_once_and_again_after_a_failure():
    size = 5003
    for disk, slot in slots(size):
        old = Precursor(slot, size)
        mv = memoryview(bytearray(8))
        old.read(0, mv)
        disk.bad_blocks = set(range(64))
        old.read(100, mv)
        assert mv == noise(size, 9)[100:108]
        for at in 4000, 100:
            try:
                old.read(at, mv)
                raise AssertionError
            except OSError as error:
                assert error.args[0] == 5
        disk.bad_blocks = set()
        old.read(100, mv)
        assert mv == noise(size, 9)[100:108]


def test_an_error_of_the_medium_comes_through_the_filters():
    for data, make in (
        (patch(10, (bytes(10), b"", 0)), Patch),
        (arm_patch(10, (bytes(10), b"", 0)), ArmPatch),
    ):
        disk, slot = next(slots(5003))
        old = Precursor(slot, 5003)
        disk.bad_blocks = {0}
        try:
            pour(make(Sink(10), old, 10), data)
            raise AssertionError
        except OSError as error:
            assert error.args[0] == 5
