"""Nothing is imported out of the folder that fwtool runs in, by any process it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fwtool import paths
from helpers import PATIENCE_S
from virtual_kit import CLASS, POINT, VENDOR, make

FWTOOL = Path(sys.executable).with_name("fwtool")
ROOT = Path(__file__).resolve().parents[2]
# Of CPython's library, of packages, and of a board: a project may well have files of these names.
NAMES = ("serial", "http", "json", "logging", "struct", "subprocess", "click", "pip", "mpremote")
NAMES += ("micropython", "board", "layout", "machine", "boot", "main", "_boot", "repl")
HOSTILE = """\
with open("ran", "a") as file:
    file.write(__name__ + "\\n")
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A folder of such files; it is the current one."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(HOSTILE)
    monkeypatch.chdir(folder)
    return folder


def start(*words):
    return subprocess.Popen([FWTOOL, *map(str, words)], stdout=subprocess.PIPE, text=True)


def run(*words):
    """Run fwtool to its end. Returns its exit code."""
    with start(*words) as process:
        process.communicate(timeout=PATIENCE_S)
        return process.returncode


def test_no_command_for_a_board_imports_it(hostile, tmp_path):
    """Each command that starts a Python or a MicroPython; those on a port start mpremote."""
    board, key = make(tmp_path, "print('application')"), tmp_path / "maker.point"
    key.write_bytes(POINT)
    identity = ("--key", key, "--vendor-id", VENDOR, "--class-id", CLASS)
    with start("run", "--pty", board) as power:
        try:
            port = power.stdout.readline().split()[-1]
            assert os.path.exists(port)
            commands = (
                (0, "device", "status"),
                (0, "device", "log"),
                (0, "device", "confirm"),
                (0, "device", "allow"),
                (5, "device", "reject"),
                (5, "device", "rollback"),
                (0, "provision", *identity),
                (0, "deploy", "--board", "virtual"),
            )
            for code, *words in commands:
                assert run(*words, "--port", port) == code, words
        finally:
            power.terminate()
    assert run("run", board) == 0
    assert run("boot", board) == 0
    assert not (hostile / "ran").exists(), (hostile / "ran").read_text()


def test_a_python_is_started_in_one_way():
    """By paths.python(), with -P, whatever command it is for."""
    for folder in ("tools", "boards", "device", "bootloader"):
        for path in (ROOT / folder).rglob("*.py"):
            is_it = path == Path(paths.__file__)
            assert is_it or "sys.executable" not in path.read_text(), path
    assert paths.python("x") == [sys.executable, "-P", "x"]
