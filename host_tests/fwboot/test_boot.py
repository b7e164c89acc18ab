"""The boot stage beyond Arm's recorded runs: what fails, what is missing, what is ragged."""

import struct
from binascii import crc32

from fwboot import main
from fwcore import errors, header
from fwcore.slot import Slot
from helpers import raises
from images import head_of, load, packed
from ufota_testkit.noise import noise
from ufota_testkit.simboard import (
    KINDS,
    MAX_SIZE,
    Board,
    active_slot,
    candidate_slots,
    layout,
    make,
    put,
    read,
)
from ufota_testkit.simdisk import FAILING

BOTH = True  # runs on CPython and on MicroPython

OLD = noise(1200, 1)
NEW = noise(2500, 2)
BEST = noise(2600, 3)
INSTALLED = "[DBG ] New active firmware is valid"
UPDATE = "[DBG ] Update active firmware"
SEPARATE = "[DBG ] Erasing header separately from active application"
FAILED = "[DBG ] Firmware update failed"
UP_TO_DATE = "[DBG ] Active firmware up-to-date"


def boot(board, version, image):
    """Run the boot stage; it must start this version, with this image in place."""
    found = main.run(board)
    assert found, board.lines
    assert found.head.version == version, board.lines
    assert board.lines[-2:] == ["booting...", ""]
    assert read(board, active_slot(board)) == (version, image)


def no_boot(board):
    assert main.run(board) is None
    assert board.lines[-1] == "Failed to jump to application!"


def candidates(kind, *versions, locations=2):
    """A board on version 1 with a candidate of each version in turn."""
    board = make(kind, locations)
    for slot, (version, image) in zip(candidate_slots(board), versions):
        load(slot, version, image)
    return board


def untouched(board, function, *args):
    """Call function(*args), which must not write; returns what it returns."""
    before = [disk.snapshot() for disk in board.power.disks]
    ops = board.power.ops
    result = function(*args)
    assert board.power.ops == ops
    assert [disk.snapshot() for disk in board.power.disks] == before
    return result


def test_newest_candidate_is_installed_from_every_medium():
    for kind in KINDS:
        board = candidates(kind, (2, NEW), (3, BEST))
        boot(board, 3, BEST)
        assert board.lines.count(INSTALLED) == 1
        assert SEPARATE not in board.lines
        board.lines.clear()
        untouched(board, boot, board, 3, BEST)
        assert board.lines.count("Update image is older") == 2
        assert UP_TO_DATE in board.lines


def test_sizes_around_program_units_and_erase_blocks():
    for kind in KINDS:
        for size in (1, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 4096, 4097, MAX_SIZE):
            image = noise(size, size)
            board = candidates(kind, (2, image), locations=1)
            slot = candidate_slots(board)[0]
            slot.storage.device.load(slot.body_at + size, b"\x55" * 512)  # of an older image
            boot(board, 2, image)
            padding = -size % 256
            flash = board.disks["flash"].data
            assert flash[0x800 + size : 0x800 + size + padding] == b"\xff" * padding


def test_image_too_large_for_the_active_region_is_refused():
    for kind in KINDS:
        board = candidates(kind, (2, noise(MAX_SIZE + 1)), locations=1)
        untouched(board, boot, board, 1, OLD)
        assert "Update image too large" in board.lines


def test_image_that_cannot_be_erased_for_is_refused_and_the_next_best_tried():
    for third, expected in ((0, (1, OLD)), (2, (2, NEW))):
        board = candidates("sd", (3, noise(4500)), (third, NEW))
        board.layout["active"]["size"] = 4500  # the last erase block is not all its own
        if third:
            boot(board, *expected)
        else:
            untouched(board, boot, board, *expected)
        assert board.lines.count(UPDATE) == (2 if third else 1)
        assert UP_TO_DATE not in board.lines


def test_candidate_that_lies_about_its_size_is_refused():
    for kind in KINDS:
        for size in (len(NEW) - 1, len(NEW) + 1, 0x2000, 1 << 32, (1 << 32) + len(NEW), 2**64 - 1):
            board = candidates(kind)
            slot = candidate_slots(board)[0]
            head = head_of(2, NEW)
            load(slot, 2, NEW)
            lie = header.Header(2, size, head.digest, head.campaign)
            slot.storage.device.load(slot.header_at, packed(slot, lie))
            untouched(board, boot, board, 1, OLD)
            assert "Update image integrity check failed" in board.lines


