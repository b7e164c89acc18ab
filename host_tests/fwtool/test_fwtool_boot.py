"""fwtool boot: the boot stage on a board's files, in a process of its own."""

import json
import shutil

import pytest

import simple_layout
from fwcore import manifest
from fwcore.slot import slots
from fwcore.state import TRIAL
from fwtool_cli import fwtool, new_board
from ufota_testkit.noise import noise
from virtual_kit import Board, application, boot_state, make, offer, write_image


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


def contents(board):
    return {path.name: path.read_bytes() for path in board.iterdir()}


def test_a_dry_run_installs_in_a_copy_only(board):
    simple_layout.use(board)
    here = Board(str(board))
    slot = slots(here.layout, here.device("sd"))[0]
    write_image(here, slot, manifest.version_word("1.1.0"), noise(9000))
    before = contents(board)
    shown = json.loads(fwtool("boot", board, "--dry-run", "--json").stdout)
    assert shown["active_version"] == "1.1.0"
    assert "[DBG ] New active firmware is valid" in shown["log"]
    assert contents(board) == before
    fwtool("boot", board)
    shown = json.loads(fwtool("boot", board, "--json").stdout)
    assert shown["active_version"] == "1.1.0"
    assert "Update image is older" in shown["log"]


def test_a_boot_counts_as_a_trial_and_a_dry_run_does_not(tmp_path):
    board = make(tmp_path, "print('old')")
    offer(board, application("print('new')"))
    before = contents(board)
    fwtool("boot", board, "--dry-run")
    assert contents(board) == before
    for left in (2, 1, 0):
        shown = json.loads(fwtool("boot", board, "--json").stdout)
        assert shown["active_version"] == manifest.version_text(2)
        assert (boot_state(board).phase, boot_state(board).tries) == (TRIAL, left)
    shown = json.loads(fwtool("boot", board, "--json").stdout)
    assert shown["active_version"] == manifest.version_text(1)
    assert "[DBG ] Old active firmware is back" in shown["log"]


def test_in_direct_mode_the_version_is_that_of_the_slot_that_runs(tmp_path):
    board = make(tmp_path, "print('old')", layout=direct_layout())
    offer(board, application("print('new')"))
    shown = json.loads(fwtool("boot", board, "--json").stdout)
    assert shown["active_version"] == manifest.version_text(2)


def direct_layout():
    """Two slots that can run, both in internal flash."""
    layout = dict(simple_layout.LAYOUT, mode="direct")
    layout["state"] = {"device": "flash", "start": 0xD000, "size": 0x3000}
    layout["candidates"] = {
        "device": "flash",
        "start": 0x100000,
        "size": 0xF0000,
        "locations": 1,
        "internal": True,
    }
    layout["regions"] = {}
    return layout


def test_nothing_bootable_is_exit_code_4(board):
    (board / "flash.bin").write_bytes(b"\xff" * (board / "flash.bin").stat().st_size)
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
    simple_layout.use(board)
    (board / "sd.bin").unlink()
    (board / "identity.json").unlink()
    assert "No Update image" in fwtool("boot", board).stdout


def test_a_pulled_chip_with_the_candidate_still_boots(board):
    (board / "spi.bin").unlink()
    (board / "identity.json").unlink()
    assert "booting..." in fwtool("boot", board).stdout


def test_no_interpreter_is_told(board, monkeypatch):
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    said = fwtool("boot", board, code=4).stderr
    assert "MICROPYTHON" in said and "pip install 'ufota[sim]'" in said


def test_an_interpreter_that_does_not_run_the_boot_stage_is_no_success(board, monkeypatch):
    for name in ("true", "echo"):
        monkeypatch.setenv("MICROPYTHON", shutil.which(name))
        said = fwtool("boot", board, code=4)
        assert "does not run the boot stage" in said.stderr and not said.stdout
