"""The simulated disk keeps its own contract, or no power-cut test proves a thing."""

from ufota_testkit.noise import noise
from ufota_testkit.simdisk import (
    ALL,
    FAILING,
    TEARS,
    Disk,
    Power,
    PowerCut,
    Violation,
    every_cut,
)

BOTH = True  # runs on CPython and on MicroPython

ERASE = 1024
PROGRAM = 256
NEW = bytes(range(256))


def nor(**options):
    return Disk(4 * ERASE, ERASE, PROGRAM, **options)


def card(**options):
    return Disk(8 * 512, 512, 512, overwrite=True, **options)


def violates(function, *args):
    try:
        function(*args)
    except Violation:
        return
    raise AssertionError("the disk let it pass")


def cut(function, *args):
    try:
        function(*args)
    except PowerCut:
        return
    raise AssertionError("power stayed on")


def read(disk, start, size):
    buf = bytearray(size)
    block, offset = divmod(start, disk.erase_size)
    assert disk.readblocks(block, buf, offset) == 0
    return bytes(buf)


def test_new_disk_is_blank_and_tells_its_shape():
    disk = nor()
    assert read(disk, 0, 4 * ERASE) == b"\xff" * 4 * ERASE
    assert disk.ioctl(4, 0) == 4
    assert disk.ioctl(5, 0) == ERASE
    assert disk.ioctl(3, 0) == 0


def test_offset_write_programs_units_and_erases_nothing():
    disk = nor()
    assert disk.writeblocks(1, NEW * 2, 256) == 0
    assert read(disk, ERASE, ERASE) == b"\xff" * 256 + NEW * 2 + b"\xff" * 256
    assert disk.power.ops == 2
    assert disk.wear == [0, 0, 0, 0]


def test_block_write_erases_first():
    disk = nor()
    disk.load(0, bytes(2 * ERASE))
    assert disk.writeblocks(0, NEW * 8) == 0
    assert read(disk, 0, 2 * ERASE) == NEW * 8
    assert disk.power.ops == 2 + 8
    assert disk.wear == [1, 1, 0, 0]


def test_second_program_of_a_unit_is_a_violation_until_erased():
    disk = nor()
    disk.writeblocks(1, NEW, 0)
    violates(disk.writeblocks, 1, NEW, 0)
    violates(disk.writeblocks, 1, bytes(256), 0)
    disk.writeblocks(1, NEW, 256)
    assert disk.ioctl(6, 1) == 0
    assert read(disk, ERASE, ERASE) == b"\xff" * ERASE
    disk.writeblocks(1, NEW, 0)
    assert disk.wear == [0, 1, 0, 0]


def test_program_of_blank_bytes_uses_the_unit_up():
    disk = nor()
    disk.writeblocks(0, b"\xff" * 256, 0)
    violates(disk.writeblocks, 0, NEW, 0)


def test_a_write_of_no_whole_unit_is_a_violation():
    disk = nor()
    violates(disk.writeblocks, 0, NEW[:255], 0)
    violates(disk.writeblocks, 0, NEW, 1)
    violates(disk.writeblocks, 0, NEW)


def test_an_address_off_the_device_is_a_violation():
    disk = nor()
    violates(disk.readblocks, 3, bytearray(ERASE), 1)
    violates(disk.readblocks, -1, bytearray(4), 0)
    violates(disk.readblocks, 1, bytearray(4), -4)
    violates(disk.writeblocks, 4, NEW, 0)
    violates(disk.ioctl, 6, 4)
    assert disk.power.ops == 0


def test_card_overwrites_whole_blocks_and_ignores_erase():
    disk = card()
    disk.writeblocks(1, NEW * 4)
    disk.writeblocks(2, bytes(512))
    assert disk.data[512:1536] == NEW * 2 + bytes(512)
    assert disk.power.ops == 3
    assert disk.wear == [0, 1, 2, 0, 0, 0, 0, 0]
    assert disk.ioctl(6, 1) == 0
    assert disk.power.ops == 3
    violates(disk.writeblocks, 0, bytes(512), 0)
    violates(disk.readblocks, 0, bytearray(512), 0)
    violates(disk.readblocks, 0, bytearray(256))


def test_cut_program_tears_one_unit_and_leaves_its_neighbours():
    left = {"nothing": b"\xff" * 256, "half": NEW[:128] + b"\xff" * 128}
    for tear in TEARS:
        disk = nor()
        disk.cut_at(2, tear)
        cut(disk.writeblocks, 0, NEW * 3, 0)
        disk.power.on()
        assert read(disk, 0, 256) == NEW
        assert read(disk, 256, 256) == left.get(tear, noise(256, 2))
        assert read(disk, 512, 512) == b"\xff" * 512


