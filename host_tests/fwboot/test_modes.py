"""Each mode, on each medium: in comes the new image, and back comes the old one."""

from fwboot import main
from fwcore import errors, errors_boot, header, storage
from fwcore.state import (
    BACK,
    CONFIRMED,
    FORWARD,
    IDLE,
    NONE,
    NOWHERE,
    REFUSED,
    REVERTED,
    TRIAL,
    State,
    no_image,
)
from trial_kit import (
    IMAGES,
    NEW,
    NEXT,
    OLD,
    WORLDS,
    boot,
    broken,
    device,
    head_of,
    idle,
    no_boot,
    offer,
    pending,
    quiet,
    repaired,
    rounds,
    spoil,
)
from ufota import trial
from ufota_testkit.noise import noise
from ufota_testkit.simboard import (
    ROT,
    Board,
    active_slot,
    candidate_slots,
    put,
    read,
    trial_layout,
)
from ufota_testkit.virtual_clock import Clock

BOTH = True  # runs on CPython and on MicroPython


# Lives, in every mode


def test_a_confirmed_image_stays_and_the_next_update_replaces_it():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        assert boot(board, 2).phase == TRIAL
        assert trial.confirm(board)
        assert idle(board, 2, CONFIRMED).floor == 2
        offer(board, 3, location=1 if mode == "overwrite" else 0)
        assert boot(board, 3).phase == TRIAL
        assert trial.confirm(board)
        assert idle(board, 3, CONFIRMED).floor == 3


def test_an_image_nobody_confirms_goes_after_its_tries():
    for mode, kind in WORLDS:
        for tries in (1, 2, 3):
            board = device(mode, kind)
            new = offer(board, 2, tries=tries)
            for left in range(tries - 1, -1, -1):
                state = boot(board, 2)
                assert (state.phase, state.tries) == (TRIAL, left)
            assert rounds(boot(board, 1), new) == 1
            assert idle(board, 1, REVERTED, errors_boot.NOT_CONFIRMED).floor == 1


def test_a_rejected_image_goes_at_once_and_its_reason_stays():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        new = offer(board, 2)
        boot(board, 2)
        trial.reject(board, 1234)
        boot(board, 1)
        assert idle(board, 1, REVERTED, 1234).is_bad(new.digest)
        assert trial.last_result(board) == (REVERTED, 1234, 2, new.digest)
        offer(board, 2)
        assert boot(board, 1).result == REFUSED
        idle(board, 1, REFUSED, errors_boot.BLACK_LISTED)


def test_a_permanent_update_needs_no_confirm():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2, tries=0)
        boot(board, 2)
        assert idle(board, 2, CONFIRMED).floor == 1


def test_a_first_image_comes_in_without_an_old_one():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        spoil(active_slot(board))
        offer(board, 2)
        state = boot(board, 2)
        assert (state.phase, state.old.size) == (TRIAL, 0)
        trial.confirm(board)
        idle(board, 2, CONFIRMED)


def test_a_first_image_that_is_rejected_still_runs_when_there_is_no_other():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        spoil(active_slot(board))
        new = offer(board, 2)
        boot(board, 2)
        trial.reject(board, 9)
        assert boot(board, 2).is_bad(new.digest)
        idle(board, 2, REVERTED, 9)


def test_a_device_without_a_state_yet_boots_and_updates():
    for mode, kind in WORLDS:
        board = Board(trial_layout(mode, kind))
        put(board, active_slot(board), 1, OLD)
        idle(board, 1)
        offer(board, 2)
        boot(board, 2)
        trial.confirm(board)
        idle(board, 2, CONFIRMED)


def test_the_same_image_again_is_no_harm():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 1)
        assert boot(board, 1).phase == TRIAL
        trial.confirm(board)
        idle(board, 1, CONFIRMED)


