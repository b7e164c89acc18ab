"""Every row of the boot stage's phases: what starts, what is written, and which reason is told."""

from fwboot import main
from fwboot.images import Image
from fwboot.trial import give_up
from fwcore import errors, errors_boot, header
from fwcore.state import (
    BACK,
    CONFIRMED,
    FORWARD,
    IDLE,
    NO_SIGNATURE,
    NONE,
    PENDING,
    REFUSED,
    REVERTED,
    TRIAL,
    State,
    no_image,
)
from helpers import raises
from trial_kit import (
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
    Board,
    active_slot,
    candidate_slots,
    make,
    put,
    read,
    trial_layout,
)
from ufota_testkit.simdisk import PowerCut, every_cut

BOTH = True  # runs on CPython and on MicroPython


def refused(board, code):
    """The update is refused for this reason, and version 1 runs as if nothing had been."""
    new = State(board).new
    state = boot(board, 1)
    assert "[DBG ] Update refused, error {}".format(code) in board.lines
    assert state.new == new
    assert not state.is_bad(new.digest) or code == errors_boot.BLACK_LISTED
    assert state.floor == 1
    idle(board, 1, REFUSED, code)


# IDLE


def test_an_idle_device_starts_its_image_and_writes_nothing():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        found = quiet(board, main.run, board)
        assert isinstance(found, Image)
        assert found[0] == head_of(1, OLD)
        assert found[2:] == ("flash", "lfs2")
        assert board.lines == [
            "",
            "Mbed Bootloader",
            "[DBG ] Active firmware up-to-date",
            "booting...",
            "",
        ]


def test_a_candidate_nobody_offered_is_not_installed_while_the_active_one_runs():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        put(board, candidate_slots(board)[0], 2, NEW)
        idle(board, 1)


def test_an_active_image_that_cannot_be_read_is_no_verdict():
    for mode, kind in WORLDS:
        for block in (0, 1):
            board = device(mode, kind)
            put(board, candidate_slots(board)[0], 2, NEW)
            board.disks["flash"].bad_blocks = {block}
            try:
                quiet(board, main.run, board)
            except OSError:
                assert "[ERR ] OSError(5,), update not finished" in [
                    line.replace("(5)", "(5,)") for line in board.lines
                ]
                continue
            raise AssertionError("an unreadable active image was judged")


def test_a_phase_of_another_version_starts_what_is_there():
    for phase in (5, 255):
        board = device("swap")
        state = State(board)
        state.phase = phase
        state.put()
        quiet(board, boot, board, 1)
        spoil(active_slot(board))
        quiet(board, no_boot, board)


# PENDING


def test_an_update_that_is_taken_leaves_a_trial_that_has_begun():
    for mode, kind in WORLDS:
        for tries in (1, 3, 254):
            board = device(mode, kind)
            new = offer(board, 2, tries=tries)
            state = boot(board, 2)
            assert (state.phase, state.tries) == (TRIAL, tries - 1)
            assert (state.new, state.old) == (new, head_of(1, OLD))
            assert (state.result, state.reason, state.floor) == (NONE, 0, 1)
            assert "[DBG ] Trial boot, {} left".format(tries - 1) in board.lines
            assert trial.last_result(board) is None


def test_a_black_listed_update_is_refused():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        state = State(board)
        state.blacklist(head_of(2, NEW))
        state.put()
        offer(board, 2)
        refused(board, errors_boot.BLACK_LISTED)


def test_an_update_below_the_floor_is_refused_and_one_on_it_is_taken():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        put(board, active_slot(board), 1, OLD)
        offer(board, 0, NEW)
        refused(board, errors_boot.BELOW_FLOOR)
        offer(board, 1)
        assert boot(board, 1).phase == TRIAL


def test_an_update_whose_image_is_not_whole_is_refused():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        spoil(candidate_slots(board)[0])
        refused(board, errors.CORRUPT)


def test_an_update_whose_header_is_torn_or_of_another_device_is_refused():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        slot = candidate_slots(board)[0]
        slot.storage.device.data[slot.header_at + 20] ^= 1
        refused(board, errors.BAD_CRC if mode == "direct" else errors.BAD_MAC)
        board = device(mode, kind)
        board.rot = lambda: None  # with it go the records it has a MAC under
        assert State(board).is_new
        state = State(board)
        state.floor = 1
        state.put()
        offer_without_key = mode == "direct"
        head = head_of(2, NEW)
        if offer_without_key:
            put(board, candidate_slots(board)[0], 2, NEW)
        pending(board, head)
        if offer_without_key:
            boot(board, 2)
        else:
            refused(board, errors.BAD_KEY)


