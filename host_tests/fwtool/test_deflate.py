"""What fwtool deflates is as small as any setting of zlib makes it, and devices inflate it."""

import zlib

import pytest

from decoders_kit import cases, inflate, made, read
from fwtool.payloads import deflate
from ufota_testkit.noise import noise

# Flat, noise, and zeros with a byte here and there, as most of a patch is.
SPARSE = b"".join(bytes(at % 97) + b"\x05" for at in range(3000))
SAMPLES = {"none": b"", "flat": bytes(30_000), "noise": noise(9000), "sparse": SPARSE}


@pytest.mark.parametrize("wbits", [9, 10, 12, 15])
@pytest.mark.parametrize("name", SAMPLES)
def test_zlib_inflates_it_with_that_window(name, wbits):
    packed = deflate.smallest(SAMPLES[name], wbits)
    assert zlib.decompress(packed, -wbits) == SAMPLES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_device_inflates_it(name):
    data = SAMPLES[name]
    assert made(inflate(len(data)), deflate.smallest(data), len(data), 64) == data


def test_no_strategy_of_zlib_makes_a_patch_smaller():
    for row, _ in cases():
        patch = zlib.decompress(read(row["name"] + ".detools.z"), -15)
        least = min(_size(patch, level, way) for level in (6, 9) for way in range(5))
        assert len(deflate.smallest(patch)) <= least, row["name"]


def _size(data, level, strategy):
    packer = zlib.compressobj(level, zlib.DEFLATED, -10, 8, strategy)
    return len(packer.compress(data) + packer.flush())


def test_the_window_is_ten_bits_if_not_said_otherwise():
    assert deflate.smallest(SPARSE) == deflate.smallest(SPARSE, 10)
    apart = noise(900) * 2  # what repeats is farther away than 2^9
    assert len(deflate.smallest(apart, 9)) > len(apart) > len(deflate.smallest(apart, 12))
