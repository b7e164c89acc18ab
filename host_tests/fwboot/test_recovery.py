"""When the active image cannot run: a candidate, the old image, the recovery image, any image."""

from fwboot import main
from fwcore import errors, errors_boot, header
from fwcore.regions import fixed_slot
from fwcore.state import BACK, CONFIRMED, FORWARD, IDLE, NO_SIGNATURE, REVERTED, TRIAL, State
from fwcore.statement import digest_of
from helpers import raises
from trial_kit import (
    IMAGES,
    NEW,
    OLD,
    WORLDS,
    boot,
    broken,
    device,
    head_of,
    idle,
    no_boot,
    offer,
    quiet,
    repaired,
    spoil,
)
from ufota import trial
from ufota_testkit.noise import noise
from ufota_testkit.simboard import (
    Board,
    active_slot,
    candidate_slots,
    layout,
    make,
    put,
    read,
    trial_layout,
)

BOTH = True  # runs on CPython and on MicroPython

GOLDEN = noise(600, 9)
STARTED = "[DBG ] Starting the recovery image"


def with_recovery(map):
    """The layout with a recovery image on a device of its own."""
    map["devices"]["rom"] = {"size": 4096, "erase": 512, "program": 128}
    map["recovery"] = {"device": "rom", "header": 0, "start": 512, "size": 2048, "format": "romfs"}
    return map


def recovery_slot(board):
    region = board.layout["recovery"]
    return fixed_slot(board.layout, region, board.device(region["device"]))


def golden(mode, kind="spi", **more):
    """As device(), with a recovery image of version 7."""
    board = Board(with_recovery(trial_layout(mode, kind, **more)))
    put(board, active_slot(board), 1, OLD)
    put(board, recovery_slot(board), 7, GOLDEN)
    return board


def recovers(board):
    """The recovery image is started, and nothing is written for it."""
    board.lines.clear()
    found = quiet(board, main.run, board)
    assert found and (found.head.version, found.device, found.format) == (7, "rom", "romfs")
    assert read(board, found.slot) == (7, GOLDEN)
    assert board.lines.count(STARTED) == 1
    assert board.lines[-2:] == ["booting...", ""]


# Candidates


def test_a_candidate_replaces_an_active_image_that_is_not_whole_and_stays():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        put(board, candidate_slots(board)[0], 2, NEW)
        spoil(active_slot(board))
        state = boot(board, 2)
        assert (state.phase, state.old.size, state.floor) == (TRIAL, 0, 1)
        trial.confirm(board)
        assert idle(board, 2, CONFIRMED).floor == 2


def test_a_candidate_that_came_to_the_rescue_and_does_not_confirm_gives_way():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        head = put(board, candidate_slots(board)[0], 2, NEW)
        spoil(active_slot(board))
        for _ in range(3):
            boot(board, 2)
        boot(board, 2)  # nothing else is there: better an image that was not kept than none
        state = idle(board, 2, REVERTED, errors_boot.NOT_CONFIRMED)
        assert state.find(head.digest) >= 0 and not state.is_bad(head.digest)
        assert trial.confirm(board)
        state = idle(board, 2, CONFIRMED)
        assert state.find(head.digest) < 0 and state.floor == 2


def test_an_image_that_was_confirmed_goes_before_a_newer_one_that_never_ran():
    board = device("overwrite", "spi", downgrade=True)
    offer(board, 2)
    boot(board, 2)
    trial.confirm(board)
    put(board, candidate_slots(board)[1], 3, IMAGES[3])
    spoil(active_slot(board))
    boot(board, 2)
    idle(board, 2, CONFIRMED)


def test_an_older_candidate_is_taken_but_none_below_the_floor():
    for mode, kind in WORLDS:
        board = device(mode, kind, floor=2)
        put(board, active_slot(board), 3, OLD)
        spoil(active_slot(board))
        put(board, candidate_slots(board)[0], 1, NEW)
        quiet(board, no_boot, board)
        put(board, candidate_slots(board)[0], 2, NEW)
        boot(board, 2)


def test_the_newest_candidate_is_taken_and_the_next_when_it_cannot_be_installed():
    for newest in (0, 1):
        board = device("overwrite", "spi")
        slots = candidate_slots(board)
        put(board, slots[newest], 3, IMAGES[3])
        put(board, slots[1 - newest], 2, NEW)
        spoil(active_slot(board))
        boot(board, 3)
    board = device("overwrite", "spi")
    slots = candidate_slots(board)
    put(board, slots[0], 3, noise(1300, 3))
    put(board, slots[1], 2, NEW)
    spoil(active_slot(board))
    broken(board.disks["flash"], 1024 + 256, 1536)  # only the longer one needs it
    IMAGES[2] = NEW[:800]
    try:
        put(board, slots[1], 2, IMAGES[2])
        assert boot(board, 2).location == 1
    finally:
        IMAGES[2] = NEW


