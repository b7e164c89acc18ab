"""`make demo` shows what README.md says, and without a terminal it is plain text."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fwcore.state import FORWARD, IDLE, PENDING, TRIAL
from fwtool.demos import demo
from fwtool.exits import Failure
from fwtool.images import factory, image
from fwtool.signing import keys, statements
from fwtool.virtual import virtual_board
from fwtool_cli import fwtool, python_environment
from helpers import PATIENCE_S
from ufota_testkit.noise import noise
from virtual_kit import application, boot_state, make, offer, own_layout

README = Path(__file__).resolve().parents[2] / "README.md"


def _same(text):
    """The lines of a transcript that are the same in every run."""
    return [line for line in text.strip().splitlines() if "trusts key" not in line]


def test_the_demo_prints_what_the_readme_shows(tmp_path):
    (tmp_path / "beside").write_text("x")
    command = [sys.executable, "-P", "-m", "fwtool.cli", "demo", "--dir", str(tmp_path / "demo")]
    env = python_environment()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and "progress" not in done.stdout
    shown = README.read_text().split("$ make demo\n")[1].split("```")[0]
    assert _same(done.stdout.split("\n\nDone in ")[0]) == _same(shown)
    assert sorted(os.listdir(tmp_path)) == ["beside", "demo"]


def test_a_folder_that_is_not_its_own_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    fwtool("demo", "--dir", tmp_path, code=5)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_its_own_folder_is_emptied_but_for_the_wheels(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    folder = tmp_path / "new" / "demo"
    demo.make_scratch(folder)
    (folder / "wheels").mkdir()
    (folder / "wheels" / "microdot.whl").write_text("x")
    (folder / "board").mkdir()
    (folder / "board" / "flash.bin").write_text("x")
    (folder / "maker.pem").write_text("x")
    (folder / "link").symlink_to(tmp_path / "precious")
    demo.make_scratch(folder)
    assert sorted(path.name for path in folder.iterdir()) == [".fwtool-demo", "wheels"]
    assert (folder / "wheels" / "microdot.whl").exists()
    assert (tmp_path / "precious" / "file").exists()
    (folder / ".fwtool-demo").unlink()
    with pytest.raises(Failure):
        demo.make_scratch(folder)


def test_without_an_interpreter_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    said = fwtool("demo", "--dir", tmp_path / "demo", code=4).stderr
    assert "pip install 'ufota[sim]'" in said
    assert not (tmp_path / "demo").exists()


def test_a_forged_image_that_starts_is_a_failure(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    sign = statements.signer(key, demo.VENDOR, demo.CLASS)
    ids = keys.point(key.public_key()), demo.VENDOR, demo.CLASS
    built = application("print('genuine')")
    factory.make(str(tmp_path / "board"), own_layout(), built, 1, *ids, sign=sign)
    said = []
    made = demo.Demo(tmp_path, None)
    made.say = said.append
    made.scene = said.append
    made.stranger = ec.generate_private_key(ec.SECP256R1())
    made.forged_image()
    assert "    | [ERR ] Signature check failed" in said
    made.stranger = key  # he has the maker's key after all
    with pytest.raises(Failure):
        made.forged_image()


CONFIRMING = b"""
from board import Board
from ufota import trial
print("confirmed", trial.confirm(Board()))
"""


def waiting(folder):
    """A board with an update of 20 blocks that waits to be installed."""
    board = make(folder, "print('old')")
    offer(board, image.build({"main.py": CONFIRMING, "data": noise(60000)}, "lfs2", 4096))
    return board


def test_the_power_is_cut_amid_a_swap_and_the_board_finishes_it(tmp_path):
    board = waiting(tmp_path)
    assert demo.cut_in_swap(board) == ["", "Mbed Bootloader", "[DBG ] Update active firmware"]
    assert boot_state(board).phase == FORWARD
    lines = []
    with virtual_board.VirtualBoard(board, on_line=lines.append) as machine:
        assert machine.wait(PATIENCE_S) == 0
    assert lines[-1] == "confirmed True" and machine.resets == 0


def test_a_cut_that_came_too_late_is_taken_back(tmp_path, monkeypatch):
    board = waiting(tmp_path)
    in_time = demo._wait_for_moves
    takes = []

    def wait(chips):
        if takes:
            in_time(chips)
        else:
            wait_until_later(board)
        takes.append(boot_state(board).phase)

    monkeypatch.setattr(demo, "_wait_for_moves", wait)
    demo.cut_in_swap(board)
    assert takes[0] in (TRIAL, IDLE) and len(takes) > 1
    assert boot_state(board).phase == FORWARD


def wait_until_later(board):
    deadline = time.monotonic() + PATIENCE_S
    while boot_state(board).phase in (PENDING, FORWARD):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_swap_that_never_begins_is_a_failure(tmp_path):
    with pytest.raises(Failure):
        demo.cut_in_swap(make(tmp_path, "print('nothing waits')"))
