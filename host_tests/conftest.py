"""One suite, two interpreters.

A test file with the line `BOTH = True` at module level is collected twice: by pytest,
and as items `FILE::micropython::TEST` that each run in a MicroPython of their own, so a
crash, a hang or a leak of one test stays its own. Such files hold plain functions
without arguments and import what both interpreters have. Two more lines may follow:

    HEAP = "512k"    heap of the MicroPython runs, as -X heapsize takes it; 4M if not given
    TIMEOUT_S = 900  seconds a MicroPython run may take; 600 if not given

In any test file one more line may say what is for `make test-long`, not for `make test`:

    LONG = True      all of the file; or the names of tests: ("test_a", "test_b[spi]")

MICROPYTHON overrides the interpreter. When it is missing these items fail: the suite
never passes on half of its interpreters.
"""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import ufota_testkit
from fwtool import paths

HERE = Path(__file__).parent
RUNNER = HERE / "mpy_runner.py"
TOOLS = Path(ufota_testkit.__file__).parents[1]  # where MicroPython finds the test kit
# Tests and their helpers import each other by name, whatever the folder.
_FILES = [*HERE.glob("*/*.py"), *HERE.glob("ufota/*/*.py")]
FOLDERS = sorted({path.parent for path in _FILES} - {HERE / "emulator"})
sys.path[0:0] = [str(folder) for folder in FOLDERS]

from servers import pytest_terminal_summary  # noqa: E402, F401  (a hook)

# A limit is for what hangs: it is at least ten times what the longest step of its kind takes.
DEFAULTS = {"BOTH": False, "HEAP": "4M", "TIMEOUT_S": 600, "LONG": ()}


def run_micropython(*command, heap="4M", timeout_s=600, folders=()):
    """Run MicroPython on a script; the device's modules and those of the tests are importable.

    command: script and arguments
    folders: more places to import from, searched first
    returns: CompletedProcess, stdout and stderr as text
    raises:  subprocess.TimeoutExpired (MicroPython was killed), fwtool.exits.Failure
    """
    places = (*folders, paths.device(), paths.bootloader(), TOOLS, *FOLDERS)
    return subprocess.run(
        [paths.micropython(), "-X", f"heapsize={heap}", *map(str, command)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout_s,
        env=paths.environment(*places),
    )


@pytest.fixture
def micropython():
    """run_micropython, for tests that start MicroPython themselves."""
    return run_micropython


def pytest_addoption(parser):
    parser.addoption("--part", choices=("short", "long"), help="only this part; else all")


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".py" and file_path.name.startswith("test_"):
        if _settings(file_path)["BOTH"]:
            return TwiceFile.from_parent(parent, path=file_path)
    return None


def pytest_collection_modifyitems(config, items):
    part = config.getoption("part")
    if part:
        config.hook.pytest_deselected(items=[item for item in items if _part(item) != part])
        items[:] = [item for item in items if _part(item) == part]
    # What may take longest comes first, or at the end one process would be busy alone.
    items.sort(key=lambda item: -_settings(item.path)["TIMEOUT_S"])


def _part(item):
    """Which of the two parts of the suite a test belongs to."""
    long = _settings(item.path)["LONG"]
    names = item.name, item.name.partition("[")[0]  # with its parameters, and without
    return "long" if long is True or set(names) & set(long) else "short"


@functools.cache
def _settings(path):
    """The constants of DEFAULTS as the file sets them, and TESTS: {name: its function}."""
    found = dict(DEFAULTS, TESTS={})
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in DEFAULTS:
                found[node.targets[0].id] = ast.literal_eval(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found["TESTS"][node.name] = node
    long = found["LONG"]
    if long is not True and {name.partition("[")[0] for name in long} - found["TESTS"].keys():
        raise pytest.UsageError(f"{path}: LONG names what is no test of this file")
    return found


class TwiceFile(pytest.File):
    """Second look at a test file; its one child gives the ids their `micropython`."""

    def collect(self):
        yield MicroPython.from_parent(self, name="micropython")


class MicroPython(pytest.Collector):
    def collect(self):
        for name, node in _settings(self.path)["TESTS"].items():
            item = MicroPythonTest.from_parent(self, name=name)
            item.function = node
            yield item


class MicroPythonTest(pytest.Item):
    def runtest(self):
        if ast.unparse(self.function.args) or self.function.decorator_list:
            raise Failed("a test for both interpreters takes no arguments and no decorators")
        settings = _settings(self.path)
        heap, timeout_s = settings["HEAP"], settings["TIMEOUT_S"]
        try:
            done = run_micropython(RUNNER, self.path, self.name, heap=heap, timeout_s=timeout_s)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{(late.stdout or b'').decode()}no end after {timeout_s} s") from None
        if done.returncode or not done.stdout.endswith(f"{self.name} ok\n"):
            raise Failed(f"{done.stdout}{done.stderr}exit code {done.returncode}")

    def repr_failure(self, excinfo):
        if isinstance(excinfo.value, Failed):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, self.function.lineno - 1, f"{self.name} (MicroPython)"


class Failed(Exception):
    """What MicroPython printed, to be shown as it is."""
