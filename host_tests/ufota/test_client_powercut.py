"""Power goes at every write of a client update: the next boot runs the old or the new version.

The boot stage's own cuts are test_powercut.py's; here it only has to find its way.
"""

from fwboot import main
from fwcore.manifest import version_word
from ufota import client
from ufota_testkit.noise import noise
from ufota_testkit.simboard import candidate_slots, make, put
from ufota_testkit.simdisk import every_cut
from update_kit import FakeSource, Key, bundle, payload, running, signed

LONG = ("test_cut_in_the_update_after_a_cut_leaves_one_of_the_three",)
BOTH = True  # runs on CPython and on MicroPython

OLD = 1, noise(1200, 1)
NEW = version_word("2.0.0"), payload("small")
LATER = version_word("3.0.0"), payload("later")
STAGED = 7, noise(600, 7)

PAGES = {
    "http://host/new": bundle("small"),
    "http://host/later": signed("later"),
    "http://host/payload.bin": payload("later"),
}


def download(board, name):
    """A whole update up to READY, by a client that has just started."""
    machine = client.Client(board, FakeSource(PAGES, pieces=(333, 512, 1), gaps=1))
    machine.start("http://host/" + name)
    assert machine.run()


def download_new(board):
    download(board, "new")


def download_later(board):
    download(board, "later")


def boot(board, allowed):
    """The next boot starts one of the allowed images; returns it."""
    image = main.run(board)
    assert image, "nothing to start"
    found = running(board)
    assert found in allowed and found[0] == image.head.version
    return found


def check_update(board):
    """After a cut: an image runs, and the device can still be updated."""
    if boot(board, (OLD, STAGED, NEW)) != NEW:
        download_new(board)
        boot(board, (NEW,))
    download_later(board)
    boot(board, (LATER,))


def check_every_cut_of_the_next(board):
    """After a cut: boot, and cut the next update too, everywhere."""
    boot(board, (OLD, NEW))
    snapshot = board.power.snapshot()

    def booted():
        board.power.restore(snapshot)
        return board

    def check(world):
        if boot(world, (OLD, NEW, LATER)) != LATER:
            download_later(world)
            boot(world, (LATER,))

    inner_cases.append(every_cut(booted, download_later, check))


inner_cases = []


def blank(kind, locations):
    return make(kind, locations, Key())


def full(kind, locations):
    """Every slot still holds an image, as after some updates."""
    board = blank(kind, locations)
    for slot in candidate_slots(board):
        put(board, slot, *OLD)
    return board


def sweep(start, kind, locations, act=download_new, check=check_update):
    return every_cut(lambda: start(kind, locations), act, check)


def test_cut_in_an_update_to_a_card_leaves_old_or_new():
    # The old header, two blocks of image, the header: 4 operations x 3 tears.
    for start in (blank, full):
        for locations in (1, 2):
            assert sweep(start, "sd", locations) == 12


def test_cut_in_an_update_to_nor_flash_leaves_old_or_new():
    # 2 erases, 3 units of image, 2 of header
    for start in (blank, full):
        for locations in (1, 2):
            assert sweep(start, "spi", locations) == 21


def test_cut_in_an_update_to_internal_flash_leaves_old_or_new():
    # 1 erase, 3 units of image, 1 of header
    for start in (blank, full):
        for locations in (1, 2):
            assert sweep(start, "internal", locations) == 15


def test_cut_in_an_update_of_several_buffers_leaves_old_or_new():
    def act(board):
        machine = client.Client(board, FakeSource({"http://host/two": bundle("two")}))
        machine.start("http://host/two")
        assert machine.run()

    def check(board):
        two = version_word("2.0.0"), payload("two")
        if boot(board, (OLD, two)) != two:
            act(board)
            boot(board, (two,))

    assert sweep(full, "sd", 2, act, check) == 3 * 12  # old header, 10 blocks, header
    assert sweep(full, "spi", 2, act, check) == 3 * 28  # 6 erases, 20 units, 2 of header


def test_cut_in_an_update_never_harms_a_candidate_that_waits():
    def waiting(kind, locations):
        board = full(kind, locations)
        put(board, candidate_slots(board)[1], *STAGED)
        return board

    def check(board):
        assert boot(board, (STAGED, NEW))
        check_update(board)

    for kind, cases in (("sd", 12), ("spi", 21), ("internal", 15)):
        assert sweep(waiting, kind, 2, download_new, check) == cases


def test_cut_in_the_update_after_a_cut_leaves_one_of_the_three():
    for kind, locations, first, inner in (
        ("sd", 1, 12, 12),
        ("sd", 2, 12, 12),
        ("spi", 1, 21, 24),
        ("spi", 2, 21, 24),
    ):
        del inner_cases[:]
        assert sweep(full, kind, locations, check=check_every_cut_of_the_next) == first
        assert inner_cases == [inner] * (first + 1)  # a sweep follows the uncut run too


def test_cut_before_the_first_erase_changes_nothing():
    board = full("sd", 1)
    before = bytes(board.disks["sd"].data), bytes(board.disks["flash"].data)
    machine = client.Client(board, FakeSource(PAGES, pieces=(100,)))
    machine.start("http://host/new")
    while machine.state != client.DOWNLOAD:
        machine.step()
    assert (bytes(board.disks["sd"].data), bytes(board.disks["flash"].data)) == before
    assert board.power.ops == 0
