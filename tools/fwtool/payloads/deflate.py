"""Raw deflate (RFC 1951), as small as zlib makes it for a device's window.

Owns which of zlib's settings are tried; whoever packs a payload, image or patch, uses it.
"""

import zlib
from itertools import product

# A memory level sets how long zlib's blocks are. Over 23 patches between releases the best of
# these took 0.05 % off level 9 as it comes, 0.6 % of one; further levels and strategies 0.005 %,
# blocks that end elsewhere nothing.
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_RLE)
_MEMORY_LEVELS = range(4, 10)


def smallest(data, wbits=10):
    """Deflate data in the best of several ways.

    wbits:    the window is 2^wbits bytes, 9..15; the device needs as much RAM to inflate it
    returns:  bytes, raw deflate without any header; the same for the same data and zlib
    """
    tries = product(_STRATEGIES, _MEMORY_LEVELS)
    return min((_deflate(data, wbits, *each) for each in tries), key=len)


def _deflate(data, wbits, strategy, memory_level):
    packer = zlib.compressobj(9, zlib.DEFLATED, -wbits, memory_level, strategy)
    return packer.compress(data) + packer.flush()
