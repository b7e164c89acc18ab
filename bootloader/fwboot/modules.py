"""Modules: whose fwboot, fwcore and ufota an import gets, and when their memory is free again.

A boot stage is big, and the application that follows it needs the room.
"""

import gc
import sys

ROOT = "/stage"  # where the image of a boot stage is mounted
ENTRY = "stage"  # its module with enter()
_PACKAGES = ("fwboot", "fwcore", "ufota")


def forget(*more):
    """Let go of all that was imported so far: what is needed next is imported again.

    Code that still runs keeps what it has; the rest is the application's RAM now.

    more:    names of other modules to let go of
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
