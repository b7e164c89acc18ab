"""Error numbers of payloads that are not the image itself; those of fwcore.errors go on here.

The rules are those of fwcore.errors. Apart from it because few updates need them.
"""

from micropython import const

# Encrypted payloads
NO_CIPHER = const(160)  # this port has no cryptolib
NO_CLASS_KEY = const(161)  # this device was given no class key
WRONG_CLASS_KEY = const(162)  # encrypted for another class of devices, or damaged
BAD_PADDING = const(163)  # the encrypted payload does not end as it should