def test_of_two_candidates_of_one_version_the_first_is_taken():
    board = device("overwrite", "spi")
    for slot in candidate_slots(board):
        put(board, slot, 2, NEW)
    spoil(active_slot(board))
    assert boot(board, 2).location == 0


def test_every_candidate_gets_its_turn_in_one_start():
    map = trial_layout("overwrite", "spi", blocks=2)
    map["devices"]["spi"]["size"] = 40 * 512
    map["candidates"].update({"locations": 10, "size": 40 * 512})
    board = Board(map)
    slots = candidate_slots(board)
    for i in range(9):
        put(board, slots[i], 9 - i + 2, noise(700, i))  # more than one block: not installable
    IMAGES[2] = NEW[:300]
    try:
        put(board, slots[9], 2, IMAGES[2])
        broken(board.disks["flash"], 512, 1024)
        board.power.reset()
        boot(board, 2)
        assert board.power.ops < 1500
    finally:
        IMAGES[2] = NEW


def test_a_candidate_that_cannot_be_installed_is_tried_once_a_start():
    for mode in ("swap", "overwrite"):
        board = device(mode, "spi")
        put(board, candidate_slots(board)[0], 2, NEW)
        spoil(active_slot(board))
        broken(board.disks["flash"], 512, 1024)
        no_boot(board)
        assert board.lines.count("[DBG ] Firmware update failed") in (1, 4)  # 3 are install()'s
        repaired(board.disks["flash"])
        assert boot(board, 2).phase == TRIAL


def test_a_black_listed_or_corrupt_candidate_does_not_come_to_the_rescue():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        head = put(board, candidate_slots(board)[0], 2, NEW)
        state = State(board)
        state.blacklist(head)
        state.put()
        spoil(active_slot(board))
        quiet(board, no_boot, board)
        board = device(mode, kind)
        put(board, candidate_slots(board)[0], 2, NEW)
        spoil(candidate_slots(board)[0])
        spoil(active_slot(board))
        quiet(board, no_boot, board)


def test_an_image_of_no_bytes_is_no_image():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        put(board, candidate_slots(board)[0], 2, b"")
        spoil(active_slot(board))
        quiet(board, no_boot, board)


def test_an_active_image_that_may_not_start_is_replaced():
    for mode, kind in WORLDS:
        for bad in ("black-listed", "below the floor"):
            board = device(mode, kind)
            state = State(board)
            if bad == "black-listed":
                state.blacklist(head_of(1, OLD))
            else:
                state.floor = 2
            state.put()
            put(board, candidate_slots(board)[0], 2, NEW)
            assert boot(board, 2).phase == TRIAL


def test_what_a_rescue_brought_is_told_without_what_went_before():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        state = State(board)
        state.result, state.reason = REVERTED, 77
        state.put()
        new = put(board, candidate_slots(board)[0], 2, NEW)
        spoil(active_slot(board))
        boot(board, 2)
        assert trial.last_result(board) is None
        trial.confirm(board)
        assert trial.last_result(board) == (CONFIRMED, 0, 2, new.digest)


# The old image, kept in another slot


def lose_the_new(board):
    """The confirmed image is lost, and so is the candidate it came from."""
    spoil(State(board).active_slot(board)[0])
    if board.layout["mode"] == "overwrite":
        spoil(candidate_slots(board)[0])


def test_the_old_image_comes_back_when_the_new_one_is_lost():
    for mode, kind in WORLDS:
        board = device(mode, kind, downgrade=True)
        offer(board, 2)
        boot(board, 2)
        trial.confirm(board)
        lose_the_new(board)
        boot(board, 1)
        result = (REVERTED, errors.CORRUPT) if mode == "swap" else (CONFIRMED, 0)
        idle(board, 1, *result)  # in the other modes it is a candidate


def from_factory(mode, kind, recorded):
    """A device whose first image the maker never signed, and with version 2 confirmed and lost.

    recorded:  it was there before provisioning, which wrote that down
    """
    board = device(mode, kind, downgrade=True, signed=True)
    head = put(board, active_slot(board), 1, OLD, NO_SIGNATURE)
    state = State(board)
    state.remember(digest_of(board, "MAIN", head if recorded else head_of(3, OLD)))
    state.put()
    if recorded:
        boot(board, 1)
    offer(board, 2)
    boot(board, 2)
    trial.confirm(board)
    lose_the_new(board)
    return board


def test_an_old_image_of_the_factory_comes_back_though_nobody_signed_it():
    """Because it was recorded, and that is kept for it while the new one runs."""
    for mode, kind in WORLDS:
        board = from_factory(mode, kind, True)
        boot(board, 1)
        result = (REVERTED, errors.CORRUPT) if mode == "swap" else (CONFIRMED, 0)
        idle(board, 1, *result)


