"""ufota as a user installs it: a wheel of this checkout in new environments, and commands there.

wheel, programs and bare are fixtures, for the tests that import them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LIMIT_S = 900  # a minute when the machine is idle


def run(*command, cwd, code=0, **more):
    """Run a command; returns what it printed."""
    clean = {name: text for name, text in os.environ.items() if name not in _OURS}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**clean, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


_OURS = ("PYTHONPATH", "MICROPYTHON", "MICROPYPATH", "MANIFEST_TOOL", "PYTEST_XDIST_WORKER")
_OURS += ("CI", "BUILD_NUMBER")  # with one of them pytest's summary says each message once more


def installed(folder, *asked):
    """Folder of the programs of a new environment with these packages."""
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    run(folder / "bin/python", "-m", "pip", "install", "--quiet", *asked, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--quiet", "--no-deps", "-w", folder, ROOT, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """With all that the page asks for, and what the demos need."""
    return installed(tmp_path_factory.mktemp("all"), f"{wheel}[testkit,sim]")


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """With ufota, and a pytest of the user's own."""
    return installed(tmp_path_factory.mktemp("bare"), wheel, "pytest")
