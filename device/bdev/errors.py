"""Error numbers of storage drivers; those of fwcore.errors go on here.

A block device returns negative errno numbers, so a driver keeps the rest as `error`, its last
one: (number, at). Where there is nothing to return to, in a constructor, it raises
OSError(errno, number). Codes are appended, never renumbered.
"""

from micropython import const

# Any device
NO_DEVICE = const(130)  # nothing answers on the bus
WRONG_DEVICE = const(131)  # something answers that is no chip or card this driver knows
STUCK = const(132)  # it is still busy after its deadline
OUTSIDE = const(133)  # an address outside of the device, or between its units
READ_BACK = const(134)  # it reads otherwise than what was written
PROTECTED = const(135)  # it is write-protected

# SPI NOR
NOT_ENABLED = const(136)  # write enable (WEL) does not stay: bus errors, or the chip is reset
IGNORED = const(137)  # the chip does not know, or did not get, the erase or program command
NO_ADDRESS = const(138)  # above 16 MiB, in none of the ways this driver speaks
