"""Simple installation: erase, header, body, verify, as mbed-bootloader does it.

Power may be cut at any line: the candidate is never written, and an active image
that is not whole fails its digest, so the next boot installs again.
"""

from micropython import const

from fwcore import header
from fwcore.errors import FwError
from fwcore.storage import blank, down, up

DONE = const(0)
REFUSED = const(1)  # nothing was touched
FAILED = const(2)  # the active image is not whole now


def install(candidate, head, signature, active, buf, log, feed):
    """Copy a verified candidate over the active image.

    candidate:  Slot the image is read from
    head:       its Header, verified
    signature:  what is written behind the header, b"" in a layout that asks for none
    active:     Slot the image is written to
    buf:        memoryview, whole program units of both storages
    returns:    DONE | REFUSED | FAILED
    """
    log("[DBG ] Update active firmware")
    log("[DBG ] Erase active application")
    separate = _is_separate(active)
    if separate:
        log("[DBG ] Erasing header separately from active application")
    if not active.fits(head.size):  # before the first erase: an active image that runs stays
        log(
            "[DBG ] Firmware size rounded up to the nearest sector boundary"
            " is larger than the maximum application size"
        )
        log("[DBG ] Firmware update failed")
        return REFUSED
    try:
        _erase(active, head.size, separate, feed)
        log("[DBG ] Write header")
        active.write_header(header.pack_internal(head) + signature)
        log("[DBG ] Copy application")
        _copy(candidate, head.size, active, buf, feed)
        log("[DBG ] Verify application")
        if active.digest(head.size, buf, feed) == head.digest:
            log("[DBG ] New active firmware is valid")
            return DONE
    except (OSError, FwError):
        pass  # storage failed: the result says so, and the caller tries again
    log("[DBG ] Firmware update failed")
    return FAILED


def _is_separate(active):
    """True when header and image need two erases, by mbed-bootloader's own comparison."""
    erase = active.storage.erase_size
    header_end = up(active.header_at + active.header_size(), erase)
    return header_end < active.body_at or active.header_at > active.body_at


def _erase(active, size, separate, feed):
    storage = active.storage
    unit = storage.erase_size
    start = down(active.body_at if separate else active.header_at, unit)
    if separate:
        first = down(active.header_at, unit)
        last = up(active.header_at + active.header_size(), unit)
        storage.erase(first, last - first, feed)
    storage.erase(start, up(active.body_at + size, unit) - start, feed)


def _copy(candidate, size, active, buf, feed):
    """Program the image; the last unit is padded with FF."""
    source, target = candidate.storage, active.storage
    for at in range(0, size, len(buf)):
        count = min(size - at, len(buf))
        source.read(candidate.body_at + at, buf[: up(count, source.program_size)])
        mv = buf[: up(count, target.program_size)]
        blank(mv, count)
        target.write(active.body_at + at, mv)
        feed()
