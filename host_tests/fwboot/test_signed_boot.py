"""With `signed` in the layout nothing is copied or started that the maker did not sign.

A client that was taken over has the device's root of trust, its card and its state, but not
the maker's key.
"""

from hashlib import sha256

from fwboot import main
from fwboot.mode_swap import SwapMode
from fwcore import errors, errors_boot, header
from fwcore.errors import FwError
from fwcore.p256 import PublicKey
from fwcore.regions import bare_size, read_signature
from fwcore.state import (
    BACK,
    CONFIRMED,
    FORWARD,
    IDLE,
    NO_SIGNATURE,
    PENDING,
    REFUSED,
    REVERTED,
    TRIAL,
    State,
)
from fwcore.statement import digest_of
from helpers import vectors
from trial_kit import (
    NEW,
    OLD,
    WORLDS,
    boot,
    device,
    head_of,
    idle,
    no_boot,
    offer,
    quiet,
    spoil,
)
from ufota import trial
from ufota_testkit.simboard import (
    ToyKey,
    active_slot,
    candidate_slots,
    make,
    put,
    read,
)
from ufota_testkit.simdisk import PowerCut, every_cut

BOTH = True  # runs on CPython and on MicroPython

RECORDED = "[DBG ] Signature recorded"
VERIFIED = "[DBG ] Signature verified"
UNCHECKED = "[WARN] Signature not checked, no key yet"
FAILED = "[ERR ] Signature check failed"


def signed_device(mode, kind, **more):
    return device(mode, kind, signed=True, **more)


def of(head, by=b"maker", **other):
    """A signature by somebody, of this image or of one that differs in some fields."""

    class Ids:
        vendor_id = other.get("vendor", b"vendor-of-tests!")
        class_id = other.get("class_id", b"class--of--tests")

    about = other.get("version", head.version), other.get("size", head.size), head.digest
    return ToyKey(by).sign(digest_of(Ids, other.get("component", "MAIN"), about))


def forgeries(head):
    """Signatures that are not the maker's for this image on this device."""
    yield NO_SIGNATURE
    yield b"\xff" * 64
    yield of(head, b"rogue")
    yield ToyKey().sign(head.digest)  # of the digest alone
    yield of(head, vendor=b"another--vendor!")
    yield of(head, class_id=b"another----class")
    yield of(head, component="RADIO")
    yield of(head, component="RECOVERY")
    yield of(head, version=head.version - 1)
    yield of(head, size=head.size + 1)


def rewrite(board, image, version=9):
    """Somebody without the key writes an image straight to the active slot."""
    return put(board, State(board).active_slot(board)[0], version, image, NO_SIGNATURE)


def test_an_active_image_is_verified_once_and_recorded():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        key = board.key()
        boot(board, 1)
        assert key.asked == 1 and VERIFIED in board.lines
        idle(board, 1)
        assert key.asked == 1 and board.lines.count(RECORDED) == 2


def test_what_the_maker_signed_comes_in_and_is_verified_once():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        head = offer(board, 2)
        state = boot(board, 2)
        assert state.phase == TRIAL
        assert state.signature == of(head) and state.old_signature == of(head_of(1, OLD))
        assert board.key().asked == 2  # the old image, and the new one
        trial.confirm(board)
        idle(board, 2, CONFIRMED)
        assert board.key().asked == 2
        slot, _ = State(board).active_slot(board)
        assert read_signature(slot, memoryview(bytearray(512))) == of(head)


def test_what_the_maker_did_not_sign_is_refused_before_any_copy():
    for mode, kind in WORLDS:
        for signature in forgeries(head_of(2, NEW)):
            board = signed_device(mode, kind)
            boot(board, 1)
            offer(board, 2, signature=signature)
            before = outside_state(board)
            boot(board, 1)
            assert outside_state(board) == before
            idle(board, 1, REFUSED, errors.BAD_SIGNATURE)


def outside_state(board):
    """All bytes of all disks but those of the state."""
    region = board.layout["state"]
    found = []
    for name in sorted(board.disks):
        data = bytes(board.disks[name].data)
        if name == region["device"]:
            data = data[: region["start"]] + data[region["start"] + region["size"] :]
        found.append(data)
    return found


