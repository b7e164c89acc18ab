"""Statement: what the maker says an image is, and signs.

Owns the bytes below; no I/O, no policy. Signed by fwtool, verified by the update client before
the first erase and by the boot stage before the image starts. The signature travels in the
manifest's installed-signature, and lies behind the header of every slot.

    offset size field      meaning
    0      16   prefix     b"ufota statement\\x01": no other thing that is signed begins so
    16     16   vendor     vendor id                                (numbers little-endian)
    32     16   class      class id
    48     8    component  ASCII, padded with NUL
    56     8    version    image version
    64     8    size       bytes of the image
    72     32   digest     SHA-256 of the image

The signature, 64 bytes, is ECDSA P-256 over SHA-256 of these 104 bytes: r, s, big-endian.
"""

import struct
from hashlib import sha256

from micropython import const

SIGNATURE_SIZE = const(64)
RECOVERY = "RECOVERY"  # component of a recovery image

_PREFIX = const(b"ufota statement\x01")
_STATEMENT = const("<16s16s16s8sQQ32s")  # 104 bytes


def digest_of(board, component, head):
    """SHA-256 of the statement about an image, 32 bytes.

    board:      it says vendor_id and class_id, 16 bytes each
    component:  text, at most 8 characters
    head:       (version, size, digest, ...): a Header
    """
    text = component.encode()
    packed = struct.pack(_STATEMENT, _PREFIX, board.vendor_id, board.class_id, text, *head[:3])
    return sha256(packed).digest()


def is_signed(board, component, head, signature):
    """True when signature (64 bytes) is the maker's, over the statement about this image.

    Where the layout says `arm_signature`, also over the digest alone, as Arm's tool makes it.
    board:   its key() verifies. Raises what that raises; others as digest_of()
    """
    key = board.key()
    if key.verify(digest_of(board, component, head), signature):
        return True
    return board.layout.get("arm_signature", False) and key.verify(head[2], signature)
