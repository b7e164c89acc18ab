"""Modules: which copy of fwboot, fwcore and ufota an import gets, and when they are dropped.

A boot stage is big, and the application that follows it needs the memory.
"""

import gc
import sys

ROOT = "/stage"  # where the image of a boot stage is mounted
ENTRY = "stage"  # its module with enter()
_PACKAGES = ("fwboot", "fwcore", "ufota")


def forget(*more):
    """Drop all modules that were imported so far: what is needed next is imported again.

    Code that still runs keeps what it uses; the rest is free memory for the application.

    more:    names of other modules to drop
    """
    for name in list(sys.modules):
        if name.split(".")[0] in _PACKAGES + more:
            del sys.modules[name]
    gc.collect()


def of_stage():
    """From here imports look into the mounted image of a stage first."""
    sys.path.insert(0, ROOT)
    forget(ENTRY)


def of_firmware():
    """From here nothing more is imported from a stage's image.

    It stays mounted: modules of a ROMFS run from where they are.
    """
    if ROOT in sys.path:
        sys.path.remove(ROOT)
    forget(ENTRY)