def test_a_signature_of_the_digest_alone_counts_where_the_layout_says_so():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind, arm_signature=True)
        boot(board, 1)
        head = head_of(2, NEW)
        offer(board, 2, signature=ToyKey().sign(head.digest))
        boot(board, 2)


def test_an_image_that_goes_back_needs_no_signature_again():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 300)
        board.lines.clear()
        state = boot(board, 1)
        assert (state.phase, state.result) == (IDLE, REVERTED)
        assert board.key().asked == 2 and RECORDED in board.lines


def test_without_any_record_the_signature_decides():
    """A state that was lost, or was never there: one verification, never a dead device."""
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        region = board.layout["state"]
        board.disks[region["device"]].load(region["start"], b"\xff" * region["size"])
        boot(board, 1)
        assert board.key().asked == 2
        idle(board, 1)
        board.disks[region["device"]].load(region["start"], b"\xff" * region["size"])
        rewrite(board, OLD, 2)  # nobody signed this version
        quiet(board, no_boot, board)
        assert FAILED in board.lines


def test_an_image_written_over_the_active_one_does_not_start():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        rewrite(board, NEW)
        quiet(board, no_boot, board)
        assert FAILED in board.lines
        put(board, active_slot(board), 1, OLD)
        boot(board, 1)


def test_the_version_is_part_of_what_was_recorded():
    """A header that says a newer version, in front of an image that is known."""
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        put(board, active_slot(board), 5, OLD, of(head_of(1, OLD)))
        quiet(board, no_boot, board)


def test_a_candidate_comes_to_the_rescue_only_when_it_is_signed():
    for mode, kind in WORLDS:
        if mode == "direct":
            continue
        board = signed_device(mode, kind)
        boot(board, 1)
        head = put(board, candidate_slots(board)[0], 2, NEW, of(head_of(2, NEW), b"rogue"))
        spoil(active_slot(board))
        quiet(board, no_boot, board)
        put(board, candidate_slots(board)[0], 2, NEW)
        state = boot(board, 2)
        assert (state.phase, state.signature) == (TRIAL, of(head))


def test_an_unsigned_image_in_the_other_slot_is_not_taken_unasked():
    board = signed_device("direct", "spi")
    boot(board, 1)
    put(board, candidate_slots(board)[0], 2, NEW)
    idle(board, 1)
    offer(board, 2)
    boot(board, 2)


def test_an_update_a_rogue_says_is_under_way_does_not_go_on():
    for mode, kind in WORLDS:
        for signature in (NO_SIGNATURE, of(head_of(2, NEW), b"rogue"), of(head_of(1, OLD))):
            board = signed_device(mode, kind)
            boot(board, 1)
            offer(board, 2, signature=signature)
            state = State(board)
            state.phase, state.old, state.signature = FORWARD, head_of(1, OLD), signature
            state.put()
            before = bytes(active_slot(board).storage.device.data[: 3 * 512])
            boot(board, 1)
            assert active_slot(board).storage.device.data[: 3 * 512] == before
            state = idle(board, 1, REVERTED, errors.BAD_SIGNATURE)
            assert not state.is_bad(head_of(2, NEW).digest)  # it may come with its own


def test_an_installation_that_was_cut_goes_on_by_its_record():
    for mode, kind in WORLDS:
        if mode == "direct":
            continue
        board = signed_device(mode, kind)
        boot(board, 1)
        offer(board, 2)
        board.power.reset()
        board.power.cut_at(28, "half")
        try:
            main.run(board)
        except BaseException as error:
            assert type(error).__name__ == "PowerCut"
        board.power.reset()
        assert State(board).phase == FORWARD, (mode, kind)
        boot(board, 2)
        assert board.key().asked == 2, (mode, kind)


def test_a_rejected_image_starts_as_a_last_resort_only_by_its_record():
    board = signed_device("swap", "spi")
    boot(board, 1)
    state = State(board)
    state.blacklist(head_of(1, OLD))
    state.put()
    quiet(board, boot, board, 1)
    state = State(board)
    state.verified = bytes(64)
    state.put()
    quiet(board, no_boot, board)