def test_any_operation_may_fail_once_and_an_image_that_is_whole_runs():
    for mode, kind in (("swap", "spi"), ("overwrite", "sd"), ("direct", "flash")):
        fresh = device(mode, kind)
        offer(fresh, 2)
        ops = -fresh.power.ops
        boot(fresh, 2)
        ops += fresh.power.ops
        for op in range(1, ops + 1):
            board = device(mode, kind)
            offer(board, 2)
            board.power.reset()
            board.power.fail_at(op)
            found = main.run(board)
            assert found and read(board, found.slot) == (
                found.head.version,
                IMAGES[found.head.version],
            ), op
            state = State(board)
            assert state.phase in (IDLE, TRIAL, FORWARD, BACK) or found.head.version == 1
            found = main.run(board)
            assert found.head.version == (2 if State(board).phase == TRIAL else 1), op
            assert State(board).phase in (IDLE, TRIAL)


def test_a_bad_block_anywhere_leaves_a_device_that_updates_or_says_why():
    """Writes fail for good in one block; reads of it are fine, as with worn flash.

    A swap takes no more marks here than a bank of the state has, or it would end where one
    cannot be written: see the next test.
    """
    for mode, kind in WORLDS:
        fresh = roomy(mode, kind)
        for name in fresh.disks:
            size = len(fresh.disks[name].data)
            for start in range(0, size, 512):
                board = roomy(mode, kind)
                offer(board, 2)
                broken(board.disks[name], start, start + 512)
                for _ in range(3):
                    board.power.reset()
                    found = main.run(board)
                    assert board.power.ops < 400
                    inside = name == "flash" and start < 3 * 512 and mode != "direct"
                    assert found or inside, (mode, kind, name, start, board.lines)
                    if found:
                        assert read(board, found.slot)[1] == IMAGES[found.head.version]
                repaired(board.disks[name])
                found = main.run(board)
                assert found.head.version in (1, 2), (mode, kind, name, start)


def roomy(mode, kind):
    """As device(), with banks of three blocks for its state, behind all that is on flash."""
    state = {"device": "flash", "start": 24 * 512, "size": 9 * 512}
    devices = trial_layout(mode, kind)["devices"]
    devices["flash"]["size"] = 33 * 512
    return device(mode, kind, state=state, devices=devices)


def test_a_swap_whose_state_cannot_be_written_goes_on_when_it_can():
    """Banks that hold two marks: six moves take three of them."""
    for kind in ("flash", "spi", "sd"):
        stopped = 0
        for start in range(3 * 512, 9 * 512, 512):
            board = device("swap", kind)
            offer(board, 2)
            broken(board.disks["flash"], start, start + 512)
            found = [main.run(board) for _ in range(3)][-1]
            repaired(board.disks["flash"])
            again = main.run(board)
            assert read(board, again.slot) == (again.head.version, IMAGES[again.head.version])
            if not found:
                said = [line.replace("(5)", "(5,)") for line in board.lines]
                assert said.count("[ERR ] OSError(5,), update not finished") == 3
                assert again.head.version == 2
                stopped += 1
        assert stopped, kind


def test_a_block_that_cannot_be_read_leaves_a_device_that_can_go_on_later():
    time, storage.time = storage.time, Clock()  # each try waits a little for a card to wake up
    try:
        unreadable_blocks()
        assert storage.time.now > 0
    finally:
        storage.time = time


def unreadable_blocks():
    for mode, kind in WORLDS:
        for name in device(mode, kind).disks:
            disk = device(mode, kind).disks[name]
            for block in range(len(disk.wear)):
                board = device(mode, kind)
                offer(board, 2)
                board.disks[name].bad_blocks = {block}
                for _ in range(3):
                    board.power.reset()
                    try:
                        found = main.run(board)
                    except OSError:
                        continue
                    assert board.power.ops < 400
                    if found:
                        data, at = found.slot.storage.device.data, found.slot.body_at
                        image = IMAGES[found.head.version]
                        assert data[at : at + len(image)] == image
                board.disks[name].bad_blocks = set()
                boots_something(board)


def boots_something(board):
    found = main.run(board)
    assert found, board.lines
    assert read(board, found.slot) == (found.head.version, IMAGES[found.head.version])


# A pulled card


