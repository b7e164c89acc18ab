"""The boot selector: which of two updatable boot stages runs, through every power cut."""

import sys

from fwboot import main, select
from fwcore import errors_boot, errors_net
from fwcore.boot_chain import StageBoard
from fwcore.errors import FwError
from fwcore.layout import check
from fwcore.regions import StageSlot
from fwcore.slot_writer import Writer
from fwcore.state import BACK, CONFIRMED, IDLE, NONE, PENDING, REVERTED, TRIAL, State
from helpers import here, raises
from images import head_of
from trial_kit import broken, rounds
from ufota.client import Client
from ufota.trial import confirm, last_result, reject
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simboard import BLOCK
from ufota_testkit.simdisk import MOODY, every_cut
from update_kit import MANIFEST_URL, FakeSource, Key, bundle, payload

sys.path.append(here("../boards/virtual"))

import stage  # noqa: E402

LONG = ("test_a_second_cut_at_each_operation_of_the_recovery_changes_nothing",)
BOTH = True

SIZE = 3 * BLOCK  # of a stage slot, header included
OLD, NEW, NEWER = noise(900, 1), noise(1000, 2), noise(1100, 3)
TRIALS = 3
# Operations of one: try and confirm, three tries and the way back, one try, a download by
# hand, and one by the client.
COUNT_GOOD, COUNT_BAD, COUNT_TRY, COUNT_LOAD, COUNT_UPDATE = 32, 60, 22, 22, 19


def chain_layout(**more):
    """The direct mode's layout within flash, and behind it two stages with their state.

    more:  keys of `stages`
    """
    made = simboard.trial_layout("direct", "flash")
    made["devices"]["flash"]["size"] = 24 * BLOCK
    at = 12 * BLOCK
    stages = {
        "active": {
            "device": "flash",
            "header": at,
            "start": at + 128,
            "size": SIZE - 128,
            "format": "lfs2",
        },
        "candidates": {
            "device": "flash",
            "start": at + SIZE,
            "size": SIZE,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "flash", "start": at + 2 * SIZE, "size": 6 * BLOCK},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
    }
    stages.update(more)
    made["stages"] = stages
    return made


def slot_of(board, index):
    """Slot of stage 1 or 2."""
    view = StageBoard(board)
    return State(view).runnable(view, index - 1)[0]


def state_of(board):
    return State(StageBoard(board))


def put(board, index, version, image):
    """Put a stage into its slot as a factory does. Returns its Header."""
    slot = slot_of(board, index)
    head = head_of(version, image)
    slot.storage.device.load(slot.header_at, slot.pack(head))
    slot.storage.device.load(slot.body_at, image)
    return head


def factory(**more):
    """A board with stage OLD, version 1, in slot 1, and an application, version 1."""
    board = simboard.Board(chain_layout(**more))
    put(board, 1, 1, OLD)
    simboard.put(board, simboard.active_slot(board), 1, noise(700, 9))
    return board


def with_new(**more):
    """factory(), and a newer stage in slot 2."""
    board = factory(**more)
    put(board, 2, 2, NEW)
    return board


def offer(board, index, version, image):
    """Put a newer stage into the slot that does not run, and announce it, as the client does."""
    head = put(board, index, version, image)
    state = state_of(board)
    assert state.active == 2 - index
    state.end(NONE, 0)
    state.phase, state.new, state.location = PENDING, head, 0
    state.tries = TRIALS
    state.put()


def torn(board, index):
    slot_of(board, index).storage.device.data[slot_of(board, index).body_at + 7] ^= 1


def boot(board):
    """Index of the stage the selector chooses; its image is whole."""
    image, index = select.run(board)
    if image is None:
        assert index == 0
        return 0
    slot = slot_of(board, index)
    assert (image.slot.header_at, type(image.slot), image.device) == (
        slot.header_at,
        StageSlot,
        "flash",
    )
    assert image.format == "lfs2"
    assert simboard.read(board, slot)[0] == image.head.version
    return index


def good_boot(board):
    """boot(), of a stage that finds an application and confirms itself."""
    index = boot(board)
    if index:
        confirm(StageBoard(board))
    return index


# The view


