"""Power goes at every write while fragments come in any order: what is told to be there is there.

After each cut, and after a cut of the recovery too, the device says what is missing, takes just
that, and boots the whole image. A unit that is programmed twice is a Violation (simdisk.py).
"""

from fragments_kit import (
    OLD,
    begun,
    client_store_of,
    fragments,
    restarted,
    simple_board,
    trial_board,
)
from fwboot import main
from fwcore.manifest import version_word
from ufota.trial import confirm
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, MOODY, PowerCut, every_cut
from update_kit import OLD as FIRST
from update_kit import payload

BOTH = True  # runs on CPython and on MicroPython
HEAP = "2M"  # the client counts the free part of it in each update, and here are thousands
TIMEOUT_S = 900
LONG = (
    "test_cut_of_small_fragments_leaves_what_is_told_to_be_there",
    "test_cut_of_fragments_across_erase_blocks",
    "test_cut_with_a_state_region",
    "test_cut_of_the_recovery_too",
)

SMALL = version_word("2.0.0"), payload("small")
TWO = version_word("2.0.0"), payload("two")


def simple(kind):
    """A function that makes a board without a state region."""
    return lambda: simple_board(kind)


def on_trial(mode, kind):
    """One that makes a board with a state region."""
    return lambda: trial_board(mode, kind)


def used(make):
    """One that makes a board whose slots hold an image, as after an update."""

    def made():
        board = make()
        for slot in simboard.candidate_slots(board):
            simboard.put(board, slot, *FIRST)
        return board

    return made


def mixed(places):
    """Not in order, and with some that come twice."""
    places = sorted(places)
    return places[1::3] + places[::3] + places[:2] + places[2::3]


