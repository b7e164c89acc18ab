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

# SD cards
REFUSED = const(140)  # the card refuses a command; at = number of the command * 256 + its R1
TOKEN = const(141)  # it sends an error in place of data; at = the token
CRC_READ = const(142)  # data came with another CRC than it has; at = block
CRC_WRITTEN = const(143)  # the card says so of data it got; at = its data response
NOT_WRITTEN = const(144)  # the card did not write; at = its data response
STATUS = const(145)  # the card took the data, and then says it failed; at = 2nd byte of R2
CARD_BACK = const(146)  # no failure: it had gone, and was started again; at = how often
CARD_CHANGED = const(147)  # another card than the one before; at = its blocks
BELOW = const(148)  # the device under a bdev.checked failed; at = its errno
