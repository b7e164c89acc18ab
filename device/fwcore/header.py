"""Image headers: what lies in front of every image, on flash and on storage.

Owns the two layouts below and nothing else: no I/O, no policy.
Read by fwboot (verify, install), ufota (active version, commit) and fwtool.

Internal header, Arm v2: the active image and candidates in internal flash.
All fields big-endian.

    offset size field     meaning
    0      4    magic     5a 51 b3 d4
    4      4    format    header format, 2
    8      8    version   image version, larger is newer
    16     8    size      image bytes, header excluded
    24     32   digest    SHA-256 of the image
    56     32   zero      room for a longer digest
    88     16   campaign  id of the campaign that brought the image
    104    4    sigsize   signature bytes that follow: always 0
    108    4    crc       CRC-32 (zlib) of bytes 0..107

External header, Arm v2: candidates on removable or shared storage. Fields up to
`zero` as above, then

    offset size field     meaning
    0      4    magic     5a 51 b3 d4
    4      4    format    header format, 2
    8      8    version   image version, larger is newer
    16     8    size      image bytes, header excluded
    24     32   digest    SHA-256 of the image
    56     32   zero      room for a longer digest
    88     8    paysize   payload bytes; equals size
    96     32   paydigest payload digest; equals digest
    128    32   payzero   room for a longer digest
    160    16   campaign  id of the campaign that brought the image
    176    4    mode      payload transformation, 0
    180    32   cipherkey 0
    212    16   iv        0
    228    4    sigsize   signature bytes that follow: always 0
    232    32   mac       HMAC-SHA256 of bytes 0..231 under the device key
    264    32   room      zero, not authenticated, ignored by readers
"""

import struct
from binascii import crc32
from collections import namedtuple

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from fwcore.mac import hmac_sha256, same

INTERNAL_SIZE = const(112)
EXTERNAL_SIZE = const(296)
NO_CAMPAIGN = bytes(16)

_V2 = const(b"\x5a\x51\xb3\xd4\x00\x00\x00\x02")  # magic and format
_INTERNAL = const(">8sQQ32s32s16sI")  # 108 bytes; crc follows
_EXTERNAL = const(">8sQQ32s32sQ32s32s16sI32s16sI")  # 232 bytes; mac follows
_KEY_LABEL = const(b"StorageEnc256HMACSHA256SIGNATURE")  # Arm's, 32 bytes, no NUL

# version, size: int; digest: 32 bytes; campaign: 16 bytes
Header = namedtuple("Header", ("version", "size", "digest", "campaign"))


def is_v2(buf):
    """True when magic and format are Arm's header v2.

    The active header must pass this. Candidate headers need not: Arm's parsers
    look at CRC or MAC alone, and the MAC already proves the device wrote it.
    """
    return buf[:8] == _V2


def pack_internal(head):
    """Header -> 112 bytes. source: Arm's metadata header v2; FORMATS.md section 1"""
    body = struct.pack(_INTERNAL, _V2, head.version, head.size, head.digest, b"", head.campaign, 0)
    return body + struct.pack(">I", crc32(body))


def unpack_internal(buf):
    """Parse an internal header.

    buf:      at least 112 bytes
    returns:  Header; its size is as stored, bounded by the caller's slot
    raises:   FwError BAD_CRC
    """
    if len(buf) < INTERNAL_SIZE or crc32(buf[:108]) != struct.unpack_from(">I", buf, 108)[0]:
        raise FwError(errors.BAD_CRC)
    _, version, size, digest, _, campaign, _ = struct.unpack_from(_INTERNAL, buf)
    return Header(version, size, digest, campaign)


def device_key(rot):
    """The key of this device's external headers.

    rot:      16 bytes, the root of trust
    returns:  32 bytes
    raises:   FwError BAD_KEY for another length
    """
    if len(rot) != 16:
        raise FwError(errors.BAD_KEY, len(rot))
    return hmac_sha256(rot, _KEY_LABEL)


def pack_external(head, key):
    """Header and device key (32 bytes) -> 296 bytes. source: FORMATS.md section 2"""
    image = (head.size, head.digest, b"")  # the payload fields repeat it
    rest = (head.campaign, 0, b"", b"", 0)
    body = struct.pack(_EXTERNAL, _V2, head.version, *image, *image, *rest)
    return body + hmac_sha256(key, body) + bytes(32)


def unpack_external(buf, key):
    """Parse an external header.

    buf:      at least 296 bytes
    key:      32 bytes from device_key()
    returns:  Header; its size is as stored, bounded by the caller's slot
    raises:   FwError BAD_MAC
    """
    if len(buf) < EXTERNAL_SIZE or not same(hmac_sha256(key, buf[:232]), buf[232:264]):
        raise FwError(errors.BAD_MAC)
    fields = struct.unpack_from(_EXTERNAL, buf)
    return Header(fields[1], fields[2], fields[3], fields[8])