def test_bits_and_whole_are_between_old_and_new_and_all_of_new():
    for card_ in False, True:
        disk = card() if card_ else nor()
        size = disk.program_size
        old, new = b"\xff" * size, NEW * (size // 256)
        disk.cut_at(1, "bits")
        cut(disk.writeblocks, 0, new, None if card_ else 0)
        disk.power.on()
        found = read(disk, 0, size) if not card_ else bytes(disk.data[:size])
        assert found not in (old, new)
        assert all([found[i] & new[i] == new[i] for i in range(size)])  # only clears, from FF
        disk.power.reset()
        disk.cut_at(1, "whole")
        cut(disk.writeblocks, 1, new, None if card_ else 0)
        start = disk.erase_size
        assert disk.data[start : start + size] == new


def test_a_moody_unit_keeps_its_face_until_the_power_goes_when_told_to():
    disk = nor()
    disk.cut_at(1, "moody")
    cut(disk.writeblocks, 0, NEW, 0)
    disk.power.on()
    disk.power.mood = 0b10
    assert read(disk, 0, 256) == read(disk, 0, 256) == b"\xff" * 256
    disk.power.cycle()
    assert read(disk, 0, 256) == read(disk, 0, 256) == NEW
    disk.power.cycle()
    assert read(disk, 0, 256) == b"\xff" * 256


def test_a_replayed_cut_leaves_what_a_real_one_leaves():
    def act(disk):
        disk.ioctl(6, 0)
        disk.writeblocks(0, NEW * 2, 0)

    for tear in ALL + (FAILING,):
        for op in 1, 2, 3:
            disk = nor()
            disk.load(0, bytes(ERASE))
            before = disk.power.snapshot()
            disk.power.trace = []
            act(disk)
            trace, disk.power.trace = disk.power.trace, None
            disk.power.restore(before)
            for operation in trace[: op - 1]:
                disk.power.replay(operation)
            disk.power.replay(trace[op - 1], tear)
            replayed = _medium(disk)
            disk.power.restore(before)
            disk.power.reset()
            disk.cut_at(op, tear)
            cut(act, disk)
            assert _medium(disk) == replayed, (tear, op)


def _medium(disk):
    data, used, _, moody, _ = disk.snapshot()  # a replay wears nothing
    return data, used, moody


def test_cut_erase_tears_one_block():
    left = {"nothing": NEW * 4, "half": b"\xff" * 512 + NEW * 2}
    for tear in TEARS:
        disk = nor()
        disk.load(0, NEW * 16)
        disk.cut_at(1, tear)
        cut(disk.ioctl, 6, 1)
        disk.power.on()
        assert read(disk, ERASE, ERASE) == left.get(tear, noise(ERASE, 1))
        assert read(disk, 0, ERASE) == read(disk, 2 * ERASE, ERASE) == NEW * 4


def test_cut_card_write_leaves_old_new_or_garbage_in_one_block():
    left = {"nothing": bytes(512), "half": NEW + bytes(256)}
    for tear in TEARS:
        disk = card()
        disk.load(0, bytes(8 * 512))
        disk.cut_at(2, tear)
        cut(disk.writeblocks, 0, NEW * 6)
        disk.power.on()
        assert disk.data[:512] == NEW * 2
        assert disk.data[512:1024] == left.get(tear, noise(512, 2))
        assert disk.data[1024:1536] == bytes(512)


def test_torn_unit_must_be_erased_before_it_is_programmed():
    for tear in ("half", "junk"):
        disk = nor()
        disk.cut_at(1, tear)
        cut(disk.writeblocks, 0, NEW, 0)
        disk.power.on()
        violates(disk.writeblocks, 0, NEW, 0)
        disk.cut_at(2, tear)
        cut(disk.ioctl, 6, 0)
        disk.power.on()
        violates(disk.writeblocks, 0, NEW, 3 * PROGRAM)
        disk.ioctl(6, 0)
        assert disk.writeblocks(0, NEW, 0) == 0


def test_unit_the_cut_never_reached_stays_usable():
    disk = nor()
    disk.cut_at(1, "nothing")
    cut(disk.writeblocks, 0, NEW, 0)
    disk.power.on()
    assert disk.writeblocks(0, NEW, 0) == 0


def test_dark_device_answers_nothing_until_power_is_back():
    power = Power()
    flash, sd = nor(power=power), card(power=power)
    flash.cut_at(1)
    cut(flash.ioctl, 6, 0)
    cut(sd.readblocks, 0, bytearray(512))
    cut(sd.writeblocks, 0, bytes(512))
    cut(flash.ioctl, 3, 0)
    assert power.ops == 1
    power.on()
    assert sd.readblocks(0, bytearray(512)) == 0


def test_disks_of_one_power_share_the_count():
    power = Power()
    flash, sd = nor(power=power), card(power=power, name="sd")
    flash.writeblocks(0, NEW, 0)
    power.cut_at(3, "junk")
    sd.writeblocks(0, bytes(512))
    cut(sd.writeblocks, 1, bytes(512))
    assert power.last == "program sd 0x200"


def test_failed_operation_reports_eio_once_and_changes_nothing():
    disk = nor()
    disk.fail_at(2)
    assert disk.writeblocks(0, NEW * 3, 0) == -5
    assert read(disk, 0, ERASE) == NEW + b"\xff" * 768
    disk.fail_at(3)
    assert disk.ioctl(6, 0) == -5
    assert disk.wear[0] == 0
    assert disk.writeblocks(0, NEW * 2, 256) == 0


def test_planned_calls_fail_once_and_reads_are_calls():
    disk = nor()
    for call in 1, 3, 5:
        disk.power.fail_call(call)
    assert disk.readblocks(0, bytearray(4), 0) == -5
    assert disk.readblocks(0, bytearray(4), 0) == 0
    assert disk.writeblocks(0, NEW * 3, 0) == -5  # its first unit
    assert disk.writeblocks(0, NEW * 3, 0) == -5  # its second
    assert disk.data[: 2 * PROGRAM] == NEW + b"\xff" * PROGRAM
    assert disk.ioctl(6, 0) == 0
    power = disk.power
    assert (power.calls, power.failed, power.ops) == (6, 3, 2), power.calls
    power.aside(disk.readblocks, 0, bytearray(4), 0)
    power.fail_call(7)
    assert power.aside(disk.readblocks, 0, bytearray(4), 0) == 0  # and does not count
    assert disk.ioctl(6, 0) == -5
    assert disk.wear[0] == 1


def test_a_dead_disk_is_back_at_the_next_start_or_call():
    power = Power()
    flash, sd = nor(power=power), card(power=power)
    for back, fails in (None, (0, 1, 1, 1)), (4, (0, 1, 1, 0)):
        power.reset()
        power.die_at(2, None, back)
        for fail in fails:
            assert (flash.ioctl(6, 0) == -5) == fail
            assert (flash.ioctl(4, 0), flash.ioctl(5, 0)) == (4, ERASE)
        assert sd.readblocks(0, bytearray(512)) == 0
        power.cycle()
        assert flash.writeblocks(0, NEW, 0) == 0
    power.reset()
    power.die_at(1, sd)
    assert flash.readblocks(0, bytearray(4), 0) == 0
    assert sd.writeblocks(0, bytes(512)) == -5


def test_a_unit_torn_so_that_it_fails_fails_until_it_is_erased():
    disk = nor()
    disk.cut_at(2, "failing")
    cut(disk.writeblocks, 0, NEW * 3, 0)
    disk.power.on()
    torn = disk.snapshot()
    for _ in range(2):
        assert disk.readblocks(0, bytearray(PROGRAM), 0) == 0
        assert disk.readblocks(0, bytearray(PROGRAM), PROGRAM) == -5
        violates(disk.writeblocks, 0, NEW, PROGRAM)
        disk.ioctl(6, 0)
        assert read(disk, 0, ERASE) == b"\xff" * ERASE
        disk.restore(torn)
    disk.power.reset()
    disk.cut_at(1, "failing")
    cut(disk.ioctl, 6, 1)
    disk.power.on()
    assert disk.readblocks(1, bytearray(PROGRAM), ERASE - PROGRAM) == -5
    block = card()
    block.cut_at(1, "failing")
    cut(block.writeblocks, 0, bytes(512))
    block.power.on()
    assert block.readblocks(0, bytearray(512)) == -5
    assert block.writeblocks(0, bytes(512)) == block.readblocks(0, bytearray(512)) == 0


def test_a_torn_unit_is_known_until_it_is_erased():
    disk = nor()
    at, end = ERASE + PROGRAM, ERASE + 2 * PROGRAM
    disk.make_moody(at, bytes(PROGRAM), NEW[:PROGRAM])
    assert disk.is_torn(at, PROGRAM) and disk.is_torn(0, at + 1) and disk.is_torn(end - 1, 1)
    assert not disk.is_torn(0, at) and not disk.is_torn(end, 4 * ERASE - end)
    disk.ioctl(6, 1)
    assert not disk.is_torn(0, 4 * ERASE)


def test_drifting_cells_read_new_for_some_starts_then_old_or_the_reverse():
    for new_first in True, False:
        disk = nor()
        disk.cut_at(1, "moody")
        cut(disk.writeblocks, 0, NEW, 0)
        disk.power.on()
        disk.power.drift(2, new_first)
        found = []
        for _ in range(40):
            disk.power.cycle()
            found.append(read(disk, 0, PROGRAM) == NEW)
        assert found == [new_first] * 2 + [not new_first] * 38


def test_bad_block_fails_every_read_that_touches_it():
    disk = nor()
    disk.bad_blocks.add(1)
    assert disk.readblocks(0, bytearray(ERASE)) == 0
    assert disk.readblocks(0, bytearray(ERASE), 256) == -5
    assert disk.readblocks(1, bytearray(4), ERASE - 4) == -5
    assert disk.readblocks(2, bytearray(4), 0) == 0


def test_load_knows_blank_units_from_used_ones():
    disk = nor()
    disk.load(100, NEW)
    violates(disk.writeblocks, 0, NEW, 0)
    violates(disk.writeblocks, 0, NEW, 256)
    assert disk.writeblocks(0, NEW, 512) == 0
    disk.load(0, b"\xff" * ERASE)
    assert disk.writeblocks(0, NEW, 0) == 0


def test_restore_brings_back_contents_wear_and_used_units():
    power = Power()
    disk = nor(power=power)
    disk.writeblocks(0, NEW, 0)
    before = power.snapshot()
    disk.writeblocks(0, NEW * 4)
    power.restore(before)
    assert read(disk, 0, ERASE) == NEW + b"\xff" * 768
    assert disk.wear[0] == 0
    violates(disk.writeblocks, 0, NEW, 0)
    assert disk.writeblocks(0, NEW, 256) == 0


# every_cut, on the smallest store that is safe: two blocks, each a number and its check byte.


def put(disk, number):
    """Write to the block that does not hold the newest number."""
    block = 0 if get(disk, 0) < get(disk, 1) else 1
    disk.ioctl(6, block)
    disk.writeblocks(block, bytes([number, number ^ 0xA5]) + bytes(254), 0)


def get(disk, block):
    record = read(disk, block * ERASE, 2)
    return record[0] if record[1] == record[0] ^ 0xA5 else -1


def newest(disk):
    return max(get(disk, 0), get(disk, 1))


def stored():
    disk = nor()
    put(disk, 1)
    put(disk, 2)
    return disk


def test_every_cut_meets_each_operation_with_each_tear():
    seen = []

    def check(disk):
        seen.append(newest(disk))
        put(disk, 4)
        assert newest(disk) == 4

    assert every_cut(stored, lambda disk: put(disk, 3), check) == 6
    assert seen == [3] + [2, 2, 2] + [2, 3, 2]  # half a record holds all that counts


def test_every_cut_can_cut_the_recovery_too():
    cases = []

    def check(disk):
        before = disk.power.snapshot()

        def again():
            disk.power.restore(before)
            return disk

        def holds(disk):
            assert newest(disk) in (2, 3, 4)

        cases.append(every_cut(again, lambda disk: put(disk, 4), holds))

    assert every_cut(stored, lambda disk: put(disk, 3), check) == 6
    assert cases == [6] * 7


def caught(function, *args):
    try:
        function(*args)
    except AssertionError:
        return
    raise AssertionError("the bug went unseen")


def test_every_cut_finds_a_write_over_the_newest_record():
    def careless(disk):
        disk.ioctl(6, 0)  # holds 2, the newest; block 1 holds 1
        disk.writeblocks(0, b"\x03\xa6" + bytes(254), 0)

    def check(disk):
        checked.append(newest(disk))
        assert checked[-1] in (2, 3)

    checked = []
    caught(every_cut, stored, careless, check)
    assert checked == [3, 2, 1]  # uncut; cut before the erase; cut in the middle of it


def test_every_cut_finds_what_is_wrong_without_any_cut():
    def check(disk):
        assert newest(disk) == 5

    caught(every_cut, stored, lambda disk: put(disk, 3), check)


def test_every_cut_finds_code_that_lives_through_a_cut():
    def deaf(disk):
        try:
            put(disk, 3)
        except BaseException:
            pass

    caught(every_cut, stored, deaf, lambda disk: None)
