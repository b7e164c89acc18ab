"""VfsLfs2: MicroPython's LittleFS on a block device, over littlefs-python.

The C code is the same, and sizes of caches are MicroPython's, so what one interpreter wrote the
other goes on with. Other than there, the time of a file is a write of its own behind that of the
data; and when a write fails, files that are open then are lost: this build of LittleFS aborts
where it is used after that.
"""

import time
from errno import EBADF, EINVAL, EIO, ENODATA, ENOENT, EROFS

from littlefs import LittleFSError, lfs

from ufota_testkit.on_cpython import files
from ufota_testkit.on_cpython.tree import DIR, REG, Stat, Tree

_COUNT, _SIZE, _ERASE, _SYNC, _INIT = 4, 5, 6, 3, 1  # requests of ioctl
_CYCLES = 100  # erases of a block of metadata before it moves
_MTIME = 1  # the attribute: nanoseconds since 1970, u64
_NAME_MAX = 255
_TYPE_DIR = 2
_FLAGS = {"r": 1, "w": 0x502, "a": 0x902, "x": 0x302}
_READS, _WRITES, _BOTH = 1, 2, 3
_EMPTIES = 0x400


class _Disk:
    """The block device, as littlefs-python calls it. No exception can cross its C code.

    So an exception is kept until the call of LittleFS returns, and nothing is written any more. A
    read cannot even tell a number: it fails in the same way.
    """

    def __init__(self, device):
        self._device = device
        self.readonly = False
        self.raised = None
        self.torn = False  # a write has failed

    def read(self, cfg, block, off, size):
        data = bytearray(size)
        code = self._call(self._device.readblocks, block, data, off)
        if code:
            self.raised = self.raised or OSError(-code)
        return bytes(data)

    def prog(self, cfg, block, off, data):
        return self._change(self._device.writeblocks, block, bytearray(data), off)

    def erase(self, cfg, block):
        return self._change(self._device.ioctl, _ERASE, block)

    def sync(self, cfg):
        return self._call(self._device.ioctl, _SYNC, 0)

    def _change(self, function, *args):
        code = self._call(function, *args)
        self.torn = self.torn or code < 0
        return code

    def _call(self, function, *args):
        if self.raised:
            return -EBADF  # not seen: `raised` goes first
        try:
            code = function(*args) or 0
        except BaseException as error:
            self.raised = error
            return -EBADF
        return -EINVAL if code > 0 else code


