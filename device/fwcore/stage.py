"""Stage header: what sits in front of an updatable boot stage.

Owns the layout below: the FirmwareHeader of the Mbed OS firmware update design.
Apart from header.py, because only updatable boot stages need it.
All fields little-endian.

    offset size field     meaning
    0      4    magic     b"uFWs"
    4      4    format    header format, 1
    8      4    crc       CRC-32 (zlib) of all other bytes in order
    12     4    size      total bytes, this header included
    16     8    version   firmware version, larger is newer
    24     32   digest    SHA-256 of the firmware behind the header
"""

import struct
from binascii import crc32

from micropython import const

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header

STAGE_SIZE = const(56)
_MAGIC = const(b"uFWs")
_STAGE = const("<4sIIIQ32s")  # 56 bytes; crc inside


def pack_stage(version, size, digest):
    """Firmware's size and SHA-256 -> the 56 bytes in front of it. source: FORMATS.md section 3"""
    head = bytearray(STAGE_SIZE)
    struct.pack_into(_STAGE, head, 0, _MAGIC, 1, 0, STAGE_SIZE + size, version, digest)
    struct.pack_into("<I", head, 8, _stage_crc(head))
    return bytes(head)


def unpack_stage(buf, limit):
    """Parse a stage header.

    buf:      at least 56 bytes
    limit:    bytes in the slot, header included; bounds the size
    returns:  Header whose size excludes the 56 bytes; campaign is all zero
    raises:   FwError BAD_MAGIC | BAD_CRC | TOO_BIG
    """
    if len(buf) < STAGE_SIZE or buf[:4] != _MAGIC:
        raise FwError(errors_boot.BAD_MAGIC)
    _magic, form, crc, size, version, digest = struct.unpack_from(_STAGE, buf)
    if crc != _stage_crc(buf):
        raise FwError(errors.BAD_CRC, 8)
    if form != 1:
        raise FwError(errors_boot.BAD_MAGIC, 4)
    if not STAGE_SIZE < size <= limit:
        raise FwError(errors.TOO_BIG, 12)
    return Header(version, size - STAGE_SIZE, digest, NO_CAMPAIGN)


def _stage_crc(buf):
    return crc32(buf[12:STAGE_SIZE], crc32(buf[:8]))
