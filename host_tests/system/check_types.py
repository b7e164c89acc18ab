"""Type check of the device code against what MicroPython really has.

    python host_tests/system/check_types.py [FILE ...]     (default: device, bootloader, boards)

mypy reads the MicroPython stubs in place of its own picture of the standard library.
As published they still describe much that only CPython has (`int.bit_length`,
`sha256.hexdigest`, `TimeoutError`), so a copy is made first from which everything
is struck out that the interpreter, asked for `dir()`, does not know. Which modules
may be imported at all is the business of test_imports.py.

A board of each port is checked against the stubs of that port's own modules. These come from
folders of their own, .venv/stubs/PORT (Makefile): every port's package has a `machine`.

Needs the packages of the `test` extra; MICROPYTHON overrides the interpreter.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import files
from pathlib import Path

from fwtool import paths

ROOT = Path(__file__).resolve().parents[2]
DEVICE_CODE = ("device", "bootloader")

STUBS = Path(sys.prefix, "stubs")
# Port: (its own modules, a board that uses all of them)
PORTS = {
    "rp2": (("machine.pyi", "rp2"), "RPI_PICO_W"),
    "esp32": (("machine.pyi", "esp32.pyi"), "ESP32_GENERIC"),
    "stm32": (("machine.pyi", "pyb.pyi"), "NUCLEO_F429ZI"),
    "mimxrt": (("machine.pyi", "mimxrt.pyi"), "MIMXRT1060_EVK"),
}

_PACKAGES = ("micropython-stdlib-stubs", "micropython-unix-stubs")
_NEEDED_BY_MYPY = ("function", "ellipsis")

# Prints {"module": [names], "module.Class": [names]} for the modules it is given.
_ASK = """
import json, sys
known = {}
for name in sys.argv[1:]:
    try:
        module = __import__(name)
    except Exception:
        continue
    known[name] = dir(module)
    for member in dir(module):
        thing = getattr(module, member)
        if isinstance(thing, type):
            known[name + "." + member] = dir(thing)
print(json.dumps(known))
"""


def ask(modules):
    """What the interpreter has, as _ASK prints it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "ask.py")
        script.write_text(_ASK)
        run = subprocess.run(
            [paths.micropython(), str(script), *modules],
            env=paths.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(run.stdout)


def build(target):
    """Make a typeshed folder at `target` out of the stub packages."""
    stdlib = target / "stdlib"
    for package in _PACKAGES:
        for entry in files(package) or ():
            if entry.suffix == ".pyi":
                of_typeshed = entry.parts[0] in ("stdlib", "stubs")
                place = (target if of_typeshed else stdlib) / entry
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(entry.locate(), place)
    modules = sorted({path.name.split(".")[0] for path in stdlib.iterdir()})
    (stdlib / "VERSIONS").write_text("".join(f"{name}: 3.0-\n" for name in modules))
    known = ask(modules)
    for name in known.keys() & set(modules):
        for path in (stdlib / f"{name}.pyi", stdlib / name / "__init__.pyi"):
            if path.exists():
                _strike(path, name, known)


def _strike(path, module, known):
    tree = ast.parse(path.read_text())
    tree.body = _kept(tree.body, module, known)
    path.write_text(ast.unparse(tree))


def _kept(body, owner, known):
    """The statements of a stub that speak of something the interpreter has.

    A struck class turns into Any where the stub itself still names it, which suits
    the duck types it stands for (AbstractBlockDev).
    """
    out = []
    for node in body:
        name = _defined(node)
        if name and not name.startswith("_") and name not in known[owner]:
            if not (owner == "builtins" and name in _NEEDED_BY_MYPY):
                continue
        if isinstance(node, ast.If):
            node.body = _kept(node.body, owner, known) or [ast.Pass()]
            node.orelse = _kept(node.orelse, owner, known)
        if isinstance(node, ast.ClassDef) and f"{owner}.{name}" in known:
            node.body = _kept(node.body, f"{owner}.{name}", known) or [ast.Pass()]
            if owner != "builtins":
                node.bases = [base for base in node.bases if ast.unparse(base) in known[owner]]
        out.append(node)
    return out


def _defined(node):
    """The name of the function or class a statement makes, or None."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name
    return None


def port(name, typeshed):
    """Put the stubs of a port's own modules into a typeshed folder."""
    for module in PORTS[name][0]:
        place, target = STUBS / name / module, typeshed / "stdlib" / module
        if place.is_dir():
            shutil.copytree(place, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(place, target)
        with (typeshed / "stdlib/VERSIONS").open("a") as versions:
            versions.write(f"{module.removesuffix('.pyi')}: 3.0-\n")


def check_board(name, typeshed):
    """check() of the board that stands for a port, against that port's stubs."""
    folder = ROOT / "boards" / PORTS[name][1]
    port(name, typeshed)
    return check([folder / "board.py"], typeshed, (folder, ROOT / "boards/common"))


def check(paths, typeshed, more=()):
    """Run mypy; returns the finished process, its findings in stdout.

    more:  folders to import from, beside those of the device
    """
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--custom-typeshed-dir", str(typeshed), *map(str, paths)]
    places = [ROOT / part for part in DEVICE_CODE] + list(more)
    env = dict(os.environ, MYPYPATH=os.pathsep.join(map(str, places)))
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)


def main(paths):
    with tempfile.TemporaryDirectory() as folder:
        typeshed = Path(folder)
        build(typeshed)
        runs = [check(paths or DEVICE_CODE, typeshed)]
        if not paths:
            runs += [check_board(name, typeshed) for name in PORTS]
    for run in runs:
        print(run.stdout + run.stderr, end="")
    return max(run.returncode for run in runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
