"""What README.md shows of a board on a cable is what happens: commands, and what they print."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from fwtool.demos import demo
from fwtool.device import deploy_packages
from fwtool_cli import python_environment
from helpers import PATIENCE_S
from pty_kit import console, new_key, publish, wait_for

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
URL = "http://127.0.0.1:8000/"
PORT = "/dev/pts/7"
PROGRAMS = {"fwtool": ("-m", "fwtool.cli"), "mpremote": ("-m", "mpremote")}


def _steps():
    """[command, what it prints] of the transcript."""
    (block,) = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    return [step.split("\n", 1) for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]


def _masked(text):
    """Without what differs from day to day: digests, and how many files there are."""
    return re.sub(r"[0-9a-f]{64}", "DIGEST", re.sub(r"\d+ files", "N files", text))


def test_the_packages_of_the_readme_are_there():
    named = re.findall(r"mpremote mip install (\S+)", README)
    assert named and set(named) <= set(deploy_packages.PACKAGES)


def test_the_transcript_of_the_readme_is_what_happens(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "public").mkdir()
    key, _ = new_key(tmp_path)
    for version in ("1.0.0", "2.0.0"):
        publish(tmp_path, key, version)
        (tmp_path / "app.fw").rename(f"app-{version}.fw")
    steps = _steps()
    assert steps.pop(0) == ["fwtool run --pty board &", f"mpremote connect {PORT}\n"]
    with demo.server_of(tmp_path / "public") as server, console(tmp_path / "board") as board:
        for command, shown in steps:
            said = _play(command.replace(PORT, board.port), shown, server.url)
            assert _masked(said.replace(board.port, PORT)) == _masked(shown), command
            if command.endswith((" reset", " rollback --port " + PORT)):
                wait_for(board, b"this is " + _running(command))


def _running(command):
    return b"1.0.0\r\n" if "rollback" in command else b""


def _play(command, shown, url):
    """Do what a line of the transcript says. Returns what it prints."""
    program, *args = shlex.split(command)
    if program == "cat":
        Path(args[0]).write_text(shown.replace(URL, url))
        return shown
    if program == "cp":
        shutil.copy(*args)
        return ""
    words = [sys.executable, "-P", *PROGRAMS[program], *args]
    environment = {**python_environment(), "COLUMNS": "200"}
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=PATIENCE_S, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