def test_an_update_that_is_not_what_lies_in_the_slot_is_refused():
    for mode, kind in WORLDS:
        for other in (head_of(3, NEW), head_of(2, NEXT), head_of(2, NEW[:-1])):
            board = device(mode, kind)
            put(board, candidate_slots(board)[0], 2, NEW)
            pending(board, other)
            refused(board, errors.CORRUPT)


def test_the_campaign_is_not_part_of_what_is_compared():
    board = device("overwrite")
    head = put(board, candidate_slots(board)[0], 2, NEW)
    pending(board, header.Header(2, head.size, head.digest, b"c" * 16))
    boot(board, 2)


def test_an_update_of_no_bytes_is_refused():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2, image=None)
        head = put(board, candidate_slots(board)[0], 2, b"")
        pending(board, head)
        refused(board, errors.CORRUPT)


def test_an_update_in_a_slot_that_is_not_there_is_no_update():
    """No client of this layout has written such a record, so it is none."""
    for mode, kind in WORLDS:
        count = 2 if mode == "overwrite" else 1
        for location in (count, 9, 255):
            board = device(mode, kind)
            offer(board, 2)
            pending(board, head_of(2, NEW), location=location)
            state = idle(board, 1)
            assert (state.new, state.floor) == (no_image(), 0)
            offer(board, 2, location=count - 1)
            boot(board, 2)


