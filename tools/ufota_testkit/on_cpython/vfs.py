"""MicroPython's module `vfs`: the table of what is mounted, and the file systems.

Owns which file system a path belongs to. What is mounted nowhere belongs to the host, whose files
are below all; os_files.py asks here.
"""

import os
import sys
from errno import EINVAL, EPERM

_host_folder = os.getcwd  # this module is loaded before os_files puts another in its place
_mounts = []
_current = None  # the Mount of the current folder; None: a folder of the host


class Mount:
    """point: "/app"; fs: the file system object"""

    def __init__(self, fs, point):
        self.fs = fs
        self.point = point


def __getattr__(name):
    """The classes, each loaded when it is asked for: an application has one kind, or two."""
    if name == "VfsLfs2":
        from ufota_testkit.on_cpython.lfs2 import VfsLfs2 as found
    elif name == "VfsFat":
        from ufota_testkit.on_cpython.fat import VfsFat as found
    elif name == "VfsRom":
        from ufota_testkit.on_cpython.rom import VfsRom as found
    else:
        raise AttributeError(f"module 'vfs' has no attribute '{name}' on CPython")
    return found


def mount(*args, readonly=False, mkfs=False):
    """mount(fs or block device, point); without arguments what is mounted."""
    if not args:
        return [(each.fs, each.point) for each in _mounts]
    fs, point = args
    if not hasattr(fs, "mount"):
        fs = _file_system(fs)
    fs.mount(readonly, mkfs)
    if point == "/" or find(point)[0]:
        raise OSError(EPERM)  # in use; / is the host's
    _mounts.append(Mount(fs, point))
    sys.path_importer_cache.clear()


def _file_system(device):
    """What is on a block device: LittleFS, or else FAT."""
    head = bytearray(8)
    try:
        device.readblocks(0, head, 8)
    except (OSError, TypeError, ValueError):  # the last: it knows no offset
        pass
    return __getattr__("VfsLfs2" if head == b"littlefs" else "VfsFat")(device)


def umount(what):
    """what: the mount point, or the file system object"""
    global _current

    for each in _mounts:
        if what in (each.point, each.fs):
            _mounts.remove(each)
            if _current is each:
                _current = None
            each.fs.umount()
            return
    raise OSError(EINVAL)


def find(path):
    """(Mount, path in it) of a path; (None, path) when it is the host's."""
    if isinstance(path, bytes):
        path = path.decode()
    if not path.startswith("/"):
        if _current:
            return _current, path
        if _host_folder() != "/":
            return None, path
    absolute = path if path.startswith("/") else "/" + path
    for each in _mounts:
        if absolute == each.point or absolute.startswith(each.point + "/"):
            return each, absolute[len(each.point) :] or "/"
    return None, path


def mounts():
    return list(_mounts)


def current():
    """The Mount of the current folder, or None."""
    return _current


def enter(mount):
    global _current

    _current = mount
