"""One board on CPython and on MicroPython: started as the supervisor does, and compared."""

import json
import shutil
import signal
import subprocess
import sys

import littlefs
import pytest

from fwtool import paths
from helpers import PATIENCE_S

MICROPYTHON = "micropython"
STARTS = {
    MICROPYTHON: lambda: [paths.micropython(), "-X", "heapsize=1M"],
    "cpython": lambda: [sys.executable, "-m", "ufota_testkit.on_cpython.start"],
}
RESET = -signal.SIGUSR2
INTERPRETERS = pytest.mark.parametrize("interpreter", STARTS)


def start(interpreter, *command, **more):
    """Start a script of a board, as the supervisor does."""
    return subprocess.run(
        [*STARTS[interpreter](), *map(str, command)],
        cwd=paths.board(),
        env={**paths.environment(paths.device(), paths.bootloader(), paths.board()), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def boot(interpreter, state, **more):
    return start(interpreter, "-m", "_boot", state, **more)


def user_region(state):
    layout = json.loads((state / "layout.json").read_text())
    region = layout["regions"]["user"]
    return region, layout["devices"][region["device"]]


def user_files(state):
    """{name: bytes} on /user, read by neither interpreter's file system; folders are None."""
    region, spec = user_region(state)
    chip = (state / f"{region['device']}.bin").read_bytes()
    part = bytearray(chip[region["start"] : region["start"] + region["size"]])
    if part[: 2 * spec["erase"]] == b"\xff" * 2 * spec["erase"]:
        return {}
    count = region["size"] // spec["erase"]
    context = littlefs.UserContext(buffer=part)
    disk = littlefs.LittleFS(context, False, block_size=spec["erase"], block_count=count)
    disk.mount()
    found = {}
    for folder, folders, names in disk.walk("/"):
        found.update({f"{folder}/{name}": None for name in folders})
        for name in names:
            with disk.open(f"{folder}/{name}", "rb") as file:
                found[f"{folder}/{name}"] = file.read()
    return found


def chips(state):
    """The bytes of all chips, without the region of user files: times of files are there."""
    found = {path.name: bytearray(path.read_bytes()) for path in state.glob("*.bin")}
    region, _ = user_region(state)
    chip = found[region["device"] + ".bin"]
    chip[region["start"] : region["start"] + region["size"]] = b""
    return found


def on_both(state, runs=1, **more):
    """Run a board on both interpreters; all they do must be the same.

    runs:     so often it is switched on
    returns:  (CompletedProcess of the last run on CPython, folder of that board)
    """
    boards = {name: state.with_name(name) for name in STARTS}
    ends = {}
    for name, board in boards.items():
        shutil.copytree(state, board)
        ends[name] = [boot(name, board, **more) for _ in range(runs)]
    told = {name: [(each.stdout, each.returncode) for each in done] for name, done in ends.items()}
    assert told["cpython"] == told[MICROPYTHON], ends["cpython"][-1].stderr
    assert user_files(boards["cpython"]) == user_files(boards[MICROPYTHON])
    assert chips(boards["cpython"]) == chips(boards[MICROPYTHON])
    return ends["cpython"][-1], boards["cpython"]


def after_boot(done):
    return done.stdout.partition("booting...\n")[2].split("\n")[1:-1]


ATTEMPT = """
    import os, sys
    def attempt(what, *args):
        try:
            print(repr(what(*args)))
        except OSError as error:
            print(type(error) is OSError, error.args[0], error.errno, error)
        except (ValueError, TypeError, AttributeError) as error:
            print(type(error))
"""
