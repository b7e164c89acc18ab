"""Where the parts that run on a device are: beside fwtool in a checkout, inside it in a wheel."""

import os
import shutil
import sys
from pathlib import Path

from fwtool.exits import DEVICE, Failure

SIM = "pip install 'ufota[sim]'"  # brings the virtual board's interpreter, and a broker
_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE / "_data"
_ROOT = _INSTALLED if _INSTALLED.is_dir() else _HERE.parent.parent


def device():
    """Folder of fwcore and ufota."""
    return _ROOT / "device"


def bootloader():
    """Folder of fwboot."""
    return _ROOT / "bootloader"


def boards():
    """Folder of all boards."""
    return _ROOT / "boards"


def layouts():
    """{name of a board: path of its layout}"""
    return {path.parent.name: path for path in sorted(boards().glob("*/layout.py"))}


def board():
    """Folder of the virtual board."""
    return boards() / "virtual"


def shim():
    """Folder of MicroPython modules that CPython lacks."""
    return _ROOT / "tools" / "hostshim"


def micropython(name=None):
    """The MicroPython to run: `name`, $MICROPYTHON, or the one installed beside this Python.

    returns: absolute path as text
    raises:  Failure when there is none
    """
    name = name or os.environ.get("MICROPYTHON") or micropython_beside()
    found = shutil.which(name)
    if not found:
        raise Failure(f"no MicroPython at {name}: {SIM}, or set MICROPYTHON to its path", DEVICE)
    return os.path.abspath(found)


def micropython_beside():
    """Where MicroPython from PyPI is, if this Python has it: absolute path as text."""
    return os.path.abspath(Path(sys.executable).with_name("micropython"))


def python(*words):
    """The command `python WORDS` of this very Python, as a list.

    With -P it imports nothing out of the folder it runs in: a project there may have a serial.py
    or http.py for its board.
    """
    return [sys.executable, "-P", *words]


def environment(*folders):
    """Environment in which MicroPython imports from these folders, then what it has frozen.

    PYTHONPATH is left out: PyPI's `micropython` command is a Python script, and would
    find the shim there in place of itself.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env["MICROPYPATH"] = ":".join([*map(str, folders), ".frozen"])
    return env
