"""A part of a block device, as a block device of its own: same blocks, nothing copied.

For ports whose flash is one object (mimxrt), or knows no bounds (rp2 reads on behind its end),
and for slots of the layout that lie side by side. Knows nothing of what is stored.

It obeys the block protocol where ports do not: every call returns 0 or a negative errno.
esp32 raises OSError, rp2 returns None, mimxrt a positive number; after an exception in the
midst of its C code a file system is broken.
"""

from errno import EINVAL, EIO

from micropython import const

_COUNT = const(4)  # requests of ioctl
_SIZE = const(5)
_ERASE = const(6)


class Window:
    """`size` bytes of a device from byte `start` on, both whole blocks of it.

    One Python frame between a file system and the device, also where the device is a Window
    itself: below a mount the C stack is short (docs/PORTING.md).

    raises: OSError EINVAL when that is not inside of the device
    """

    def __init__(self, device, start, size):
        self._device = device
        self._block = device.ioctl(_SIZE, 0) or 512
        self._first = start // self._block
        self._count = size // self._block
        whole = not start % self._block and not size % self._block
        inside = 0 <= self._first <= device.ioctl(_COUNT, 0) - self._count
        if not whole or not inside or size <= 0:
            raise OSError(EINVAL)
        under = getattr(device, "under", None)  # bare(), here: C stack
        if under:
            self._device, at = under()
            self._first += at // self._block

    def readblocks(self, block, buf, offset=None):
        """Fill buf from byte `offset` of a block on, across blocks."""
        start = block * self._block
        at = start + (offset or 0)
        if block < 0 or at < start or at + len(buf) > self._count * self._block:
            return -EINVAL
        try:
            if offset is None:
                code = self._device.readblocks(self._first + block, buf)
            else:
                code = self._device.readblocks(self._first + block, buf, offset)
        except OSError as error:
            return failure(error)
        return answer(code) if code else 0

    def writeblocks(self, block, buf, offset=None):
        """Program buf; with an offset nothing is erased before."""
        start = block * self._block
        at = start + (offset or 0)
        if block < 0 or at < start or at + len(buf) > self._count * self._block:
            return -EINVAL
        try:
            if offset is None:
                code = self._device.writeblocks(self._first + block, buf)
            else:
                code = self._device.writeblocks(self._first + block, buf, offset)
        except OSError as error:
            return failure(error)
        return answer(code) if code else 0

    def ioctl(self, request, argument):
        """Count, size and erase are the window's; the device answers all other requests."""
        if request == _COUNT:
            return self._count
        if request == _SIZE:
            return self._block
        if request == _ERASE:
            if not 0 <= argument < self._count:
                return -EINVAL
            argument += self._first
        try:
            code = self._device.ioctl(request, argument)
        except OSError as error:
            return failure(error)
        return answer(code) if code else 0

    def under(self):
        """(device, byte of it where the window begins)."""
        return self._device, self._first * self._block


def bare(device):
    """(device, byte of it) under a Window, else (device, 0).

    A caller that uses it must check that its bytes are inside of the Window. The class is found
    by its name: a Window is still there when fwboot.modules.forget() has dropped its module.
    """
    under = getattr(device, "under", None)
    return under() if under else (device, 0)


def answer(code):
    """What a device returned, as 0 or a negative errno."""
    return code if code is not None and code < 0 else -EIO if code else 0


def failure(error):
    """What a device raised, as a negative errno."""
    number = error.args[0] if error.args else 0  # a text, on mimxrt
    return -number if isinstance(number, int) and number > 0 else -EIO