def test_candidate_that_runs_into_the_next_slot_is_refused():
    board = candidates("sd")
    slot = candidate_slots(board)[0]
    longer = Slot(slot.storage, slot.header_at, slot.body_at, slot.end + 4096, True)
    board.layout["active"]["size"] = 0x3800
    board.layout["regions"] = {}
    image = noise(slot.end - slot.body_at + 1)
    assert len(image) < 0x3800
    load(longer, 2, image)
    untouched(board, boot, board, 1, OLD)


def test_external_header_counts_by_its_mac_alone():
    """As Arm's: magic, format and the payload fields are not looked at (the MAC proves that
    the device wrote them), and neither is the room behind the MAC."""
    board = candidates("sd", (2, NEW))
    slot = candidate_slots(board)[0]
    key = header.device_key(board.rot())
    body = bytearray(packed(slot, head_of(2, NEW))[:232])
    body[:8] = bytes(8)
    body[88:128] = noise(40)
    slot.storage.device.load(slot.header_at, body + header.hmac_sha256(key, body) + b"\x5a" * 32)
    boot(board, 2, NEW)


def test_device_without_root_of_trust_installs_only_from_internal_flash():
    for kind in KINDS:
        board = candidates(kind, (2, NEW), locations=1)
        board.rot = lambda: None
        if kind == "internal":
            assert main.run(board).head.version == 2
        else:
            assert untouched(board, main.run, board).head.version == 1
            assert "No Update image" in board.lines


def test_root_of_trust_that_cannot_be_used_is_none():
    for rot in (lambda: b"", lambda: b"short"):
        board = candidates("sd", (2, NEW), locations=1)
        board.rot = rot
        assert untouched(board, main.run, board).head.version == 1


def test_root_of_trust_that_cannot_be_read_is_no_verdict():
    def unreadable():
        raise OSError(5)

    def start(board):
        try:
            main.run(board)
        except OSError:
            return
        raise AssertionError("started")

    board = candidates("sd", (2, NEW), locations=1)
    board.rot = unreadable
    untouched(board, start, board)
    del board.rot
    boot(board, 2, NEW)


def test_missing_card_is_no_candidate():
    board = candidates("sd", (2, NEW))
    board.pulled.add("sd")
    untouched(board, boot, board, 1, OLD)
    assert board.lines.count("No Update image") == 2
    board.pulled.clear()
    boot(board, 2, NEW)


def test_another_smaller_card_is_no_candidate():
    board = candidates("sd", (2, NEW))
    other = Board(layout("sd"))
    other.disks["sd"].wear = [0] * 16  # it says it has 16 blocks
    board.disks["sd"] = other.disks["sd"]
    untouched(board, boot, board, 1, OLD)
    assert board.lines.count("No Update image") == 2


def test_layout_without_candidates_just_boots():
    board = make()
    del board.layout["candidates"]
    untouched(board, boot, board, 1, OLD)
    assert board.lines == ["", "Mbed Bootloader", UP_TO_DATE, "booting...", ""]


