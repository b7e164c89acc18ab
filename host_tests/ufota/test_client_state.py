"""The update client where the layout has a state region: what it refuses, writes and leaves."""

from fwboot import main
from fwcore import errors, errors_boot, errors_net, header, manifest
from fwcore import state as states
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.regions import bare_size, read_signature
from fwcore.state import State
from helpers import raises
from ufota import client
from ufota.trial import confirm, last_result, reject
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.simboard import MODES, candidate_slots, put
from ufota_testkit.simdisk import FAILING, every_cut
from update_kit import (
    MANIFEST_URL,
    OLD,
    FakeSource,
    Key,
    bundle,
    delivery,
    payload,
    signed,
    trial_setup,
    update,
)

BOTH = True  # runs on CPython and on MicroPython

V2 = version_word("2.0.0")
V3 = version_word("3.0.0")
NEW = V2, payload("small")
LATER = V3, payload("later")
PLACES = [(mode, kind) for mode in MODES for kind in ("flash", "spi", "sd")]
SMALL = {MANIFEST_URL: bundle("small")}


def setup(mode, kind="spi", name="small", **options):
    return trial_setup({MANIFEST_URL: bundle(name)}, mode, kind, **options)


def set_state(board, **fields):
    state = State(board)
    for name in fields:
        setattr(state, name, fields[name])
    state.put()
    board.power.reset()


def refused(code, made):
    """Refused with nothing written; nothing but the manifest was asked for."""
    board, source, machine = made
    before = board.power.snapshot()
    board.power.reset()
    del source.opened[:]
    error = raises(code, update, made)
    assert machine.state == client.FAILED and machine.error is error and not source.is_open
    assert board.power.ops == 0 and board.power.snapshot() == before
    assert source.opened == [MANIFEST_URL]


def download(board, name="small", **options):
    machine = client.Client(board, FakeSource({MANIFEST_URL: bundle(name)}), **options)
    machine.start(MANIFEST_URL)
    assert machine.run()
    return machine


def boot(board):
    """The (version, image) that the next boot starts."""
    image = main.run(board)
    assert image, board.lines[-5:]
    found = simboard.read(board, image.slot)
    assert found[0] == image.head.version
    return found


def candidates(board):
    return State(board).candidate_slots(board)


def held(board):
    """(version, image) in each slot that an update may be written to now."""
    return [simboard.read(board, slot) for slot in candidates(board)]


def head_of(image):
    return header.Header(image[0], len(image[1]), simboard.sha256(image[1]).digest(), bytes(16))


# What a good update leaves


def test_update_ends_pending_on_every_storage_in_every_mode():
    for mode, kind in PLACES:
        for pages in (SMALL, delivery("small")):
            made = trial_setup(pages, mode, kind)
            board = made[0]
            done = 3 if mode == "swap" else 0
            set_state(board, result=states.REVERTED, reason=80, floor=1, done=done)
            assert update(made)
            state = State(board)
            assert state.phase == states.PENDING and state.new == head_of(NEW)
            assert state.tries == states.TRIALS == 3 and state.location == 0
            assert (state.result, state.reason) == (states.NONE, 0)
            assert state.signature == bytes(64) and state.floor == 1
            assert held(board)[0] == NEW
            assert simboard.read(board, simboard.active_slot(board)) == OLD


def test_layout_says_how_many_trials_and_a_permanent_update_has_none():
    for mode in MODES:
        made = setup(mode, trials=7)
        assert update(made) and State(made[0]).tries == 7
        made = setup(mode, trials=7, permanent=True)
        assert update(made) and State(made[0]).tries == 0
        assert State(made[0]).phase == states.PENDING


def test_swapped_image_has_its_inner_header_in_front():
    for kind in ("flash", "spi", "sd"):
        made = setup("swap", kind)
        assert update(made)
        slot = candidates(made[0])[0]
        data = slot.storage.device.data
        assert data[slot.inner_at : slot.inner_at + 112] == header.pack_internal(head_of(NEW))


# What is refused, before anything is written


