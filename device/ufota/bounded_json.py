"""JSON with bounds: a message of a service takes no more heap and time than it is allowed.

    found = loads(buf, 4096)                  a dict, or FwError
    inner = table(found, "data")              a dict; {} when the field is missing or null
    url = text(inner, "url", 2048)            printable ASCII; "" when missing or null
    size = number(inner, "size", 1 << 31)     0..most; None when missing or null

A field of another kind, or beyond its bound, is FwError BAD_MESSAGE; the caller decides what a
missing one means. Three things are checked before a message is parsed: its nesting, so that no
"[[[[..." fills the heap; the number of lists and objects, which cost far more than their two
bytes; and the digits of a number, because the time to convert them grows with their square.

MicroPython's parser accepts some texts that are no JSON (commas, mostly). That is harmless here:
callers take single fields out of a message and check each.
Used by the sources of services (alibaba, hawkbit).
"""

import json

from micropython import const

from fwcore import errors_net
from fwcore.errors import FwError

_MARK = const(b"\xef\xbb\xbf")
_MAX_DEPTH = const(12)  # hawkBit's deployment has 7 levels
_MAX_BOXES = const(100)  # lists and objects of a message
_MAX_NUMBER = const(20)  # characters; 2^64 has 20 digits
_MAX_DIGITS = const(10)  # of a number that came as text


def loads(buf, limit):
    """Parse a message.

    buf:      bytes-like, a byte order mark in front is passed over (RFC 8259 section 8.1);
              copied for a moment only, to check that it is UTF-8
    limit:    bytes it may have
    returns:  dict
    raises:   FwError BAD_MESSAGE; at = offset, or the length when it is too long
    """
    if len(buf) > limit:
        raise FwError(errors_net.BAD_MESSAGE, len(buf))
    if bytes(buf[:3]) == _MARK:
        buf = buf[3:]
    _look(buf)
    try:
        str(buf, "utf-8")
        found = json.loads(_readable(buf))
    except (ValueError, MemoryError, KeyError, TypeError):  # a UnicodeError is a ValueError
        raise FwError(errors_net.BAD_MESSAGE)
    if not isinstance(found, dict):
        raise FwError(errors_net.BAD_MESSAGE)
    return found


def _readable(buf):
    """What json.loads() takes on this interpreter: CPython's refuses a memoryview."""
    return bytes(buf) if isinstance(buf, memoryview) else buf


def _look(buf):
    """Go through a message once, without parsing it. Raises FwError BAD_MESSAGE."""
    depth = boxes = digits = 0
    quoted = escaped = False
    for at, byte in enumerate(buf):
        if quoted:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quote
                quoted = False
            continue
        digits = digits + 1 if 0x30 <= byte <= 0x39 or byte in b"+-.eE" else 0
        if byte == 0x22:
            quoted = True
        elif byte in b"[{":
            depth += 1
            boxes += 1
        elif byte in b"]}":
            depth -= 1
        if digits > _MAX_NUMBER or depth > _MAX_DEPTH or boxes > _MAX_BOXES:
            raise FwError(errors_net.BAD_MESSAGE, at)


def table(obj, key):
    """The object in a field of a dict; {} when there is none. Raises FwError BAD_MESSAGE."""
    found = obj.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise FwError(errors_net.BAD_MESSAGE)
    return found


def text(obj, key, most, any_script=False):
    """The text in a field of a dict, "" when there is none.

    most:    characters it may have
    any_script: True: it is for people; its characters beyond ASCII become numbers, "%4e2d"
    raises:  FwError BAD_MESSAGE, also for what is not printable ASCII: these go on to request
             lines, topics and logs
    """
    found = obj.get(key)
    if found is None:
        return ""
    if not isinstance(found, str) or len(found) > most:
        raise FwError(errors_net.BAD_MESSAGE)
    if any_script:
        found = "".join(char if char < "\x80" else "%%%x" % ord(char) for char in found)
    for char in found:
        if not " " <= char <= "~":
            raise FwError(errors_net.BAD_MESSAGE)
    return found


def number(obj, key, most):
    """The number 0..most in a field of a dict, None when there is none.

    Decimal text counts too: services send some numbers in quotes, now and then.
    raises:  FwError BAD_MESSAGE, also for fractions
    """
    found = obj.get(key)
    if found is None:
        return None
    if isinstance(found, str):
        found = _decimal(found)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise FwError(errors_net.BAD_MESSAGE)
    return found


def _decimal(digits):
    """Text of 1..10 digits -> int, anything else -> -1."""
    if not 0 < len(digits) <= _MAX_DIGITS or digits.strip("0123456789"):
        return -1
    return int(digits)
