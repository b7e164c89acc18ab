"""Payloads that were cut short or changed end in a number, or in an image of the right size.

Nothing else comes out of the decoders, no byte too many goes on, and each comes to an end.
"""

from decoders_kit import (
    CODES,
    Old,
    Sink,
    arm,
    arm_patch,
    cases,
    detools,
    fixed_zeros,
    inflate,
    outcome,
    patch,
    plain,
    pour,
    read,
    stored,
)
from fwcore.errors import FwError
from ufota.decoders import errors
from ufota.decoders.inflate import Inflate
from ufota_testkit.noise import noise

LONG = ("test_a_changed_byte_of_what_is_deflated_ends_in_a_number_or_a_whole_image",)
BOTH = True
OLD = Old(noise(200, 1))
SIZE = 200
RECORDS = (
    (b"\x00" * 70 + b"\x03\xff" * 5, noise(30, 2), -75),
    (b"", noise(5, 3), 3),
    (b"\x01" + b"\x00" * 60, b"\x09" * 24, -60),
)


def patches():
    """(maker of a decoder, its patch) of both kinds."""
    yield plain(OLD, SIZE), patch(SIZE, *RECORDS)
    yield arm(OLD, SIZE), arm_patch(SIZE, *RECORDS)


def deflated():
    """(maker, payload, bytes of the image) of patches and images that are deflated."""
    for row, old in cases("same_512", "small_edit_256"):
        size = row["new_size"]
        yield detools(old, size), read(row["name"] + ".detools.z"), size
    yield inflate(300), stored(noise(100), False) * 2 + stored(noise(100)), 300


def test_whole_they_make_an_image():
    for make, data in patches():
        assert len(outcome(make, data, SIZE)) == SIZE
    for make, data, size in deflated():
        assert len(outcome(make, data, size)) == size


def test_cut_short_anywhere_they_say_so():
    for make, data in patches():
        for cut in range(len(data)):
            assert outcome(make, data[:cut], SIZE) == errors.STREAM_CUT, cut
    for make, data, size in deflated():
        for cut in range(len(data)):
            assert outcome(make, data[:cut], size) == errors.STREAM_CUT, cut


def test_a_patch_of_arms_tool_cut_short_anywhere_says_so():
    (row, old) = next(cases("same_512"))
    data = read("same_512.arm")
    for cut in range(len(data)):
        assert outcome(arm(old, row["new_size"]), data[:cut], row["new_size"]) == errors.STREAM_CUT


def changes(data):
    """data with one byte changed: each bit of it, and all of them."""
    changed = bytearray(data)
    for at in range(len(data)):
        for other in 1, 2, 4, 8, 16, 32, 64, 128, 255:
            changed[at] = data[at] ^ other
            yield changed
        changed[at] = data[at]


def test_a_changed_byte_of_a_patch_ends_in_a_number_or_a_whole_image():
    found = set()
    for make, data in patches():
        for changed in changes(data):
            each = outcome(make, changed, SIZE)
            if isinstance(each, int):
                found.add(each)
    assert found == CODES - {errors.STARVED}


def test_a_changed_byte_of_arms_patch_ends_in_a_number_or_a_whole_image():
    (row, old) = next(cases("same_512"))
    size = row["new_size"]
    for changed in changes(read("same_512.arm")[:300]):
        found = outcome(arm(old, size), changed, size)
        assert isinstance(found, int)  # as it is cut short besides


def test_few_changed_bytes_of_what_is_deflated_end_in_a_number_or_a_whole_image():
    of_what_is_deflated(12)


def test_a_changed_byte_of_what_is_deflated_ends_in_a_number_or_a_whole_image():
    of_what_is_deflated(1)


def of_what_is_deflated(step):
    for make, data, size in deflated():
        for i, changed in enumerate(changes(data)):
            if i % step == 0:
                outcome(make, changed, size)


def test_noise_is_no_payload():
    for seed in range(300):
        data = noise(400, seed)
        for make in plain(OLD, SIZE), arm(OLD, SIZE), detools(OLD, SIZE), inflate(SIZE):
            assert isinstance(outcome(make, data, SIZE), int)


def test_a_bomb_stops_at_the_announced_size():
    """1 MiB of zeros in 7 KiB, for an image of 5000 bytes."""
    sink = Sink(5000)
    zeros = fixed_zeros(1 << 20)
    assert len(zeros) < 8192
    try:
        pour(Inflate(sink, 5000), zeros)
        raise AssertionError
    except FwError as error:
        assert error.code == errors.TOO_MUCH
    assert len(sink.made) <= 5000


def test_records_that_make_nothing_stop_soon():
    """1 MiB of zeros in 7 KiB: 349,525 records of a patch. 17 are enough, in the first 1 KiB."""
    for make, begin in (detools(OLD, SIZE), patch(SIZE)), (arm_packed, arm_patch(SIZE)):
        payload = stored(begin, False) + fixed_zeros(1 << 20)
        drained = []
        decoder = make(Sink(SIZE))
        decoder._feed = lambda drained=drained: drained.append(1)
        try:
            pour(decoder, payload)
            raise AssertionError
        except FwError as error:
            assert error.code == errors.BAD_STREAM
        assert len(drained) < 4, len(drained)


def arm_packed(sink):
    return Inflate(arm(OLD, SIZE)(sink), None)
