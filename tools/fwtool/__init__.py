"""Host tool of ufota. Importing it makes the device's own `fwcore` importable.

The shim goes first: packages `micropython` and `deflate` from PyPI may be installed, and are
something else.
"""

import sys

from fwtool import paths


def _prepare():
    try:
        from deflate import DeflateIO  # noqa: F401
        from micropython import const  # noqa: F401
    except ImportError:
        sys.modules.pop("deflate", None)
        sys.modules.pop("micropython", None)
        sys.path.insert(0, str(paths.shim()))
    device = str(paths.device())
    if device not in sys.path:
        sys.path.append(device)


_prepare()
