"""Error numbers of networks and services, beyond the few that errors.py has.

The rules are those of errors.py. A file of its own, because each name costs heap, and an
update over a plain connection that works needs none of these.
"""

from micropython import const

# Manifest, continued (Arm's numbers)
WRONG_PRECURSOR = const(32)  # delta against an image that is not the active one
WRONG_COMPONENT = const(39)  # component name this device does not have

# Transport, continued
TOO_MANY_REDIRECTS = const(90)  # the server sent the client on and on
BAD_REDIRECT = const(91)  # a redirect without an address, or to one that cannot be used
INSECURE_REDIRECT = const(92)  # a redirect from https:// to http://
BAD_RANGE = const(93)  # the server sent other bytes than it was asked for
TOO_SLOW = const(94)  # the whole transfer took too long, or came too slowly
OTHER_LENGTH = const(95)  # the object is not as long as the manifest announces

# TLS
NOT_VERIFYING = const(100)  # the TLS context does not verify the server, or none was given
UNTRUSTED = const(101)  # the server's certificate is not signed by a CA this device trusts
WRONG_HOST = const(102)  # the certificate is for another host
EXPIRED = const(103)  # the certificate is no longer valid
NOT_YET_VALID = const(104)  # the certificate is not valid yet
CLOCK_NOT_SET = const(105)  # the device's clock was never set, so no certificate can be judged
TLS_REFUSED = const(106)  # the server refused the handshake: version, cipher, client certificate
TLS_FAILED = const(107)  # another TLS failure; at = the library's number

# Sources and services
NO_SOURCE = const(110)  # no source could deliver; at = number of the last one's error
BUSY = const(111)  # the source is busy, ask again soon
BAD_MESSAGE = const(112)  # a service sent a message that is not as documented
UNSIGNED = const(113)  # an image without a manifest, and the layout does not allow that
CANCELED = const(114)  # the service called the update off
NO_ANSWER = const(115)  # the service did not answer in time
LOGIN = const(116)  # the broker or service refused the login

# Fragments
OUT_OF_ORDER = const(120)  # a fragment that is not the next one, or lies outside of the image
INCOMPLETE = const(121)  # fragments are still missing; at = the first missing byte
NOT_BEGUN = const(122)  # no update has begun

# Components
NEEDS = const(125)  # needs a component, or a newer one, than this device has; at = which of them

# Trial
RESTING = const(89)  # nobody confirmed it the last time; at = starts until it is tried again

# Provisioning
BAD_IDENTITY = const(126)  # no identity as `fwtool provision` makes it; at = what of it is wrong
