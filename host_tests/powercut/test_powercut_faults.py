"""Storage that fails, in a share of all scenes and calls, and the events that were found in them.

The shares of powercut_faults.py that run with the tests: a small one, and one of `make test-long`.
"""

import sys

from powercut import Count
from powercut import sweep as single_cuts
from powercut_fault_bugs import BUGS, CUT, MARKS, take_out
from powercut_faults import (
    CARD,
    CELLS,
    DEAD,
    ERROR,
    KINDS,
    LIVES,
    SHARES,
    TWO,
    FirstWrong,
    lives,
    marks_then_cuts,
    scenes,
    sweep,
)

BOTH = True  # runs on CPython and on MicroPython
HEAP = "8M"
TIMEOUT_S = 900

LONG = (
    "test_a_share_of_all_failing_calls_is_survived",
    "test_a_share_of_all_failing_calls_in_other_scenes_is_survived",
    "test_lives_with_storage_that_fails_are_lived",
    "test_two_errors_in_one_start_leave_a_way_back",
    "test_a_card_that_is_dead_for_the_end_of_an_installation_leaves_a_way_back",
    "test_what_was_mended_is_seen_when_it_is_put_back",
    "test_an_error_in_a_progress_mark_and_a_cut_in_the_header_program_nothing_twice",
)

# MicroPython takes six times as long: it has a sixth.
OF_MORE = 6 if sys.implementation.name == "micropython" else 1
FEW, MORE = 45, 80  # the shares; a download has ten times as many calls
FEW_LIVES, MORE_LIVES = 12, 90


def share(of, kinds_of, every=1, at=0):
    """{kind: cases} of the kinds that kinds_of() says for a scene; of `every` scenes one."""
    counts = {}
    for number, (row, name, make) in enumerate(scenes()):
        for kind in kinds_of(number) if number % every == at else ():
            shares = of * OF_MORE * SHARES.get(kind, 1) * (20 if row == "fetch" else 1)
            sweep(kind, row, name, make, counts, shares)
    return judged(counts)


def judged(counts):
    """{kind: cases}; none may have gone wrong."""
    wrong = [text for count in counts.values() for text in count.wrong]
    assert not wrong, (len(wrong), wrong[:5])
    return {kind: count.cases() for kind, count in counts.items()}


def each(kind, row, name):
    """All cases of a kind in a scene."""
    counts = {}
    for scene in scenes():
        if scene[:2] == (row, name):
            sweep(kind, *scene, counts)
    found = judged(counts)[kind]
    assert found > 15, found


def test_a_small_share_of_failing_calls_is_survived():
    # Every third scene, and of that one kind.
    found = share(FEW, lambda number: KINDS[number % 3 * 9 + number // 3 % len(KINDS) :][:1])
    assert len(found) >= len(KINDS) - 1, found  # not every scene has a card


def test_a_share_of_all_failing_calls_is_survived():
    found = share(MORE, lambda number: KINDS, 2)
    assert sum(found.values()) > 3000 // OF_MORE, found


def test_a_share_of_all_failing_calls_in_other_scenes_is_survived():
    found = share(MORE, lambda number: KINDS, 2, 1)
    assert sum(found.values()) > 3000 // OF_MORE, found


def test_a_few_lives_with_storage_that_fails_are_lived():
    found = judged(lives(range(LIVES, LIVES + FEW_LIVES // OF_MORE), 20))
    assert found["steps of lives"] > 40 * found["lives"], found


def test_lives_with_storage_that_fails_are_lived():
    found = judged(lives(range(LIVES, LIVES + MORE_LIVES // OF_MORE)))
    assert found["steps of lives"] > 100 * found["lives"], found


# Events that were found


def test_two_errors_in_one_start_leave_a_way_back():
    """One while the new image is verified, one while the old one is looked at."""
    each(TWO, "direct", "flash confirms")


def test_a_card_that_is_dead_for_the_end_of_an_installation_leaves_a_way_back():
    each(DEAD, "swap NOR", "spi (2, 2)")


def test_one_error_in_an_installation_without_an_old_image_does_not_skip_the_trial():
    each(ERROR, "rescue", "direct flash by an update")


def test_an_error_in_a_progress_mark_and_a_cut_in_the_header_program_nothing_twice():
    counts = {}
    marks_then_cuts(counts, 3 * OF_MORE)
    judged(counts)


def test_one_error_in_the_start_that_goes_back_black_lists_all_the_same():
    each(ERROR, "direct", "flash dies")
    each(ERROR, "revert", "overwrite sd (2, 2)")


def test_one_error_after_a_rejection_does_not_change_the_result():
    each(ERROR, "revert", "direct flash rejected")
    each(ERROR, "revert", "overwrite sd rejected")


def test_cells_that_fail_until_the_erase_leave_a_slot_to_write_to():
    each(CELLS, "client write", "direct flash")


def test_one_error_while_the_recovery_image_is_asked_for_ends_the_trial():
    each(ERROR, "recovery", "direct flash dies")


def test_what_was_mended_is_seen_when_it_is_put_back():
    unseen = []
    for name, plant, *scene in BUGS:
        puts = plant()
        try:
            if not is_seen(*scene):
                unseen.append(name)
        finally:
            take_out(puts)
    assert not unseen, unseen
    assert len(BUGS) == 12


def is_seen(kind, row, where):
    """True when a case of that kind in that scene goes wrong."""
    counts = {kind: Count()}
    try:
        if kind == MARKS:
            marks_then_cuts(counts, 3, first=True)
        elif kind == CUT:
            single_cuts(where, make_of(row, where), counts[kind], first=True)
        else:
            sweep(kind, row, where, make_of(row, where), counts, first=True)
    except FirstWrong:
        return True
    return bool(counts[kind].wrong)


def make_of(row, name):
    return [scene[2] for scene in scenes() if scene[:2] == (row, name)][0]


def test_another_card_is_not_copied_over_an_image_that_runs():
    each(CARD, "revert", "swap spi (2, 2)")
    each(CARD, "revert", "overwrite sd (2, 2)")