def test_the_log_says_why_an_image_does_not_start():
    for why in "is below the floor", "was rejected":
        board = signed_device("swap", "spi")
        state = State(board)
        if why == "was rejected":
            state.blacklist(head_of(1, OLD))
        else:
            state.floor = 2
        state.put()
        no_boot(board)
        assert board.lines.count("[ERR ] Active firmware " + why) == 1
        assert "[ERR ] Active firmware invalid" in board.lines


def test_an_old_image_that_nobody_signed_is_not_tried_again_and_again():
    board = signed_device("direct", "flash")
    boot(board, 1)
    slot = State(board).candidate_slots(board)[0]
    state = State(board)
    state.old, state.kept = put(board, slot, 3, NEW, NO_SIGNATURE), 1
    state.put()
    spoil(active_slot(board))
    for _ in range(3):
        quiet(board, no_boot, board)


def test_an_image_that_was_written_over_the_active_one_is_no_image_to_go_back_to():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        rewrite(board, OLD, 1)  # whole, but another signature
        state = State(board)
        state.verified = bytes(64)
        state.put()
        offer(board, 2)
        boot(board, 2)
        trial.reject(board, 300)
        found = main.run(board)  # the rejected one, which is known, is better than none
        assert found.head.version == 2, (mode, kind)
        assert "[ERR ] No old firmware to go back to" in board.lines


def test_the_old_image_that_is_kept_keeps_its_signature():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        boot(board, 1)
        offer(board, 2)
        boot(board, 2)
        if mode == "overwrite":
            kept = State(board).candidate_slots(board)[State(board).kept]
            assert read_signature(kept, memoryview(bytearray(512))) == of(head_of(1, OLD))
        trial.reject(board, 300)
        boot(board, 1)
        slot, _ = State(board).active_slot(board)
        assert read_signature(slot, memoryview(bytearray(512))) == of(head_of(1, OLD))


def test_a_signature_that_is_misread_once_condemns_no_image():
    """By one bit, at any of its reads, also where each start verifies."""
    for asked in True, "start":
        for mode, kind in WORLDS:
            for nth in range(1, 6):
                board = device(mode, kind, signed=asked)
                boot(board, 1)
                head = offer(board, 2)
                misread(board, nth)
                main.run(board)
                repaired(board)
                state = State(board)
                assert not state.is_bad(head.digest), (asked, mode, kind, nth)
                if state.phase == TRIAL:
                    slot, _ = state.active_slot(board)
                    assert read_signature(slot, memoryview(bytearray(512))) == of(head)


def misread(board, nth):
    """Of the signature of the candidate a bit is wrong, at one of its reads."""
    slot = State(board).candidate_slots(board)[0]
    disk, wrong = slot.storage.device, slot.header_at + bare_size(slot) + 3
    read, count = disk.readblocks, [0]

    def readblocks(block, buf, offset=None):
        code = read(block, buf, *(() if offset is None else (offset,)))
        first = block * 512 + (offset or 0)
        if first <= wrong < first + len(buf):
            count[0] += 1
            if count[0] == nth:
                buf[wrong - first] ^= 1
        return code

    disk.readblocks = readblocks


def repaired(board):
    for disk in board.disks.values():
        if "readblocks" in disk.__dict__:
            del disk.readblocks


def test_header_and_signature_of_the_active_image_come_from_the_state_on_the_way_back_too():
    """Whatever the chip says by then: it may have said something else when it was checked."""
    board = signed_device("swap", "spi")
    boot(board, 1)
    offer(board, 2)
    boot(board, 2)
    kept = State(board).candidate_slots(board)[0]
    other = header.pack_internal(head_of(9, OLD)) + of(head_of(9, OLD), b"rogue")
    kept.storage.device.load(kept.header_at, other)
    state = State(board)
    state.put()
    SwapMode(board, state, memoryview(bytearray(4096))).back()
    slot = active_slot(board)
    buf = memoryview(bytearray(512))
    assert slot.read_header(buf, None)[:3] == head_of(1, OLD)[:3]
    assert read_signature(slot, buf) == of(head_of(1, OLD))


# Keys that are not there, or cannot be read


def bad_key():
    raise FwError(errors.BAD_KEY)


def unreadable():
    raise OSError(5)


def no_heap():
    raise MemoryError


