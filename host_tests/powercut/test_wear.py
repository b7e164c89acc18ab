"""Wear of an update in swap mode: as the formula says, and within the bounds that were set."""

from wear import CASES, measure

BOTH = True  # runs on CPython and on MicroPython
HEAP = "32M"

FOUND = {}  # per case; a test for each would measure all again


def found():
    if not FOUND:
        for name, old, new, differ in CASES:
            FOUND[name] = measure(old, new, differ)
    return FOUND


def test_erases_equal_the_formula_and_no_block_is_erased_twice():
    for name, (update, back) in found().items():
        assert update["slots"] == update["formula"], (name, update)
        assert back["slots"] == back["formula"], (name, back)
        assert update["most"] == back["most"] == 1, name
        assert update["journal"] == 7 and back["journal"] == 3, (name, update, back)


def test_an_update_and_its_confirm_stay_within_bounds():
    totals = {name: pair[0]["slots"] + pair[0]["journal"] for name, pair in found().items()}
    assert totals["all different"] <= 2 * 64 + 7
    assert totals["10 % different"] <= 0.2 * 64 + 7
    assert totals["old 64, new 32"] <= 2 * 32 + 7
