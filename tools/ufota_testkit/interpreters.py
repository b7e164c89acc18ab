"""What a board under test is made of: real MicroPython, or CPython, in a process."""

from pathlib import Path
from typing import NamedTuple

from fwtool import paths
from fwtool.virtual import virtual_board

HEAP = "256k"  # of a board of MicroPython: as `fwtool run` has it
_HERE = Path(__file__).parent
_MODULES = (_HERE / "simdisk.py", _HERE / "noise.py")  # of the kit, that a board needs


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
    for source in (*_MODULES, *(_HERE / "on_device").glob("*.py")):
        inside = Path("ufota_testkit") / source.relative_to(_HERE)
        virtual_board.compile_module(source, inside, out / "kit")


def micropython(code, stand_ins=None):
    """MicroPython on what compile_all(code) made. stand_ins: a folder. Raises Failure."""
    folders = ("device", "bootloader", "virtual", "kit")
    path = [code / name for name in folders]
    command = [paths.micropython(), "-X", f"heapsize={HEAP}"]
    return _powered(command, code / "virtual", path, stand_ins)


def cpython(stand_ins=None):
    """CPython, this very one, on the sources."""
    path = [paths.device(), paths.bootloader(), paths.board()]
    command = paths.python("-m", "ufota_testkit.on_cpython.start")
    return _powered(command, paths.board(), path, stand_ins)


def _powered(command, folder, path, stand_ins):
    if stand_ins:
        path.insert(0, stand_ins)
    return Interpreter(
        [*command, "-m", "ufota_testkit.on_device.powered", str(stand_ins or "-")], folder, path
    )