def test_unreadable_header_of_a_candidate_is_no_image():
    board = candidates("sd", (2, NEW))
    disk = board.disks["sd"]
    disk.bad_blocks = {candidate_slots(board)[0].header_at // 512}
    untouched(board, boot, board, 1, OLD)
    assert board.lines.count("No Update image") == 2


def test_unreadable_body_of_a_candidate_is_a_bad_body_and_the_other_is_taken():
    for kind in ("sd", "spi"):
        board = candidates(kind, (3, BEST), (2, NEW))
        disk = board.disks[kind]
        disk.bad_blocks = {(candidate_slots(board)[0].body_at + 2000) // disk.erase_size}
        boot(board, 2, NEW)
        assert "Update image integrity check failed" in board.lines


def parts(active):
    """Addresses in header and image."""
    return active.header_at, active.body_at, active.body_at + 1024


def test_unreadable_active_image_is_an_error_and_nothing_is_erased():
    for others in ((), ((1, NEW),)):
        board = make("sd", 2, signed=True)  # the floor is known
        put(board, active_slot(board), 2, BEST)
        boot(board, 2, BEST)
        for version, image in others:
            put(board, candidate_slots(board)[0], version, image)
        for at in parts(active_slot(board)):
            board.disks["flash"].bad_blocks = {at // 1024}
            try:
                untouched(board, main.run, board)
            except OSError:
                continue
            raise AssertionError("an unreadable active image was judged")
        board.disks["flash"].bad_blocks = set()
        boot(board, 2, BEST)


def test_active_image_that_only_an_erase_makes_readable_is_replaced_by_one_that_is_not_older():
    for version, image in ((2, NEW), (1, OLD)):
        for part in range(3):
            board = candidates("sd", (version, image))
            at = parts(active_slot(board))[part]
            board.disks["flash"].change(at, bytes(256), FAILING, 1)
            boot(board, version, image)
    board = candidates("sd", (1, NEW))  # older than what its header says
    put(board, active_slot(board), 2, BEST)
    board.disks["flash"].change(active_slot(board).body_at, bytes(256), FAILING, 1)
    try:
        untouched(board, main.run, board)
    except OSError:
        return
    raise AssertionError("an older image replaced one that could not be read")


def test_missing_flash_is_an_error():
    board = candidates("sd", (2, NEW))
    board.pulled.add("flash")
    try:
        untouched(board, main.run, board)
    except OSError:
        return
    raise AssertionError("booted without flash")


def test_layout_that_cannot_work_is_refused_before_anything_is_touched():
    board = candidates("sd", (2, NEW))
    board.layout["active"]["start"] += 4
    raises(errors.MISALIGNED, untouched, board, main.run, board)


def test_flash_that_fails_once_is_tried_again():
    ops = install_operations()
    for op in range(1, ops + 1):
        board = candidates("sd", (2, NEW), locations=1)
        board.power.reset()
        board.power.fail_at(op)
        boot(board, 2, NEW)
        assert board.lines.count(UPDATE) == 2, op
        assert board.lines.count(FAILED) == 1, op


def install_operations():
    board = candidates("sd", (2, NEW), locations=1)
    board.power.reset()
    boot(board, 2, NEW)
    return board.power.ops


def test_tries_end_after_copy_retries_and_the_next_boot_tries_again():
    for retries in (1, 2, 5):
        board = candidates("sd", (2, NEW), locations=1)
        board.layout["copy_retries"] = retries
        broken(board)
        no_boot(board)
        assert board.lines.count(UPDATE) == board.lines.count(FAILED) == retries
        repaired(board)
        boot(board, 2, NEW)


def test_three_tries_when_the_layout_does_not_say():
    board = candidates("sd", (2, NEW), locations=1)
    del board.layout["copy_retries"]
    broken(board)
    no_boot(board)
    assert board.lines.count(UPDATE) == 3


def broken(board):
    """Every program of the flash fails from here on."""
    board.disks["flash"].writeblocks = lambda *_: -5


def repaired(board):
    del board.disks["flash"].writeblocks


def test_flash_that_does_not_keep_what_was_written_is_noticed():
    for unit in range(1 + 10):  # of the header, then of the image
        board = candidates("sd", (2, NEW), locations=1)
        forgets(board.disks["flash"], 0x400 if not unit else 0x800 + 256 * (unit - 1))
        no_boot(board)
        assert board.lines.count(FAILED) == 3
        assert ("[DBG ] Verify application" in board.lines) == bool(unit)
        repaired(board)
        boot(board, 2, NEW)


def forgets(disk, at):
    """From here on the disk flips a bit of whatever is written over address `at`."""
    write = disk.writeblocks

    def weak(block, buf, offset):
        start = block * disk.erase_size + offset
        buf = bytearray(buf)
        if start <= at < start + len(buf):
            buf[at - start] ^= 1
        return write(block, buf, offset)

    disk.writeblocks = weak


def test_next_best_is_tried_when_the_best_cannot_be_copied():
    """The card becomes unreadable between the digest of the best and its copy."""
    for order in (((3, BEST), (2, NEW)), ((2, NEW), (3, BEST))):
        board = candidates("sd", *order)
        best = candidate_slots(board)[order.index((3, BEST))]
        breaks_at(board, "[DBG ] Copy application", (best.body_at + 600) // 512)
        boot(board, 2, NEW)
        assert board.lines.count(UPDATE) == 4
        assert board.lines.count(FAILED) == 3


def breaks_at(board, line, block):
    """The card's block can be read until the boot stage says this line."""
    log = board.log

    def log_and_break(text):
        log(text)
        if text == line:
            board.disks["sd"].bad_blocks = {block}

    board.log = log_and_break


def test_corrupt_active_image_is_replaced_by_any_good_candidate():
    for at in (0, 1, 100, 108, 0x400, 0x400 + 1199):
        board = candidates("spi", (1, NEW), locations=1)
        board.disks["flash"].data[0x400 + at] ^= 0x10
        boot(board, 1, NEW)
        assert board.lines[2] == "[DBG ] Active firmware integrity check failed"


def test_corrupt_active_image_without_candidate_does_not_boot_and_is_not_touched():
    board = make()
    board.disks["flash"].data[0x900] ^= 1
    untouched(board, no_boot, board)
    assert "[ERR ] Active firmware invalid" in board.lines


def test_active_header_needs_magic_and_format():
    for at in (0, 7):
        board = candidates("sd", (1, NEW), locations=1)
        head = bytearray(header.pack_internal(head_of(1, OLD)))
        head[at] ^= 1
        head[108:] = struct.pack(">I", crc32(head[:108]))
        board.disks["flash"].load(0x400, head)
        boot(board, 1, NEW)


def test_verdicts_on_the_others_are_said_once():
    board = candidates("sd", (3, BEST), (2, NEW), locations=3)
    broken(board)
    no_boot(board)
    assert board.lines.count(UPDATE) == 6  # both candidates, three times each
    assert board.lines.count("No Update image") == 1
    assert board.lines.count("Update image is older") == 1


def test_active_size_is_bounded_by_its_region():
    board = make()
    for size in (MAX_SIZE + 1, 1 << 32, (1 << 32) + len(OLD), 2**64 - 1):
        head = header.Header(1, size, head_of(1, OLD).digest, header.NO_CAMPAIGN)
        board.disks["flash"].load(0x400, header.pack_internal(head))
        board.lines.clear()
        untouched(board, no_boot, board)


def test_separate_header_is_erased_on_its_own():
    for kind in ("sd", "spi"):
        for header_at, start in ((0x400, 0xC00), (0x2000, 0x800)):
            map = layout(kind)
            map["active"]["header"] = header_at
            map["active"]["start"] = start
            map["regions"]["between"] = {"device": "flash", "start": 0x2400, "size": 0x400}
            board = Board(map)
            board.disks["flash"].load(0x2400, b"user")
            load(active_slot(board), 1, OLD)
            load(candidate_slots(board)[0], 2, NEW)
            boot(board, 2, NEW)
            assert SEPARATE in board.lines
            assert board.disks["flash"].wear.count(1) == 4
            assert board.disks["flash"].data[0x2400:0x2404] == b"user"


def test_header_that_shares_an_erase_block_with_its_image():
    map = layout()
    map["active"]["start"] = 0x500
    map["active"]["size"] = 0x1700
    board = Board(map)
    load(active_slot(board), 1, OLD)
    load(candidate_slots(board)[0], 2, NEW)
    boot(board, 2, NEW)
    assert board.disks["flash"].wear.count(1) == 3
    assert SEPARATE not in board.lines


def test_install_touches_nothing_but_the_active_region():
    for kind in KINDS:
        board = candidates(kind, (2, noise(MAX_SIZE)), locations=1)
        flash = board.disks["flash"]
        flash.load(0, noise(0x400, 8))
        flash.load(0x1C00, noise(0x400, 9))  # behind the active region
        before = bytes(flash.data)
        stored = bytes(board.disks[board.layout["candidates"]["device"]].data[0x2000:])
        main.run(board)
        assert flash.data[:0x400] == before[:0x400]
        assert flash.data[0x1C00:] == before[0x1C00:]
        assert board.disks[board.layout["candidates"]["device"]].data[0x2000:] == stored


def test_watchdog_is_fed_at_least_once_a_buffer():
    board = candidates("spi", (2, noise(MAX_SIZE)), locations=1)
    main.run(board)
    # old digest 1, candidate digest 2, erase 6 blocks, copy 2, digest 2
    assert board.fed == 13


def test_watchdog_is_fed_after_every_block_of_an_erase():
    for header_at, start in (
        (0x400, 0x800),
        (0x400, 0xC00),  # the header is erased on its own, before the image
        (0x2000, 0x800),  # and so it is behind the image
    ):
        map = layout("spi")
        map["active"].update({"header": header_at, "start": start})
        board = Board(map)
        load(active_slot(board), 1, OLD)
        load(candidate_slots(board)[0], 2, noise(MAX_SIZE))
        fed = []
        erase = board.disks["flash"].ioctl

        def note(request, block, board=board, fed=fed, erase=erase):
            if request == 6:
                fed.append(board.fed)
            return erase(request, block)

        board.disks["flash"].ioctl = note
        main.run(board)
        assert len(fed) == 6
        assert fed == list(range(fed[0], fed[0] + 6)), (header_at, start)
        assert board.fed == 13


def test_units_of_storage_and_flash_may_differ():
    for program, erase in ((8, 1024), (512, 1024), (1024, 1024), (2048, 2048), (2048, 4096)):
        map = layout("spi")
        map["devices"]["flash"] = {"size": 0x8000, "erase": erase, "program": program}
        map["active"].update({"header": 0x1000, "start": 0x2000, "size": 0x2000})
        map["regions"] = {}
        board = Board(map)
        load(active_slot(board), 1, OLD)
        load(candidate_slots(board)[0], 2, NEW)
        boot(board, 2, NEW)
