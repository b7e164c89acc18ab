"""docs/FORMATS.md says of each error number what its place is, and the code keeps to it."""

import ast
import re

import pytest

import helpers
from fwtool import explain, paths

TEXT = (paths.device().parent / "docs" / "FORMATS.md").read_text()
SECTION = TEXT.partition("\n## 9. ")[2].partition("\n## ")[0]


def rows():
    """(number, what the place is) of each row of the table."""
    for codes, place in re.findall(r"^\| ([\d, ]+) \| (.+) \|$", SECTION, re.M):
        for code in codes.split(","):
            yield int(code), place


def test_each_number_has_one_row():
    codes = [code for code, _ in rows()]
    assert len(codes) == len(set(codes))
    assert {row["code"] for row in explain.table()} <= set(codes)


def test_names_are_where_the_tests_allow_them_only():
    named = {code for code, place in rows() if "names" in place}
    assert named == set(helpers.NAMED)


@pytest.mark.parametrize("folder", ("device", "bootloader"))
def test_no_errno_is_a_place_as_it_comes(folder):
    """It may be text: errors.errno_of() makes a number of it."""
    found = []
    for path in sorted((paths.device().parent / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "FwError":
                used = [part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)]
                if "errno" in used or "args" in used:
                    found.append(f"{path.name}:{node.lineno}")
    assert not found
