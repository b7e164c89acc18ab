"""Every import follows an arrow of docs/DESIGN.md, and importing a device module does nothing."""

import ast
import collections
import functools
from pathlib import Path

import pytest

import import_circles

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {"bdev", "fwboot", "fwcore", "fwtool", "ufota", "ufota_testkit"}
# Folder or file: what of ours it may import, its own included. The first that fits counts.
ARROWS = {
    "device/bdev": {"bdev"},
    "device/fwcore": {"fwcore"},
    "device/ufota": {"ufota", "fwcore"},
    "bootloader/fwboot": {"fwboot", "fwcore"},
    "boards": {"bdev", "fwboot", "fwcore", "ufota", "BOARD"},
    "tools/fwtool/demos/demo_app": {"bdev", "fwcore", "ufota", "BOARD"},  # runs on the device
    "tools/fwtool/demos/demo_mqtt_app": {"bdev", "fwcore", "ufota", "BOARD"},  # the same
    "tools/hostshim": set(),
    # Decoders take bytes and give bytes: a process of their own would be all ceremony.
    "tools/fwtool": {"fwtool", "fwcore", "ufota.decoders"},
    "tools/ufota_testkit": PACKAGES | {"BOARD"},
    "host_tests": PACKAGES | {"BOARD", "TEST"},
}
MOST_FILES = 26  # of a folder: it is seen without scrolling

# These folders run on any MicroPython, on what every port has built in. `machine` and
# `network` are not for them: hardware is handed in by a board.
DEVICE = ("device/", "bootloader/")
BUILT_IN = set(
    """array asyncio binascii collections cryptolib deflate errno gc hashlib heapq io json
    math micropython os random re select socket ssl struct sys time tls
    uctypes vfs""".split()
)

# Calls whose result nobody has to undo.
CONSTANT_CALLS = {"const", "namedtuple", "bytes", "bytes.fromhex", "int", "len", "struct.calcsize"}


def sources(*folders):
    """(name, text) of all files below these folders, in order."""
    for name, text in sorted(import_circles.repository().items()):
        if name.startswith(tuple(f"{folder}/" for folder in folders)):
            yield name, text


def imports(tree):
    """Dotted names of the modules, or of names in modules, that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            place = "RELATIVE" if node.level else node.module
            yield from (f"{place}.{alias.name}" for alias in node.names)


@functools.cache
def modules_of_tests():
    """Names of the modules of the tests."""
    return {path.stem for path in (ROOT / "host_tests").rglob("*.py")}


def kind(name):
    """Which of our parts a module belongs to; None when it is not ours."""
    module = name.split(".")[0]
    if module in PACKAGES or module == "RELATIVE":
        return name
    if module in BUILT_IN:
        return None
    if module in modules_of_tests():
        return "TEST"
    return "BOARD" if any(ROOT.glob(f"boards/*/{module}.py")) else None


def wrong_imports(name, text):
    """Imports of the file `name` that the table does not allow."""
    allowed = next(
        parts for place, parts in ARROWS.items() if name == place or name.startswith(place + "/")
    )
    for module in imports(import_circles.parsed(text)):
        part = kind(module)
        if part and not any(f"{part}.".startswith(f"{each}.") for each in allowed):
            yield f"{name} imports {module}"
        elif not part and name.startswith(DEVICE) and module.split(".")[0] not in BUILT_IN:
            yield f"{name} imports {module}, which not every MicroPython has"


def doings(body):
    """Statements at module or class level that do more than define."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from doings(node.body)
        elif isinstance(node, ast.Assign):
            if not _constant(node.value):
                yield node
        elif isinstance(node, ast.Expr):
            if not isinstance(node.value, ast.Constant):
                yield node
        elif not isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Pass):
            if not isinstance(node, ast.AsyncFunctionDef):
                yield node