def test_an_update_that_cannot_be_read_waits_while_the_old_image_runs():
    for mode, kind in WORLDS:
        if kind == "flash":
            continue
        board = device(mode, kind)
        head = offer(board, 2)
        board.pulled.add(kind)
        waits(board, head)
        board.pulled.clear()
        slot = candidate_slots(board)[0]
        disk = board.disks[kind]
        disk.bad_blocks = {(slot.body_at + 900) // disk.erase_size}
        waits(board, head)
        disk.bad_blocks = set()
        boot(board, 2)


def waits(board, head):
    """The old image runs, and the update is still pending."""
    for _ in range(2):
        state = boot(board, 1)
        assert (state.phase, state.new[:3]) == (PENDING, head[:3])


def test_an_update_on_another_smaller_card_is_refused():
    board = device("overwrite", "sd")
    offer(board, 2)
    board.disks["sd"].wear = [0] * 2  # it says it has two blocks
    refused(board, errors.OUT_OF_DEVICE)


def test_an_active_image_that_cannot_be_read_stops_an_update_and_nothing_is_erased():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        board.disks["flash"].bad_blocks = {1}
        try:
            quiet(board, main.run, board)
        except OSError:
            board.disks["flash"].bad_blocks = set()
            boot(board, 2)
            continue
        raise AssertionError("an unreadable active image was judged")


def test_blocks_that_cannot_be_compared_let_a_swap_wait_before_a_move():
    """P is read in whole blocks then, S too; the images end before."""
    board = device("swap", "spi", blocks=4)
    put(board, active_slot(board), 1, OLD)
    head = offer(board, 2)
    slot = candidate_slots(board)[0]
    read_blocks = board.disks["spi"].readblocks

    def tail_fails(block, buf, *rest):
        start = block * 512 + (rest[0] if rest else 0)
        # a digest ends with the image, a comparison with the block
        bad = start + len(buf) > slot.body_at + 1024 and len(buf) == 512
        return -5 if bad else read_blocks(block, buf, *rest)

    board.disks["spi"].readblocks = tail_fails
    waits(board, head)


def test_an_update_may_be_offered_again_after_a_refusal():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        spoil(candidate_slots(board)[0])
        refused(board, errors.CORRUPT)
        offer(board, 2)
        boot(board, 2)


# FORWARD


def test_storage_that_fails_in_the_copy_brings_the_old_image_back():
    """Not black-listed: the same image may be offered again."""
    for mode, kind in WORLDS:
        if mode == "direct":
            continue
        board = device(mode, kind)
        offer(board, 2)
        fails_while(board, "[DBG ] Update active firmware", "[DBG ] Firmware update failed")
        state = boot(board, 1)
        assert not state.is_bad(head_of(2, NEW).digest)
        idle(board, 1, REVERTED, errors_boot.INSTALL_FAILED)
        offer(board, 2)
        boot(board, 2)


def fails_while(board, first, last):
    """The second block of the active image cannot be written between these two lines."""
    log = board.log
    count = []

    def log_and_break(text):
        log(text)
        if text == first and not count:
            broken(board.disks["flash"], 512, 1024)
            count.append(text)
        # install() says it after each of its tries, then the boot stage does
        if text == last:
            count.append(text)
            if len(count) == (5 if board.layout["mode"] == "overwrite" else 2):
                repaired(board.disks["flash"])

    board.log = log_and_break


def test_an_image_that_is_not_whole_after_the_copy_goes_back():
    """The candidate changes after it was checked."""
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        slot = candidate_slots(board)[0]
        damage_at(board, "[DBG ] Update active firmware", slot)
        boot(board, 1)
        idle(board, 1, REVERTED, errors_boot.INSTALL_FAILED)


def damage_at(board, line, slot):
    log = board.log
    done = []

    def log_and_damage(text):
        log(text)
        if text == line and not done:
            done.append(text)
            spoil(slot)

    board.log = log_and_damage


def test_a_copy_that_was_cut_is_finished_by_the_next_start():
    for mode, kind in WORLDS:
        fresh = device(mode, kind)
        offer(fresh, 2)
        before = fresh.power.ops
        boot(fresh, 2)
        ops = fresh.power.ops - before
        for op in range(1, ops + 1):
            board = device(mode, kind)
            offer(board, 2)
            board.power.reset()
            board.power.cut_at(op, "junk")
            dies(board)
            board.power.reset()
            tries = boot(board, 2).tries
            assert tries == 2 or op >= ops - 4, (mode, kind, op)  # after the commit of TRIAL


def dies(board):
    try:
        main.run(board)
    except BaseException as error:
        assert type(error).__name__ == "PowerCut", error
        return
    raise AssertionError("no cut")


def test_what_is_done_counts_on_from_the_marks():
    board = device("swap", "spi")
    offer(board, 2)
    board.power.reset()
    board.power.cut_at(40)
    dies(board)
    board.power.reset()
    state = State(board)
    assert state.phase == FORWARD and state.done + state.journal.marks > 0
    before = list(board.disks["flash"].wear[:3])
    boot(board, 2)
    assert sum(board.disks["flash"].wear[:3]) - sum(before) < 3


# TRIAL


def test_a_try_is_durable_before_the_hand_over():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2, tries=3)
        for left in (2, 1, 0):
            main.run(board)  # and the application resets at once
            assert (State(board).phase, State(board).tries) == (TRIAL, left)
        boot(board, 1)


def test_a_cut_in_a_trial_boot_uses_up_one_try_or_none():
    for mode in ("swap", "overwrite", "direct"):

        def on_trial(mode=mode):
            board = device(mode)
            offer(board, 2, tries=3)
            boot(board, 2)
            return board

        def check(board):
            state = State(board)
            assert (state.phase, state.tries in (1, 2)) == (TRIAL, True)
            assert boot(board, 2).tries == state.tries - 1

        assert every_cut(on_trial, main.run, check) >= 12


def test_the_watchdog_is_the_reason_when_it_bit():
    board = device("swap")
    offer(board, 2, tries=2)
    boot(board, 2)
    board.bitten = True
    assert boot(board, 2).reason == 0  # of a trial before the last
    assert trial.last_result(board) is None
    boot(board, 1)
    idle(board, 1, REVERTED, errors_boot.HUNG)


def test_a_crash_in_any_trial_is_the_reason_and_black_lists():
    board = device("swap")
    offer(board, 2, tries=2)
    boot(board, 2)
    state = State(board)
    state.reason = errors_boot.CRASHED
    state.put()
    boot(board, 2)
    board.bitten = True
    boot(board, 1)
    assert idle(board, 1, REVERTED, errors_boot.CRASHED).is_bad(head_of(2, NEW).digest)


def test_the_watchdog_that_bit_before_the_trial_is_no_reason():
    board = device("swap")
    offer(board, 2, tries=1)
    board.bitten = True  # in the copy, by an earlier start
    assert boot(board, 2).reason == 0
    board.bitten = False
    boot(board, 1)
    idle(board, 1, REVERTED, errors_boot.NOT_CONFIRMED)


