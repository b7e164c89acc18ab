"""A share of `make fuzz` for messages, files and records, on both interpreters."""

import pytest

import fuzz_messages
import record_seeds
from helpers import here
from messages_kit import outcome
from records_kit import PARSERS

COUNT = 20_000
FEW = 500  # of them for `make test`
COUNT_MICROPYTHON = 500
LONG = ("test_changed_inputs_end_in_a_number",)
# What a parser makes of its first seed: a block is not what was asked for, a broker hangs up.
ALL_TAKEN = ("state", "journal", "store", "tables")  # what is none of ours is as if blank
TAKEN = {"block": (93, 115), "mqtt": (71,), "header": (50,)}


@pytest.fixture(scope="module", autouse=True)
def umqtt():
    return record_seeds.find_umqtt()


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_are_taken(name):
    for data in fuzz_messages.seeds()[name][:1]:
        assert outcome(PARSERS[name], data) in TAKEN.get(name, (0,))


@pytest.mark.parametrize("name", PARSERS)
def test_changed_inputs_end_in_a_number(name):
    assert sum(fuzz_messages.fuzz(name, COUNT)[0].values()) == COUNT


@pytest.mark.parametrize("name", PARSERS)
def test_few_changed_inputs_end_in_a_number(name):
    found, longest_ms = fuzz_messages.fuzz(name, FEW)
    assert sum(found.values()) == FEW and longest_ms > 0
    assert len(found) > 1 or name in ALL_TAKEN


@pytest.mark.parametrize("name", PARSERS)
def test_so_they_do_on_micropython(name, tmp_path, micropython, umqtt):
    lines = [data.hex() + "\n" for data in fuzz_messages.messages(name, COUNT_MICROPYTHON)]
    (tmp_path / "inputs").write_text("".join(lines))
    driver = here("ufota/messages_driver.py")
    done = micropython(driver, name, tmp_path / "inputs", folders=(umqtt,))
    assert done.stdout == f"{COUNT_MICROPYTHON} ended\n", done.stdout[-2000:] + done.stderr
