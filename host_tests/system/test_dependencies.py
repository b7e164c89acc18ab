"""docs/DEPENDENCIES.md has what pyproject.toml asks for; `make audit` says what it found."""

import json
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import audit

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/DEPENDENCIES.md").read_text()
ROWS = re.findall(
    r"^\| ([a-z0-9-]+) \| ([\d.]+)(?:, and no other)? \| (.+) \| (.+) \|$", TEXT, re.M
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def asked():
    """{name: (bound, names of who asks for it)} of pyproject.toml."""
    found = {}
    groups = {"fwtool": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    for group, texts in groups.items():
        for text in texts:
            one = Requirement(text)
            (bound,) = one.specifier
            assert bound.operator in (">=", "=="), text
            least, groups_of = found.setdefault(one.name, (bound.version, []))
            assert least == bound.version, text
            groups_of.append(group)
    return found


def test_each_dependency_has_a_bound_and_its_row():
    rows = {name: (least, who.split(", ")) for name, least, who, _ in ROWS}
    assert len(rows) == len(ROWS)
    assert rows == asked()


@pytest.mark.parametrize(("name", "least", "known"), [(*row[:2], row[3]) for row in ROWS])
def test_no_bound_admits_what_an_advisory_names(name, least, known):
    if known == "none known":
        return
    for part in known.split("; "):
        fixed = re.fullmatch(r"(?:CVE|GHSA)-[\w-]+: ([\d.]+)", part)
        assert fixed and Version(fixed[1]) <= Version(least), part


@pytest.mark.parametrize(("name", "least"), [row[:2] for row in ROWS if row[0] != "pip"])
def test_what_is_installed_here_is_no_older(name, least):
    """pip is in no part of what `make` installs."""
    assert Version(version(name)) >= Version(least)


def test_npm_packages_are_those_of_the_page():
    lock = json.loads((ROOT / "host_tests/emulator/package-lock.json").read_text())
    found = {name: row["version"] for name, row in lock["packages"].items() if name}
    assert len(found) == 1
    for name, number in found.items():
        assert f"`{name.rpartition('/')[2]}` {number}" in TEXT


# make audit

GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
OPEN = {"name": "c", "version": "4", "vulns": [{"id": "CVE-2", "fix_versions": []}]}
SKIPPED = {"name": "d", "skip_reason": "not found"}


def said(*rows):
    code, lines = audit.report(json.dumps({"dependencies": rows, "fixes": []}))
    return code, "\n".join(lines)


def test_nothing_known_is_0():
    assert said(GOOD, GOOD) == (0, "no advisory is known of 2 packages")


def test_what_is_known_is_1_with_the_version_that_mends_it():
    assert said(GOOD, BAD, OPEN) == (
        1,
        "b 2: CVE-1, fixed by 3\nc 4: CVE-2, fixed by nothing yet",
    )
    code, text = said(BAD, SKIPPED)
    assert code == 1 and text.splitlines()[1].startswith("advisories of 1 of 2 packages cannot")


def test_what_cannot_be_looked_up_is_2_and_no_good_news():
    assert said(GOOD, SKIPPED)[0] == 2
    for text in ("", "no JSON", "[]", "{}", '{"dependencies": []}'):
        code, lines = audit.report(text)
        assert code == 2 and lines == [
            "advisories of the packages cannot be looked up: is there a network?"
        ]