def test_no_update_comes_in_while_another_is_not_finished():
    for mode in MODES:
        for phase in (states.FORWARD, states.TRIAL, states.BACK):
            made = setup(mode)
            set_state(made[0], phase=phase, tries=1)
            refused(errors_boot.ON_TRIAL, made)
        for phase in (states.IDLE, states.PENDING):
            made = setup(mode)
            set_state(made[0], phase=phase)
            assert update(made)


def test_black_listed_image_is_refused_whatever_its_version_or_manifest():
    for mode in MODES:
        for name in ("image_unsigned", "small"):
            made = setup(mode, name=name)
            state = State(made[0])
            state.blacklist(head_of(NEW))
            for i in range(3):
                state.blacklist(header.Header(V2, 1, bytes([i + 1]) * 32, b""))
            state.put()
            refused(errors_boot.BLACK_LISTED, made)
            made[1]._pages[MANIFEST_URL] = bundle("later")
            assert update(made)


def test_version_below_the_floor_is_refused_and_the_floor_itself_is_not():
    for mode in MODES:
        for downgrade in (False, True):
            made = setup(mode, downgrade=downgrade)
            set_state(made[0], floor=V2 + 1)
            refused(errors_boot.BELOW_FLOOR, made)
            set_state(made[0], floor=V2)
            assert update(made)


def test_version_must_be_newer_unless_the_layout_allows_downgrades():
    for mode in MODES:
        for version, plain, downgrade in (
            (V2 - 1, 0, 0),
            (V2, errors.NOT_NEWER, 0),
            (V2 + 1, errors.NOT_NEWER, 0),
        ):
            for allowed, code in ((False, plain), (True, downgrade)):
                made = setup(mode, downgrade=allowed)
                put(made[0], simboard.active_slot(made[0]), version, OLD[1])
                if code:
                    refused(code, made)
                else:
                    assert update(made)


def test_image_that_runs_already_is_refused_even_as_another_version():
    for mode in MODES:
        for version in (V2, V2 + 1):
            made = setup(mode, downgrade=True)
            put(made[0], simboard.active_slot(made[0]), version, NEW[1])
            refused(errors.NOT_NEWER, made)


def test_device_without_an_active_image_takes_any_version_from_the_floor_up():
    for mode in MODES:
        for downgrade in (False, True):
            made = setup(mode, downgrade=downgrade)
            simboard.active_slot(made[0]).storage.device.load(0, bytes(512))
            assert update(made)
            made = setup(mode, downgrade=downgrade)
            simboard.active_slot(made[0]).storage.device.load(0, bytes(512))
            set_state(made[0], floor=V2 + 1)
            refused(errors_boot.BELOW_FLOOR, made)


def test_checks_come_in_order():
    other = bytes(16)
    for code, name, fields in (
        (errors.BAD_SIGNATURE, "stranger", {"vendor_id": other}),
        (errors.WRONG_VENDOR, "small", {"vendor_id": other, "class_id": other}),
        (errors.WRONG_CLASS, "other_component", {"class_id": other}),
        (errors_net.WRONG_COMPONENT, "other_component", {}),
        (errors_boot.ON_TRIAL, "two", {"phase": states.TRIAL}),
        (
            errors_boot.BLACK_LISTED,
            "two",
            {"bad": head_of((0, payload("two"))).digest + bytes(96)},
        ),
        (errors_boot.BELOW_FLOOR, "two", {"floor": V3}),
        (errors.NOT_NEWER, "two", {"floor": V2}),
        (errors.TOO_BIG, "two", {"floor": V2, "newer": True}),
        (errors.TOO_BIG, "empty", {"newer": True}),
    ):
        made = setup("swap", name=name)
        board = made[0]
        board.vendor_id = fields.pop("vendor_id", board.vendor_id)
        board.class_id = fields.pop("class_id", board.class_id)
        if not fields.pop("newer", False):
            put(board, simboard.active_slot(board), V3, OLD[1])
        if fields:
            set_state(board, **dict({"floor": V3}, **fields))
        refused(code, made)