def test_a_pulled_card_stops_an_update_and_nothing_is_written_until_it_is_back():
    """In whatever phase it goes: cut at each operation, then no card for eight starts."""
    for mode, kind in WORLDS:
        if kind == "flash":
            continue
        ops = 400
        op = 0
        while op < ops:
            op += 1
            board = device(mode, kind)
            offer(board, 2)
            board.power.reset()
            board.power.cut_at(op, "half")
            ops = op if outlives(board) else 400
            board.power.reset()
            board.pulled.add(kind)
            for start in range(8):
                before = board.power.ops
                try:
                    main.run(board)
                except OSError:
                    pass
                if start > 4:  # before, tries of a trial are counted down
                    assert board.power.ops == before, (mode, kind, op)
            board.pulled.clear()
            boots_something(board)


def outlives(board):
    try:
        main.run(board)
    except BaseException as error:
        assert type(error).__name__ == "PowerCut", error
        return False
    return True


# Swap


def test_only_blocks_that_differ_are_erased():
    board = device("swap", "spi")
    same = bytearray(OLD)
    same[10] ^= 1  # in block 0 of 3; block 1 stays as it is
    IMAGES[2] = bytes(same)
    try:
        offer(board, 2)
        wear = list(board.disks["flash"].wear[:3])
        boot(board, 2)
        assert board.disks["flash"].wear[:3] == [wear[0] + 1] + wear[1:]
        assert board.disks["spi"].wear == [1, 0, 0, 0]
        trial.reject(board, 1)
        boot(board, 1)
    finally:
        IMAGES[2] = NEW


def test_erase_blocks_may_differ_and_regions_lie_anywhere():
    for flash_erase, spi_erase in ((512, 1024), (1024, 512), (256, 512), (2048, 256)):
        map = trial_layout("swap", "spi", blocks=4)
        map["devices"]["flash"].update({"size": 0x8000, "erase": flash_erase})
        map["devices"]["spi"].update({"size": 0x4000, "erase": spi_erase})
        map["active"].update({"header": 0x1000, "start": 0x1080, "size": 0xF80})
        map["state"].update({"start": 0x2000, "size": 0x1800})
        map["candidates"].update({"start": 0x300, "size": 0x3C00})
        map["regions"] = {"boot": {"device": "flash", "start": 0, "size": 0x1000}}
        board = Board(map)
        board.disks["flash"].load(0, noise(0x1000, 3))
        board.disks["flash"].load(0x3800, noise(0x800, 4))
        put(board, active_slot(board), 1, OLD)
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 4)
        boot(board, 1)
        idle(board, 1, REVERTED, 4)
        assert board.disks["flash"].data[:0x1000] == noise(0x1000, 3)
        assert board.disks["flash"].data[0x3800:0x4000] == noise(0x800, 4)


def test_a_swap_of_different_sizes_comes_back_whole():
    for old, new in ((100, 1300), (1300, 100), (384, 385), (385, 384), (1, 1), (1408, 1408)):
        for kind in ("flash", "spi"):
            board = device("swap", kind)
            images = {1: noise(old, 7), 2: noise(new, 8)}
            put(board, active_slot(board), 1, images[1])
            kept = dict(IMAGES)
            IMAGES.update(images)
            try:
                offer(board, 2)
                boot(board, 2)
                trial.reject(board, 5)
                boot(board, 1)
                idle(board, 1, REVERTED, 5)
            finally:
                IMAGES.update(kept)


def test_the_header_that_moves_with_a_swap_must_be_the_candidates():
    for at in (0, 8, 24, 111):
        board = device("swap", "spi")
        offer(board, 2)
        slot = candidate_slots(board)[0]
        slot.storage.device.data[slot.inner_at + at] ^= 1
        boot(board, 1)
        idle(board, 1, REFUSED, errors.CORRUPT)


def test_an_image_that_fills_the_active_region_comes_in_and_a_larger_one_does_not():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        size = board.layout["active"]["size"]
        IMAGES[4] = noise(size, 4)
        offer(board, 4)
        boot(board, 4)
        trial.confirm(board)
        idle(board, 4, CONFIRMED)
    for mode, kind in (("overwrite", "spi"), ("overwrite", "sd")):
        board = device(mode, kind)
        IMAGES[4] = noise(board.layout["active"]["size"] + 1, 4)
        offer(board, 4)
        boot(board, 1)
        idle(board, 1, REFUSED, errors.TOO_BIG)