def test_a_noted_crash_is_the_reason():
    board = device("overwrite")
    offer(board, 2, tries=1)
    boot(board, 2)
    state = State(board)
    state.reason = errors_boot.CRASHED
    state.put()
    boot(board, 1)
    assert idle(board, 1, REVERTED, errors_boot.CRASHED).is_bad(head_of(2, NEW).digest)


def test_a_confirm_clears_the_reason():
    board = device("overwrite")
    offer(board, 2)
    boot(board, 2)
    board.bitten = True
    boot(board, 2)
    trial.confirm(board)
    idle(board, 2, CONFIRMED)


def test_an_image_damaged_on_trial_goes_back_and_is_not_black_listed():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        spoil(boot_and_slot(board))
        state = boot(board, 1)
        assert not state.is_bad(head_of(2, NEW).digest)
        idle(board, 1, REVERTED, errors.CORRUPT)


def boot_and_slot(board):
    return main.run(board).slot


def test_another_image_in_the_place_of_the_one_on_trial_goes_back():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        put(board, boot_and_slot(board), 3, NEXT)
        boot(board, 1)
        idle(board, 1, REVERTED, errors.CORRUPT)


def test_a_start_that_cannot_read_the_image_on_trial_costs_no_try():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2, tries=3)
        slot = boot_and_slot(board)
        disk = slot.storage.device
        for left in (1, 0):
            disk.bad_blocks = {slot.body_at // disk.erase_size}
            try:
                assert main.run(board) is None
            except OSError:
                pass
            state = State(board)
            assert (state.phase, state.tries) == (TRIAL, left + 1)
            disk.bad_blocks = set()
            assert boot(board, 2).tries == left
        boot(board, 1)
        state = idle(board, 1, REVERTED, errors_boot.NOT_CONFIRMED)
        assert rounds(state, head_of(2, NEW)) == 1


def test_an_image_on_trial_that_stays_unreadable_ends_in_the_old_one():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2, tries=3)
        slot = boot_and_slot(board)
        disk = slot.storage.device
        disk.bad_blocks = {slot.body_at // disk.erase_size}
        for _ in range(2):
            try:
                main.run(board)
            except OSError:
                pass
        disk.bad_blocks = set()
        boot(board, 1)
        state = idle(board, 1, REVERTED, errors.READ_FAILED)
        assert not state.is_bad(head_of(2, NEW).digest)


def test_tries_that_are_used_up_are_a_verdict_also_where_the_image_cannot_be_read():
    for mode, kind in (
        ("direct", "flash"),
        ("direct", "spi"),
        ("overwrite", "sd"),
        ("swap", "spi"),
    ):
        board = device(mode, kind)
        offer(board, 2, tries=1)
        slot = boot_and_slot(board)
        disk = slot.storage.device
        disk.bad_blocks = {slot.body_at // disk.erase_size}
        try:
            main.run(board)
        except OSError:
            pass
        disk.bad_blocks = set()
        boot(board, 1)
        state = idle(board, 1, REVERTED, errors_boot.NOT_CONFIRMED)
        assert rounds(state, head_of(2, NEW)) == 1


# BACK


def test_going_back_may_be_cut_anywhere():
    for mode in ("swap", "overwrite", "direct"):

        def rejected(mode=mode):
            board = device(mode)
            offer(board, 2)
            boot(board, 2)
            trial.reject(board, 50)
            return board

        def check(board):
            boot(board, 1)
            assert idle(board, 1, REVERTED, 50).is_bad(head_of(2, NEW).digest)

        assert every_cut(rejected, main.run, check, ("half", "moody")) >= 10


def test_a_way_back_that_fails_is_tried_again_by_the_next_start():
    for mode, kind in WORLDS:
        if mode == "direct":
            continue
        board = device(mode, kind)
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 50)
        broken(board.disks["flash"], 0, 512)
        for _ in range(2):
            board.lines.clear()
            found = main.run(board)
            # Nothing was erased yet when the first block is the one that fails.
            assert found is None or found.head.version == 2
            assert State(board).phase == BACK
        repaired(board.disks["flash"])
        boot(board, 1)
        idle(board, 1, REVERTED, 50)


def test_an_old_image_that_is_not_whole_is_not_copied_over_the_one_that_is():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 50)
        spoil_old(board)
        found = main.run(board)
        assert found.head == head_of(2, NEW)
        assert "[ERR ] No old firmware to go back to" in board.lines
        idle(board, 2, REVERTED, 50)