def test_an_old_image_that_nobody_signed_nor_recorded_does_not_come_back():
    for mode, kind in WORLDS:
        board = from_factory(mode, kind, False)
        no_boot(board)
        quiet(board, no_boot, board)


def test_an_old_image_that_is_no_candidate_comes_back_too():
    """Because its header is lost: the state knows it."""
    for kind in ("flash", "spi", "sd"):
        board = device("overwrite", kind, downgrade=True)
        offer(board, 2)
        boot(board, 2)
        trial.confirm(board)
        lose_the_new(board)
        slot = candidate_slots(board)[1]
        slot.storage.device.data[slot.header_at + 20] ^= 1
        boot(board, 1)
        idle(board, 1, REVERTED, errors.CORRUPT)


def test_the_old_image_does_not_come_back_below_the_floor_or_black_listed():
    for mode, kind in WORLDS:
        for more in ({}, {"downgrade": True}):
            board = device(mode, kind, **more)
            old = head_of(1, OLD)
            offer(board, 2)
            boot(board, 2)
            trial.confirm(board)
            if more:
                state = State(board)
                state.blacklist(old)
                state.put()
            lose_the_new(board)
            quiet(board, no_boot, board)


def test_an_old_image_that_is_not_whole_does_not_come_back():
    for mode, kind in WORLDS:
        board = device(mode, kind, downgrade=True)
        offer(board, 2)
        boot(board, 2)
        trial.confirm(board)
        spoil(State(board).active_slot(board)[0])
        disk = board.disks[kind]
        area = board.layout["candidates"]
        if mode == "direct":
            spoil(active_slot(board))
        else:
            for at in range(area["start"], area["start"] + area["size"], 64):
                disk.data[at] ^= 1
        quiet(board, no_boot, board)


def test_an_image_damaged_after_it_came_back_is_repaired_from_what_is_kept():
    for mode, kind in WORLDS:
        if mode == "direct":
            continue
        board = device(mode, kind)
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 8)
        boot(board, 1)
        spoil(active_slot(board))
        boot(board, 1)


