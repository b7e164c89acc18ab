"""A share of `make fuzz` for messages, on both interpreters: their JSON parsers differ."""

import pytest

import fuzz_messages
from helpers import here
from messages_kit import MESSAGES

COUNT = 20_000
FEW = 1_000  # of them for `make test`
COUNT_MICROPYTHON = 1_000
LONG = ("test_changed_messages_end_in_a_number",)


@pytest.mark.parametrize("name", MESSAGES)
def test_seeds_are_taken(name):
    for data in fuzz_messages.seeds()[name][:1]:
        assert fuzz_messages.outcome(name, data) in ((0, 75, 93, 115) if name == "block" else (0,))


@pytest.mark.parametrize("name", MESSAGES)
def test_changed_messages_end_in_a_number(name):
    assert sum(fuzz_messages.fuzz(name, COUNT).values()) == COUNT


@pytest.mark.parametrize("name", MESSAGES)
def test_few_changed_messages_end_in_a_number(name):
    found = fuzz_messages.fuzz(name, FEW)
    assert sum(found.values()) == FEW and len(found) > 1


@pytest.mark.parametrize("name", MESSAGES)
def test_so_they_do_on_micropython(name, tmp_path, micropython):
    lines = [data.hex() + "\n" for data in fuzz_messages.messages(name, COUNT_MICROPYTHON)]
    (tmp_path / "messages").write_text("".join(lines))
    done = micropython(here("ufota/messages_driver.py"), name, tmp_path / "messages")
    assert done.stdout == f"{COUNT_MICROPYTHON} ended\n", done.stdout[-2000:] + done.stderr
