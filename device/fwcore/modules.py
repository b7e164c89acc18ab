"""Modules: import them where that takes little C stack, drop them when they are not needed.

On a Cortex-M each level of nested imports takes some 600 bytes of stack, and rp2 has 8 KiB in
all. So modules that are needed deep in other calls are imported before, one after the other.
Frozen modules take next to no heap; other modules do not all fit into a small heap at once.
"""

import gc
import sys

from micropython import const

# Of fwcore, for load(): what a Slot, a board's store and State need.
SLOT = "storage mac header slot"
STORE = SLOT + " errors_boot stage regions journal kv"
STATE = SLOT + " errors_boot stage regions journal state"

_SHORT = const(49152)  # bytes of free heap; with less, modules that are not needed are dropped
VERY_SHORT = const(24576)  # with less, also those that are needed again


def load(package, names):
    """Import modules of a package, unless they are there.

    names:   with blanks between; each comes after the modules that it imports
    raises:  ImportError of what this build does not have
    """
    __import__(package)  # first: its modules are found through it
    for name in names.split():
        name = package + "." + name
        if name not in sys.modules:
            built_in(name)


def states():
    """The module state.py of fwcore."""
    load("fwcore", STATE)
    from fwcore import state

    return state


def built_in(name):
    """Import a module that is built in or frozen, without a search of the folders of sys.path.

    An import searches all folders first for modules that a file may extend (hashlib, struct,
    time, machine). In the application's folder this runs a file system in Python: 1.2 KiB of
    stack.
    """
    path = list(sys.path)
    if sys.implementation.name == "micropython":
        sys.path[:] = [".frozen"]
    try:
        return __import__(name)
    finally:
        sys.path[:] = path


def make_room(*modules, below=_SHORT):
    """Drop modules that are not needed any more: up to 11 KB, where they are not frozen.

    Only when little heap is free, as the next update has to import them again.

    modules:  (package, name) each
    below:    bytes of free heap
    """
    for _ in range(2):  # what is garbage counts as taken, until it is collected
        if not hasattr(gc, "mem_free") or gc.mem_free() > below:
            return
        gc.collect()
    for package, name in modules:
        if sys.modules.pop(package + "." + name, None):
            delattr(sys.modules[package], name)
    gc.collect()
