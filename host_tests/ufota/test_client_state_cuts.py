"""Power goes at every write of an update with a state region: old or new runs, and life goes on.

The boot stage's own cuts are powercut.py's; here it only has to find its way.
"""

from fwboot import main
from fwcore import state as states
from fwcore.header import device_key
from fwcore.manifest import version_word
from fwcore.state import State
from ufota import client
from ufota.trial import confirm, last_result
from ufota_testkit import simboard
from ufota_testkit.simboard import MODES, put
from ufota_testkit.simdisk import MOODY, every_cut
from update_kit import MANIFEST_URL, OLD, FakeSource, Key, bundle, payload, trial_setup

BOTH = True  # runs on CPython and on MicroPython
HEAP = "2M"  # the client counts the free part of it in each update, and here are thousands
TIMEOUT_S = 900
LONG = (
    "test_cut_in_the_first_update_leaves_old_or_new",
    "test_cut_in_an_update_over_a_kept_image_leaves_old_or_new",
    "test_cut_in_a_permanent_update_leaves_old_or_new",
    "test_cut_in_an_update_over_one_that_waits_leaves_a_whole_image",
    "test_cut_in_the_update_after_a_cut_leaves_old_or_new",
)

NEW = version_word("2.0.0"), payload("small")
LATER = version_word("3.0.0"), payload("later")
PLACES = [(mode, kind) for mode in MODES for kind in ("flash", "spi", "sd")]
FEW = PLACES[::4]  # each mode once, and each kind: a share for `make test`


def fresh(mode, kind, **options):
    """As it leaves the factory: nothing but the image that runs."""
    return trial_setup({}, mode, kind, key=Key(), **options)[0]


def used(mode, kind, **options):
    """After an update that was confirmed: OLD runs, and every slot holds something."""
    board = fresh(mode, kind, **options)
    put(board, simboard.active_slot(board), 0, bytes(200))
    put(board, simboard.candidate_slots(board)[0], *OLD)
    state = State(board)
    state.phase, state.new, state.tries = states.PENDING, head_in(board, 0), 1
    state.put()
    assert boot(board) == OLD and confirm(board)
    return board


def head_in(board, index):
    slot = State(board).candidate_slots(board)[index]
    key = device_key(board.rot())
    return slot.read_header(memoryview(bytearray(1024)), key)


def download(board, name="small", permanent=False):
    source = FakeSource({MANIFEST_URL: bundle(name)}, pieces=(333, 512, 1))
    machine = client.Client(board, source, permanent=permanent)
    machine.start(MANIFEST_URL)
    assert machine.run()


def boot(board):
    """The (version, image) that the next boot starts."""
    image = main.run(board)
    assert image, board.lines[-6:]
    found = simboard.read(board, image.slot)
    assert found[0] == image.head.version
    return found


def finish(board):
    """OLD or NEW runs after a cut; then NEW, confirmed, and LATER after it."""
    floor = State(board).floor
    found = boot(board)
    assert found in (OLD, NEW) and State(board).floor == floor
    if found == OLD:
        # A moody PENDING may have come to light after the boot.
        assert State(board).phase in (states.IDLE, states.PENDING)
        download(board)
        assert boot(board) == NEW
    assert State(board).floor == floor
    assert confirm(board) and boot(board) == NEW
    assert last_result(board)[0] == states.CONFIRMED
    download(board, "later")
    assert boot(board) == LATER and confirm(board) and boot(board) == LATER


def sweep(start, act, check=finish, tears=MOODY, places=PLACES):
    """Cases of every place; each must have been swept."""

    def sweep_one(mode, kind):
        return every_cut(lambda: start(mode, kind), act, check, tears)

    cases = [sweep_one(*place) for place in places]
    assert min(cases) >= 8 * len(tears), cases
    return sum(cases)


def test_cut_in_a_first_update_of_few_leaves_old_or_new():
    assert sweep(fresh, download, places=FEW) > 200


def test_cut_in_the_first_update_leaves_old_or_new():
    assert sweep(fresh, download) > 600


def test_cut_in_an_update_of_few_over_a_kept_image_leaves_old_or_new():
    assert sweep(used, download, places=FEW) > 200


def test_cut_in_an_update_over_a_kept_image_leaves_old_or_new():
    assert sweep(used, download) > 600


def permanent_updates(places):
    def check(board):
        if boot(board) != NEW:
            download(board, permanent=True)
            assert boot(board) == NEW
        assert State(board).phase == states.IDLE
        finish(board)

    def act(board):
        download(board, permanent=True)

    return sweep(fresh, act, check, places=places)


def test_cut_in_a_permanent_update_of_few_leaves_old_or_new():
    assert permanent_updates(FEW) > 200


def test_cut_in_a_permanent_update_leaves_old_or_new():
    assert permanent_updates(PLACES) > 600


def updates_over_one_that_waits(places):
    def waiting(mode, kind):
        board = used(mode, kind)
        download(board)
        return board

    def act(board):
        download(board, "later")

    def check(board):
        found = boot(board)
        assert found in (OLD, NEW, LATER)
        if found != LATER:
            if State(board).phase == states.TRIAL:
                confirm(board)
            download(board, "later")
            assert boot(board) == LATER
        assert confirm(board) and boot(board) == LATER

    return sweep(waiting, act, check, places=places)


def test_cut_in_an_update_of_few_over_one_that_waits_leaves_a_whole_image():
    assert updates_over_one_that_waits(FEW) > 200


def test_cut_in_an_update_over_one_that_waits_leaves_a_whole_image():
    assert updates_over_one_that_waits(PLACES) > 600


def updates_after_a_cut(places, first, second):
    """Cut anywhere, then anywhere in the update that is begun again; returns cases of both."""
    inner = []

    def check(board):
        found = boot(board)
        assert found in (OLD, NEW)
        if found == NEW:
            return
        snapshot = board.power.snapshot()

        def booted():
            board.power.restore(snapshot)
            return board

        inner.append(every_cut(booted, download, finish, second))

    return sweep(fresh, download, check, first, places), inner


def test_cut_in_the_update_of_one_after_a_cut_leaves_old_or_new():
    outer, inner = updates_after_a_cut(FEW[-1:], ("half",), ("moody",))
    assert outer > 7 and len(inner) > 7 and min(inner) > 5, (outer, inner)


def test_cut_in_the_update_after_a_cut_leaves_old_or_new():
    places = (("swap", "spi"), ("overwrite", "sd"), ("direct", "flash"))
    outer, inner = updates_after_a_cut(places, ("half", "moody"), ("half", "moody"))
    assert outer > 50 and len(inner) > 50 and min(inner) > 10
