"""Block devices kept in files: a NOR flash chip and an SD card.

Owns the rules of the chips; knows nothing of what is stored. The flash refuses what a
real chip would get wrong without an error: a program unit is programmed once between two
erases. Bits can then only clear, as every unit is blank when it is programmed.

Block protocol as in MicroPython's vfs documentation: return 0, or a negative errno.
Every call is one unbuffered write to the file, so what was accepted outlives SIGKILL.
Runs on both interpreters.
"""

from errno import EINVAL, EIO

from micropython import const

_BLOCK_COUNT = const(4)
_BLOCK_SIZE = const(5)
_BLOCK_ERASE = const(6)


class _File:
    def __init__(self, path, size, block):
        self._file = open(path, "r+b", buffering=0)
        self.size = size
        self._block = block
        if self._file.seek(0, 2) != size:
            raise OSError(EINVAL)

    def readblocks(self, block, buf, offset=0):
        if not self._seek(block, len(buf), offset):
            return -EINVAL
        return 0 if self._file.readinto(buf) == len(buf) else -EIO

    def _seek(self, block, length, offset):
        at = block * self._block + offset
        if at < 0 or at + length > self.size:
            return False
        self._file.seek(at)
        return True

    def _put(self, buf):
        return 0 if self._file.write(buf) == len(buf) else -EIO

    def ioctl(self, op, arg):
        if op == _BLOCK_COUNT:
            return self.size // self._block
        if op == _BLOCK_SIZE:
            return self._block
        if op == _BLOCK_ERASE:
            return self._erase(arg)
        return 0

    def _erase(self, block):
        return 0  # nothing to do where writes replace


class FileFlash(_File):
    """NOR flash in the file at `path`, which exists and has `size` bytes.

    erase, program: bytes one erase clears and one program writes
    violations:     programs refused so far, because a unit was not blank or not whole

    What a unit holds is read back before it is programmed, so the rule outlives a
    restart. Only a unit programmed with nothing but 0xFF leaves no trace in the file;
    those are remembered for as long as the object exists.
    """

    def __init__(self, path, size, erase, program):
        super().__init__(path, size, erase)
        self._program = program
        self._unit = bytearray(program)
        self._blank = b"\xff" * program
        self._used = bytearray(size // program // 8)
        self.violations = 0

    def writeblocks(self, block, buf, offset=None):
        """Program buf at block * erase + offset. Without offset, erase the blocks first."""
        if offset is None:
            for each in range(block, block + len(buf) // self._block):
                if self._erase(each):
                    return -EINVAL
            offset = 0
        if not self._seek(block, len(buf), offset):
            return -EINVAL
        at = block * self._block + offset
        if not self._take(at, len(buf)):
            self.violations += 1
            print("flash: program of", len(buf), "bytes refused at", hex(at))
            return -EIO
        self._file.seek(at)
        return self._put(buf)

    def _take(self, at, length):
        # True when all units are whole and blank; they are not from now on.
        if at % self._program or length % self._program:
            return False
        first = at // self._program
        last = first + length // self._program
        for unit in range(first, last):
            self._file.readinto(self._unit)
            if self._unit != self._blank or self._used[unit >> 3] & 1 << (unit & 7):
                return False
        for unit in range(first, last):
            self._used[unit >> 3] |= 1 << (unit & 7)
        return True

    def _erase(self, block):
        if not self._seek(block, self._block, 0):
            return -EINVAL
        first = block * self._block // self._program
        for unit in range(first, first + self._block // self._program):
            self._used[unit >> 3] &= ~(1 << (unit & 7))
            if self._put(self._blank):
                return -EIO
        return 0


class FileCard(_File):
    """SD card in the file at `path`, which exists and has `size` bytes.

    Blocks of 512 bytes; a write replaces what was there.
    """

    def __init__(self, path, size):
        super().__init__(path, size, 512)

    def writeblocks(self, block, buf, offset=0):
        return self._put(buf) if self._seek(block, len(buf), offset) else -EINVAL
