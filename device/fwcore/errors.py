"""Error numbers: what went wrong, as a number that a server can show and count.

One exception for everything ufota decides; storage itself raises OSError.
Codes are appended, never renumbered. 21..45 are Arm's own FOTA status numbers
(fota_status.h, without the minus sign), so a fleet that mixes both clients
reads one table. The texts for people are the comments here, which
`fwtool explain` prints. The numbers that only boot stage, layouts and trials
need are in errors_boot.py: each name here costs the update client heap.
"""

from micropython import const

# Manifest (Arm's numbers)
URI_TOO_LONG = const(21)  # payload-uri is longer than 255 bytes
MALFORMED = const(22)  # manifest is cut short or is not the DER it should be
BAD_SIGNATURE = const(23)  # not signed by the key this device trusts
UNSUPPORTED = const(25)  # payload format this build cannot install
CORRUPT = const(26)  # bytes differ from the digest or size the manifest announced
NOT_NEWER = const(27)  # version is not newer than the active one
BAD_SCHEMA = const(28)  # manifest schema is not version 3
VENDOR_DATA = const(29)  # vendor-data is larger than this build accepts
WRONG_VENDOR = const(30)  # made for another vendor
WRONG_CLASS = const(31)  # made for another device class
TOO_BIG = const(33)  # image does not fit its slot or the active region
NO_MEMORY = const(34)  # the heap is too small, or in pieces
WRITE_FAILED = const(35)  # storage did not keep what was written
READ_FAILED = const(36)  # storage could not be read
INSTALL_DENIED = const(37)  # application said no to the install
DOWNLOAD_DENIED = const(38)  # application said no to the download
BAD_VERSION = const(41)  # version text is not a.b.c with each 0..999
BAD_DIGEST = const(43)  # digest field is not 32 bytes

# Header
BAD_CRC = const(51)  # internal header torn or corrupt
BAD_MAC = const(52)  # external header torn, corrupt, or of another device
BAD_KEY = const(53)  # public key or root of trust has the wrong length or is no point

# Layout
MISALIGNED = const(61)  # an address or size is not a multiple of what it must be
OUT_OF_DEVICE = const(63)  # region reaches past the end of its device
NO_SLOT = const(64)  # no candidate location can be used

# Transport
BAD_URL = const(70)  # not an http:// address this client can use
CONNECT = const(71)  # name or server cannot be reached
TIMEOUT = const(72)  # the peer went silent
HTTP_STATUS = const(73)  # status is not 200; at = status
BAD_RESPONSE = const(74)  # not HTTP, or a header beyond the limits
CUT_SHORT = const(75)  # the body ended before its announced length
TOO_LONG = const(76)  # the body goes on past its announced length


class FwError(Exception):
    """A decision against something, with a stable number and a place.

    code: one of the constants above
    at:   a number: docs/FORMATS.md, section 9, says of what; names where a layout, or an identity,
          is wrong
    """

    def __init__(self, code, at=0):
        super().__init__(code, at)
        self.code = code
        self.at = at


def errno_of(error):
    """Number of an OSError; 0 where it has none, or text instead, as a look-up on unix."""
    number = error.errno
    return number if isinstance(number, int) else 0
