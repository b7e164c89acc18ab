"""VfsFat: MicroPython's FAT on a block device, over fatfs-ng, which has the same C code.

It does not tell when a file was written, nor how much is free.
"""

import functools
from errno import EACCES, EEXIST, EINVAL, EIO, EISDIR, ENODEV, ENOENT, ENOSPC, ENOTDIR, EROFS

from fatfs import wrapper
from fatfs.diskio import Disk

from ufota_testkit.on_cpython import files
from ufota_testkit.on_cpython.tree import DIR, REG, Stat, Tree, plain

_COUNT, _SIZE, _SYNC, _INIT = 4, 5, 3, 1  # requests of ioctl
_ERRORS = {4: ENOENT, 5: ENOENT, 6: EINVAL, 7: EACCES, 8: EEXIST, 9: EINVAL, 10: EROFS, 13: ENODEV}
_READ, _WRITE = 1, 2
_FLAGS = {"r": _READ, "w": _WRITE | 8, "a": _WRITE | 0x10, "x": _WRITE | 4}


class _Sectors(Disk):
    """The block device, as fatfs-ng calls it. Exceptions are kept until the call returns."""

    def __init__(self, device):
        device.ioctl(_INIT, 1)
        self._device = device
        self._size = device.ioctl(_SIZE, 0) or 512
        self.readonly = False
        self.raised = None

    def ioctl_get_sector_count(self):
        return self._device.ioctl(_COUNT, 0)

    def ioctl_get_sector_size(self):
        return self._size

    def ioctl_get_block_size(self):
        return 1

    def ioctl_sync(self):
        self._call(self._device.ioctl, _SYNC, 0)

    def read(self, sector, count):
        data = bytearray(count)
        self._call(self._device.readblocks, sector, data)
        return bytes(data)

    def write(self, sector, count, data):
        if self.readonly:
            self.raised = self.raised or OSError(EROFS)
        self._call(self._device.writeblocks, sector, bytearray(data))

    def _call(self, function, *args):
        if self.raised:
            return
        try:
            if function(*args):
                self.raised = OSError(EIO)
        except BaseException as error:
            self.raised = error


class VfsFat(Tree):
    def __init__(self, bdev):
        self._disk = _Sectors(bdev)
        self._volume = wrapper.Partition(self._disk)
        self._sector = self._disk.ioctl_get_sector_size()
        try:
            self._volume.mount()
            self._found = True
        except wrapper.FatFSException:
            if self._disk.raised:
                raise self._disk.raised from None
            self._found = False

    @staticmethod
    def mkfs(bdev):
        disk = VfsFat(bdev)
        disk.call(wrapper.pyf_mkfs, disk.inner("/"), workarea_size=disk._sector)

    def inner(self, path):
        """A path as fatfs-ng wants it."""
        return self._volume._adjust_path(plain(self.path(path)))

    def call(self, function, *args, **options):
        """A function of FatFs; returns its result besides the code, if it has one."""
        self._disk.raised = None
        try:
            found = function(*args, **options)
        except SystemError:  # an exception within
            found = 1
        if self._disk.raised:
            raise self._disk.raised
        code, *more = found if isinstance(found, tuple) else (found,)
        if code:
            raise OSError(_ERRORS.get(code, EIO))
        return more[0] if more else None

    def mount(self, readonly, mkfs):
        self._disk.readonly = bool(readonly)
        if not self._found:
            if not mkfs:
                raise OSError(ENODEV)
            self.call(wrapper.pyf_mkfs, self.inner("/"), workarea_size=self._sector)
            self._volume.mount()

    def umount(self):
        pass

    def _change(self, function, *paths):
        if self._disk.readonly:
            raise OSError(EROFS)
        self.call(function, *map(self.inner, paths))

    def open(self, path, mode):
        kind, both, text = files.parse(mode)
        flags = _FLAGS[kind] | (_READ | _WRITE if both else 0)
        if flags & _WRITE and self._disk.readonly:
            raise OSError(EROFS)
        handle = wrapper.FIL_Handle()
        self.call(wrapper.pyf_open, handle, self.inner(path), flags)
        raw = _Raw(self, handle, functools.partial(self._size_of, path))
        if kind == "a":
            raw.seek(0, 2)
        return files.File(raw, text)

    def _size_of(self, path):
        return self.stat(path)[6]

    def ilistdir(self, path):
        folder, info, found = wrapper.DIR_Handle(), wrapper.FILINFO_Handle(), []
        self.call(wrapper.pyf_opendir, folder, self.inner(path))
        self.call(wrapper.pyf_readdir, folder, info)
        while info.get_name():
            found.append((info.get_name(), _kind(info), 0, info.get_size()))
            self.call(wrapper.pyf_readdir, folder, info)
        self.call(wrapper.pyf_closedir, folder)
        return iter(found)

    def stat(self, path):
        if plain(self.path(path)) == "/":
            return Stat.of(DIR, 0)
        info = wrapper.FILINFO_Handle()
        self.call(wrapper.pyf_stat, self.inner(path), info)
        return Stat.of(_kind(info), info.get_size())

    def statvfs(self, path):
        raise NotImplementedError("a FAT file system does not tell on CPython how much is free")

    def mkdir(self, path):
        self._change(wrapper.pyf_mkdir, path)

    def remove(self, path):
        if not self._disk.readonly and self.stat(path)[0] == DIR:
            raise OSError(EISDIR)
        self._change(wrapper.pyf_unlink, path)

    def rmdir(self, path):
        if not self._disk.readonly and self.stat(path)[0] != DIR:
            raise OSError(ENOTDIR)
        self._change(wrapper.pyf_unlink, path)

    def rename(self, old, new):
        try:
            self._change(wrapper.pyf_rename, old, new)
        except OSError as error:
            if error.errno != EEXIST:
                raise
            self.remove(new)
            self._change(wrapper.pyf_rename, old, new)


class _Raw:
    """An open file of FatFs, as files.File takes it. FatFs does not tell where in it we are."""

    def __init__(self, fs, handle, stored_size):
        self._fs = fs
        self._handle = handle
        self._at = 0
        self._stored_size = stored_size

    def read(self, size):
        data = self._fs.call(wrapper.pyf_read, self._handle, size)
        self._at += len(data)
        return bytes(data)

    def write(self, data):
        count = self._fs.call(wrapper.pyf_write, self._handle, data)
        self._at += count
        if count != len(data):
            raise OSError(ENOSPC)
        return count

    def seek(self, offset, whence):
        if whence == 1:
            offset += self._at
        elif whence == 2:
            offset += self._end()
        self._fs.call(wrapper.pyf_lseek, self._handle, max(0, offset))
        self._at = max(0, offset)

    def _end(self):
        self.sync()
        return self._stored_size()

    def tell(self):
        return self._at

    def sync(self):
        self._fs.call(wrapper.pyf_sync, self._handle)

    def close(self):
        self._fs.call(wrapper.pyf_close, self._handle)


def _kind(info):
    return DIR if info.is_directory() else REG
