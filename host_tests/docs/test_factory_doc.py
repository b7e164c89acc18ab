"""docs/FACTORY.md as a user meets it: from a wheel, in an empty folder, as printed."""

import re
import shlex
from pathlib import Path

from wheel_kit import programs, run, wheel  # noqa: F401

LONG = True

TEXT = (Path(__file__).resolve().parents[2] / "docs/FACTORY.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", TEXT, re.MULTILINE)
MAIN = "print('up')\n"


def rows(text):
    """{name: value} of what fwtool prints in rows."""
    return dict(re.split(r"  +", line, maxsplit=1) for line in text.splitlines() if "  " in line)


def test_a_unit_is_signed_programmed_and_checked(programs, tmp_path):
    for name in ("app", "recovery"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.py").write_text(MAIN)
    said = []
    for line in COMMANDS:
        command = shlex.split(line)
        assert command[0] == "fwtool"
        said.append(run(programs / "fwtool", *command[1:], cwd=tmp_path))
        if command[1] == "run":
            assert "[DBG ] Signature verified\n" in said[-1] and said[-1].endswith("\nup\n")
            assert "[DBG ] Signature recorded\n" in run(
                programs / "fwtool", *command[1:], cwd=tmp_path
            )
        if command[1] == "state":
            assert rows(said[-1])["signature"] == "recorded"
    assert len(COMMANDS) >= 11
    assert (tmp_path / "app.img.sig").stat().st_size == 64
    assert "CLASS_ID" in (tmp_path / "maker_key.py").read_text()
    (tmp_path / "app.img.sig").write_bytes(bytes(64))
    again = [line.replace("unit1", "unit3") for line in COMMANDS if " factory unit1 " in line]
    said = run(programs / "fwtool", *shlex.split(again[0])[1:], cwd=tmp_path, code=3)
    assert "not signed by the key of the board" in said
