"""Error numbers of the boot stage, and of what it shares with few others.

The rest of the table, and FwError, are in errors.py; the rules are the same. A file of its
own, because an update client needs these only where the layout has a state region.
"""

from micropython import const

from fwcore import errors

# Installation (Arm's number)
INSTALL_FAILED = const(40)  # boot stage could not copy the candidate
# With these a revert blames the device: the image is not black-listed, and may be offered again.
DEVICE_FAULTS = errors.BAD_SIGNATURE, errors.CORRUPT, errors.READ_FAILED, INSTALL_FAILED

# Header
BAD_MAGIC = const(50)  # no header here: blank, or something else

# Layout
BAD_LAYOUT = const(60)  # a field is missing, of the wrong kind, or out of bounds
OVERLAP = const(62)  # two regions share an erase block

# Trial, confirm, revert
NOT_CONFIRMED = const(80)  # the image was not confirmed in its trial boots
CRASHED = const(81)  # the application raised, or ended, in its last trial boot
HUNG = const(82)  # the watchdog reset the application in its last trial boot
BELOW_FLOOR = const(83)  # version is below the anti-rollback floor
BLACK_LISTED = const(84)  # this very image was rejected here before, or failed too often
ON_TRIAL = const(85)  # running image is not confirmed yet, so no other can come in
NOT_ON_TRIAL = const(86)  # there is no trial to confirm or to reject
# With these nobody knows whether the image is good: it rests, and is tried again.
USED_UP = NOT_CONFIRMED, HUNG

# Signatures
NO_KEY = const(87)  # this device has no key to verify with: it is not provisioned yet
NO_VERIFIER = const(88)  # this firmware has no code that verifies, or no frozen key
