"""A NOR chip's description of itself: serial flash discoverable parameters (SFDP, JESD216).

Owns the layout of these tables, as far as a driver of one data line needs it; no bus. Tables
of all revisions are read: fields that an old one lacks keep the values of DEFAULTS.

    header         bytes  0 "SFDP", 4 minor, 5 major, 6 number of parameter headers - 1
    parameter      bytes  0 id, 1 minor, 2 major, 3 dwords, 4 pointer (24 bits), 7 id (high)
    basic (FF00)   dword  1 address bytes, 2 density, 8 and 9 erase types,
                          10 erase times, 11 program time, 16 ways to 4-byte addresses
    4-byte (FF84)  dword  1 commands there are, 2 erase commands of the four types

All fields are little-endian; dwords are counted from 1, as in the standard.
"""

import struct

from micropython import const

SCRATCH = const(64)  # bytes of work space: the 16 dwords of the basic table that are of use

_BASIC = const(0xFF00)
_WIDE = const(0xFF84)
_MOST_HEADERS = const(16)
LONGEST_MS = const(60000)
# Times what the tables call the longest: old and cold chips, and wrong tables.
_ROOM = const(4)

_NO_OPS = (0, 0xFF)  # in place of a command


class Shape:
    """What a chip can do. A new one has what chips without tables have in common.

    size:      bytes; 0: not known
    erases:    (bytes, command, the same with 4-byte address or 0, typical ms, ms until it is
               stuck) each, smallest first
    page_us:   typical time of a page program
    page_ms:   after which it is stuck
    always:    addresses have 4 bytes, whatever one does
    mode:      B7 and E9 switch to 4-byte addresses and back
    wide_ops:  reading (0C) and programming (12) with 4-byte address are there
    """

    def __init__(self):
        self.size = 0
        self.erases = [_erase(1 << 12, 0x20), _erase(1 << 16, 0xD8)]
        self.page_us = 700
        self.page_ms = 50  # 10 times the longest of data sheets
        self.always = False
        self.mode = True
        self.wide_ops = False


def parse(read, mv):
    """Parse the tables of a chip.

    read:    read(at, mv) fills mv from address `at` of the tables
    mv:      SCRATCH bytes of work space
    returns: Shape, or None when the chip has no tables that make sense
    source:  JESD216F; tables of real chips are sometimes wrong, so a driver's user may
             override the size
    """
    head = mv[:8]
    read(0, head)
    if bytes(head[:4]) != b"SFDP":
        return None
    basic = wide = None
    for i in range(min(head[6] + 1, _MOST_HEADERS)):
        read(8 + 8 * i, head)
        table = head[4] | head[5] << 8 | head[6] << 16, head[3]
        kind = head[0] | head[7] << 8
        if kind == _BASIC and table[1] >= 9 and (basic is None or table[1] > basic[1]):
            basic = table
        elif kind == _WIDE and table[1] >= 2:
            wide = table
    if basic is None:
        return None
    ops = b""
    if wide:
        read(wide[0], head)
        ops = bytes(head)
    count = min(4 * basic[1], SCRATCH)
    read(basic[0], mv[:count])
    return _shape(struct.unpack("<{}I".format(count // 4), mv[:count]), ops)


def _shape(words, ops):
    """The Shape of a basic table, as dwords, and the first bytes of a 4-byte table, or none."""
    shape = Shape()
    shape.size = _size(words[1])
    known = struct.unpack("<I", ops[:4])[0] if ops else 0
    erases = []
    for i in range(4):
        pair = words[7 + i // 2] >> (i % 2 * 16)
        power, op = pair & 0xFF, pair >> 8 & 0xFF
        if 8 <= power <= 18 and op not in _NO_OPS:
            wide_op = ops[4 + i] if known >> 9 + i & 1 else 0
            times = words[9] if len(words) > 9 else 0
            erases.append(_erase(1 << power, op, wide_op, times, 4 + 7 * i))
    if erases:
        # A page erase of 256 or 512 bytes beside that of 4 KiB is no block for a file system
        whole = [erase for erase in erases if erase[0] >= 1 << 12]
        shape.erases = sorted(whole or erases)
    elif words[0] & 3 == 1 and words[0] >> 8 & 0xFF not in _NO_OPS:
        shape.erases = [_erase(1 << 12, words[0] >> 8 & 0xFF)]
    if len(words) > 10:
        _page_times(shape, words[10])
    address = words[0] >> 17 & 3
    if address:  # in chips without it, dword 16 may say anything
        ways = words[15] if len(words) > 15 else 3 << 24
        shape.always = address == 2 or bool(ways >> 30 & 1)
        shape.mode = bool(ways >> 24 & 3)
    else:
        shape.mode = False
    shape.wide_ops = known & 0x42 == 0x42
    return shape


def _size(density):
    if density >> 31:
        power = density & 0x7FFFFFFF
        return 1 << power - 3 if 15 <= power <= 35 else 0
    return density + 1 >> 3


def _erase(size, op, wide_op=0, times=0, shift=0):
    """One of Shape.erases. times: dword 10, or 0 when there is none; shift: where in it"""
    # 4 KiB take 400 ms at most, 64 KiB up to 3 s, in data sheets of chips without tables
    typical, most = max(45, size >> 9), max(400, size >> 4)
    if times:
        unit = (1, 16, 128, 1000)[times >> shift + 5 & 3]
        typical = ((times >> shift & 31) + 1) * unit
        most = max(most, typical * 2 * ((times & 15) + 1))
    return size, op, wide_op, typical, min(_ROOM * most, LONGEST_MS)


def _page_times(shape, times):
    shape.page_us = ((times >> 8 & 31) + 1) * (64 if times >> 13 & 1 else 8)
    most = shape.page_us * 2 * ((times & 15) + 1)
    shape.page_ms = max(shape.page_ms, _ROOM * most // 1000)
