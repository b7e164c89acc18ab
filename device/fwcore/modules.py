"""Modules: imported where that takes little C stack, and let go of when they had their turn.

An import takes some 600 bytes of stack on a Cortex-M for each module that the import of another
one loads, and rp2 has 8 KiB in all. So what is needed deep in other calls is loaded before, one
after the other. Frozen modules take next to no heap; of others a short heap cannot hold all.
"""

import gc
import sys

from micropython import const

# Of fwcore, for load(): what a Slot, a board's store and State need.
SLOT = "storage mac header slot"
STORE = SLOT + " errors_boot stage regions journal kv"
STATE = SLOT + " errors_boot stage regions journal state"

_SHORT = const(49152)  # bytes of free heap; with less, what is not needed any more has to go


def load(package, names):
    """Import modules of a package, unless they are there.

    names:   with blanks between, each behind all that it imports
    raises:  ImportError of what this build does not have
    """
    __import__(package)  # what is in it is found through that
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
    """Import without a look into the folders of sys.path: what is built in, or frozen.

    What a file may extend (hashlib, struct, time, machine), an import looks for in every folder
    first. To look into the application's takes a file system in Python: 1.2 KiB of stack.
    """
    path = list(sys.path)
    if sys.implementation.name == "micropython":
        sys.path[:] = [".frozen"]
    try:
        return __import__(name)
    finally:
        sys.path[:] = path


def make_room(*modules):
    """Let go of modules that have had their turn: up to 11 KB, where they are not frozen.

    Only when the heap is short, as they have to be imported again for the next update.

    modules:  (package, name) each
    """
    for _ in range(2):  # what is garbage counts as taken, until it is collected
        if not hasattr(gc, "mem_free") or gc.mem_free() > _SHORT:
            return
        gc.collect()
    for package, name in modules:
        if sys.modules.pop(package + "." + name, None):
            delattr(sys.modules[package], name)
    gc.collect()
