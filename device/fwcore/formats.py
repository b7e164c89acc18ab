"""Payload formats: what a manifest's number says the payload is.

Owns the numbers. 1 and 5 are Arm's, the others are ours, built like Arm's: a kind in the low
byte, and what was done to it above. Arm's own 0x100, encrypted, is not taken: decrypt.py says
why. docs/FORMATS.md has the bytes of each.

    payload = encrypted(deflated(kind))        each step where its bit is set
"""

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

KIND = const(0xFF)  # mask
RAW = const(1)  # the image
ARM_PATCH = const(5)  # Arm's patch stream
PATCH = const(7)  # detools' sequential patch
DEFLATED = const(0x200)
ENCRYPTED = const(0x400)


def is_known(number):
    """True for what a manifest may say; not every build can install it."""
    return number & KIND in (RAW, ARM_PATCH, PATCH) and not number & ~(KIND | ENCRYPTED | DEFLATED)


def check(found, takes=None):
    """Does a manifest say what its payload format needs?

    found:   Manifest
    takes:   formats to take; None: all that are known
    raises:  FwError UNSUPPORTED; MALFORMED when it does not say what comes out, or what a patch
             is for
    """
    number = found.format
    if number not in takes if takes else not is_known(number):
        raise FwError(errors.UNSUPPORTED)
    if not found.installed_digest or (number & KIND != RAW and not found.precursor):
        raise FwError(errors.MALFORMED)
