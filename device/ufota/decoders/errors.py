"""Error numbers of payload decoders; those of fwcore.errors go on here.

The rules are those of fwcore/errors.py. A file of its own, because a device that gets whole
images needs none of these.
"""

from micropython import const

# Payload decoders
BAD_STREAM = const(150)  # the payload is not of its format; at = byte of it, about
STREAM_CUT = const(151)  # the payload ends before its stream does; at = bytes that came
TOO_MUCH = const(152)  # the stream makes more than the manifest announced; at = bytes announced
OUTSIDE_OLD = const(153)  # the patch asks for bytes outside of the active image; at = which
OTHER_PATCH = const(154)  # a kind of patch this device does not know; at = what it says it is
OTHER_SIZE = const(155)  # the patch is for an image of another size; at = that size
BIG_FRAME = const(156)  # the patch has frames larger than this device's buffer; at = how large
STARVED = const(157)  # deflate blocks that make next to nothing; at = byte of the payload, about

# Encrypted payloads
NO_CIPHER = const(160)  # this port has no cryptolib
NO_CLASS_KEY = const(161)  # this device was given no class key
WRONG_CLASS_KEY = const(162)  # encrypted for another class of devices; the payload is whole
BAD_PADDING = const(163)  # not raised any more, as attackers could use it: CORRUPT is
