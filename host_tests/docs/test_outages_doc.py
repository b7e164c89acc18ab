"""docs/OUTAGES.md says what device/ufota/sources/verdicts.py does."""

import re
from pathlib import Path

from fwcore.errors import FwError
from test_verdict_rows import rows
from ufota.sources import verdicts
from ufota.sources.retry import Retry
from ufota_testkit.virtual_clock import middle

PAGE = (Path(__file__).parents[2] / "docs/OUTAGES.md").read_text()
LETTERS = {"final": "F", "soon": "sc", "rarely": "rD", "by the place": "p"}


def line(first):
    """The cells of the table row that begins so."""
    found = re.search(rf"^\| {first} \|(.*)\|$", PAGE, re.M)
    assert found, first
    return [cell.strip() for cell in found[1].split("|")]


def numbers(text):
    return [int(each) for each in re.findall(r"\d+", text)]


def of(letters):
    return [code for code, letter, _ in rows() if letter in letters]


def test_each_number_is_in_the_line_of_its_verdict():
    for words, letters in LETTERS.items():
        assert numbers(line(words)[0]) == of(letters), words


def test_numbers_that_rename_a_file():
    found = re.search(r"these numbers rename it too: ([\d, ]+)\.", PAGE)
    assert numbers(found[1]) == of("Dc")


def test_statuses():
    soon, rarely = line("73, an HTTP status")
    assert soon.startswith("408, 425, 429, 500 to 599;") and rarely.startswith("501, 505,")
    for status in range(1000):
        looks = verdicts.looks_permanent(FwError(73, status))
        said = status in (408, 425, 429) or 500 <= status <= 599
        assert looks == (not said or status in (501, 505)), status


def test_reports_that_are_not_repeated():
    found = re.search(r"hawkBit refuses \(([\d, ]+)\)", PAGE)
    refused = [status for status in range(1000) if verdicts.refuses_report(status)]
    assert numbers(found[1]) == refused


def test_attempts_on_each_day():
    for words, error in (("soon", FwError(71)), ("rarely", FwError(105))):
        retry, now, found = Retry(random=middle, give_up_s=30 * 86400), 0, [0] * 7
        while now < 7 * 86400:
            found[now // 86400] += 1
            now += retry.after(error) // 1000
        row = re.findall(rf"^\| {words} \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, re.M)
        assert [int(each) for each in row[0]] == [found[0], found[1], found[6]]