class VfsLfs2(Tree):
    def __init__(self, bdev, readsize=32, progsize=32, lookahead=32, mtime=True):
        self._disk, self._config = _configure(bdev, readsize, progsize, lookahead)
        self._fs = lfs.LFSFilesystem()
        self._mtime = mtime
        self._open_files = set()  # LittleFS knows them by address, until they are closed
        self.call(lfs.mount, self._config)

    def __repr__(self):
        return "<VfsLfs2>"

    @staticmethod
    def mkfs(bdev, readsize=32, progsize=32, lookahead=32, mtime=True):
        disk, config = _configure(bdev, readsize, progsize, lookahead)
        _call(disk, lfs.format, lfs.LFSFilesystem(), config)

    def call(self, function, *args):
        """A function of LittleFS on this. Raises OSError, or what the device raised."""
        try:
            return _call(self._disk, function, self._fs, *args)
        finally:
            if self._disk.torn:
                self._begin_anew()

    def _begin_anew(self):
        self._open_files.clear()
        self._fs = lfs.LFSFilesystem()
        _call(self._disk, lfs.mount, self._fs, self._config)
        self._disk.torn = False

    def change(self, function, *args):
        """The same for what changes the file system."""
        if self._disk.readonly:
            raise OSError(EROFS)
        return self.call(function, *args)

    def mount(self, readonly, mkfs):
        self._disk.readonly = bool(readonly)

    def umount(self):
        self.call(lfs.unmount)

    def open(self, path, mode):
        kind, both, text = files.parse(mode)
        path, flags = self.path(path), _FLAGS[kind] | (_BOTH if both else 0)
        call = self.change if flags & _WRITES else self.call
        handle = call(lfs.file_open, path, flags)
        self._open_files.add(handle)
        return files.File(_Raw(self, handle, path, flags), text)

    def call_file(self, function, handle, *args):
        if handle not in self._open_files:
            raise OSError(EIO)
        return self.call(function, handle, *args)

    def close(self, handle):
        if handle in self._open_files:
            self._open_files.discard(handle)
            self.call(lfs.file_close, handle)

    def ilistdir(self, path):
        """All at once: LittleFS knows an open folder by address, like a file."""
        folder = self.call(lfs.dir_open, self.path(path))
        found = []
        while entry := self.call(lfs.dir_read, folder):
            if entry.name not in (".", ".."):
                kind = DIR if entry.type == _TYPE_DIR else REG
                found.append((entry.name, kind, 0, 0 if kind == DIR else entry.size))
        self.call(lfs.dir_close, folder)
        return iter(found)

    def stat(self, path):
        path = self.path(path)
        found = self.call(lfs.stat, path)
        kind = DIR if found.type == _TYPE_DIR else REG
        return Stat.of(kind, 0 if kind == DIR else found.size, self._changed(path))

    def _changed(self, path):
        """When it was written, in seconds; 0: unknown."""
        try:
            return int.from_bytes(self.call(lfs.getattr, path, _MTIME), "little") // 10**9
        except OSError as error:
            if error.errno != ENODATA:
                raise
            return 0

    def touch(self, path):
        """Set the time of a file that was written. One that is gone has none."""
        if self._mtime:
            try:
                self.call(lfs.setattr, path, _MTIME, time.time_ns().to_bytes(8, "little"))
            except OSError as error:
                if error.errno != ENOENT:
                    raise

    def statvfs(self, path):
        size, count = self._config.block_size, self._config.block_count
        # MicroPython counts the two blocks of a folder twice, and may come to less than nothing.
        free = count - self.call(lfs.fs_size) - 2 * self._folders("/") & 0xFFFFFFFF
        return (size, size, count, free, free, 0, 0, 0, 0, _NAME_MAX)

    def _folders(self, path):
        """How many there are below a folder."""
        inside = [name for name, kind, *_ in self.ilistdir(path) if kind == DIR]
        return len(inside) + sum(self._folders(f"{path}/{name}") for name in inside)

    def mkdir(self, path):
        self.change(lfs.mkdir, self.path(path))

    def remove(self, path):
        self.change(lfs.remove, self.path(path))

    rmdir = remove  # LittleFS removes either

    def rename(self, old, new):
        self.change(lfs.rename, self.path(old), self.path(new))


class _Raw:
    """An open file of LittleFS, as files.File takes it."""

    def __init__(self, fs, handle, path, flags):
        self._fs = fs
        self._handle = handle
        self._path = path
        self._flags = flags
        self._changed = bool(flags & _EMPTIES)

    def _call(self, function, *args):
        return self._fs.call_file(function, self._handle, *args)

    def read(self, size):
        # LittleFS would abort the process; MicroPython reads nothing.
        return self._call(lfs.file_read, size) if self._flags & _READS else b""

    def write(self, data):
        if not self._flags & _WRITES:
            raise OSError(EBADF)
        self._changed = True
        return self._call(lfs.file_write, data)

    def seek(self, offset, whence):
        self._call(lfs.file_seek, offset, whence)

    def tell(self):
        return self._call(lfs.file_tell)

    def sync(self):
        self._call(lfs.file_sync)
        self._touch()

    def close(self):
        self._fs.close(self._handle)
        self._touch()

    def _touch(self):
        if self._changed:
            self._fs.touch(self._path)
        self._changed = False


def _configure(device, read, program, lookahead):
    device.ioctl(_INIT, 1)
    disk = _Disk(device)
    config = lfs.LFSConfig(
        context=disk,
        block_size=device.ioctl(_SIZE, 0),
        block_count=device.ioctl(_COUNT, 0),
        read_size=read,
        prog_size=program,
        block_cycles=_CYCLES,
        cache_size=4 * max(read, program),
        lookahead_size=lookahead,
    )
    return disk, config


def _call(disk, function, *args):
    disk.raised = None
    code = 0
    try:
        result = function(*args)
    except LittleFSError as error:
        code = error.code
    if disk.raised:
        raise disk.raised
    if code:
        raise OSError(-code)
    return result
