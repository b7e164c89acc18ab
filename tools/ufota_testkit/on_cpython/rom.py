"""VfsRom: MicroPython's ROMFS, of an image in memory. There is nothing that would change it.

    image      d2 cd 31, u(size), record ...
    record     u(kind), u(size), payload
    directory  kind 4: u(length), name, record ...
    file       kind 5: u(length), name, record of kind 2 or 3
    content    kind 2: bytes of the file
    pointer    kind 3: u(size), u(offset in the image)

u: seven bits a byte, the highest first; all bytes but the last have bit 7 set.
"""

import io
from errno import EINVAL, EISDIR, ENODEV, ENOENT, EOPNOTSUPP, EROFS

from ufota_testkit.on_cpython import files
from ufota_testkit.on_cpython.tree import DIR, REG, Stat, Tree, plain

_MAGIC = b"\xd2\xcd\x31"
_VERBATIM, _POINTER, _DIRECTORY, _FILE = 2, 3, 4, 5
_NAME_MAX = 32767


class VfsRom(Tree):
    def __init__(self, image):
        self._image = bytes(image)
        if self._image[:3] != _MAGIC:
            raise OSError(ENODEV)
        size, start = _number(self._image, 3)
        self._root = _Folder(self._image, start, start + size)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def _find(self, path):
        """_Folder, or the bytes of a file."""
        found = self._root
        for name in filter(None, plain(self.path(path)).split("/")):
            if not isinstance(found, _Folder) or name not in found:
                raise OSError(ENOENT)
            found = found[name]
        return found

    def open(self, path, mode):
        kind, both, text = files.parse(mode)
        if kind != "r" or both:
            raise OSError(EROFS)
        data = self._find(path)
        if isinstance(data, _Folder):
            raise OSError(EISDIR)
        return files.File(_Raw(data), text)

    def ilistdir(self, path):
        folder = self._find(path)
        if not isinstance(folder, _Folder):
            raise OSError(ENOENT)
        return iter([(name, _stat(each)[0], 0, _stat(each)[6]) for name, each in folder.items()])

    def stat(self, path):
        return _stat(self._find(path))

    def statvfs(self, path):
        return (1, 0, self._root.size, 0, 0, 0, 0, 0, 0, _NAME_MAX)

    def chdir(self, path):
        if plain(path) != "/":
            raise OSError(EOPNOTSUPP)


class _Folder(dict):
    """{name: bytes of a file, or _Folder}; size: bytes of its records"""

    def __init__(self, image, at, end):
        self.size = end - at
        for kind, start, behind in _records(image, at, end):
            if kind in (_DIRECTORY, _FILE):
                length, start = _number(image, start)
                name = image[start : start + length].decode()
                make = _Folder if kind == _DIRECTORY else _file
                self[name] = make(image, start + length, behind)


def _stat(found):
    is_folder = isinstance(found, _Folder)
    return Stat.of(DIR, found.size) if is_folder else Stat.of(REG, len(found))


class _Raw(io.BytesIO):
    """An open file, as files.File takes it."""

    def seek(self, offset, whence=0):
        try:
            return super().seek(offset, whence)
        except ValueError:  # before the beginning
            raise OSError(EINVAL) from None

    def write(self, data):
        raise OSError(EROFS)

    def sync(self):
        pass


def _number(image, at):
    """(number, offset behind it)"""
    value = 0
    while True:
        value = value << 7 | image[at] & 0x7F
        at += 1
        if image[at - 1] < 0x80:
            return value, at


def _records(image, at, end):
    """(kind, start, end) of each record's payload."""
    while at < end:
        kind, at = _number(image, at)
        size, at = _number(image, at)
        yield kind, at, at + size
        at += size


def _file(image, at, end):
    for kind, start, behind in _records(image, at, end):
        if kind == _VERBATIM:
            return image[start:behind]
        if kind == _POINTER:
            size, start = _number(image, start)
            offset, _ = _number(image, start)
            return image[offset : offset + size]
    return b""