def test_component_is_the_one_the_layout_is_for():
    for component, name, code in (
        ("MODEM", "other_component", errors.TOO_BIG),  # it came as far as its size
        ("MODEM", "small", errors_net.WRONG_COMPONENT),
        ("MAIN", "small", 0),
    ):
        made = setup("swap", name=name, component=component)
        if code:
            refused(code, made)
        else:
            assert update(made)


def test_image_must_fit_where_it_is_written_and_where_it_will_run():
    for mode, active, candidates in (
        ("swap", 1408, 2048),  # spare, header and gap in front
        ("overwrite", 1408, 2 * 1536),
        ("direct", 0, 1536),
    ):
        for less_active, less_candidates in ((0, 0), (512, 0), (0, 512), (0, 1024)):
            made = setup(mode, name="later")
            layout = made[0].layout
            layout["active"]["size"] = max(active - less_active, 0)
            layout["candidates"]["size"] = candidates - less_candidates
            if mode == "direct":
                less_active = 0
            if less_active or less_candidates:
                refused(errors.TOO_BIG, made)
            else:
                assert update(made), mode


# Where it goes


def running_in(board, index):
    put(board, candidate_slots(board)[index], *OLD)


def test_slot_with_the_image_that_runs_is_spared_in_overwrite_mode():
    for kind in ("flash", "spi", "sd"):
        for index in (0, 1):
            board = setup("overwrite", kind)[0]
            running_in(board, index)
            put(board, candidate_slots(board)[1 - index], V2 - 1, noise(300, 9))
            download(board)
            assert State(board).location == 1 - index
            assert held(board)[index] == OLD and held(board)[1 - index] == NEW
            assert boot(board) == NEW
            # The boot stage had nothing to copy before it could begin.
            assert "[DBG ] Keeping the active firmware" not in board.lines


def test_one_slot_is_enough_to_spare():
    board = setup("overwrite")[0]
    running_in(board, 0)
    running_in(board, 1)
    download(board)
    assert held(board) == [OLD, NEW]


def test_the_only_slot_is_written_even_when_it_holds_the_image_that_runs():
    for mode, kind in PLACES:
        if mode != "overwrite":
            board = setup(mode, kind)[0]
            running_in(board, 0)
            download(board)
            assert boot(board) == NEW


def test_nothing_is_spared_where_no_image_runs():
    board = setup("overwrite")[0]
    running_in(board, 0)
    put(board, candidate_slots(board)[1], 2, OLD[1])
    simboard.active_slot(board).storage.device.load(0, bytes(512))
    download(board)
    assert held(board)[0] == NEW


def test_another_image_of_the_same_version_or_another_header_is_not_spared():
    for image in ((OLD[0], noise(600, 2)), (OLD[0] + 1, OLD[1]), (OLD[0], OLD[1][:-1])):
        board = setup("overwrite")[0]
        put(board, candidate_slots(board)[0], *image)
        put(board, candidate_slots(board)[1], V2 - 1, noise(300, 9))
        download(board)
        assert held(board)[0] == NEW


def test_with_more_slots_the_empty_one_is_taken_and_then_the_oldest():
    for versions, index in (
        ((OLD[0], 0, 0), 1),
        ((OLD[0], 9, 0), 2),
        ((9, OLD[0], 8), 2),
        ((7, OLD[0], 8), 0),
        ((9, 8, OLD[0]), 1),
    ):
        board = setup("overwrite", blocks=4)[0]
        board.layout["candidates"]["locations"] = 3
        slots = candidate_slots(board)
        assert len(slots) == 3
        for slot, version in zip(slots, versions):
            if version:
                put(board, slot, version, OLD[1] if version == OLD[0] else noise(300, version))
        download(board)
        assert State(board).location == index, versions
        assert held(board)[versions.index(OLD[0])] == OLD