def spoil_old(board):
    slots = State(board).candidate_slots(board)
    if board.layout["mode"] == "swap":
        # Block 0 of the old image, body and header, is in the spare block.
        slots[0].storage.device.data[slots[0].header_at + 100] ^= 1
    else:
        spoil(slots[-1])


def test_an_old_header_that_is_not_good_is_no_way_back():
    for kind in ("flash", "spi", "sd"):
        for at in (0, 9, 40, 111):
            board = device("swap", kind)
            offer(board, 2)
            boot(board, 2)
            trial.reject(board, 50)
            slot = candidate_slots(board)[0]
            slot.storage.device.data[slot.header_at + at] ^= 1
            boot(board, 2)
            idle(board, 2, REVERTED, 50)


def test_a_header_of_another_image_is_no_way_back():
    board = device("swap", "sd")
    offer(board, 2)
    boot(board, 2)
    trial.reject(board, 50)
    slot = candidate_slots(board)[0]
    slot.storage.device.load(slot.header_at, header.pack_internal(head_of(3, OLD)))
    boot(board, 2)


# The floor


def test_the_floor_rises_with_confirm_only():
    for mode, kind in WORLDS:
        board = device(mode, kind)
        offer(board, 2)
        for _ in range(2):
            assert boot(board, 2).floor == 1
        trial.confirm(board)
        assert boot(board, 2).floor == 2


def test_a_downgrade_comes_in_down_to_the_floor_and_leaves_it():
    for mode, kind in WORLDS:
        board = device(mode, kind, downgrade=True)
        put(board, active_slot(board), 3, NEXT)
        offer(board, 2)
        boot(board, 2)
        trial.confirm(board)
        assert idle(board, 2, CONFIRMED).floor == 1
        offer(board, 0, OLD, location=1 if mode == "overwrite" else 0)
        boot(board, 2)
        idle(board, 2, REFUSED, errors_boot.BELOW_FLOOR)


# Watchdog, feeding, layout


def test_the_watchdog_is_started_once_where_the_layout_names_a_time():
    for mode, kind in WORLDS:
        board = device(mode, kind, watchdog_ms=8000)
        started = []
        board.watchdog = started.append
        offer(board, 2)
        boot(board, 2)
        assert started == [8000]
        board = device(mode, kind)
        board.watchdog = started.append
        boot(board, 1)
        assert started == [8000]
    board = make("sd")
    board.layout["watchdog_ms"] = 500
    main.run(board)
    assert board.watched == 500


def test_the_watchdog_is_started_before_storage_is_read():
    board = device("swap", watchdog_ms=1000)
    board.pulled.add("flash")
    try:
        main.run(board)
    except OSError:
        assert board.watched == 1000


def test_the_watchdog_is_fed_between_any_two_blocks():
    """Nothing longer than the erase of a block, or one buffer, goes without."""
    for mode, kind in WORLDS:
        board = device(mode, kind)
        ops = []
        feed = board.feed

        def count(board=board, ops=ops, feed=feed):
            ops.append(board.power.ops)
            feed()

        offer(board, 2)
        board.feed = count
        ops.append(board.power.ops)
        main.run(board)
        steps = [after - before for before, after in zip(ops, ops[1:])]
        assert max(steps) < 30, (mode, kind, max(steps))  # of 128 bytes each, or an erase
        trial.reject(board, 1)
        board.fed = 0
        boot(board, 1)
        assert board.fed > 2


def test_no_more_than_a_buffer_is_read_or_written_without_feeding():
    for mode in ("swap", "overwrite", "direct"):
        board = device(mode, "spi", blocks=64)
        long = noise(60 * 512, 4)
        put(board, active_slot(board), 1, long)
        offer(board, 2, long[:-1])
        seen = [0, 0]  # bytes since the last feed, and the most of them
        for disk in board.disks.values():
            watch_bytes(disk, seen)

        def feed(seen=seen):
            seen[0] = 0

        board.feed = feed
        assert main.run(board).head.version == 2
        trial.reject(board, 1)
        assert main.run(board).head.version == 1
        assert seen[1] <= 16384, (mode, seen[1])  # of 30720 bytes: buffers, and the journal


