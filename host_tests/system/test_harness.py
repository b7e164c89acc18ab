"""The MicroPython half of the suite fails when it should: whatever happens in there."""

import collections
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fwtool import paths

HERE = Path(__file__).resolve().parent.parent
LONG = ("test_both_parts_together_are_the_whole_suite",)

SUITE = """\
import os
import sys

BOTH = True
HEAP = "256k"
TIMEOUT_S = 2
LONG = ("test_good", "test_exit")
ON_CPYTHON = sys.implementation.name == "cpython"


def test_good():
    print("seen")


def test_wrong():
    assert ON_CPYTHON


def test_wrong_under_any_except():
    if not ON_CPYTHON:
        raise BaseException("escaped")


def test_exit():
    ON_CPYTHON or sys.exit(0)


def test_killed():
    ON_CPYTHON or os.system("kill -9 $PPID")


def test_endless():
    while not ON_CPYTHON:
        pass


def test_hungry():
    bytearray(300000)


def test_with_fixture(tmp_path):
    pass
"""


@pytest.fixture
def suite(tmp_path):
    """run(*options, **environment) -> what pytest printed for SUITE in a folder of its own."""
    for name in ("conftest.py", "mpy_runner.py", "simulators/servers.py"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_suite.py").write_text(SUITE)

    def run(*options, **environment):
        path = os.pathsep.join([str(HERE.parent / "tools"), str(paths.shim())])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *options],
            cwd=tmp_path,
            env=dict(os.environ, PYTHONPATH=path, **environment),
            capture_output=True,
            text=True,
        )
        return done.stdout + done.stderr

    return run


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_each_way_to_fail_on_micropython_is_a_failure(suite, options):
    out = suite(*options)
    for name in "wrong wrong_under_any_except exit killed endless hungry with_fixture".split():
        assert f"FAILED test_suite.py::micropython::test_{name}" in out, name
        assert f"PASSED test_suite.py::test_{name}" in out, name
    assert "PASSED test_suite.py::micropython::test_good" in out
    assert "PASSED test_suite.py::test_good" in out
    assert "7 failed, 9 passed" in out


def test_failure_shows_the_traceback_of_micropython(suite):
    out = suite("test_suite.py::micropython::test_wrong")
    assert 'test_suite.py", line 16, in test_wrong\nAssertionError' in out
    assert "no end after 2 s" in suite("test_suite.py::micropython::test_endless")


def test_missing_interpreter_is_no_skip(suite):
    out = suite("-k", "micropython and good", MICROPYTHON="/nowhere/micropython")
    assert "1 failed" in out and "no MicroPython at /nowhere/micropython" in out


def test_each_test_belongs_to_one_part_of_the_suite(suite):
    """To both interpreters the same one."""
    short, long = (suite("--co", "-q", f"--part={part}") for part in ("short", "long"))
    assert [long.count(f"::test_{name}\n") for name in ("good", "exit", "wrong")] == [2, 2, 0]
    assert [short.count(f"::test_{name}\n") for name in ("good", "exit", "wrong")] == [0, 0, 2]
    assert "4/16 tests collected (12 deselected)" in long
    assert "12/16 tests collected (4 deselected)" in short


def test_a_name_that_is_no_test_is_in_no_part(suite, tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE.replace("def test_exit", "def test_other"))
    assert "LONG names what is no test of this file" in suite("--co")


def collected(*options):
    """Ids of the tests of the repository, in no order."""
    command = [sys.executable, "-m", "pytest", "--co", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return collections.Counter(line for line in done.stdout.splitlines() if "::" in line)


def test_both_parts_together_are_the_whole_suite():
    short, long, whole = collected("--part=short"), collected("--part=long"), collected()
    assert short + long == whole and set(whole.values()) == {1}
    assert len(short) > 4000 and len(long) > 60
