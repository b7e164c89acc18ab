"""docs/THREATS.md names tests that are there, and README says no more of trust than it does."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/THREATS.md").read_text()
README = (ROOT / "README.md").read_text()
HEADS = {
    "threats": "| threat | state | today | tests |",
    "open": "| threat | what would close it |",
    "tuf": "| TUF | threats here |",
    "suit": "| SUIT | threats here |",
    "others": "| attack | here | TUF | SUIT | MCUboot | ESP-IDF | Mender |",
}
TUF = 11  # attacks: ten of the specification 1.0.34, and slow retrieval
SUIT = 18  # threats of RFC 9124, section 4.2


def tables(text, head):
    """All rows of the tables that have this head, as lists of cells."""
    rows = []
    for found in re.finditer(re.escape(head) + r"\n\|[-|]+\|\n((?:\|.*\|\n)+)", text):
        for line in found[1].splitlines():
            rows.append([cell.strip() for cell in line[1:-1].split("|")])
    return rows


THREATS = tables(PAGE, HEADS["threats"])
STATES = {name: state for name, state, _, _ in THREATS}
NAMED = {name: re.findall(r"`(test_\w+)::(test_\w+)`", cell) for name, _, _, cell in THREATS}


def functions(path):
    return {node.name for node in ast.parse(path.read_bytes()).body if hasattr(node, "name")}


@pytest.mark.parametrize("name", STATES)
def test_tests_of_a_row_are_there(name):
    for module, function in NAMED[name]:
        (path,) = (ROOT / "host_tests").rglob(module + ".py")
        assert function in functions(path), (module, function)


def test_every_row_has_a_state_and_what_is_not_open_has_tests():
    assert len(STATES) == len(THREATS) > 50, "two rows have one name"
    assert set(STATES.values()) == {"stopped", "limited", "open"}
    assert [name for name, state in STATES.items() if state != "open" and not NAMED[name]] == []
    written = [len(re.findall("`test_", row[3])) for row in THREATS]
    assert written == [len(tests) for tests in NAMED.values()]


def test_every_heading_of_an_attacker_has_rows():
    sections = re.split(r"^## ", PAGE.partition("\n## What is open")[0], flags=re.M)[1:]
    assert all(HEADS["threats"] in section for section in sections) and len(sections) == 8


def test_what_is_open_is_said_with_what_would_close_it():
    listed = [row[0] for row in tables(PAGE, HEADS["open"])]
    assert listed == [name for name in listed if STATES[name] == "open"]
    assert sorted(listed) == sorted(name for name, state in STATES.items() if state == "open")


def test_each_attack_that_is_played_for_this_page_has_a_row():
    named = {function for tests in NAMED.values() for _, function in tests}
    for name in ("test_open_threats", "test_makers_machine"):
        found = functions(ROOT / f"host_tests/threats/{name}.py")
        played = {each for each in found if each.startswith("test_")}
        assert played and not played - named, name


def test_lists_of_others_are_whole_and_name_rows():
    for head, count in (("tuf", TUF), ("suit", SUIT)):
        rows = tables(PAGE, HEADS[head])
        assert len({name for name, _ in rows}) == len(rows) == count
        for name, ours in rows:
            assert ours and not set(ours.split(", ")) - STATES.keys(), (name, ours)


def test_the_comparison_says_our_states():
    for row in tables(PAGE, HEADS["others"]):
        assert len(row) == 7 and all(row) and row[1] in ("stopped", "limited", "open")
        assert STATES.get(row[0], row[1]) == row[1], row


# README, "How it is trusted": what it says, and the rows that show it. A sentence is found by
# how it begins. What is said to be impossible is stopped or limited.

SENTENCES = {
    "The manifest is signed": "forged image",
    "The device verifies it": "forged image, image for another product, older release",
    "What an image is, is signed": "image for another product",
    "The maker signs one statement": "image for another product",
    "The signature travels": "rewritten active image",
    "What a header says": "rewritten active image, candidate that nobody signed",
    "The boot stage decides": "candidate that nobody signed",
    "It computes the digest": "image changed under its header",
    "With `signed: True`, as every": "rewritten active image, older copy of the chip",
    "Then (a) is written": "erased boot state",
    "Each record has a MAC": "boot state made without its key, boot state of another device",
    '`signed: "start"` does (b)': 'image of its own with `"start"`',
    "Candidates belong to one": "candidate of another device",
    "An external header has a MAC": "candidate of another device",
    "Nothing is erased because": "card pulled amid an update",
    "A new image is on trial": "lost packets as a verdict",
    "One that was rejected": "rejected image again",
    "One that only was not": "lost packets as a verdict",
    "None below the confirmed": "older release",
    "The private key stays": "key file that is copied, secret on a command line",
    "A device without a key": "device without an identity",
}
# Its table: who, the rows that show what it cannot, and those of what it still can.
CELLS = {
    "sits on the network": (
        "forged image, image for another product, older release",
        "updates held back, freeze, superseded release, listening",
    ),
    "owns the card or the chip": (
        "card that lies, chip that lies before the last hash",
        "card pulled amid an update, image at rest is read, updates held back",
    ),
    "clips to a NOR chip": (
        "rewritten active image, older copy of the chip",
        "erased boot state, chip copy between two confirms",
    ),
    "the same, with a chip": ("", "chip changes after the last hash"),
    "clips to the flash": ("", "chip with firmware or identity"),
    "runs code on the device": (
        'image of its own with `"start"`',
        "image of its own with `True`",
    ),
    "has the maker's signing key": ("", "signing key in other hands"),
}
TITLE = "| who | cannot | still can |"


def said():
    """The part of README, without its table and its links at the end."""
    part = README.partition("\n## How it is trusted\n")[2].partition("\n## ")[0]
    return part.partition(TITLE)[0] + part.rpartition("|\n")[2].partition("[docs/")[0]


def sentences(text):
    text = re.sub(r"^\* ", ". ", text.replace("**", ""), flags=re.M)
    flat = " ".join(text.split())
    found = re.split(r"(?<=\.)\s+(?=[A-Z`])|\s\. ", flat)
    return list(filter(None, [each.strip(". ") for each in found]))


def test_each_sentence_of_readme_has_rows_that_show_it():
    left = set(SENTENCES)
    for sentence in sentences(said()):
        (start,) = [start for start in SENTENCES if sentence.startswith(start)]
        check(SENTENCES[start], "stopped limited")
        left.remove(start)
    assert not left, "README does not say so any more"


def test_each_cell_of_readmes_table_has_rows_that_show_it():
    rows = tables(README, TITLE)
    assert len(rows) == len(CELLS)
    for who, cannot, can in rows:
        ((_, (stopped, gained)),) = [each for each in CELLS.items() if who.startswith(each[0])]
        assert bool(cannot) == bool(stopped) and bool(can) == bool(gained), who
        check(stopped, "stopped limited")
        check(gained, "limited open")


def check(names, states):
    for name in filter(None, names.split(", ")):
        assert STATES[name] in states.split(), name
