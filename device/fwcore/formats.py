"""Payload formats: what a manifest's number says the payload is.

Owns the numbers. Arm's are 1, 5 and 257; the others are ours, in the same manner: a kind in
the low byte, and what was done to it above. docs/FORMATS.md has the bytes of each.

    payload = encrypted(deflated(kind))        each step where its bit is set
"""

from micropython import const

KIND = const(0xFF)  # mask
RAW = const(1)  # the image
ARM_PATCH = const(5)  # Arm's patch stream
PATCH = const(7)  # detools' sequential patch
ENCRYPTED = const(0x100)
DEFLATED = const(0x200)