def test_the_view_has_the_stages_layout_with_the_devices_around_it():
    board = factory()
    view = StageBoard(board)
    assert view.layout["devices"] == board.layout["devices"]
    assert view.layout["component"] == "BOOT" and "stages" not in view.layout
    assert "devices" not in board.layout["stages"]  # the board's own is not written to
    assert view.vendor_id == board.vendor_id and view.rot() == board.rot()
    assert view.device("flash") is board.disks["flash"]


def test_lines_of_the_view_say_whose_they_are():
    board = factory()
    StageBoard(board).log("hello")
    assert board.lines == ["stages: hello"]


def test_a_board_without_stages_has_no_view():
    made = simboard.trial_layout("direct", "flash")
    assert raises(errors_boot.BAD_LAYOUT, StageBoard, simboard.Board(made)).at == (
        "layout",
        "stages",
    )
    made["stages"] = 5
    raises(errors_boot.BAD_LAYOUT, StageBoard, simboard.Board(made))


def test_the_layout_of_these_tests_is_a_good_one():
    check(chain_layout())


# Which stage runs


def test_the_only_stage_runs():
    board = factory()
    assert boot(board) == 1
    assert board.lines[0] == "Boot selector"
    assert board.lines[-1] == "Boot stage 1, version 1"
    assert state_of(board).phase == IDLE


def test_the_stage_in_the_second_slot_has_index_2():
    board = with_new()
    assert boot(board) == 2
    assert board.lines[-1] == "Boot stage 2, version 2"


def test_slots_on_two_devices_at_one_address_have_their_index():
    made = chain_layout()
    made["devices"]["spi"]["size"] = made["devices"]["flash"]["size"]
    made["stages"]["candidates"]["device"] = "spi"
    made["stages"]["candidates"]["start"] = made["stages"]["active"]["header"]
    made["candidates"] = {
        "device": "spi",
        "start": 0,
        "size": SIZE,
        "locations": 1,
        "internal": True,
    }
    board = simboard.Board(made)
    view = StageBoard(board)
    for index, image in ((0, OLD), (1, NEW)):
        slot, _ = State(view).runnable(view, index)
        simboard.put(board, slot, index + 1, image)
    assert select.run(board)[1] == 2


def test_a_newer_stage_from_the_factory_is_tried():
    board = with_new()
    assert boot(board) == 2
    state = state_of(board)
    assert (state.phase, state.tries) == (TRIAL, TRIALS - 1)
    assert "stages: [DBG ] Trial boot, 2 left" in board.lines


def test_a_newer_stage_that_nobody_announced_is_never_tried():
    for start in (boot, good_boot):
        board = factory(downgrade=True)
        assert start(board) == 1
        put(board, 2, 2, NEW)
        assert boot(board) == 1
        assert state_of(board).phase == IDLE


def test_a_stage_from_the_factory_in_the_second_slot_alone_runs():
    board = simboard.Board(chain_layout())
    put(board, 2, 1, NEW)
    assert [good_boot(board) for _ in range(3)] == [2, 2, 2]


def test_an_update_brings_a_stage_to_a_board_that_has_none():
    board = simboard.Board(chain_layout())
    assert boot(board) == 0
    offer(board, 2, 1, NEW)
    assert [good_boot(board) for _ in range(2)] == [2, 2]


def test_a_bad_update_of_a_board_without_a_stage_leaves_the_frozen_one():
    board = simboard.Board(chain_layout())
    assert boot(board) == 0
    offer(board, 2, 1, NEW)
    assert [boot(board) for _ in range(5)] == [2, 2, 2, 0, 0]


def test_an_older_or_equal_stage_is_not_tried():
    for version in (1, 0):
        board = factory()
        put(board, 2, version, NEW)
        assert boot(board) == 1
        assert state_of(board).phase == IDLE


def test_a_newer_stage_that_is_not_whole_is_not_tried():
    board = with_new()
    torn(board, 2)
    assert boot(board) == 1
    assert state_of(board).phase == IDLE


def test_a_stage_that_confirms_stays():
    board = with_new()
    for _ in range(TRIALS + 2):
        assert good_boot(board) == 2
    state = state_of(board)
    assert (state.phase, state.result, state.active) == (IDLE, CONFIRMED, 1)