def no_verifier():
    raise ImportError("no module named 'fwcore.p256'")


def half_a_frozen_key():
    raise AttributeError("CLASS_ID")


def test_without_a_usable_key_no_candidate_is_taken_and_the_recorded_image_runs():
    for key, code in (
        (bad_key, errors.BAD_KEY),
        (no_verifier, errors_boot.NO_VERIFIER),
        (half_a_frozen_key, errors_boot.NO_VERIFIER),
    ):
        for mode, kind in WORLDS:
            board = signed_device(mode, kind)
            boot(board, 1)
            board.key = key
            offer(board, 2)
            boot(board, 1)
            idle(board, 1, REFUSED, code)
        board = simple(kind="spi")
        board.key = key
        ops = board.power.ops
        assert main.run(board) is None  # nothing records what was verified
        assert board.power.ops == ops


def test_a_key_that_cannot_be_read_is_no_verdict():
    for key in unreadable, no_heap:
        for mode, kind in WORLDS:
            board = signed_device(mode, kind)
            boot(board, 1)
            offer(board, 2)
            board.key = key
            for _ in range(3):
                quiet(board, boot, board, 1)
            del board.key
            assert boot(board, 2).phase == TRIAL


def test_a_key_that_cannot_be_read_condemns_no_image_that_is_half_installed():
    for key in unreadable, no_heap:
        for mode, kind in WORLDS:
            if mode == "direct":
                continue
            board = signed_device(mode, kind, floor=0)
            offer(board, 2)
            board.power.reset()
            board.power.cut_at(28, "half")
            try:
                main.run(board)
            except BaseException as error:
                assert type(error).__name__ == "PowerCut"
            board.power.reset()
            state = State(board)
            state.verified = bytes(64)  # as if a record of before could not help
            state.put()
            board.key = key
            for _ in range(3):
                quiet(board, fails, board)
            del board.key
            assert boot(board, 2).phase == TRIAL


def fails(board):
    """A start that ends without an image."""
    try:
        assert main.run(board) is None
    except (OSError, MemoryError):
        pass


def test_before_provisioning_the_active_image_starts_by_its_digest():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        board._key = False
        put(board, active_slot(board), 1, OLD, NO_SIGNATURE)
        quiet(board, boot, board, 1)
        assert UNCHECKED in board.lines
        offer(board, 2, signature=of(head_of(2, NEW)))
        boot(board, 1)
        idle(board, 1, REFUSED, errors_boot.NO_KEY)
        spoil(active_slot(board))
        quiet(board, no_boot, board)


def test_a_record_counts_only_for_a_device_that_has_a_root_of_trust():
    board = signed_device("direct", "flash")
    board._rot = None
    state = State(board)
    state.remember(digest_of(board, "MAIN", head_of(9, NEW)))
    state.put()
    rewrite(board, NEW)
    quiet(board, no_boot, board)


def test_verified_at_every_start_where_the_layout_says_start():
    for mode, kind in WORLDS:
        board = device(mode, kind, signed="start")
        for n in range(3):
            quiet(board, boot, board, 1)
            assert board.key().asked == n + 1
        offer(board, 2)
        state = boot(board, 2)
        assert state.phase == TRIAL
        trial.confirm(board)
        idle(board, 2, CONFIRMED)
        state = State(board)
        state.remember(digest_of(board, "MAIN", head_of(9, NEW)))
        state.put()
        rewrite(board, NEW)
        found = main.run(board)
        assert FAILED in board.lines  # a record does not count
        assert not found or found.head.version != 9