def test_slot_that_cannot_be_read_is_neither_spared_nor_written():
    for bad in (0, 1):
        made = setup("overwrite")
        board = made[0]
        slots = candidate_slots(board)
        running_in(board, bad)
        board.disks["spi"].bad_blocks.add(slots[bad].header_at // 512)
        assert update(made)
        assert State(board).location == 1 - bad
        board.disks["spi"].bad_blocks.clear()
        running_in(board, 1 - bad)  # now the readable one is spared, and this is all there is
        board.disks["spi"].change(slots[bad].header_at, bytes(512), FAILING, 1)
        set_state(board, phase=states.IDLE)
        assert update(made)
        assert State(board).location == bad


def test_direct_mode_writes_the_slot_that_does_not_run():
    for kind in ("flash", "spi"):
        board = setup("direct", kind)[0]
        download(board)
        assert boot(board) == NEW and confirm(board)
        assert State(board).active == 1
        download(board, "later")
        assert simboard.read(board, simboard.active_slot(board)) == LATER
        assert boot(board) == LATER and State(board).active == 0


def test_direct_mode_judges_by_the_slot_that_runs():
    made = setup("direct")
    board = made[0]
    put(board, candidate_slots(board)[0], V2, noise(600, 3))
    set_state(board, active=1)
    refused(errors.NOT_NEWER, made)
    set_state(board, active=0)
    assert update(made)


# The signature of the image


def behind_header(slot):
    at = slot.header_at + bare_size(slot)
    return bytes(slot.storage.device.data[at : at + 64])


def test_signature_travels_behind_the_header_where_the_layout_is_signed():
    signature = bytes(manifest.read(signed("small"), Key().verify).image_signature)
    assert len(signature) == 64
    for mode in MODES:
        for program in (64, 128):
            devices = simboard.trial_layout(mode)["devices"]
            devices["spi"]["program"] = program
            for asked in (True, "start"):
                made = setup(mode, name="small", devices=devices, signed=asked)
                assert update(made)
                slot = candidates(made[0])[0]
                assert State(made[0]).signature == bytes(64)  # the boot stage puts it there
                found = read_signature(slot, memoryview(bytearray(512)))
                assert found == behind_header(slot) == signature
                assert boot(made[0]) == NEW
                if asked is True:
                    assert "[DBG ] Signature recorded" in made[0].lines
                else:
                    assert "[DBG ] Signature verified" in made[0].lines


def test_nothing_is_behind_the_header_where_nobody_asks():
    for mode in MODES:
        for name in ("image_unsigned", "small"):
            made = setup(mode, name=name)
            assert update(made)
            slot = candidates(made[0])[0]
            assert State(made[0]).signature == bytes(64)
            assert read_signature(slot, memoryview(bytearray(512))) == b""
            assert mode == "direct" or behind_header(slot) == b"\xff" * 64
            assert boot(made[0]) == NEW


def test_header_and_signature_are_one_write():
    for mode, size in (("swap", 384), ("overwrite", 384), ("direct", 256)):
        made = setup(mode, name="small", signed=True)
        board, _source, machine = made
        machine.start(MANIFEST_URL)
        while machine.state != client.COMMIT:
            machine.step()
        writes = []
        disk = board.disks["spi"]
        write = disk.writeblocks
        disk.writeblocks = lambda *args, w=writes, f=write: (w.append(len(args[1])), f(*args))[1]
        assert machine.run()
        assert writes[-1] == size and len(writes) == (2 if mode == "swap" else 1)


def test_signed_layout_takes_only_what_the_boot_stage_will_take():
    for mode in MODES:
        for name, arm, code in (
            ("image_unsigned", False, errors.BAD_SIGNATURE),
            ("image_forged", False, errors.BAD_SIGNATURE),
            ("image_renamed", False, errors.BAD_SIGNATURE),
            ("image_arm", False, errors.BAD_SIGNATURE),
            ("small", False, 0),
            ("image_arm", True, 0),
            ("small", True, 0),
            ("image_renamed", True, errors.BAD_SIGNATURE),
        ):
            made = setup(mode, name=name, signed=True, arm_signature=arm)
            if code:
                refused(code, made)
            else:
                assert update(made)
                assert boot(made[0]) == NEW


def test_forged_image_signature_is_the_boot_stages_business_where_nobody_asked():
    made = setup("swap", name="image_forged")
    assert update(made) and boot(made[0]) == NEW


# An update that waits


def test_what_is_pending_is_whole_at_every_moment():
    """So the download that overwrites an update that waits takes it back first."""
    for mode, kind in PLACES:
        cases, phases = cut_over_one_that_waits(mode, kind)
        assert cases >= 40 and phases == {states.IDLE, states.PENDING}, (mode, kind, cases)


def cut_over_one_that_waits(mode, kind):
    """(number of cuts, phases that they leave)"""
    phases = set()

    def waiting():
        board = setup(mode, kind)[0]
        if mode == "overwrite":
            running_in(board, 1)
        download(board)
        return board

    def check(board):
        state = State(board)
        phases.add(state.phase)
        if state.phase == states.PENDING:
            version, image = held(board)[state.location]
            assert head_of((version, image)) == state.new

    return every_cut(waiting, lambda board: download(board, "later"), check), phases


def test_update_that_waits_in_another_slot_stays_until_the_new_one_is_whole():
    board = setup("overwrite", blocks=4)[0]
    board.layout["candidates"]["locations"] = 3
    running_in(board, 1)
    download(board)
    assert State(board).location == 0
    machine = client.Client(board, FakeSource({MANIFEST_URL: bundle("later")}))
    machine.start(MANIFEST_URL)
    while machine.state != client.COMMIT:
        machine.step()
        state = State(board)
        assert (state.phase, state.location, state.new) == (states.PENDING, 0, head_of(NEW))
    assert machine.run()
    state = State(board)
    assert (state.phase, state.location, state.new) == (states.PENDING, 2, head_of(LATER))
    assert boot(board) == LATER


def test_confirm_during_a_download_is_not_lost():
    board, _source, machine = setup("swap", name="later")
    machine.start(MANIFEST_URL)
    while machine.state != client.VERIFY:
        machine.step()
    assert confirm(board)
    assert machine.run()
    state = State(board)
    assert state.floor == OLD[0] and state.phase == states.PENDING


# Storage that fails


def test_state_that_cannot_be_read_ends_the_update():
    made = setup("overwrite", state={"device": "sd", "start": 0, "size": 3 * 2048})
    board = made[0]
    board.layout["devices"]["sd"]["size"] = 3 * 2048
    board.disks["sd"] = simboard.Disk(3 * 2048, 512, 512, True, board.power, "sd")
    board.pulled.add("sd")
    raises(errors.READ_FAILED, update, made)
    assert board.power.ops == 0 and made[1].opened == []
    board.pulled.clear()
    made[2].start(MANIFEST_URL)
    while made[2].state != client.COMMIT:
        made[2].step()
    board.pulled.add("sd")
    raises(errors.WRITE_FAILED, made[2].run)
    board.pulled.clear()
    assert simboard.read(board, simboard.active_slot(board)) == OLD
    assert update(made) and boot(board) == NEW


def test_every_storage_error_ends_the_update_and_the_next_one_works():
    for mode, kind in PLACES:
        count = 0
        while True:
            made = setup(mode, kind)
            board = made[0]
            set_state(board, phase=states.PENDING)
            board.power.fail_at(count + 1)
            try:
                update(made)
                break
            except FwError as error:
                assert error.code == errors.WRITE_FAILED, (mode, kind, count, error.code)
            count += 1
            assert simboard.read(board, simboard.active_slot(board)) == OLD
            assert update(made)
            assert boot(board) == NEW
        assert count >= 10, (mode, kind, count)


# Whole lives


def test_update_is_tried_confirmed_and_stays():
    for mode, kind in PLACES:
        board = setup(mode, kind)[0]
        download(board)
        assert last_result(board) is None
        assert boot(board) == NEW and State(board).phase == states.TRIAL
        assert last_result(board) is None
        assert confirm(board) and not confirm(board)
        for _ in range(5):
            assert boot(board) == NEW
        result = last_result(board)
        assert (result.result, result.reason, result.version) == (states.CONFIRMED, 0, V2)
        assert State(board).floor == V2
        download(board, "later")
        assert boot(board) == LATER and confirm(board) and boot(board) == LATER


def test_update_that_is_not_confirmed_comes_back_and_rests():
    for mode, kind in PLACES:
        made = setup(mode, kind, trials=2)
        board = made[0]
        assert update(made)
        assert [boot(board) for _ in range(4)] == [NEW, NEW, OLD, OLD]
        result = last_result(board)
        assert result == (states.REVERTED, errors_boot.NOT_CONFIRMED, V2, head_of(NEW).digest)
        raises(errors_net.RESTING, update, made)
        download(board, "later")
        assert boot(board) == LATER and confirm(board)


def test_update_that_is_rejected_comes_back_with_the_reason():
    for mode in MODES:
        made = setup(mode)
        board = made[0]
        assert update(made) and boot(board) == NEW
        reject(board, 4711)
        assert boot(board) == OLD
        assert last_result(board)[:3] == (states.REVERTED, 4711, V2)
        refused(errors_boot.BLACK_LISTED, made)


def test_permanent_update_needs_no_confirm():
    for mode, kind in PLACES:
        made = setup(mode, kind, permanent=True)
        board = made[0]
        assert update(made)
        for _ in range(5):
            assert boot(board) == NEW
        assert last_result(board)[:2] == (states.CONFIRMED, 0)
        assert State(board).floor == 0


def test_downgrade_goes_back_as_far_as_the_floor():
    for mode in MODES:
        made = setup(mode, downgrade=True)
        board = made[0]
        download(board, "later")
        assert boot(board) == LATER and confirm(board)
        assert State(board).floor == 0
        assert update(made) and boot(board) == NEW and confirm(board, V2)
        download(board, "later")
        assert boot(board) == LATER and confirm(board, V2 + 1)
        refused(errors_boot.BELOW_FLOOR, made)


def test_header_without_pending_leaves_a_device_that_runs_old_or_new():
    for mode, kind in PLACES:
        made = setup(mode, kind)
        board, _source, machine = made
        machine.start(MANIFEST_URL)
        while machine.state != client.COMMIT:
            machine.step()
        fail_behind_header(board, machine.update.slot)
        raises(errors.WRITE_FAILED, machine.run)
        assert held(board)[0] == NEW and State(board).phase == states.IDLE
        found = boot(board)
        assert found == OLD  # the header alone says nothing
        assert update(made) and boot(board) == NEW and confirm(board)


def fail_behind_header(board, slot):
    """The first operation after the slot's header was written goes wrong."""
    write_header = slot.write_header

    def write_and_fail(packed, at=None):
        write_header(packed, at)
        if at is None:  # not the header that moves with the image
            board.power.fail_at(board.power.ops + 1)

    slot.write_header = write_and_fail


# What the server is told


def test_server_is_told_of_a_rejected_image_and_of_nothing_else():
    digest = "".join("%02x" % byte for byte in head_of(NEW).digest[:8])
    for result, phase, line in (
        (states.NONE, states.IDLE, b""),
        (states.CONFIRMED, states.IDLE, b""),
        (states.REVERTED, states.IDLE, "Ufota-Result: reverted 4711 2.0.0 %s\r\n" % digest),
        (states.REFUSED, states.IDLE, "Ufota-Result: refused 4711 2.0.0 %s\r\n" % digest),
        (states.NONE, states.PENDING, b""),
    ):
        board, source, machine = setup("swap")
        new = head_of(NEW)
        bad = new.digest + bytes(96)  # as an older release noted it
        set_state(board, phase=phase, result=result, reason=4711, new=new, bad=bad)
        machine.start(MANIFEST_URL)
        assert source.lines == [line.encode() if line else b""] and not source.header
    new = header.Header(1700000000, *head_of(NEW)[1:])
    set_state(board, phase=states.IDLE, result=states.REVERTED, reason=80, new=new)
    machine.start(MANIFEST_URL)
    told = b"Ufota-Result: reverted 80 1700000000 %s\r\n" % digest.encode()
    assert source.lines[-1] == told
    source.header = b"X-Mine: 1\r\n"
    machine.start(MANIFEST_URL)
    assert source.lines[-1] == b"X-Mine: 1\r\n" + told and source.header == b"X-Mine: 1\r\n"
