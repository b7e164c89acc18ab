"""File systems on a block device, alike on both interpreters, and 1,000 things done to one.

MicroPython: its own VfsLfs2 and VfsFat, not mounted into the tree. CPython: the same C code in
littlefs-python and fatfs-ng.
"""

import sys

from ufota_testkit.noise import noise
from ufota_testkit.simdisk import PowerCut

ON_MICROPYTHON = sys.implementation.name == "micropython"
PROGRAM = 256  # LittleFS must be told: what a cut leaves of a page may be all junk
_EIO = 5


class Guard:
    """A device whose power cuts are errors: no exception may run through a file system's C code.

    cut: it met one, and is of no more use
    """

    def __init__(self, device):
        self._device = device
        self.cut = False

    def readblocks(self, *args):
        return self._call(self._device.readblocks, args)

    def writeblocks(self, *args):
        return self._call(self._device.writeblocks, args)

    def ioctl(self, *args):
        return self._call(self._device.ioctl, args)

    def _call(self, function, args):
        if self.cut:
            return -_EIO
        try:
            return function(*args)
        except PowerCut:
            self.cut = True
            return -_EIO


class _Files:
    """What both kinds share. Everything raises OSError."""

    replaces = True  # rename() does so, in one step

    def __init__(self, device):
        self.device = device

    def put(self, name, data, mode="wb"):
        file = self.fs.open(name, mode)
        try:
            file.write(data)
        finally:
            file.close()

    def get(self, name):
        file = self.fs.open(name, "rb")
        try:
            return file.read()
        finally:
            file.close()

    def all(self):
        return {name: self.get(name) for name in self.names()}

    def names(self):
        return [entry[0] for entry in self.fs.ilistdir("/")]

    def remove(self, name):
        self.fs.remove(name)

    def rename(self, name, new):
        self.fs.rename(name, new)


class _VfsLfs(_Files):
    def format(self):
        import vfs

        vfs.VfsLfs2.mkfs(self.device, progsize=PROGRAM)

    def mount(self):
        import vfs

        self.guard = Guard(self.device)
        self.fs = vfs.VfsLfs2(self.guard, progsize=PROGRAM)


class _VfsFat(_Files):
    replaces = False

    def format(self):
        import vfs

        vfs.VfsFat.mkfs(self.device)

    def mount(self):
        import vfs

        self.guard = Guard(self.device)
        self.fs = vfs.VfsFat(self.guard)
        self.fs.mount(False, False)


class _PyLfs(_Files):
    def format(self):
        self.guard = Guard(self.device)
        self._make().format()

    def mount(self):
        self.guard = Guard(self.device)
        self.fs = self._make()
        self._try(self.fs.mount)

    def _make(self):
        import littlefs

        size = self.device.ioctl(5, 0)
        return littlefs.LittleFS(
            _Context(self.guard),
            mount=False,
            block_size=size,
            block_count=self.device.ioctl(4, 0),
            prog_size=PROGRAM,
            read_size=32,
            cache_size=PROGRAM,
            lookahead_size=32,
        )

    def names(self):
        return self.fs.listdir("/")

    @staticmethod
    def _try(function, *args):
        import littlefs

        try:
            return function(*args)
        except littlefs.LittleFSError as error:
            raise OSError(_EIO, error)

    def put(self, name, data, mode="wb"):
        file = self._try(lambda: self.fs.open(name, mode, buffering=0))
        try:
            self._try(file.write, data)
        finally:
            try:
                self._try(file.close)
            finally:
                setattr(file, "__IOBase_closed", True)  # a second close would abort

    def get(self, name):
        return self._try(super().get, name)

    def remove(self, name):
        self._try(super().remove, name)

    def rename(self, name, new):
        self._try(super().rename, name, new)


class _Context:
    def __init__(self, guard):
        self._guard = guard

    def read(self, cfg, block, off, size):
        buf = bytearray(size)
        if self._guard.readblocks(block, buf, off):
            raise OSError(_EIO)
        return buf

    def prog(self, cfg, block, off, data):
        return self._guard.writeblocks(block, data, off)

    def erase(self, cfg, block):
        return self._guard.ioctl(6, block)

    def sync(self, cfg):
        return self._guard.ioctl(3, 0)


def lfs(device):
    return (_VfsLfs if ON_MICROPYTHON else _PyLfs)(device)


def fat(device):
    return _VfsFat(device)


class Story:
    """Random operations on six files, and the model of what must be there.

    fs:     as above, mounted
    dice:   dice(n) -> 0..n-1
    most:   bytes of a write

    model:  {name: contents}
    allowed: models that a cut in the last step may leave
    """

    def __init__(self, fs, dice, most=5000):
        self.fs = fs
        self.dice = dice
        self.most = most
        self.model = {}

    def step(self):
        """Do something. Raises OSError."""
        dice = self.dice
        name, other = "f%d" % dice(6), "f%d" % dice(6)
        data = noise(dice(self.most), dice(1000))
        what = dice(5)
        old = self.model.get(name)
        after = dict(self.model)
        self.allowed = [self.model, after]
        if what < 2 or old is None:
            after[name] = data
            if old is None:  # a new file is there, empty, before it is closed
                self.allowed.append(dict(self.model))
                self.allowed[2][name] = b""
            self.fs.put(name, data)
        elif what == 2:
            data = data[: dice(300)]
            after[name] = old + data
            self.fs.put(name, data, "ab")
        elif what == 3:
            del after[name]
            self.fs.remove(name)
        elif name != other:
            del after[name]
            after[other] = old
            if other in self.model and not self.fs.replaces:
                self.fs.remove(other)
            self.fs.rename(name, other)
        self.model = after
