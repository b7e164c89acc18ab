"""What the tests of payload decoders share; runs on CPython and on MicroPython."""

import sys
from binascii import unhexlify
from hashlib import sha256
from io import BytesIO
from struct import pack

from deflate import RAW, DeflateIO

from fwcore.errors import FwError
from helpers import here, vectors
from ufota.decoders import errors
from ufota.decoders.delta import Patch
from ufota.decoders.delta_arm import ArmPatch
from ufota.decoders.inflate import Inflate
from ufota_testkit.noise import noise

CODES = {getattr(errors, name) for name in dir(errors) if name.isupper()}
CODES -= set(range(errors.NO_CIPHER, errors.BAD_PADDING + 1))  # test_decrypt.py


class Old:
    """An image before, in memory. It gives no byte it has not got."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.size = len(data)

    def read(self, at, mv):
        assert 0 <= at <= at + len(mv) <= self.size, (at, len(mv))
        mv[:] = self.data[at : at + len(mv)]


class Sink:
    """Takes `size` bytes and not one more, and is told of the end once."""

    def __init__(self, size):
        self.size = size
        self.made = bytearray()
        self.ended = False

    def write(self, mv):
        assert not self.ended and len(mv)
        self.made += mv
        assert len(self.made) <= self.size

    def end(self):
        assert not self.ended
        self.ended = True


def pour(decoder, data, chunk=4096):
    """Write data in pieces, out of one buffer that is used again, and end."""
    buf = memoryview(bytearray(chunk))
    for at in range(0, len(data), chunk):
        piece = data[at : at + chunk]
        buf[: len(piece)] = piece
        decoder.write(buf[: len(piece)])
    while decoder:
        decoder = decoder.end()


def made(make, data, size, chunk=4096):
    """Bytes that the decoder make(sink) makes of data."""
    sink = Sink(size)
    pour(make(sink), data, chunk)
    assert sink.ended
    return bytes(sink.made)


def outcome(make, data, size):
    """Number of the error it ends in, or the bytes it makes, which are `size` then."""
    try:
        found = made(make, data, size)
    except FwError as error:
        assert error.code in CODES, error.code
        return error.code
    assert len(found) == size
    return found


def read(name):
    with open(here("vectors/delta/" + name), "rb") as file:
        return file.read()


def unpack(packed, size):
    """An image of the vectors out of raw deflate."""
    out = bytearray(size)
    assert DeflateIO(BytesIO(packed), RAW, 15).readinto(out) == size
    return bytes(out)


def unpacked(name, size):
    """An image of the vectors."""
    return unpack(read(name), size)


def cases(*names):
    """(row of index.json, Old) of the vectors, or of those named."""
    for row in vectors("delta/index.json"):
        if not names or row["name"] in names:
            old = unpacked(row["old"], row["old_size"])
            assert sha256(old).digest() == unhexlify(row["old_sha256"])
            yield row, Old(old)


def is_new(row, data):
    return len(data) == row["new_size"] and sha256(data).digest() == unhexlify(row["new_sha256"])


def detools(old, size, native=True):
    """Maker of a decoder for a detools patch that is deflated."""
    return lambda sink: Inflate(Patch(sink, old, size, native), None)


def inflate(size):
    return lambda sink: Inflate(sink, size)


def plain(old, size, native=True):
    return lambda sink: Patch(sink, old, size, native)


def arm(old, size, frame=512, native=True):
    return lambda sink: ArmPatch(sink, old, size, frame, None, native)


# What fuzz_decoders.py makes payloads for

NATIVE = sys.implementation.name == "micropython"  # to look for it in vain takes CPython long
FUZZ_OLD = Old(noise(400, 1))
FUZZ_SIZE = 300  # bytes of the images
FUZZED = {
    "detools": plain(FUZZ_OLD, FUZZ_SIZE, NATIVE),
    "arm": arm(FUZZ_OLD, FUZZ_SIZE, 512, NATIVE),
    "inflate": inflate(FUZZ_SIZE),
    "deflated detools": detools(FUZZ_OLD, FUZZ_SIZE, NATIVE),
}


# Patches and deflate streams by hand


def number(value):
    """As detools packs it."""
    sign = 0x40 if value < 0 else 0
    value = abs(value)
    out = bytearray([sign | value & 0x3F])
    value >>= 6
    while value:
        out[-1] |= 0x80
        out.append(value & 0x7F)
        value >>= 7
    return bytes(out)


def patch(size, *records, kind=0, format=0):
    """records: (diff bytes, extra bytes, move) each."""
    out = bytes([kind]) + number(size) + number(format)
    for diff, extra, move in records:
        out += number(len(diff)) + diff + number(len(extra)) + extra + number(move)
    return out


def leb(value):
    """As Arm packs it."""
    out = bytearray()
    while value > 0x7F:
        out.append(0x80 | value & 0x7F)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value):
    return leb(-value << 1 | 1 if value < 0 else value << 1)


def head(size, frame=512, magic=b"PELION/BSDIFF001"):
    return pack("<16sQQQ", magic, size, frame, frame)


def literals(data):
    """An LZ4 block."""
    if len(data) < 15:
        return bytes([len(data) << 4]) + data
    left = len(data) - 15
    return b"\xf0" + b"\xff" * (left // 255) + bytes([left % 255]) + data


def frame(block):
    return leb(len(block)) + block


def arm_patch(size, *records, limit=512):
    """records: (diff bytes, extra bytes, move) each; a frame for either."""
    out = head(size, limit)
    for diff, extra, move in records:
        out += leb(len(diff)) + leb(len(extra)) + signed(move)
        for data in (diff, extra):
            if data:
                out += frame(literals(data))
    return out


def stored(data, last=True):
    """Deflate blocks that hold data as it is, 65535 bytes each at most."""
    out = b""
    for at in range(0, len(data) or 1, 65535):
        piece = data[at : at + 65535]
        final = last and at + 65535 >= len(data)
        size = len(piece)
        out += bytes([final, size & 255, size >> 8, ~size & 255, ~size >> 8 & 255]) + piece
    return out


def fixed_zeros(size):
    """One zero and copies of it, 258 at a time, in a fixed block; what is left is zeros."""
    copies, rest = divmod(size - 1, 258)
    bits = "110" + "00110000" + ("11000101" + "00000") * copies + "00110000" * rest + "0000000"
    return packed_bits(bits)


def wide_block():
    """A block of one byte, 7, behind trees of 280 bytes, and an empty stored one behind that.

    The lengths of all 286 + 30 codes are written in 7 and 5 bits each: 226 literals have codes
    of 8 bits and the others of 9, 2 distances of 4 and the others of 5.
    """
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
    widths = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 8: 7, 9: 7}
    bits = "0" + "01" + low_first(29, 5) + low_first(29, 5) + low_first(15, 4)
    bits += "".join([low_first(widths.get(length, 0), 3) for length in order])
    bits += "1111110" * 226 + "1111111" * 60 + "1110" * 2 + "11110" * 28
    bits += "00000111" + "111100010"  # literal 7; end of block, which is 452 + 30
    return packed_bits(bits + "000") + b"\x00\x00\xff\xff"


def low_first(value, count):
    return "".join([str(value >> i & 1) for i in range(count)])


def packed_bits(bits):
    bits += "0" * (-len(bits) % 8)
    return bytes([int("".join(reversed(bits[i : i + 8])), 2) for i in range(0, len(bits), 8)])