def test_a_stage_that_fails_as_often_as_it_may_goes_back():
    board = with_new()
    for _ in range(TRIALS):
        assert boot(board) == 2
    for _ in range(3):
        assert boot(board) == 1
    result = last_result(StageBoard(board))
    assert (result.result, result.reason, result.version) == (
        REVERTED,
        errors_boot.NOT_CONFIRMED,
        2,
    )
    assert rounds(state_of(board), head_of(2, NEW)) == 1


def test_the_layout_says_how_often_a_stage_may_fail():
    board = with_new(trials=1)
    assert [boot(board) for _ in range(3)] == [2, 1, 1]


def test_a_stage_newer_than_the_rejected_one_is_tried():
    board = with_new()
    while boot(board) == 2:
        pass
    offer(board, 2, 3, NEWER)
    assert good_boot(board) == 2
    assert good_boot(board) == 2


def test_the_third_stage_goes_into_the_slot_of_the_first():
    board = with_new()
    assert good_boot(board) == 2
    offer(board, 1, 3, NEWER)
    assert good_boot(board) == 1
    assert good_boot(board) == 1
    assert state_of(board).active == 0


def test_the_reason_of_a_crash_is_told():
    board = with_new()
    for _ in range(TRIALS):
        assert boot(board) == 2
        assert select._note_crash(board)
    assert boot(board) == 1
    assert last_result(StageBoard(board)).reason == errors_boot.CRASHED


def test_the_reason_of_one_stage_is_not_told_of_the_next():
    board = with_new()
    while boot(board) == 2:
        select._note_crash(board)
    offer(board, 2, 3, NEWER)
    while boot(board) == 2:
        pass
    assert last_result(StageBoard(board)).reason == errors_boot.NOT_CONFIRMED


def test_a_stage_that_hangs_is_told_so():
    board = with_new()
    assert boot(board) == 2
    board.bitten = True
    while boot(board) == 2:
        pass
    assert last_result(StageBoard(board)).reason == errors_boot.HUNG


def test_a_crash_of_a_confirmed_stage_is_not_recorded():
    board = factory()
    assert boot(board) == 1
    before = bytes(board.disks["flash"].data)
    assert not select._note_crash(board)
    assert bytes(board.disks["flash"].data) == before


def test_a_crash_that_cannot_be_noted_is_no_trial_to_be_repeated():
    board = with_new()
    assert boot(board) == 2
    board.power.reset()
    board.power.fail_at(1)
    assert not select._note_crash(board)
    board.pulled.add("flash")
    assert not select._note_crash(board)


# None that may run: the frozen one


def test_without_a_whole_stage_the_frozen_one_runs():
    board = with_new()
    torn(board, 1)
    torn(board, 2)
    for _ in range(3):
        assert boot(board) == 0
    assert board.lines[-1] == "Boot stage 0, frozen"


def test_blank_slots_are_no_stages():
    assert boot(simboard.Board(chain_layout())) == 0


def test_when_the_running_stage_is_torn_the_other_one_runs():
    for index in (1, 2):
        board = with_new(downgrade=True)
        assert good_boot(board) == 2
        torn(board, index)
        for _ in range(2):
            assert boot(board) == 3 - index


def test_a_confirmed_stage_does_not_let_an_older_one_in():
    board = with_new()
    assert good_boot(board) == 2
    torn(board, 2)
    assert boot(board) == 0


def test_a_rejected_stage_does_not_run_though_it_is_the_only_one():
    board = with_new()
    assert boot(board) == 2
    torn(board, 1)
    reject(StageBoard(board), 300)
    for _ in range(3):
        assert boot(board) == 0
    assert state_of(board).is_bad(head_of(2, NEW).digest)


def test_a_stage_whose_rejection_cannot_be_written_does_not_run():
    board = with_new(trials=1)
    assert boot(board) == 2
    torn(board, 1)
    reject(StageBoard(board), 300)
    assert state_of(board).phase == BACK
    board.power.reset()
    board.power.fail_at(1)
    assert boot(board) == 0


