"""open() and the functions of `os`: on what is mounted, as MicroPython has them; else the host's.

What is not a str or bytes, a file descriptor for instance, is always the host's. A file of the
host that is opened for writing has no buffer: on MicroPython every write is there at once.
"""

import builtins
import functools
import io
import os
from errno import EEXIST, EPERM

from ufota_testkit.on_cpython import vfs
from ufota_testkit.on_cpython.tree import DIR, REG

_open = builtins.open
_host = {name: getattr(os, name) for name in "chdir getcwd listdir rename stat statvfs".split()}
_PATHS = "mkdir remove unlink rmdir stat statvfs".split()  # functions of a path
_METHODS = {"unlink": "remove"}  # whose method has another name


def patch():
    """Put them in the place of the host's."""
    builtins.open = io.open = _open_any
    for name in _PATHS:
        setattr(os, name, _switch(getattr(os, name), name))
    for function in (chdir, getcwd, listdir, ilistdir, rename, sync):
        setattr(os, function.__name__, function)
    os.mount, os.umount = vfs.mount, vfs.umount


def _find(path):
    return vfs.find(path) if isinstance(path, (str, bytes)) else (None, path)


def _switch(host, name):
    @functools.wraps(host)
    def function(path, *args, **options):
        mount, inside = _find(path)
        if mount is None:
            return host(path, *args, **options)
        if name == "mkdir" and inside == "/":
            raise OSError(EEXIST)
        return getattr(mount.fs, _METHODS.get(name, name))(inside)

    return function


def _open_any(file, mode="r", buffering=-1, *args, **options):
    mount, path = _find(file)
    if mount:
        return mount.fs.open(path, mode)
    if buffering != -1 or not set(mode) & set("wax+"):
        return _open(file, mode, buffering, *args, **options)
    if "b" in mode:
        return _open(file, mode, 0)
    if "+" in mode:
        return _open(file, mode, buffering, *args, **options)
    return io.TextIOWrapper(_open(file, mode + "b", 0), *args, **options, write_through=True)


def chdir(path):
    mount, inside = _find(path)
    if mount:
        mount.fs.chdir(inside)
    else:
        _host["chdir"](path)
    vfs.enter(mount)


def getcwd():
    mount = vfs.current()
    if mount is None:
        return _host["getcwd"]()
    inside = mount.fs.getcwd()
    return mount.point + ("" if inside == "/" else inside)


def ilistdir(path=""):
    """An iterator of (name, kind, inode, size); size is not told of the host's."""
    mount, inside = _find(path)
    if mount:
        return _as_asked(path, mount.fs.ilistdir(inside))
    return _as_asked(path, _host_entries(path))


def _as_asked(path, entries):
    if isinstance(path, bytes):
        return ((name.encode(), *more) for name, *more in entries)
    return entries


def _host_entries(path):
    path = os.fsdecode(path) or "."
    if path == "/" or (path == "." and getcwd() == "/"):
        yield from ((mount.point[1:], DIR, 0) for mount in vfs.mounts())
    for entry in os.scandir(path):
        yield entry.name, DIR if entry.is_dir() else REG, entry.inode()


def listdir(path=""):
    if isinstance(path, (str, bytes)):
        return [entry[0] for entry in ilistdir(path)]
    return _host["listdir"](path)


def rename(old, new, **options):
    mount, inside = _find(old)
    target, inside_target = _find(new)
    if mount is not target:
        raise OSError(EPERM)
    if mount:
        mount.fs.rename(inside, inside_target)
    else:
        _host["rename"](old, new, **options)


def sync():
    """Nothing is buffered. The host's would wait for all its disks."""