def test_a_signature_that_cannot_be_read_is_no_crash():
    board = signed_device("swap", "spi")
    boot(board, 1)
    offer(board, 2)
    slot = candidate_slots(board)[0]
    board.disks["spi"].bad_blocks = {slot.header_at // 512}
    assert boot(board, 1).phase == PENDING
    board.disks["spi"].bad_blocks = set()
    boot(board, 2)


def test_layouts_that_ask_for_no_signature_ask_for_no_key():
    board = device("swap", "spi", signed=False)
    offer(board, 2)
    boot(board, 2)
    assert board._key is None
    assert not [line for line in board.lines if "ignature" in line]


def test_a_signature_lies_behind_each_kind_of_header():
    for mode, kind in WORLDS:
        board = signed_device(mode, kind)
        for slot in [active_slot(board)] + candidate_slots(board):
            head = put(board, slot, 7, NEW)
            at = slot.header_at + bare_size(slot)
            assert bytes(slot.storage.device.data[at : at + 64]) == of(head)
            assert slot.header_at + slot.header_size() <= slot.body_at


# Simple installation


def simple(signature=None, kind="spi", version=2):
    board = make(kind, 2, ToyKey(), signed=True)
    put(board, candidate_slots(board)[0], version, NEW, signature)
    return board


def test_simple_installation_asks_for_the_signature_too():
    for kind in ("spi", "sd", "internal"):
        board = simple(kind=kind)
        assert main.run(board).head.version == 2
        assert read(board, active_slot(board)) == (2, NEW)
        assert main.run(board).head.version == 2 and VERIFIED in board.lines
        ops = board.power.ops
        assert main.run(board).head.version == 2
        assert board.power.ops == ops
        found = read_signature(active_slot(board), memoryview(bytearray(512)))
        assert found == of(head_of(2, NEW))
        for signature in forgeries(head_of(2, NEW)):
            board = simple(signature, kind)
            main.run(board)
            ops = board.power.ops
            assert main.run(board).head.version == 1
            assert board.power.ops == ops
            assert "Update image signature check failed" in board.lines


def test_simple_installation_verifies_at_every_start():
    board = simple(NO_SIGNATURE)
    for _ in range(3):
        assert main.run(board).head.version == 1
    assert board.lines.count(VERIFIED) == 3
    put(board, active_slot(board), 9, NEW, NO_SIGNATURE)
    assert main.run(board) is None
    assert FAILED in board.lines


def test_a_cut_anywhere_in_a_signed_installation_is_repaired():
    """In the erase, header and signature, image, and the floor; then in the repair."""
    for kind in ("spi", "sd", "internal"):

        def check(board):
            board.power.cycle()
            torn = board.power.snapshot()
            for cut in range(1, 40, 5):
                board.power.restore(torn)
                board.power.reset()
                board.power.cut_at(cut, "junk")
                try:
                    main.run(board)
                except PowerCut:
                    board.power.cycle()
                board.power.reset()
                for _ in range(2):
                    assert main.run(board).head.version == 2

        def two_starts(board):
            main.run(board)
            main.run(board)

        assert every_cut(lambda kind=kind: simple(kind=kind), two_starts, check) > 40


def test_simple_installation_does_not_start_what_is_older_than_what_has_run():
    board = simple()
    for _ in range(2):
        assert main.run(board).head.version == 2
    candidate_slots(board)[0].storage.device.load(0, b"\xff" * 4096)
    put(board, active_slot(board), 1, OLD)  # signed, but written back
    assert main.run(board) is None


def test_simple_installation_before_provisioning_takes_no_candidate():
    board = simple(kind="sd")
    board._key = False
    ops = board.power.ops
    assert main.run(board).head.version == 1
    assert board.power.ops == ops and UNCHECKED in board.lines


def test_simple_installation_waits_for_a_key_that_cannot_be_read():
    for key in unreadable, no_heap:
        board = simple()
        board.key = key
        ops = board.power.ops
        try:
            assert main.run(board) is None
        except (OSError, MemoryError):
            pass
        assert board.power.ops == ops
        del board.key
        assert main.run(board).head.version == 2


def test_a_floor_that_cannot_be_written_keeps_no_image_from_its_start():
    board = simple()

    class Broken:
        def get(self, name, default=None):
            return default

        def put(self, name, value):
            raise OSError(5)

    board.store = Broken
    assert main.run(board).head.version == 2
    assert main.run(board).head.version == 2


def test_a_signature_is_not_looked_at_where_the_body_is_bad():
    board = simple(NO_SIGNATURE)
    spoil(candidate_slots(board)[0])
    assert main.run(board).head.version == 1
    assert "Update image integrity check failed" in board.lines
    assert board.key().asked == 1  # the active image's


def test_simple_installation_takes_the_best_that_is_signed():
    board = simple()
    put(board, candidate_slots(board)[1], 3, OLD, NO_SIGNATURE)
    assert main.run(board).head.version == 2


# Recovery

RECOVERY = {
    "devices": {"rec": {"size": 2048, "erase": 512, "program": 128}},
    "recovery": {"device": "rec", "header": 0, "start": 256, "size": 1024, "format": "lfs2"},
}


def with_recovery(version=1, signature=None, component="RECOVERY", **more):
    """(Board, its recovery Slot)"""
    from fwcore.regions import fixed_slot
    from ufota_testkit.simboard import Board, trial_layout

    layout = trial_layout("swap", "spi", signed=True, **more)
    layout["devices"]["rec"] = RECOVERY["devices"]["rec"]
    layout["recovery"] = RECOVERY["recovery"]
    board = Board(layout)
    put(board, active_slot(board), 1, OLD)
    slot = fixed_slot(layout, layout["recovery"], board.disks["rec"])
    put(board, slot, version, NEW, signature, component)
    return board, slot


def started(board):
    image = main.run(board)
    return image and (image.device, image.head.version)


def test_a_recovery_image_is_verified_at_each_use():
    board, _ = with_recovery()
    board.pressed = True
    for n in range(3):
        assert started(board) == ("rec", 1)
        assert board.key().asked == n + 1


def test_a_recovery_image_that_is_not_signed_as_one_does_not_start():
    head = head_of(5, NEW)
    for signature in list(forgeries(head))[:7] + [of(head)]:
        board, _ = with_recovery(5, signature)
        board.pressed = True
        assert started(board) == ("flash", 1)
        board.pressed = False
        spoil(active_slot(board))
        assert started(board) is None


def test_a_recovery_image_has_a_floor_of_its_own():
    board, slot = with_recovery(5)
    board.pressed = True
    assert started(board) == ("rec", 5)
    put(board, slot, 4, OLD, None, "RECOVERY")
    assert started(board) == ("flash", 1)
    put(board, slot, 6, OLD, None, "RECOVERY")
    assert started(board) == ("rec", 6)


def test_a_recovery_image_waits_for_its_key():
    for key in unreadable, no_heap:
        board, _ = with_recovery()
        spoil(active_slot(board))
        board.key = key
        quiet(board, fails, board)
        del board.key
        assert started(board) == ("rec", 1)


def test_a_recovery_image_that_no_key_can_verify_just_now_leaves_the_other_one_its_start():
    for key in unreadable, no_heap:
        board, _ = with_recovery()
        boot(board, 1)
        board.pressed = True
        board.key = key
        assert started(board) == ("flash", 1)


def test_a_recovery_image_starts_where_the_heap_was_too_small_for_the_active_one():
    board, _ = with_recovery()
    key, calls = board.key(), []

    def short():
        calls.append(1)
        if len(calls) < 3:
            raise MemoryError
        return key

    board.key = short
    assert started(board) == ("rec", 1)


# The real curve


def test_a_real_signature_is_verified_over_the_statement():
    made = vectors("statements.json")
    key = PublicKey(bytes.fromhex(made["key"]))
    image = bytes.fromhex(made["image"])
    for mode, kind in (("swap", "spi"), ("overwrite", "sd"), ("direct", "flash")):
        for case in made["cases"]:
            board = signed_device(mode, kind)
            boot(board, 1)
            board.key = lambda: key
            offer(board, case["version"], image, signature=bytes.fromhex(case["signature"]))
            found = main.run(board)
            good = case["good"]
            assert found.head.version == (case["version"] if good else 1), case["name"]
            assert State(board).phase == (TRIAL if good else IDLE), case["name"]


def test_the_active_image_of_a_state_without_records_is_looked_at_in_each_phase():
    """A rogue names its image as what runs, what comes and what was: with the right MAC."""
    for mode, kind in WORLDS:
        for phase in IDLE, FORWARD, TRIAL, BACK:
            board = signed_device(mode, kind)
            boot(board, 1)
            rogue = rewrite(board, NEW)
            state = State(board)
            state.phase, state.tries, state.new, state.old = phase, 3, rogue, rogue
            state.put()
            for _ in range(3):
                try:
                    image = main.run(board)
                except FwError:
                    image = None
                if image:
                    assert sha256(read(board, image.slot)[1]).digest() != rogue.digest