def test_a_map_of_another_update_is_no_crash_and_no_image():
    """The client has put its own `new` over a state whose map is of the update before."""
    board = device("swap", "spi", blocks=12)
    IMAGES[5] = noise(10 * 512, 5)
    put(board, active_slot(board), 1, noise(11 * 512, 6))
    head = head_of(2, NEW)
    state = State(board)
    state.old = head_of(1, IMAGES[5])
    state.new = head
    state.equal = b"\x00"
    state.put()
    spoil(active_slot(board))
    quiet(board, no_boot, board)
    state = State(board)
    state.new = head_of(2, noise(11 * 512, 9))
    state.put()
    quiet(board, no_boot, board)
    state = State(board)
    state.old = header.Header(1, (1 << 32) - 1, bytes(32), bytes(16))
    state.done = 1  # so its first block, and its header, are in the spare block
    state.put()
    board.disks["spi"].load(0, header.pack_internal(state.old))
    quiet(board, no_boot, board)


# Overwrite


def test_the_image_that_runs_is_kept_in_the_other_slot():
    for kind in ("flash", "spi", "sd"):
        board = device("overwrite", kind)
        offer(board, 2)
        assert boot(board, 2).kept == 1
        assert read(board, candidate_slots(board)[1]) == (1, OLD)
        assert "[DBG ] Keeping the active firmware" in board.lines


def test_an_image_that_is_kept_already_is_not_copied_again():
    for kind in ("flash", "spi", "sd"):
        board = device("overwrite", kind)
        put(board, candidate_slots(board)[1], 1, OLD)
        offer(board, 2)
        wear = list(board.disks[kind].wear)
        assert boot(board, 2).kept == 1
        other = candidate_slots(board)[1]
        first, last = other.header_at // 512, other.end // 512
        assert board.disks[kind].wear[first:last] == wear[first:last]
        assert "[DBG ] Keeping the active firmware" not in board.lines


def test_a_kept_image_that_is_not_whole_or_not_the_one_is_replaced():
    def torn(slot):
        spoil(slot)

    def headless(slot):
        slot.storage.device.load(slot.header_at, bytes(slot.header_size()))

    def other_version(slot):
        packed = slot.pack(head_of(3, OLD), header.device_key(ROT))
        slot.storage.device.load(slot.header_at, packed)

    for damage in (torn, headless, other_version):
        board = device("overwrite", "spi")
        slot = candidate_slots(board)[1]
        put(board, slot, 1, OLD)
        damage(slot)
        offer(board, 2)
        assert boot(board, 2).kept == 1
        assert read(board, slot) == (1, OLD)


def test_without_a_place_to_keep_the_old_image_the_update_is_refused():
    board = device("overwrite", "spi")
    offer(board, 2)
    other = candidate_slots(board)[1]
    broken(board.disks["spi"], other.header_at, other.end)
    state = boot(board, 1)
    assert state.kept == NOWHERE
    idle(board, 1, REFUSED, errors_boot.INSTALL_FAILED)


def test_the_next_slot_keeps_the_old_image_when_one_is_bad():
    board = device("overwrite", "spi")
    board.layout["candidates"]["locations"] = 3
    board.layout["active"]["size"] = 384
    IMAGES[1], IMAGES[2] = OLD[:300], NEW[:310]
    board.layout["candidates"]["size"] = 6 * 512
    try:
        put(board, active_slot(board), 1, IMAGES[1])
        offer(board, 2)
        bad = candidate_slots(board)[1]
        broken(board.disks["spi"], bad.header_at, bad.end)
        assert boot(board, 2).kept == 2
        trial.reject(board, 1)
        boot(board, 1)
    finally:
        IMAGES[1], IMAGES[2] = OLD, NEW


