"""The console: every key, on both interpreters."""

import sys

from fwcore import errors
from fwcore.errors import FwError
from fwcore.manifest import version_word
from resume_kit import board_of
from ufota import console
from ufota_testkit import simboard
from ufota_testkit.simboard import put
from update_kit import OLD

BOTH = True  # runs on CPython and on MicroPython


class Client:
    """Plays a FleetClient: found, then done, say what poll() and run() return or raise."""

    def __init__(self, found, done=False):
        self.found = found
        self.done = done

    def poll(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def run(self):
        return self.done


class Target:
    def version(self):
        return version_word("1.24.1")


def pressed(keys, board=None, client=None):
    """What these keys print, as lines."""
    lines = []
    board = board or board_of("sd")
    console.print = lambda *words: lines.append(" ".join(str(word) for word in words))
    try:
        with open("/dev/null") as nothing:
            made = console.Console(board, client, nothing)
            for key in keys:
                made.press(key)
    finally:
        del console.print
    return lines


def test_every_key_says_what_it_is_for():
    board = board_of("sd")
    put(board, simboard.active_slot(board), version_word("2.5.0"), OLD[1])
    assert pressed("v", board) == ["application 2.5.0"]
    board.systems = {"SYSTEM": Target(), "RADIO": Target()}
    assert pressed("v", board) == ["application 2.5.0", "RADIO 1.24.1", "SYSTEM 1.24.1"]
    assert pressed("\r\n \x1b"[:3]) == []
    assert pressed("x?") == [console.HELP, console.HELP]
    if sys.implementation.name == "micropython":
        lines = pressed("hs")
        assert lines[0].startswith("heap: ") and lines[0].endswith(" B free")
        assert lines[1].startswith("stack: ")


def test_keys_come_from_a_stream():
    with open(__file__) as keys:
        made = console.Console(board_of("sd"), None, keys)
        found = []
        made.press = found.append
        assert [made.poll() for _ in range(3)] == ['"'] * 3 == found


def test_reset_is_the_boards():
    board = board_of("sd")
    resets = []
    board.reset = lambda: resets.append(1)
    assert pressed("r", board) == ["reset"] and resets == [1]


def test_update_tells_what_came_of_it():
    assert pressed("u") == ["no update client"]
    assert pressed("u", client=Client(False)) == ["nothing new"]
    assert pressed("u", client=Client(True)) == []
    assert pressed("u", client=Client(True, True)) == ["update ready: r installs it"]
    for error in (FwError(errors.CONNECT, 113), OSError(5)):
        assert pressed("u", client=Client(error))[0].startswith("error ")


def test_a_board_without_an_image_has_version_0():
    board = board_of("sd")
    board.disks["flash"].load(0x400, b"\xff" * 512)
    assert pressed("v", board) == ["application 0"]
