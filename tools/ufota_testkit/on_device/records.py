"""Operations on chips that are files: their records, and what one leaves, whole or torn.

A record is what one call of a chip does, and what power can be cut in several times:

    offset size field  meaning                                       (little-endian)
    0      16   chip   its name, padded with zeros
    16     4    start  byte address
    20     4    size   bytes
    24     4    unit   bytes of each operation; 0: one operation, the erase of `size` bytes
    28     size        what is programmed; nothing for an erase

Runs on both interpreters.
"""

import struct

from ufota_testkit.simdisk import torn

TEARS = ("nothing", "half", "junk", "bits", "whole")  # what a file can hold
HEADER = "<16sIII"
SIZE = struct.calcsize(HEADER)


class Operation:
    """chip: name;  start, size: bytes;  new: what is programmed, b"" for an erase"""

    def __init__(self, chip, start, size, new):
        self.chip = chip
        self.start = start
        self.size = size
        self.new = new

    def __str__(self):
        return "{} {} {:#x}".format("program" if self.new else "erase", self.chip, self.start)


def packed(operation):
    """The record of one operation."""
    unit = operation.size if operation.new else 0
    head = struct.pack(HEADER, operation.chip.encode(), operation.start, operation.size, unit)
    return head + operation.new


def headers(file):
    """(chip, start, size, unit) of each whole record of a file, which then stands at its data.

    A record that was cut short is the last; what it tells was not begun. The file may be read on.
    """
    end = file.seek(0, 2)
    at = 0
    while at + SIZE <= end:
        file.seek(at)
        name, start, size, unit = struct.unpack(HEADER, file.read(SIZE))
        at += SIZE + (size if unit else 0)
        if at > end:
            break
        yield name.rstrip(b"\0").decode(), start, size, unit
    file.seek(min(at, end))


def operations(file):
    """Each Operation of a file of records."""
    for chip, start, size, unit in headers(file):
        if not unit:
            yield Operation(chip, start, size, b"")
            continue
        data = file.read(size)
        for at in range(0, size, unit):
            yield Operation(chip, start + at, unit, data[at : at + unit])


def put(file, operation, tear="whole", seed=0):
    """Leave in a chip's file what the operation leaves.

    tear:  of TEARS;  seed: number of the operation
    """
    file.seek(operation.start)
    old = file.read(operation.size)
    new = operation.new or b"\xff" * operation.size
    file.seek(operation.start)
    file.write(torn(tear, old, new, seed))


def check_tears(tears):
    """Raises AssertionError for what is no tear of chips that are files."""
    if not isinstance(tears, (tuple, list)) or not tears or set(tears) - set(TEARS):
        raise AssertionError("tears are some of {}, not {!r}".format(TEARS, tears))