def test_an_old_image_that_could_not_be_read_comes_back_when_it_can():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        state = boot(board, 2)
        trial.reject(board, 8)
        slot = State(board).candidate_slots(board)[-1]
        disk = slot.storage.device
        disk.bad_blocks = {slot.header_at // disk.erase_size}
        if mode == "overwrite":  # its header is not needed
            disk.bad_blocks = {slot.body_at // disk.erase_size}
        assert boot(board, 2).phase == IDLE  # rejected, but all there is
        state = idle(board, 2, REVERTED, 8)
        disk.bad_blocks = set()
        boot(board, 1)
        assert trial.last_result(board)[:2] == (REVERTED, 8)
        assert state.is_bad(head_of(2, NEW).digest)


# The recovery image


def test_the_recovery_image_is_started_when_nothing_else_can_be():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        idle(board, 1)
        spoil(active_slot(board))
        recovers(board)
    for kind in ("sd", "spi"):
        board = with_golden(make(kind))
        board.disks["flash"].data[0x900] ^= 1
        recovers(board)


def with_golden(board):
    """The same content on a board with a recovery image, for layouts without a state."""
    made = Board(with_recovery(board.layout))
    for name in board.disks:
        made.disks[name].data[:] = board.disks[name].data
    put(made, recovery_slot(made), 7, GOLDEN)
    return made


def test_the_recovery_image_is_started_when_the_active_one_cannot_be_read():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        put(board, candidate_slots(board)[0], 2, NEW)
        board.disks["flash"].bad_blocks = {0}
        recovers(board)
        board.disks["flash"].bad_blocks = set()
        boot(board, 1)
    board = with_golden(make("sd"))
    board.disks["flash"].bad_blocks = {1}
    recovers(board)
    board.disks["flash"].bad_blocks = set()
    assert main.run(board).head.version == 1


def test_the_recovery_image_is_started_when_the_state_region_is_not_there():
    board = golden("swap")
    board.layout["devices"]["fram"] = {"size": 3072, "erase": 512, "program": 128}
    board.layout["state"] = {"device": "fram", "start": 0, "size": 3072}
    board.pulled.add("fram")
    recovers(board)
    del board.layout["recovery"]
    try:
        main.run(board)
    except OSError:
        return
    raise AssertionError("started without a state")


def test_the_recovery_image_is_started_when_the_board_asks_for_it():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        offer(board, 2)
        board.pressed = True
        recovers(board)
        assert "[DBG ] Recovery asked for" in board.lines
        board.pressed = False
        boot(board, 2)
    board = with_golden(make("sd"))
    board.pressed = True
    recovers(board)


def test_a_board_that_asks_for_a_recovery_image_that_is_not_there_boots_as_ever():
    for damage in ("none", "torn header", "torn image", "unreadable", "pulled"):
        board = golden("swap")
        board.pressed = True
        rom = board.disks["rom"]
        if damage == "none":
            del board.layout["recovery"]
        elif damage == "unreadable":
            rom.bad_blocks = {1}
        elif damage == "pulled":
            board.pulled.add("rom")
        else:
            rom.data[8 if damage == "torn header" else 520] ^= 1
        boot(board, 1)
        assert STARTED not in board.lines


def test_a_recovery_image_that_is_torn_is_not_started():
    for at in (8, 520):
        board = golden("swap")
        spoil(active_slot(board))
        board.disks["rom"].data[at] ^= 1
        quiet(board, no_boot, board)
        assert STARTED not in board.lines


def test_a_rescue_and_the_old_image_come_before_the_recovery_image():
    board = golden("swap")
    put(board, candidate_slots(board)[0], 2, NEW)
    spoil(active_slot(board))
    boot(board, 2)
    board = golden("swap", downgrade=True)
    offer(board, 2)
    boot(board, 2)
    trial.confirm(board)
    spoil(active_slot(board))
    boot(board, 1)


def test_the_recovery_image_comes_before_a_rejected_one():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        spoil(active_slot(board))
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 4)
        assert main.run(board).head.version == 7
        recovers(board)


def test_a_client_in_the_recovery_image_brings_the_next_one():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        spoil(active_slot(board))
        recovers(board)
        offer(board, 2)
        assert boot(board, 2).phase == TRIAL
        trial.confirm(board)
        idle(board, 2, CONFIRMED)


# The last resort


def no_state_writes(board):
    region = board.layout["state"]
    broken(board.disks["flash"], region["start"], region["start"] + region["size"])


def test_a_state_that_cannot_be_written_keeps_no_good_image_from_running():
    for mode, kind in WORLDS:
        for make_board in (device, golden):
            board = make_board(mode, kind)
            offer(board, 2)
            no_state_writes(board)
            for _ in range(2):
                boot(board, 1)  # PENDING goes no further
            repaired(board.disks["flash"])
            boot(board, 2)


def test_on_trial_with_a_state_that_cannot_be_written_recovery_comes_first():
    for mode, kind in WORLDS:
        board = golden(mode, kind)
        offer(board, 2)
        boot(board, 2)
        no_state_writes(board)
        assert main.run(board).head.version == 7
        del board.layout["recovery"]
        boot(board, 2)  # better than none
        repaired(board.disks["flash"])
        assert boot(board, 2).tries == 1


def test_what_runs_in_the_last_resort_is_what_is_written():
    """In direct mode the other slot is not the client's to write to while it runs."""
    board = device("direct", "spi")
    offer(board, 2)
    no_state_writes(board)
    found = main.run(board)
    slot, name = State(board).active_slot(board)
    assert (found.device, found.slot.header_at) == (name, slot.header_at)


def test_the_floor_holds_in_the_last_resort_too():
    for mode, kind in WORLDS:
        board = device(mode, kind, floor=2)
        quiet(board, no_boot, board)


def test_an_old_image_that_is_whole_runs_while_an_update_waits_for_its_card():
    for mode in ("swap", "overwrite"):
        for make_board in (device, golden):
            board = make_board(mode, "spi")
            offer(board, 2)
            state = State(board)
            state.phase, state.old = FORWARD, head_of(1, OLD)
            state.put()
            board.pulled.add("spi")
            quiet(board, boot, board, 1)
            board.pulled.clear()
            assert main.run(board).head.version in (1, 2)


def test_a_way_back_that_waits_for_its_card_runs_what_there_is():
    for mode in ("swap", "overwrite"):
        board = golden(mode, "spi")
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 6)
        board.pulled.add("spi")
        recovers(board)
        board.layout.pop("recovery")
        quiet(board, boot, board, 2)
        board.pulled.clear()
        assert State(board).phase == BACK
        boot(board, 1)
        idle(board, 1, REVERTED, 6)


def test_a_layout_that_cannot_work_is_refused_though_there_is_a_recovery_image():
    board = golden("swap")
    board.layout["active"]["start"] += 4
    raises(errors.MISALIGNED, main.run, board)


def test_the_rescue_needs_the_root_of_trust_of_this_device():
    board = device("swap", "spi")
    slot = candidate_slots(board)[0]
    head = put(board, slot, 2, NEW)
    slot.storage.device.load(slot.header_at, slot.pack(head, header.device_key(bytes(16))))
    spoil(active_slot(board))
    quiet(board, no_boot, board)
    assert layout("sd")  # the simple layouts have no state