def receive(board, name, each):
    """All fragments, and one save by hand, up to the commit."""
    update = begun(board, name, each)
    pieces = fragments(name, each)
    order = mixed(pieces)
    for at in order[: len(order) // 2]:
        update.write(pieces[at], at)
    update.candidate.save()
    for at in order[len(order) // 2 :]:
        update.write(pieces[at], at)
    assert update.missing() == []
    update.end()


def is_there(update, name, missing):
    """Every byte that is not missing is on the medium, and will be at the next look."""
    slot = update.slot
    disk = slot.storage.device
    image = payload(name)
    start = 0
    for at, size in missing + [(len(image), 0)]:
        first, end = slot.body_at + start, slot.body_at + at
        assert disk.data[first:end] == image[start:at], (start, at)
        for unit in disk._moody if at > start else ():
            torn = unit * disk.program_size
            assert torn + disk.program_size <= first or torn >= end, torn
        start = at + size


def finish(board, name, each):
    """What an application does after a start: ask for what is missing, from the end."""
    update = begun(restarted(board), name, each)
    missing = update.missing(1000)
    is_there(update, name, missing)
    whole = payload(name)
    kept = len(whole) - sum([size for _, size in missing])
    assert kept <= update.done <= len(whole)  # parts of a fragment count there
    assert (update.done == len(whole)) == (not missing)
    for at, size in reversed(missing):
        for start in range(at, at + size, each):
            update.write(whole[start : min(at + size, start + each)], start)
    update.end()
    return len(whole) - kept


def boot(board):
    image = main.run(restarted(board))
    assert image, board.lines[-6:]
    return simboard.read(board, image.slot)


def settle(board, name, each, new):
    """Boot until the new image runs, with as many fragments as that takes."""
    found = boot(board)
    if found != new:
        assert found in (OLD, FIRST)
        finish(board, name, each)
        assert boot(board) == new
    confirm(board)
    assert boot(board) == new


def sweep(make, name, each, new, tears=MOODY):
    def act(board):
        receive(board, name, each)

    def check(board):
        settle(board, name, each, new)

    return every_cut(make, act, check, tears)


def test_cut_of_fragments_on_one_medium_each_leaves_what_is_told_to_be_there():
    """A share of what is swept below, for `make test`."""
    assert sweep(used(simple("sd")), "small", 512, SMALL) > 60
    assert sweep(simple("spi"), "two", 1536, TWO) > 150
    assert sweep(on_trial("swap", "spi"), "small", 128, SMALL) > 100
    assert sweep(on_trial("direct", "flash"), "small", 128, SMALL) > 100


def test_cut_of_small_fragments_leaves_what_is_told_to_be_there():
    for kind in simboard.KINDS:
        each = 512 if kind == "sd" else 256
        for make in (simple(kind), used(simple(kind))):
            assert sweep(make, "small", each, SMALL, ALL) > 100


def test_cut_of_fragments_across_erase_blocks():
    for kind in simboard.KINDS:
        for each in (512, 1536):
            assert sweep(simple(kind), "two", each, TWO) > 150


def test_cut_with_a_state_region():
    for mode in simboard.MODES:
        for kind in ("flash", "spi", "sd"):
            if kind != "flash" or mode == "direct":
                each = 512 if kind == "sd" else 128
                assert sweep(on_trial(mode, kind), "small", each, SMALL) > 100


def test_cut_of_the_recovery_on_one_medium_too():
    cut_of_the_recovery((("internal", 512),), ("moody",), ("half",))


def test_cut_of_the_recovery_too():
    kinds = ("spi", 256), ("sd", 512), ("internal", 512)
    cut_of_the_recovery(kinds, ("junk", "moody"), ("half", "moody"))


def cut_of_the_recovery(kinds, tears, others):
    """The second cut anywhere in what is received after the first."""
    for kind, each in kinds:
        inner = []

        def check(board, kind=kind, each=each, inner=inner):
            if boot(board) == SMALL:
                return
            snapshot = board.power.snapshot()

            def torn():
                board.power.restore(snapshot)
                return restarted(board)

            def act(board):
                finish(board, "small", each)

            def check_again(board):
                settle(board, "small", each, SMALL)

            inner.append(every_cut(torn, act, check_again, others))

        def act(board, each=each):
            receive(board, "small", each)

        first, least = every_cut(simple(kind), act, check, tears) // len(tears), min(inner)
        assert first > 20 and len(inner) > 15 * len(tears), (first, len(inner))
        assert least > 5 * len(others), least


def test_faces_that_change_between_starts():
    """A torn unit is old at one start and new at the next, or the other way."""
    for mood in (0b01, 0b10, 0b0110):
        for kind, each in (("spi", 256), ("internal", 512)):

            def make(kind=kind, mood=mood):
                board = simple_board(kind)
                board.power.mood, board.power.cycles = mood, 0
                return board

            assert sweep(make, "small", each, SMALL, ("moody",)) > 20


def test_reset_after_every_fragment_ends():
    """Each start takes one fragment and saves: nothing is lost between them, in any order."""
    for kind in simboard.KINDS:
        board = simple_board(kind)
        pieces = fragments("two", 512)
        for at in mixed(pieces):
            update = begun(restarted(board), "two", 512)
            assert sum([size for _, size in update.missing(99)]) == 5000 - update.done
            update.write(pieces[at], at)
            update.candidate.save()
        restarted(board)
        assert len(pieces) == 10 and finish(board, "two", 512) == 0
        assert boot(board) == TWO and client_store_of(board).get(b"job") is None


def test_storms_of_cuts_end_with_the_whole_image():
    """Random order, saves by hand now and then, cuts anywhere, another face at each start."""
    for kind, unit, each in (("spi", 0, 256), ("internal", 64, 64), ("internal", 64, 192)):
        kept = 0
        for seed in range(40):
            board = simple_board(kind, unit=unit)
            board.power.mood, board.power.cycles = (0, 0b0101, 0b0011)[seed % 3], 0
            for round_ in range(2 + seed % 5):
                dice = noise(64, seed * 100 + round_)
                board.power.reset()
                board.power.cut_at(dice[0] + 1, ALL[dice[1] % len(ALL)])
                try:
                    kept += stormy(board, "two", each, dice)
                except PowerCut:
                    pass
            board.power.reset()
            settle(board, "two", each, TWO)
        assert kept, (kind, each)


def stormy(board, name, each, dice):
    """As finish(), in random order, and not to the end. Returns bytes that were kept."""
    update = begun(restarted(board), name, each)
    missing = update.missing(1000)
    is_there(update, name, missing)
    kept = update.done
    pieces = fragments(name, each)
    order = sorted(pieces)
    for turn in range(len(order)):
        at = order[(turn * (2 * dice[2] + 1) + dice[3]) % len(order)]
        update.write(pieces[at], at)
        if dice[4 + turn % 60] < 25:
            update.candidate.save()
    return kept
