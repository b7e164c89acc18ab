"""What a board under test is made of: real MicroPython, or CPython, in a process."""

import sys
from pathlib import Path
from typing import NamedTuple

from fwtool import paths
from fwtool.virtual import virtual_board

HEAP = "256k"  # of a board of MicroPython: as `fwtool run` has it
_HERE = Path(__file__).parent
_MODULES = ("simdisk", "noise")  # of the kit, that a board needs


class Interpreter(NamedTuple):
    """command: a list; STATE MODULE [ARGUMENT ...] follow

    folder:  where its processes run;  path: folders their modules are in
    """

    command: list
    folder: Path
    path: list


def compile_all(out):
    """Compile what runs on a board of MicroPython into the folder `out`: it starts quicker."""
    virtual_board.compile_modules(out)
    virtual_board.compile_folder(_HERE / "on_device", out / "on_device")
    for name in _MODULES:
        source = _HERE / f"{name}.py"
        virtual_board.compile_module(source, f"ufota_testkit/{source.name}", out / "kit")


def micropython(code, more=()):
    """MicroPython on what compile_all(code) made. more: folders searched first. Raises Failure."""
    folders = ("on_device", "device", "bootloader", "virtual", "kit")
    path = [*more, *(code / name for name in folders)]
    command = [paths.micropython(), "-X", f"heapsize={HEAP}", "-m", "powered"]
    return Interpreter(command, code / "virtual", path)


def cpython(more=()):
    """CPython, this very one, on the sources. more: folders searched first."""
    path = [*more, _HERE / "on_device", paths.device(), paths.bootloader(), paths.board()]
    command = [sys.executable, "-m", "ufota_testkit.on_cpython.start", "-m", "powered"]
    return Interpreter(command, paths.board(), path)
