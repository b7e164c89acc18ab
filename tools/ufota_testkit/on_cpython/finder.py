"""Imports from what is mounted, in the order of sys.path, and imports that need a hand.

Owns which file a module comes from. Modules that are compiled for MicroPython cannot run here.
"""

import builtins
import importlib
import itertools
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader

from ufota_testkit.on_cpython import additions, asyncio_more, shadow, sockets_more, vfs
from ufota_testkit.on_cpython.tree import DIR

# Of modules of the host, when they are imported.
_PATCHES = {
    "asyncio": asyncio_more.patch,
    "json": additions.patch_json,
    "select": sockets_more.patch_select,
    "socket": sockets_more.patch_socket,
}
_FROZEN = {"asyncio"}  # in every MicroPython: no file of an application comes before it
# Built in, but a file of the application comes first; "u" before the name means the built-in one.
_EXTENSIBLE = set(
    """array asyncio binascii collections cryptolib errno hashlib heapq io json os platform random
    re select socket ssl struct sys time""".split()
)


class Finder:
    """For sys.meta_path, in the place of the one that knows the host's folders only."""

    def find_spec(self, name, path=None, target=None):
        if name[0] == "u" and name[1:] in _EXTENSIBLE and path is None:
            return spec_from_loader(name, _Other(name[1:]))
        entries = sys.path if path is None else path
        if name in _FROZEN:
            entries = [entry for entry in entries if not _is_mounted(entry)]
        for mounted, group in itertools.groupby(entries, _is_mounted):
            find = _in_mounts if mounted else _in_host
            spec = find(name, list(group))
            if spec:
                return spec
        return None


def patch():
    shadow.patch()
    builtins.execfile = execfile
    # Some of these are part of the interpreter itself, where a distribution builds it so.
    for name in _PATCHES.keys() & (sys.modules.keys() | set(sys.builtin_module_names)):
        _PATCHES[name](importlib.import_module(name))
    sys.meta_path[:] = [Finder() if each is PathFinder else each for each in sys.meta_path]


def _is_mounted(entry):
    return entry != ".frozen" and vfs.find(entry)[0] is not None


def _in_host(name, entries):
    spec = PathFinder.find_spec(name, entries)
    if spec and name in _PATCHES:
        spec.loader = _Patched(spec.loader, _PATCHES[name])
    return spec


def _in_mounts(name, entries):
    if shadow.at_host:
        return None
    leaf = name.rpartition(".")[2]
    for entry in entries:
        base = f"{entry}/{leaf}" if entry else leaf
        if _kind(base) == DIR:
            return _package(name, base)
        if _kind(base + ".py") is not None:
            return _module(name, base + ".py")
        _refuse_compiled(base + ".mpy")
    return None


def _kind(path):
    mount, inside = vfs.find(path)
    try:
        return mount.fs.stat(inside)[0]
    except OSError:
        return None


def _refuse_compiled(path):
    if _kind(path) is not None:
        raise ImportError(
            f"{path} is compiled for MicroPython; make the release without --compile to test it "
            "on CPython"
        )


def _module(name, path):
    spec = ModuleSpec(name, _Source(path), origin=path)
    spec.has_location = True
    return spec


def _package(name, base):
    """A folder, with or without an __init__.py."""
    _refuse_compiled(base + "/__init__.mpy")
    path = base + "/__init__.py"
    spec = ModuleSpec(name, None, is_package=True)
    if _kind(path) is not None:
        spec = ModuleSpec(name, _Source(path), origin=path, is_package=True)
        spec.has_location = True
    spec.submodule_search_locations[:] = [base]
    return spec


class _Source:
    """Loader of a source file in what is mounted."""

    def __init__(self, path):
        self._path = path

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(compiled(self._path), module.__dict__)


class _Patched:
    """Loader of a module of the host that gets MicroPython's functions."""

    def __init__(self, loader, patch):
        self._loader = loader
        self._patch = patch

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._patch(module)


class _Other:
    """Loader of a second name of a module."""

    def __init__(self, name):
        self._name = name

    def create_module(self, spec):
        self._module = importlib.import_module(self._name)
        self._spec = self._module.__spec__
        return self._module

    def exec_module(self, module):
        module.__spec__ = self._spec


def compiled(path):
    """The code of a source file, wherever it is."""
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec", dont_inherit=True)


def execfile(path, scope=None, *_):
    """Run a source file, with the modules of the application."""
    uncover()
    scope = sys._getframe(1).f_globals if scope is None else scope
    exec(compiled(path), scope)


def uncover():
    """From here on the modules in what is mounted go before those of Python's library."""
    for entry in filter(_is_mounted, sys.path):
        mount, inside = vfs.find(entry)
        try:
            shadow.cast(entry[0].partition(".")[0] for entry in mount.fs.ilistdir(inside))
        except OSError:
            pass  # /app/lib need not be there
