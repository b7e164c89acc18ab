"""A block device that is checked: every write is read back, every answer becomes a number.

For machine.SDCard, pyb.SDCard and any driver that may lose a write without an error, or return
False or 1 where the block protocol wants a negative errno. It costs one read for each write. A
device that answers reads from a cache of its writes cannot be checked in this way.
"""

from errno import EINVAL, EIO

from micropython import const

from bdev import errors

_COUNT = const(4)
_SIZE = const(5)


class Checked:
    """The same blocks as the device's.

    device:  block protocol object; its calls may raise OSError, too

    error:   (number, at) of the last failure: READ_BACK at a block, BELOW with an errno,
             OUTSIDE; (0, 0) before the first
    raises:  OSError when the device does not tell its block size
    """

    def __init__(self, device):
        self.error = 0, 0
        self._device = device
        size = device.ioctl(_SIZE, 0)
        if size is None:
            size = 512
        if size is False or size <= 0:
            raise OSError(EIO, errors.BELOW)
        self._block = memoryview(bytearray(size))

    def readblocks(self, block, buf, *offset):
        """Fill buf; returns 0 or a negative errno."""
        return self._called(self._device.readblocks, block, buf, *offset)

    def writeblocks(self, block, buf, *offset):
        """Write buf and compare; returns 0 when the device holds it, or a negative errno."""
        if not offset and len(buf) % len(self._block):
            self.error = errors.OUTSIDE, block
            return -EINVAL
        code = self._called(self._device.writeblocks, block, buf, *offset)
        return code or self._compared(block, memoryview(buf), offset)

    def ioctl(self, request, argument):
        """As the device's ioctl; an answer that is no count or size is 0 or a negative errno."""
        if request in (_COUNT, _SIZE):
            return self._device.ioctl(request, argument)
        return self._called(self._device.ioctl, request, argument)

    def _compared(self, block, mv, offset):
        """0, or -EIO when a piece reads back different bytes. offset: () or (bytes,)"""
        size = len(self._block)
        for at in range(0, len(mv), size):
            piece = mv[at : at + size]
            found = self._block[: len(piece)]
            place = block + at // size
            code = self._called(self._device.readblocks, place, found, *offset)
            if code:
                return code
            if found != piece:
                self.error = errors.READ_BACK, place
                return -EIO
        return 0

    def _called(self, function, *args):
        """The function's answer as a number: None, 0 and True are good."""
        try:
            answer = function(*args)
        except OSError as error:
            code = error.errno  # which some fill with a text
            answer = -code if isinstance(code, int) and code else -EIO
        if answer is None or answer is True:
            return 0
        if answer is False or answer > 0:
            answer = -EIO
        if answer:
            self.error = errors.BELOW, -answer
        return answer
