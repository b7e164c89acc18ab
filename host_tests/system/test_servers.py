"""A missing server is never silent: a skip that is told of at the end, or a failure."""

import subprocess
import sys

from fwtool_cli import python_environment
from helpers import PATIENCE_S

CONFTEST = """
import servers
from servers import pytest_terminal_summary
servers._PLACES = ""
"""
TESTS = """
import pytest, servers

def test_web(): servers.needs("nginx")
def test_broker(): servers.needs("mosquitto")
def test_without(): pass
@pytest.mark.skip("another reason")
def test_later(): pass
"""


def tried(folder, *programs, **env):
    """Run TESTS where no server is but these. Returns exit code and output."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(TESTS)
    for name in programs:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        env={**python_environment(), "PATH": str(folder), "UFOTA_SERVERS": "", **env},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout


def test_a_missing_server_is_a_skip_and_named_at_the_end(tmp_path):
    code, said = tried(tmp_path, "mosquitto")
    assert code == 0 and "2 passed, 2 skipped" in said
    end = said[said.index("NOT TRIED") :]
    assert "nginx is not on this machine" in end and "test_web" in end
    assert "apt-get install nginx-light\n" in end
    assert "mosquitto" not in end and "test_later" not in end


def test_with_all_servers_nothing_is_said(tmp_path):
    code, said = tried(tmp_path, "mosquitto", "nginx")
    assert code == 0 and "3 passed, 1 skipped" in said
    assert "NOT TRIED" not in said


def test_a_required_server_that_is_missing_is_a_failure(tmp_path):
    code, said = tried(tmp_path, "nginx", UFOTA_SERVERS="required")
    assert code == 1 and "1 failed, 2 passed, 1 skipped" in said
    assert "mosquitto, Debian package mosquitto" in said
