"""The C stack: how deep it gets, at every call of hardware, of all that a board of rp2 does.

It has 8 KiB there, and the emulated board measures that (host_tests/emulator); this is the same
on any machine, by the 64-bit unix port. docs/PERFORMANCE.md has both columns.
"""

import pytest

from stack_table import BOUND, STORAGE, measure, pico, scenes

PLANTED = 4  # Python calls more in a read of a Storage
SHARP = ("run", "fleet")  # whose deepest call is such a read
NO_STORAGE = {"Alibaba, login"}


@pytest.mark.parametrize("name", scenes())
def test_the_stack_is_deep_enough_for(name):
    found = measure(name)
    print(f"{name}: {found['bytes']} B, {found['kind']}")
    calls = sum(found["counts"].get(kind, 0) for kind in STORAGE)
    assert calls or name in NO_STORAGE, "nothing was watched"
    assert found["bytes"] <= BOUND, found["kind"]


@pytest.mark.parametrize("name", SHARP)
def test_a_few_calls_more_are_seen(name):
    found = measure(name, PLANTED)
    assert found["kind"] == "read" and found["bytes"] > BOUND


def test_the_figures_are_the_same_each_time():
    assert measure("run") == measure("run")


def test_each_kind_of_call_is_watched_in_an_update():
    counts = measure("run")["counts"]
    kinds = {kind.split()[0] for kind in counts}
    assert {"read", "write", "erase", "feed", "socket", "import", "search"} <= kinds
    assert counts["read"] > 10 and counts["write"] > 5 and counts["socket"] > 10


def test_what_the_emulated_board_has_is_measured_here_too():
    assert set(pico()) <= set(scenes())
