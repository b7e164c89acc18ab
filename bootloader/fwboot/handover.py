"""Hand-over: mount an image read-only on /app, for its main.py to be run.

The last step of the boot stage; stage.py of the board runs the file. It does not check the
Image: main.run() has just done so.
"""

import os
import sys
from errno import EIO, ENODEV

from micropython import const

from fwboot.modules import forget
from fwcore.storage import up
from fwcore.window import answer, bare, failure

_ROOT = "/app"
_EROFS = const(30)  # not among the names of MicroPython's errno
_FAT_SECTOR_AT = const(11)  # u16 of the FAT boot sector: bytes per sector

_BLOCK_COUNT = const(4)
_BLOCK_SIZE = const(5)
_BLOCK_ERASE = const(6)


class Window:
    """`size` bytes of a Storage as a block device that can only be read.

    vfs.mount(readonly=True) is not enough: LittleFS still erases a block when a file is
    opened for writing. Bytes after the last whole block are out of reach.

    start:  byte address of block 0, whole program units
    block:  bytes in a block, whole program units

    One Python frame between the file system and the device: an application may read its files
    when little C stack is left, so this goes around Storage and window.Window.
    """

    def __init__(self, storage, start, size, block):
        self._device, under = bare(storage.device)
        self._start = under + start
        self._unit = storage.block_size
        self._whole = storage.overwrite  # only whole blocks of the device can be read
        self._block = block
        self._count = size // block

    def readblocks(self, block, buf, offset=0):
        at = block * self._block + offset
        if at < 0 or at + len(buf) > self._count * self._block:
            return -EIO
        at += self._start
        try:
            if self._whole:
                code = self._device.readblocks(at // self._unit, buf)
            else:
                code = self._device.readblocks(at // self._unit, buf, at % self._unit)
        except OSError as error:
            return failure(error)
        return answer(code) if code else 0

    def writeblocks(self, block, buf, offset=0):
        return -_EROFS

    def ioctl(self, op, arg):
        if op == _BLOCK_COUNT:
            return self._count
        if op == _BLOCK_SIZE:
            return self._block
        return -_EROFS if op == _BLOCK_ERASE else 0


def mount(board, image):
    """Mount an image, and make it what imports and open() find first.

    board:   see docs/DESIGN.md, "What a board offers"
    image:   Image that main.run() returned; the size in its head is that of the file system
    returns: True when /app/main.py is what starts it, False when it is a compiled main
    raises:  OSError when the image cannot be mounted
    """
    import vfs

    vfs.mount(file_system(board, image), _ROOT, readonly=True)
    # A file of the application must not shadow a frozen module, this boot stage among them.
    rest = [path for path in sys.path if path not in ("", ".frozen")]
    sys.path[:] = [".frozen", _ROOT, _ROOT + "/lib"] + rest
    os.chdir(_ROOT)
    forget()
    try:
        os.stat("main.py")
        return True
    except OSError:
        return False


def file_system(board, image):
    """The file system object of an Image, read-only, to be mounted. Raises OSError."""
    import vfs

    slot, size = image.slot, image.head.size
    storage = slot.storage
    if image.format == "romfs":
        mapped = _mapped(board, image.device, slot.body_at, size)
        return vfs.VfsRom(mapped or _in_ram(storage, slot.body_at, size))
    if image.format == "fat":
        sector = _fat_sector(storage, slot.body_at)
        return vfs.VfsFat(Window(storage, slot.body_at, size, sector))
    unit = storage.program_size  # Storage reads whole units, so LittleFS has to as well
    window = Window(storage, slot.body_at, size, storage.erase_size)
    return vfs.VfsLfs2(window, readsize=unit, progsize=unit)


def _fat_sector(storage, at):
    page = memoryview(bytearray(up(_FAT_SECTOR_AT + 2, storage.program_size)))
    storage.read(at, page)
    sector = page[_FAT_SECTOR_AT] | page[_FAT_SECTOR_AT + 1] << 8
    if sector not in (512, 1024, 2048, 4096):
        raise OSError(ENODEV)  # what vfs.VfsFat says when there is no FAT
    return sector


def _mapped(board, name, at, size):
    whole = board.mapped(name)
    return whole and whole[at : at + size]


def _in_ram(storage, at, size):
    image = memoryview(bytearray(up(size, storage.program_size)))
    storage.read(at, image)
    return image