def test_a_flash_that_does_not_answer_leaves_the_frozen_stage():
    board = with_new()
    board.pulled.add("flash")
    assert boot(board) == 0
    assert any(line.startswith("[ERR ] Boot stages: error") for line in board.lines)


def test_a_state_of_before_the_identity_is_none_and_the_start_is_the_first():
    board = with_new()
    rot, board._rot = board._rot, b"another device.."
    state = state_of(board)
    state.floor = 9
    state.put()
    board._rot = rot
    assert boot(board) == 2


def test_whatever_a_key_raises_the_frozen_stage_runs():
    for error in MemoryError(), ImportError("maker_key"), AttributeError("CLASS_ID"), OSError(5):

        def key(error=error):
            raise error

        board = with_new()
        board.layout["stages"]["signed"] = "start"
        board.key = key
        assert boot(board) == 0


def test_an_unreadable_running_stage_leaves_the_frozen_one_and_erases_nothing():
    board = with_new()
    assert good_boot(board) == 2
    flash = board.disks["flash"]
    before = bytes(flash.data)
    flash.bad_blocks.add(slot_of(board, 2).body_at // BLOCK + 1)
    assert boot(board) == 0
    flash.bad_blocks.clear()
    assert bytes(flash.data) == before
    assert boot(board) == 2


def test_a_layout_that_cannot_work_leaves_the_frozen_stage():
    for field in ("state", "candidates", "active", "mode"):
        board = with_new()
        before = bytes(board.disks["flash"].data)
        del board.layout["stages"][field]
        assert select.run(board) == (None, 0)
        assert bytes(board.disks["flash"].data) == before


def test_a_state_region_that_is_too_small_leaves_the_frozen_stage():
    board = with_new()
    board.layout["stages"]["state"]["size"] = 2 * BLOCK
    assert select.run(board) == (None, 0)


def test_without_a_stage_the_frozen_one_is_entered():
    calls = []

    def frozen(board, index):
        calls.append(index)
        return lambda: calls.append("begun")

    begin = select.enter(simboard.Board(chain_layout()), frozen)
    assert calls == [0]
    begin()
    assert calls == [0, "begun"]


# What else the selector does


def test_the_watchdog_runs_when_the_layout_asks_for_it():
    board = factory()
    boot(board)
    assert board.watched is None
    board.layout["watchdog_ms"] = 4000
    boot(board)
    assert board.watched == 4000


def test_the_watchdog_is_fed():
    board = factory()
    boot(board)
    assert board.fed


def test_the_recovery_key_is_for_the_stage_not_for_the_selector():
    board = factory()
    board.pressed = True
    assert boot(board) == 1


def test_the_state_of_the_stages_and_that_of_the_application_are_two():
    board = with_new()
    outer = State(board)
    assert boot(board) == 2
    assert State(board).phase == outer.phase == IDLE
    assert main.run(board).head.version == 1
    confirm(board)
    assert state_of(board).phase == TRIAL


def test_an_unconfirmed_application_is_replaced_by_the_same_code():
    board = factory()
    state = State(board)
    slot = state.candidate_slots(board)[0]
    state.new = simboard.put(board, slot, 2, noise(800, 8))
    state.phase, state.tries = PENDING, TRIALS
    state.put()
    assert [(boot(board), main.run(board).head.version) for _ in range(5)] == [
        (1, 2),
        (1, 2),
        (1, 2),
        (1, 1),
        (1, 1),
    ]


# The stage's own part: boards/virtual/stage.py


def on_trial():
    board = with_new()
    assert boot(board) == 2
    return board


def resets(board, index):
    """enter() must end in a reset, which the board of these tests does not have."""
    try:
        stage.enter(board, index)
    except AssertionError as error:
        assert str(error) == "nobody asked for a reset"
        return True
    return False


def test_a_stage_that_finds_an_application_confirms_itself():
    board = on_trial()
    assert stage.enter(board, 2)
    assert "This is boot stage 2" in board.lines and "booting..." in board.lines
    assert (state_of(board).phase, state_of(board).result) == (IDLE, CONFIRMED)


def test_a_stage_says_nothing_of_the_firmware_under_it():
    """Only an application knows whether that is good; and a stage's image has no targets.py."""

    class Untouchable:
        def items(self):
            raise AssertionError("asked")

    board = on_trial()
    board.systems = Untouchable()
    assert stage.enter(board, 2)
    assert state_of(board).result == CONFIRMED


def test_the_frozen_stage_confirms_none():
    board = on_trial()
    assert stage.enter(board, 0)
    assert state_of(board).phase == TRIAL


def test_a_stage_that_finds_no_application_resets_and_stays_on_trial():
    board = on_trial()
    simboard.put(board, simboard.active_slot(board), 1, bytes(9))
    slot = simboard.active_slot(board)
    slot.storage.device.load(slot.body_at, b"other")
    assert resets(board, 2)
    assert state_of(board).phase == TRIAL


def test_a_stage_whose_storage_or_layout_fails_resets():
    board = on_trial()
    board.pulled.add("flash")
    assert resets(board, 2)
    assert board.lines[-1].startswith("[ERR ] Active firmware unreadable")
    board = on_trial()
    del board.layout["active"]["size"]
    assert resets(board, 2)
    assert board.lines[-1].startswith("[ERR ] Boot stage failed")


def test_a_stage_that_cannot_confirm_itself_starts_the_application_all_the_same():
    board = on_trial()
    board.power.reset()
    board.power.fail_at(1)
    assert stage.enter(board, 2)
    assert state_of(board).phase == TRIAL
    reject(StageBoard(board), 300)
    assert stage.enter(board, 2)
    assert [line[:31] for line in board.lines].count("[ERR ] Boot stage not confirmed") == 2


# The update client


def for_client():
    """factory(), started once, whose stages go by the name that the signed fixtures have."""
    board = factory(component="MAIN")
    board.layout["component"] = "APP"
    board._key = Key()
    assert good_boot(board) == 1
    return board


def update(board, name="small"):
    source = FakeSource({MANIFEST_URL: bundle(name)}, pieces=(333, 512, 1))
    client = Client(StageBoard(board), source)
    client.start(MANIFEST_URL)
    assert client.run()


def test_the_client_brings_one_stage_after_the_other():
    board = for_client()
    update(board)
    assert [good_boot(board) for _ in range(2)] == [2, 2]
    assert simboard.read(board, slot_of(board, 2))[1] == payload("small")
    update(board, "later")
    assert [good_boot(board) for _ in range(2)] == [1, 1]
    assert simboard.read(board, slot_of(board, 1))[1] == payload("later")


def test_the_client_takes_no_application_for_a_stage():
    board = for_client()
    board.layout["component"], board.layout["stages"]["component"] = "MAIN", "BOOT"
    raises(errors_net.WRONG_COMPONENT, update, board)


def test_a_stage_that_nobody_confirmed_rests_whichever_board_asks():
    board = for_client()
    update(board)
    while boot(board) == 2:
        pass
    for left in (1, 1):  # a StageBoard each time: the start counts once
        assert raises(errors_net.RESTING, update, board).at == left
    board.starts = {}
    update(board)


def test_the_client_does_not_bring_a_rejected_stage_again():
    board = for_client()
    update(board)
    assert boot(board) == 2
    reject(StageBoard(board), 300)
    assert boot(board) == 1
    raises(errors_boot.BLACK_LISTED, update, board)
    update(board, "later")
    assert good_boot(board) == 2


def test_the_client_writes_over_no_stage_while_one_is_on_trial():
    board = for_client()
    update(board)
    assert boot(board) == 2
    raises(errors_boot.ON_TRIAL, update, board, "later")


# Power cuts


def test_a_cut_in_an_update_by_the_client_leaves_a_whole_stage_and_a_second_update_works():
    def check(board):
        index = settle(board, good_boot)[-1]
        if index == 1:
            assert simboard.read(board, slot_of(board, 1)) == (1, OLD)
            update(board)
        assert settle(board, good_boot)[-1] == 2
        assert simboard.read(board, slot_of(board, 2))[1] == payload("small")

    assert every_cut(for_client, update, check, MOODY) == 4 * COUNT_UPDATE


def settle(board, choose):
    """Boot until the state is IDLE. Returns the indexes chosen."""
    seen = []
    for _ in range(TRIALS + 3):
        seen.append(choose(board))
        if state_of(board).phase == IDLE:
            return seen
    raise AssertionError("no end: {}".format(seen))


def test_a_cut_while_a_good_stage_is_tried_leaves_old_or_new_and_new_wins():
    def check(board):
        seen = settle(board, good_boot)
        assert seen[-1] == 2 and 0 not in seen
        assert good_boot(board) == 2
        assert state_of(board).floor == 2

    assert every_cut(with_new, good_boot, check, MOODY) == 4 * COUNT_GOOD


def test_a_cut_while_a_bad_stage_is_tried_leaves_a_way_back():
    def act(board):
        for _ in range(TRIALS + 1):
            boot(board)

    def check(board):
        seen = settle(board, boot)
        assert seen[-1] == 1 and 0 not in seen
        assert seen.count(2) <= TRIALS
        assert boot(board) == 1
        state = state_of(board)
        assert rounds(state, head_of(2, NEW)) == 1 and state.floor == 0

    assert every_cut(with_new, act, check, MOODY) == 4 * COUNT_BAD


def test_a_second_cut_at_each_operation_of_the_recovery_changes_nothing():
    def again(board):
        before = board.power.snapshot()
        board.power.reset()
        settle(board, boot)
        count = board.power.ops
        for op in range(1, count + 1):
            board.power.restore(before)
            board.power.reset()
            board.power.cut_at(op, "moody")
            cut(board)
            board.power.reset()
            seen = settle(board, boot)
            assert seen[-1] == 1 and 0 not in seen

    assert every_cut(with_new, boot, again, ("half", "moody")) == 2 * COUNT_TRY


def cut(board):
    from ufota_testkit.simdisk import PowerCut

    try:
        settle(board, boot)
    except PowerCut:
        return
    raise AssertionError("outlived the cut")


def test_a_cut_in_the_download_of_a_stage_leaves_the_old_one_or_the_whole_new_one():
    head = head_of(2, NEW)

    def act(board):
        """The order of the update client: body, header, PENDING."""
        slot = slot_of(board, 2)
        writer = Writer(slot, len(NEW))
        writer.begin()
        writer.write(memoryview(NEW))
        slot.write_header(slot.pack(head))
        state = state_of(board)
        state.phase, state.new, state.location, state.tries = PENDING, head, 0, TRIALS
        state.put()

    def check(board):
        seen = settle(board, good_boot)
        assert 0 not in seen
        assert simboard.read(board, slot_of(board, seen[-1])) == ((1, OLD), (2, NEW))[seen[-1] - 1]
        for _ in range(4):
            assert good_boot(board) == seen[-1]

    assert every_cut(stale, act, check, MOODY) == 4 * COUNT_LOAD


def stale():
    """factory(), started once, with something older in slot 2."""
    board = factory()
    put(board, 2, 0, NEWER)
    assert boot(board) == 1
    return board


def test_every_failing_operation_leaves_a_stage_that_runs():
    board = with_new()
    board.power.reset()
    for _ in range(TRIALS + 1):
        boot(board)
    for op in range(1, board.power.ops + 1):
        board = with_new()
        board.power.reset()
        board.power.fail_at(op)
        seen = [boot(board) for _ in range(TRIALS + 3)]
        assert seen[-1] == 1 and seen.count(2) <= TRIALS + 1 and seen.count(0) <= 1, seen


def test_slots_too_close_together_are_refused():
    board = factory()
    board.layout["stages"]["candidates"]["start"] -= BLOCK
    assert boot_or_none(board) is None


def boot_or_none(board):
    try:
        return select.run(board)[0]
    except FwError:
        return "raised"


def test_the_slots_are_those_of_the_layout():
    board = factory()
    assert slot_of(board, 1).end == slot_of(board, 2).header_at
    assert type(slot_of(board, 2)) is StageSlot


def test_a_stage_whose_tries_cannot_be_counted_is_not_run():
    """It may hang: then the board would reset for ever beside a frozen stage that works."""
    board = factory()
    assert boot(board) == 1
    offer(board, 2, 2, NEW)
    assert boot(board) == 2
    state = StageBoard(board).layout["state"]
    broken(board.disks["flash"], state["start"], state["start"] + state["size"])
    assert boot(board) == 0