def _constant(value):
    """Nothing that is filled later, and making it touched nothing."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and ast.unparse(node.func) not in CONSTANT_CALLS:
            return False
        if isinstance(node, ast.List | ast.Set | ast.ListComp | ast.DictComp):
            return False
        if isinstance(node, ast.Dict) and not node.keys:  # waits to be filled
            return False
    return True


def test_imports_follow_the_table():
    found = [wrong for source in sources(*ARROWS) for wrong in wrong_imports(*source)]
    assert not found, "\n".join(found)


def test_import_of_a_device_module_does_nothing():
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)[:60]}"
        for name, text in sources(*DEVICE)
        for node in doings(import_circles.parsed(text).body)
    ]
    assert not found, "\n".join(found)


def test_packages_of_the_device_import_nothing():
    """Importing one source must not load another."""
    found = [
        name
        for name, text in sources(*DEVICE)
        if name.endswith("__init__.py") and ast.unparse(import_circles.parsed(text).body[1:])
    ]
    assert not found


def test_no_folder_needs_scrolling():
    names = {name for name, _ in sources(*ARROWS)}
    folders = collections.Counter(name.rpartition("/")[0] for name in names)
    assert not {name: count for name, count in folders.items() if count > MOST_FILES}


def test_no_files_import_each_other():
    assert import_circles.circle(import_circles.repository()) == []


@pytest.mark.parametrize(
    "back",
    [
        "import ufota.x",
        "from ufota import x",
        "from ufota.x import name",
        "def f():\n    from ufota import x",
        "def f():\n    return __import__('ufota.x')",
        "def f():\n    return importlib.import_module('ufota.x')",
        "TABLE = {'x': 'ufota.x:f'}\n\n\ndef f(name):\n    importlib.import_module(TABLE[name])",
        "load('ufota', 'other x')",
        "load('ufota', NAMES + ' more')",
        "load('ufota', name)",
    ],
)
def test_planted_circle_is_found(back):
    files = {
        "device/ufota/x.py": "NAMES = 'x'\nfrom ufota.web import y",
        "device/ufota/web/y.py": "import fwcore.z",
        "device/fwcore/z.py": back,
        "device/fwcore/innocent.py": "from ufota import x",
    }
    circle = ["device/fwcore/z.py", "device/ufota/web/y.py", "device/ufota/x.py"]
    assert sorted(import_circles.circle(files)) == circle


def test_a_circle_planted_in_this_repository_is_found():
    files = import_circles.repository()
    for file, line in (
        ("device/ufota/web/url.py", "from ufota.sources import http"),
        ("tools/fwtool/exits.py", "def f():\n    from fwtool import cli"),
        ("host_tests/kit/helpers.py", "__import__('update_kit')"),
    ):
        planted = {**files, file: files[file] + "\n" + line}
        assert file in import_circles.circle(planted), file


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("device/fwcore/x.py", "import ufota.client"),
        ("device/fwcore/x.py", "def f():\n    from fwboot import decide"),
        ("device/ufota/x.py", "import fwboot"),
        ("device/ufota/x.py", "from board import Board"),
        ("device/ufota/x.py", "from . import client"),
        ("device/ufota/x.py", "import machine"),
        ("device/bdev/x.py", "import fwcore.errors"),
        ("device/fwcore/x.py", "import typing"),
        ("device/fwcore/x.py", "import cryptography"),
        ("bootloader/fwboot/x.py", "from ufota import client"),
        ("bootloader/fwboot/x.py", "import helpers"),
        ("boards/virtual/x.py", "import fwtool"),
        ("tools/fwtool/x.py", "from fwboot import main"),
        ("tools/fwtool/x.py", "from ufota import client"),
        ("tools/fwtool/x.py", "import helpers"),
        ("tools/fwtool/x.py", "from ufota_testkit import simdisk"),
        ("tools/hostshim/x.py", "import fwcore"),
    ],
)
def test_planted_import_is_found(name, line):
    assert list(wrong_imports(name, line))


@pytest.mark.parametrize(
    "line",
    [
        "SEEN = []",
        "CACHE = {}",
        "BUF = bytearray(4096)",
        "led = Pin(2)",
        "print()",
        "try:\n    import ssl\nexcept ImportError:\n    ssl = None",
        "for i in 1, 2:\n    pass",
        "class A:\n    cache = {}",
    ],
)
def test_planted_doing_is_found(line):
    assert list(doings(ast.parse(line).body))
