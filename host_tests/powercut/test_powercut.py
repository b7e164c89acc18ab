"""Power may go at any operation: the next boot runs the old or the new version, never none.

Every operation of a candidate's write and of its install is cut with every tear, on each
kind of storage, and so is every operation of the boot that repairs an install.
"""

from fwboot import main
from images import load, store
from ufota_testkit.noise import noise
from ufota_testkit.simboard import KINDS, active_slot, candidate_slots, make, read
from ufota_testkit.simdisk import FAILING, TEARS, every_cut

BOTH = True  # runs on CPython and on MicroPython

OLD = noise(1200, 1)  # make() puts it in as version 1
NEW = noise(1500, 2)  # ends inside a program unit
IMAGES = {1: OLD, 2: NEW}
ECC = TEARS + (FAILING,)  # as on a flash that fails to read what a cut left

# Erases and programs, one each: header unit and body units; on a card the old header is
# overwritten in place of an erase.
WRITE_OPS = {"sd": 1 + 3 + 1, "spi": 2 + 6 + 2, "internal": 2 + 6 + 1}
INSTALL_OPS = 3 + 1 + 6  # header block and two of the image, header, body


def boots(board):
    """Run the boot stage; returns the version it starts, whose image is whole."""
    found = main.run(board)
    assert found, board.lines
    head = found.head
    assert read(board, active_slot(board)) == (head.version, IMAGES[head.version])
    return head.version


def with_candidate(kind):
    board = make(kind)
    load(candidate_slots(board)[0], 2, NEW)
    return board


def write(board):
    store(candidate_slots(board)[0], 2, NEW, 700)


def cut_write(kind, stored):
    """Cut the write of the candidate everywhere; returns the versions that boot after it."""
    found = []

    def check(board):
        found.append(boots(board))
        write(board)  # and the update can be repeated
        assert boots(board) == 2

    assert every_cut(stored, write, check, ECC) == WRITE_OPS[kind] * len(ECC)
    return found


def test_cut_in_the_write_of_a_candidate_leaves_old_or_new():
    for kind in KINDS:
        found = cut_write(kind, lambda kind=kind: make(kind))
        # New only when nothing was cut, or the half that a torn program keeps holds all
        # that counts: the last bytes of the MAC are in the second unit of a header on NOR,
        # an internal header is shorter than half a unit.
        assert found.count(2) == {"sd": 1, "spi": 2, "internal": 2}[kind]
        assert found.count(1) == len(found) - found.count(2)


def test_cut_in_the_write_over_an_older_candidate_leaves_old_or_new():
    def stored(kind):
        board = make(kind)
        load(candidate_slots(board)[0], 1, OLD)
        return board

    for kind in KINDS:
        cut_write(kind, lambda kind=kind: stored(kind))


def test_cut_in_the_write_does_not_harm_the_candidate_beside_it():
    """A device whose active image is corrupt lives on the other slot."""

    def stored(kind):
        board = make(kind, 2)
        board.disks["flash"].data[0x900] ^= 1
        load(candidate_slots(board)[1], 1, OLD)
        return board

    for kind in KINDS:
        cut_write(kind, lambda kind=kind: stored(kind))


def test_cut_in_an_install_is_repaired_by_the_next_boot():
    found = []
    for kind in KINDS:
        cases = every_cut(
            lambda kind=kind: with_candidate(kind),
            main.run,
            lambda board: found.append(boots(board)),
            ECC,
        )
        assert cases == INSTALL_OPS * len(ECC)
    assert found == [2] * (cases + 1) * len(KINDS)


def test_cut_in_the_repair_is_repaired_too():
    repairs = []

    def check(board):
        torn = board.power.snapshot()

        def again():
            board.power.restore(torn)
            return board

        def check_repair(board):
            assert boots(board) == 2

        repairs.append(every_cut(again, main.run, check_repair))

    cases = every_cut(lambda: with_candidate("sd"), main.run, check)
    assert cases == INSTALL_OPS * len(TEARS)
    # Uncut there is nothing to repair; after any cut the install is done from its start.
    assert repairs == [0] + [cases] * cases


def test_three_cuts_in_a_row_are_repaired():
    for first in range(1, INSTALL_OPS + 1):
        for second in range(1, INSTALL_OPS + 1):
            board = with_candidate("sd")
            for op in (first, second, 5):
                board.power.reset()
                board.power.cut_at(op, "junk")
                every_boot_dies(board)
            board.power.reset()
            assert boots(board) == 2


def every_boot_dies(board):
    try:
        main.run(board)
    except BaseException as error:
        assert type(error).__name__ == "PowerCut", error
        return
    raise AssertionError("no cut")


def test_cut_in_an_install_with_a_header_of_its_own_block():
    def separate():
        board = make()
        board.layout["active"]["header"] = 0x2000
        load(active_slot(board), 1, OLD)
        load(candidate_slots(board)[0], 2, NEW)
        return board

    def check(board):
        assert boots(board) == 2

    assert every_cut(separate, main.run, check) == INSTALL_OPS * len(TEARS)


def test_cut_in_the_install_of_the_best_leaves_the_next_best_usable():
    """The card dies for good with the best image; the other candidate carries the device."""
    best = noise(1700, 3)
    IMAGES[3] = best

    def two():
        board = make("sd", 2)
        slots = candidate_slots(board)
        load(slots[0], 3, best)
        load(slots[1], 2, NEW)
        return board

    def check(board):
        slot = candidate_slots(board)[0]
        board.disks["sd"].bad_blocks = {slot.body_at // 512}
        assert boots(board) in (1, 2, 3)

    assert every_cut(two, main.run, check) == (3 + 1 + 7) * len(TEARS)
