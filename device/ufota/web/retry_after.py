"""Statuses that are no success, and when the server wants to be asked again (RFC 9110 10.2.3)."""

import time

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_MAX_DIGITS = const(10)
_MAX_WAIT_S = const(3600)


def answer(source):
    """Raises FwError HTTP_STATUS, with retry_after_s known."""
    source.retry_after_s = _wait_s(source._found)
    raise FwError(errors.HTTP_STATUS, source.status)


def late():
    """The transfer takes longer than it may. Raises FwError TOO_SLOW."""
    from fwcore import errors_net

    raise FwError(errors_net.TOO_SLOW)


def _wait_s(found):
    """Seconds of Retry-After, at most _MAX_WAIT_S; 0 when there is none that can be read."""
    value = found.get(b"retry-after", b"")
    if value.isdigit():
        return min(int(value[:_MAX_DIGITS]), _MAX_WAIT_S)
    then = _seconds(value)
    if then is None:
        return 0
    now = _seconds(found.get(b"date", b""))  # the server's clock, as this one may not be set
    if now is None:
        now = _since_2000(*time.gmtime()[:6])
    return max(0, min(then - now, _MAX_WAIT_S))


def _seconds(value):
    """b"Sun, 06 Nov 1994 08:49:37 GMT" -> seconds since 2000, below 0 here; None if it is not."""
    parts = value.replace(b":", b" ").split()
    if len(parts) != 8 or parts[7] != b"GMT":
        return None
    month = b"JanFebMarAprMayJunJulAugSepOctNovDec".find(parts[2])
    numbers = parts[3], parts[1], parts[4], parts[5], parts[6]
    if month < 0 or month % 3 or len(parts[2]) != 3:
        return None
    for each in numbers:
        if not each.isdigit() or len(each) > 4:
            return None
    year, day, hour, minute, second = (int(each) for each in numbers)
    return _since_2000(year, month // 3 + 1, day, hour, minute, second)


def _since_2000(year, month, day, hour, minute, second):
    """Own sum, as ports count from 1970 or 2000, and mktime() knows local time only."""
    if month < 3:
        year, month = year - 1, month + 12
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day
    return ((days - 730426) * 24 + hour) * 3600 + minute * 60 + second
