"""fwtool run: the board of a folder until its end, which is never taken for a good one."""

import os
import shutil

import pytest

from fwtool.virtual import virtual_board
from fwtool_cli import fwtool, new_board
from helpers import PATIENCE_S


@pytest.fixture
def board(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return new_board(tmp_path)


def test_a_board_runs_to_the_end_of_its_application(board):
    assert fwtool("run", board, "--heap", "192k").stdout.splitlines()[-1] == "hello"


def test_an_interpreter_may_be_named_from_here(board):
    from fwtool import paths

    (board.parent / "mp").symlink_to(paths.micropython())
    assert "hello" in fwtool("run", board, "--interpreter", "./mp").stdout


def test_an_interpreter_that_does_not_start_is_a_failure(board, capfd):
    said = fwtool("run", board, "--interpreter", "/nonexistent", code=4).stderr
    assert "/nonexistent" in said and "MICROPYTHON" in said
    (board.parent / "text").write_text("no program\n")
    (board.parent / "text").chmod(0o755)
    assert "cannot run" in fwtool("run", board, "--interpreter", "./text", code=4).stderr
    assert "Traceback" not in capfd.readouterr().err


def test_the_end_of_the_supervisor_is_no_success_of_the_board(board):
    def hear(line):
        raise OSError(32, "the reader is gone")

    machine = virtual_board.VirtualBoard(board, on_line=hear)
    machine.start()
    with pytest.raises(OSError, match="reader is gone"):
        machine.wait(PATIENCE_S)


def test_a_board_switched_off_before_it_began_did_not_end_well(board, monkeypatch):
    machine = virtual_board.VirtualBoard(board)
    monkeypatch.setattr(machine, "_spawn", lambda cause: False)
    machine.start()
    assert machine.wait(PATIENCE_S) == virtual_board.NO_POWER


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_supervisor_that_died_of_a_bug_is_no_success(board):
    machine = virtual_board.VirtualBoard(board, on_line=None)
    machine.start()
    assert machine.wait(PATIENCE_S) == virtual_board.NO_POWER


def test_files_that_are_no_board_are_named_before_anything_runs(board):
    fwtool("run", "missing", code=1)
    os.truncate(board / "sd.bin", 5000)
    said = fwtool("run", board, code=1)
    assert "sd.bin" in said.stderr and not said.stdout
    (board / "identity.json").write_text("{")
    shutil.copy(board / "spi.bin", board / "sd.bin")
    fwtool("run", board, code=1)


@pytest.mark.parametrize("heap", ["many", "-1", "0", "16383", "15k", ""])
def test_a_heap_nothing_runs_in_is_a_usage_error(board, heap):
    fwtool("run", board, "--heap", heap, code=2)
