"""Boards on CPython and on MicroPython: every layout, updates, and other scripts than the boot."""

import os
import shutil
import textwrap

import pytest

from fwcore.state import CONFIRMED, REVERTED
from fwtool import paths
from fwtool.images import image, layouts
from on_cpython_kit import (
    INTERPRETERS,
    MICROPYTHON,
    RESET,
    STARTS,
    after_boot,
    boot,
    on_both,
    start,
    user_files,
)
from virtual_kit import application, make, offer, result

BOARDS = list(paths.layouts())


COUNTER = """
    import os
    with open("/user/boots", "a") as file:
        file.write("x")
    os.rename("/user/boots", "/user/starts")
    os.rename("/user/starts", "/user/boots")
    print(os.stat("/user/boots")[6], os.listdir("/user"))
"""


@pytest.mark.parametrize("name", BOARDS)
def test_every_layout_boots_and_each_reads_what_the_other_wrote(tmp_path, name):
    layout = layouts.load(str(paths.board().parent / name / "layout.py"))
    board = make(tmp_path, COUNTER, layout=layout)
    for count, interpreter in enumerate([*STARTS, *STARTS], 1):
        done = boot(interpreter, board)
        assert (done.returncode, after_boot(done)) == (0, [f"{count} ['boots']"]), done.stderr
    assert user_files(board) == {"//boots": b"xxxx"}


CONFIRM = """
    from board import Board
    from ufota import trial
    print("confirmed", trial.confirm(Board()), trial.last_result(Board()).result)
"""


@pytest.mark.parametrize("main, runs, end", [(CONFIRM, 1, 0), ("print('no good')", 1, RESET)])
def test_an_update_is_installed_on_trial(tmp_path, main, runs, end):
    board = make(tmp_path, "print('version 1')")
    offer(board, application(main))
    done, _ = on_both(board, runs)
    assert done.returncode == end, done.stderr


def test_a_confirmed_update_stays_and_a_crashing_one_is_reverted(tmp_path):
    for folder, main, ends in ("good", CONFIRM, 2), ("bad", "raise ValueError('crash')", 4):
        (tmp_path / folder).mkdir()
        board = make(tmp_path / folder, "print('version 1')")
        offer(board, application(main))
        done, board = on_both(board, ends)
        assert done.returncode == 0, done.stderr
        assert result(board)[0] == (CONFIRMED if folder == "good" else REVERTED)


def test_a_compiled_module_says_what_to_do(tmp_path):
    compiled = image.compile_all({"part.py": b"X = 1"})
    board = make(tmp_path, "import part", **compiled)
    assert boot(MICROPYTHON, board).returncode == 0
    told = boot("cpython", board)
    assert told.returncode == 1
    sentence = "part.mpy is compiled for MicroPython; make the release without --compile"
    assert sentence in told.stderr.splitlines()[-1]


def test_storage_that_is_missing_is_logged_with_the_same_words(tmp_path):
    board = make(tmp_path, "print('runs')")
    offer(board, application("print('version 2')"))
    (board / "spi.bin").unlink()
    on_both(board)
    short = board.with_name("short")
    shutil.copytree(board, short)
    for name in STARTS:
        shutil.rmtree(tmp_path / name)
    os.truncate(short / "flash.bin", 4096)
    ends = {name: boot(name, short) for name in STARTS}
    assert ends["cpython"].stdout == ends[MICROPYTHON].stdout
    assert "unreadable, error 22" in ends["cpython"].stdout


SCRIPT = """
    import sys
    from board import Board
    from fwcore.state import State
    print(__name__, len(sys.argv), Board(sys.argv[1]).layout["mode"], State(Board()).phase)
    import beside
    print(beside.HERE)
    raise SystemExit(len(sys.argv))
"""


def script_of(folder, text):
    script = folder / "scripts" / "script.py"
    script.parent.mkdir()
    script.write_text(textwrap.dedent(text))
    return script


@INTERPRETERS
def test_another_script_finds_the_modules_of_the_board(tmp_path, interpreter):
    board = make(tmp_path, "")
    script = script_of(tmp_path, SCRIPT)
    (script.parent / "beside.py").write_text("HERE = 'beside'")
    done = start(interpreter, script, board, "more")
    assert done.stdout == "__main__ 3 swap 0\nbeside\n", done.stderr
    assert done.returncode == 3


REPLACED = """
    import blockdev
    class Counting(blockdev.FileFlash):
        def readblocks(self, *args):
            Counting.reads += 1
            return super().readblocks(*args)
    Counting.reads = 0
    blockdev.FileFlash = Counting
    import _boot
"""


@INTERPRETERS
def test_another_starter_can_replace_the_chips(tmp_path, interpreter):
    board = make(tmp_path, "import blockdev\nprint(blockdev.FileFlash.reads > 10)")
    script = script_of(tmp_path, REPLACED)
    done = start(interpreter, script, board)
    assert after_boot(done) == ["True"], done.stdout + done.stderr


def test_there_are_these_layouts():
    assert "virtual" in BOARDS and len(BOARDS) == 8
