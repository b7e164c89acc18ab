"""`make demo` shows what README.md says, and without a terminal it is plain text."""

import subprocess
import sys
from pathlib import Path

import pytest

from fwtool_cli import python_environment

README = Path(__file__).resolve().parent.parent / "README.md"


def _transcript():
    """The lines of README's transcript that are the same in every run."""
    text = README.read_text().split("$ make demo\n")[1].split("```")[0]
    return [line for line in text.splitlines() if "trusts key" not in line]


@pytest.mark.timeout(120)
def test_the_demo_prints_what_the_readme_shows(tmp_path):
    command = [sys.executable, "-m", "fwtool.cli", "demo", "--dir", str(tmp_path / "demo")]
    env = python_environment()
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and "progress" not in done.stdout
    printed = done.stdout.splitlines()
    for line in _transcript():
        assert line in printed, line