def test_a_record_with_a_slot_the_layout_does_not_have_is_none():
    """Whatever the phase, and the active image is started as it is."""

    def nothing_known(board, version):
        state = idle(board, version)
        assert (state.new, state.old, state.floor) == (no_image(), no_image(), 0)

    for location in (2, 254, 255):
        board = device("overwrite", "spi")
        offer(board, 2)
        state = State(board)
        state.location = location
        state.put()
        nothing_known(board, 1)
        board = device("overwrite", "spi")
        offer(board, 2)
        state = State(board)
        state.phase, state.location, state.old = FORWARD, location, head_of(1, OLD)
        state.put()
        nothing_known(board, 1)
    for kept in (2, 254):
        board = device("overwrite", "spi")
        offer(board, 2)
        boot(board, 2)
        state = State(board)
        state.phase, state.kept, state.reason = BACK, kept, 7
        state.put()
        nothing_known(board, 2)


def test_an_old_image_that_is_in_no_slot_is_no_crash():
    board = device("overwrite", "spi")
    offer(board, 2)
    boot(board, 2)
    state = State(board)
    state.phase, state.kept, state.reason = BACK, NOWHERE, 7
    state.put()
    boot(board, 1)  # slot 1 has it: a candidate to the rescue
    idle(board, 1, CONFIRMED)


def test_a_copy_that_fails_is_tried_again_as_often_as_the_layout_says():
    for retries in (1, 2):
        board = device("overwrite", "spi", copy_retries=retries)
        offer(board, 2)
        broken(board.disks["flash"], 512, 1024)
        no_boot(board)
        assert board.lines.count("[DBG ] Erase active application") == 2 * retries
        assert State(board).phase == BACK
        repaired(board.disks["flash"])
        boot(board, 1)
        idle(board, 1, REVERTED, errors_boot.INSTALL_FAILED)


# Direct


def test_nothing_is_copied():
    for kind in ("flash", "spi"):
        board = device("direct", kind)
        offer(board, 2)
        first = bytes(board.disks["flash"].data[: 3 * 512])
        second = bytes(board.disks[kind].data[candidate_slots(board)[0].header_at :])
        boot(board, 2)
        assert board.disks["flash"].data[: 3 * 512] == first
        assert board.disks[kind].data[candidate_slots(board)[0].header_at :] == second


def test_only_the_state_of_the_trial_is_written():
    """Nothing moves, so FORWARD need not be durable: three erases, the last one a wipe."""
    board = device("direct", "spi")
    offer(board, 2)
    before = sum(board.disks["flash"].wear)
    boot(board, 2)
    one_put = sum(board.disks["flash"].wear) - before
    boot(board, 2)
    assert sum(board.disks["flash"].wear) - before == 2 * one_put


def test_the_slots_take_turns():
    for kind in ("flash", "spi"):
        board = device("direct", kind)
        offer(board, 2)
        assert boot(board, 2).active == 1
        trial.confirm(board)
        offer(board, 3)
        state = boot(board, 3)
        assert (state.active, state.kept) == (0, 1)
        trial.reject(board, 3)
        assert boot(board, 2).active == 1
        idle(board, 2, REVERTED, 3)


def test_a_newer_image_in_the_other_slot_is_not_taken_unasked():
    """Its header may be one that a cut tore, and that reads well today."""
    for kind in ("flash", "spi"):
        board = device("direct", kind)
        put(board, candidate_slots(board)[0], 3, NEXT)
        idle(board, 1)
        board.pulled.add("spi")
        idle(board, 1)


def test_a_candidate_that_no_active_image_could_be_is_refused_without_a_write():
    """Its header has a good CRC, but not the magic number an active image needs."""
    import struct
    from binascii import crc32

    board = device("direct", "spi")
    slot = candidate_slots(board)[0]
    head = put(board, slot, 2, NEW)
    packed = bytearray(header.pack_internal(head))
    packed[0] ^= 1
    packed[108:] = struct.pack(">I", crc32(packed[:108]))
    slot.storage.device.load(slot.header_at, packed)
    idle(board, 1)
    pending(board, head)
    boot(board, 1)
    idle(board, 1, REFUSED, errors.CORRUPT)


def test_boot_stages_with_their_own_headers_are_chosen_in_the_same_way():
    board = device("direct", "spi", headers="stage")
    offer(board, 2)
    boot(board, 2)
    trial.confirm(board)
    idle(board, 2, CONFIRMED)
    spoil(State(board).active_slot(board)[0])
    assert State(board).result == CONFIRMED and NONE != CONFIRMED
    no_boot(board)  # version 1 is below the floor by now
