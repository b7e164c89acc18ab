"""docs/RENAMED.md: what it calls new is there, and what it calls old is gone."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| `((?:fwcore|ufota|fwtool)[\w.]*)` \| `([\w.]+)` \|$",
    (ROOT / "docs/RENAMED.md").read_text().partition("## Classes")[0],
    re.MULTILINE,
)


def exists(module):
    name = module.replace(".", "/") + ".py"
    return any((ROOT / place / name).exists() for place in ("device", "tools"))


@pytest.mark.parametrize(("old", "new"), ROWS, ids=[old for old, _ in ROWS])
def test_a_module_has_its_new_name(old, new):
    assert exists(new) and not exists(old)


def test_all_folders_have_rows():
    assert len(ROWS) > 80