def watch_bytes(disk, seen):
    def watched(function):
        def call(block, buf, *rest):
            seen[0] += len(buf)
            seen[1] = max(seen)
            return function(block, buf, *rest)

        return call

    disk.readblocks, disk.writeblocks = watched(disk.readblocks), watched(disk.writeblocks)


def test_a_state_region_that_is_too_small_is_an_error():
    board = Board(trial_layout("swap"))
    board.layout["state"]["size"] = 3 * 512 - 1
    try:
        main.run(board)
    except Exception as error:
        assert error.code in (errors.TOO_BIG, errors.MISALIGNED, errors_boot.BAD_LAYOUT)
        return
    raise AssertionError("a state region that is too small was taken")


def test_pending_is_left_as_it_is_while_the_layout_cannot_work():
    board = device("swap")
    offer(board, 2)
    board.layout["active"]["start"] += 4
    raises(errors.MISALIGNED, quiet, board, main.run, board)
    assert State(board).phase == PENDING


def test_images_of_every_size_around_blocks_come_in_whole():
    for mode, kind in WORLDS:
        for size in (1, 127, 128, 129, 383, 384, 385, 511, 512, 513, 1000):
            board = device(mode, kind)
            image = noise(size, size)
            head = offer(board, 2, image)
            found = main.run(board)
            assert found.head == head
            assert read(board, found.slot) == (2, image)
    assert bytes(64) == NO_SIGNATURE and IDLE == 0


# Storage that fails for good, and a state that is not settled


def test_a_new_image_that_cannot_be_read_any_more_gives_way_to_the_old_one():
    """The last block of the candidate dies after the first cut of its copy."""
    gone_back = 0
    for mode in ("swap", "overwrite"):
        for op in range(1, 60):
            board = device(mode, "spi")
            offer(board, 2)
            board.power.reset()
            board.power.cut_at(op, "half")
            try:
                main.run(board)
            except PowerCut:
                board.power.reset()
            if State(board).phase != FORWARD:
                continue
            slot = candidate_slots(board)[0]
            board.disks["spi"].bad_blocks = {(slot.body_at + len(NEW) - 1) // 512}
            for _ in range(2):
                found = main.run(board)
            gone_back += found.head.version == 1
            assert State(board).phase in (IDLE, TRIAL)
    assert gone_back > 40


def test_a_block_that_was_never_changed_may_be_broken_when_the_old_image_comes_back():
    board = device("swap", "spi")
    offer(board, 2)
    broken(board.disks["flash"], 0, 512)
    boot(board, 1)
    idle(board, 1, REVERTED, errors_boot.INSTALL_FAILED)


def unsettled(board):
    """The new image is on trial; its confirm is cut right before the seal."""
    offer(board, 2)
    boot(board, 2)
    last = 0
    while True:
        torn = board.power.snapshot()
        board.power.reset()
        board.power.cut_at(last + 1)
        try:
            trial.confirm(board)
        except PowerCut:
            board.power.reset()
            state = State(board)
            if state.phase == IDLE and not state.journal.settled:
                return
        board.power.reset()
        board.power.restore(torn)
        last += 1


def test_a_confirm_that_may_not_last_is_written_again():
    board = device("swap", "spi")
    unsettled(board)
    assert trial.confirm(board) is True
    assert State(board).journal.settled
    assert trial.confirm(board) is False


def test_the_recovery_key_settles_the_state_too():
    board = device("overwrite", "spi")
    unsettled(board)
    give_up(board)
    assert State(board).journal.settled and State(board).phase == IDLE


def test_the_recovery_key_keeps_the_reason_of_a_crash():
    board = device("overwrite", "spi")
    offer(board, 2)
    boot(board, 2)
    state = State(board)
    state.reason = errors_boot.CRASHED
    state.put()
    give_up(board)
    assert (State(board).phase, State(board).reason) == (BACK, errors_boot.CRASHED)


def test_an_unknown_phase_is_idle():
    board = device("swap", "spi")
    state = State(board)
    state.phase = 5
    state.put()
    assert State(board).phase == IDLE
    idle(board, 1)


def test_version_0_is_never_installed():
    for mode, kind in WORLDS:
        board = device(mode, kind, floor=0)
        offer(board, 0, NEW)
        assert boot(board, 1).floor == 0
        idle(board, 1, REFUSED, errors.CORRUPT)
