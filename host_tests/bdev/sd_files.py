"""LittleFS and FAT on CPython over a block device, as wired_sd.OfMicroPython is on MicroPython.

Both are the C code MicroPython has. Neither wrapper lets a failed read, nor what a device raises,
through it, so that is kept, and raised when the call is back: a power cut stays one.
"""

from errno import EIO
from functools import wraps

import littlefs
from fatfs import wrapper
from fatfs.diskio import Disk
from littlefs import lfs

from ufota_testkit.chips.wired_sd import BLOCK, Files


class Bridge:
    """A block device as C code wants it; keeps the first thing that was raised.

    data: what the device holds: what is read once something was raised, as the C code would take
          anything for the truth, and stumble
    """

    def __init__(self, card, data):
        self.card = card
        self.data = data
        self.raised = None

    def read(self, block, size, offset=0):
        buf = bytearray(size)
        if self.raised or not self.does(self.card.readblocks, block, buf, offset):
            start = block * BLOCK + offset
            buf[:] = self.data[start : start + size]
        return buf

    def does(self, function, *args):
        """True when the call of the device goes well."""
        try:
            code = function(*args)
            if not code:
                return True
            raise OSError(-code, "of the device")
        except BaseException as error:
            self.raised = self.raised or error
            return False


class _Context(littlefs.UserContext):
    def __init__(self, bridge):
        self._bridge = bridge

    def read(self, cfg, block, off, size):
        return self._bridge.read(block, size, off)

    def prog(self, cfg, block, off, data):
        return 0 if self._bridge.does(self._bridge.card.writeblocks, block, data, off) else -EIO

    def erase(self, cfg, block):
        return 0 if self._bridge.does(self._bridge.card.ioctl, 6, block) else -EIO

    def sync(self, cfg):
        return 0 if self._bridge.does(self._bridge.card.ioctl, 3, 0) else -EIO


class _Sectors(Disk):
    def __init__(self, bridge):
        super().__init__()
        self.bridge = bridge

    def ioctl_get_sector_count(self):
        return self.bridge.card.ioctl(4, 0)

    def ioctl_get_sector_size(self):
        return BLOCK

    def ioctl_get_block_size(self):
        return 1

    def read(self, sector, count):
        return bytes(self.bridge.read(sector, count))

    def write(self, sector, count, buff):
        self.bridge.does(self.bridge.card.writeblocks, sector, bytes(buff)[:count])


_partitions = []  # the one in use: FatFs's wrapper has few drives, and wants them back


def _partition(bridge):
    while _partitions:
        _partitions.pop().unmount()
    _partitions.append(wrapper.Partition(_Sectors(bridge)))
    return _partitions[0]


def _back(method):
    """The method, with what the device raised, and OSError for what the C code reports."""

    @wraps(method)
    def call(self, *args):
        failure = None
        try:
            result = method(self, *args)
        except (littlefs.LittleFSError, wrapper.FatFSException, OSError) as error:
            failure = error
        raised, self.bridge.raised = self.bridge.raised, None
        if raised:
            raise raised
        if failure:
            raise OSError(EIO, str(failure))
        return result

    return call


class OfCPython(Files):
    def __init__(self, card, kind, data):
        self.bridge = Bridge(card, data)
        self._kind = kind
        self.fs = None

    def _little(self):
        return littlefs.LittleFS(
            context=_Context(self.bridge),
            mount=False,
            block_size=BLOCK,
            block_count=self.bridge.card.ioctl(4, 0),
            read_size=BLOCK,
            prog_size=BLOCK,
            cache_size=BLOCK,
            lookahead_size=32,
            block_cycles=100,
        )

    @_back
    def format(self):
        if self._kind == "lfs2":
            self._little().format()
        else:
            _checked(wrapper.pyf_mkfs(_partition(self.bridge)._adjust_path("")))

    @_back
    def mount(self):
        if self._kind == "lfs2":
            self.fs = self._little()
        else:
            self.fs = _partition(self.bridge)
        self.fs.mount()

    @_back
    def write(self, name, data):
        if self._kind == "fat":
            super().write(name, data)
            return
        # Not through an object that is closed once more when it is collected: a file that is left
        # in a file system that is dark takes the interpreter with it.
        fs = self.fs.fs
        file = lfs.file_open(fs, name, "wb")
        for at in range(0, len(data), 700):
            lfs.file_write(fs, file, data[at : at + 700])
        lfs.file_close(fs, file)

    @_back
    def read(self, name):
        if self._kind == "lfs2":
            fs = self.fs.fs
            file = lfs.file_open(fs, name, "rb")
            data = lfs.file_read(fs, file, lfs.file_size(fs, file))
            lfs.file_close(fs, file)
            return data
        path, found, file = (
            self.fs._adjust_path(name),
            wrapper.FILINFO_Handle(),
            wrapper.FIL_Handle(),
        )
        _checked(wrapper.pyf_stat(path, found))
        _checked(wrapper.pyf_open(file, path, wrapper.PY_FA_READ))
        # It must be told no more than there is: a short read gives nothing.
        result, data = wrapper.pyf_read(file, found.get_size())
        wrapper.pyf_close(file)
        _checked(result)
        return data

    @_back
    def names(self):
        if self._kind == "lfs2":
            return sorted(self.fs.listdir("/"))
        folder, found, names = wrapper.DIR_Handle(), wrapper.FILINFO_Handle(), []
        _checked(wrapper.pyf_opendir(folder, self.fs._adjust_path("")))
        while True:
            _checked(wrapper.pyf_readdir(folder, found))
            if not found.get_name():
                break
            names.append(found.get_name())
        wrapper.pyf_closedir(folder)
        return sorted(names)

    @_back
    def remove(self, name):
        if self._kind == "lfs2":
            self.fs.remove(name)
        else:
            _checked(wrapper.pyf_unlink(self.fs._adjust_path(name)))

    @_back
    def rename(self, old, new):
        if self._kind == "lfs2":
            self.fs.rename(old, new)
        else:
            path = self.fs._adjust_path
            _checked(wrapper.pyf_rename(path(old), path(new)))


def _checked(result):
    if result:
        raise OSError(EIO, "FatFs {}".format(result))
