"""Every scene cut everywhere once, some twice, some in storms; and bugs on purpose are seen.

The shares of `make powercut` that run with the tests: a small one, and one of `make test-long`.
"""

import sys

from powercut import MORE, PAIRS, TEARS, Count, storm, sweep
from powercut_bugs import BUGS
from powercut_scenes import SCENES, lives

BOTH = True  # runs on CPython and on MicroPython
HEAP = "8M"  # the larger the slower: the client asks for the free part, which is counted
TIMEOUT_S = 900

LONG = (
    "test_every_scene_of_an_update_survives_every_single_cut",
    "test_every_scene_of_what_is_seldom_survives_every_single_cut",
    "test_a_share_of_all_pairs_of_cuts_is_survived",
    "test_storms_of_cuts_in_whole_lives_are_survived",
)

# MicroPython takes three times as long: it cuts every second operation, of every scene, and
# has a third of the pairs and of the storms.
SLOW = sys.implementation.name == "micropython"
SHARES = 2 if SLOW else 1
OF_MORE = 3 if SLOW else 1
# A download takes ten times as long as an installation, and on MicroPython ten times that.
FETCH = 32 if SLOW else 2
QUICK = 32 * OF_MORE  # the share of all of it that `make test` has
HALF = (("half", 0),)
JUNK = (("junk", 0),)


def scene(row, name):
    return [make for a, b, make in SCENES if (a, b) == (row, name)][0]


SELDOM = ("selector", "rescue", "recovery", "state on a card")


def single_cuts(scenes, shares=SHARES, of_fetch=FETCH):
    """Cases of these scenes, of which none may go wrong. shares: of operations, one is cut."""
    cases = 0
    for row, name, make in scenes:
        count, of = Count(), of_fetch if row == "fetch" else shares
        sweep(row + " " + name, make, count, share=1 % of, shares=of)
        cases += count.single * of
        if row in MORE and not SLOW:
            MORE[row](row + " " + name, make, count)
        assert not count.wrong, count.wrong[:5]
    return cases


def test_every_scene_survives_a_share_of_single_cuts():
    assert single_cuts(SCENES, QUICK, 4 * QUICK) > 40000


def test_every_scene_of_an_update_survives_every_single_cut():
    assert single_cuts([scene for scene in SCENES if scene[0] not in SELDOM]) > 32000


def test_every_scene_of_what_is_seldom_survives_every_single_cut():
    assert single_cuts([scene for scene in SCENES if scene[0] in SELDOM]) > 15000


def pairs_of_cuts(first, second):
    """Cases of a share of the pairs with these tears, as many as CPython has."""
    count = Count()
    for row, name, shares in (
        ("client write", "swap sd", 16),
        ("swap NOR", "spi (2, 2)", 16),
        ("swap SD", "sd (2, 2) dies", 16),
        ("overwrite", "spi (2, 2)", 16),
        ("direct", "flash dies", 8),
        ("revert", "swap spi (2, 2)", 8),
        ("confirm", "swap spi 3 boots confirms", 4),
        ("chain", "end of trial, dies", 8),
        ("selector", "first start, confirms", 16),
        ("rescue", "swap spi", 16),
        ("recovery", "overwrite spi dies", 16),
        ("state on a card", "swap spi boot dies", 32),
        ("kv put", "nor", 1),
    ):
        shares *= OF_MORE
        sweep(row + " " + name, scene(row, name), count, first, second, 1 % shares, shares)
    assert not count.wrong, count.wrong[:5]
    return count.pairs * OF_MORE


def test_a_share_of_pairs_of_cuts_that_leave_junk_is_survived():
    found = pairs_of_cuts(JUNK, PAIRS[:2])
    assert found > 1100, found


def test_a_share_of_all_pairs_of_cuts_is_survived():
    found = pairs_of_cuts(TEARS, PAIRS)
    assert found > 24000, found


def test_a_share_of_pairs_of_cuts_in_a_download_is_survived():
    count, shares = Count(), 8 if SLOW else 1
    make = scene("fetch", "direct sd another")
    sweep("fetch", make, count, JUNK, JUNK, 1 % shares, shares)
    assert not count.wrong, count.wrong[:5]
    assert count.pairs * shares > 1300, count.pairs


def test_a_torn_mark_of_a_download_and_a_cut_cost_no_more_than_steps():
    """The seed in which a mark reads as missing, its step is erased, then it reads as set."""
    count = Count()
    for row, name, make in lives():
        if (row, name) in (("fetch", "life direct flash"), ("fetch", "life overwrite spi")):
            storm(name, make, count, (408,))
    assert (count.storms, count.wrong) == (2, []), count.wrong


def test_an_address_that_a_cut_left_behind_stays_while_its_image_rests():
    """The seed in which the address is not deleted, and three cut trials confirm nothing."""
    count = Count()
    for row, name, make in lives():
        if (row, name) == ("fetch", "life direct sd"):
            storm(name, make, count, (330,))
    assert (count.storms, count.wrong) == (1, []), count.wrong


def storms(most):
    """Storms in each life, fewer on MicroPython; returns how many in all, on CPython."""
    count = Count()
    for row, name, make in lives():
        seeds = most // 4 if row == "fetch" and SLOW else most // OF_MORE
        storm(row + " " + name, make, count, range(seeds))
    assert not count.wrong, count.wrong[:5]
    return count.storms * OF_MORE


def test_a_few_storms_of_cuts_in_whole_lives_are_survived():
    assert storms(6) > 4 * len(lives())


def test_storms_of_cuts_in_whole_lives_are_survived():
    assert storms(40) > 36 * len(lives()) - 120


def test_every_bug_on_purpose_is_seen():
    unseen = []
    for name, plant, row, where, how in BUGS:
        make, count = scene(row, where), Count()
        owner, attribute, old = plant()
        try:
            if how == "single":
                sweep(where, make, count, HALF, first=True)  # finds nearly all, soon
                if not count.wrong:
                    sweep(where, make, count, first=True)
            else:
                MORE[row](where, make, count)
        finally:
            if old is None:
                delattr(owner, attribute)
            else:
                setattr(owner, attribute, old)
        if not count.wrong:
            unseen.append(name)
        count = Count()
        sweep(where, make, count, JUNK, share=1, shares=16 if row == "fetch" else 4)
        assert not count.wrong, (name, "is still in")
    assert not unseen, unseen
    assert len(BUGS) == 32
