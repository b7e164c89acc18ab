"""The NOR driver against a chip that does what chips do, and what they should not.

Every fault ends in a numbered error before its deadline, on the clock of the bus, with the
watchdog fed. Nobody has tried it on silicon.
"""

from errno import EINVAL, EIO, ENODEV, ETIMEDOUT

from bdev import errors, norchip, sfdp, spinor
from ufota_testkit.chips.fake_nor import KINDS, PROFILES, FakeNor, Kind
from ufota_testkit.chips.fake_nor import sfdp as tables_of
from ufota_testkit.chips.fake_spi import Bus
from ufota_testkit.chips.wired_nor import KIB, Wired, dice_of, error_of, read, small, write
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import PowerCut

BOTH = True  # runs on CPython and on MicroPython

EROFS, EILSEQ = 30, 84
ANY_MS = 60000
FEED_MS = 13  # no board has a shorter watchdog
NO_TABLES = Kind(b"\xef\x30\x13", 0, sfdp=0)


def wired(**options):
    """(Wired, its driver), on a blank chip of 64 KiB."""
    world = Wired(**options)
    return world, world.start()


def fails(world, function, args, code, number, at, within_ms):
    """function(*args) returns this errno and leaves this error, in time."""
    start = world.clock.now_ns
    found = function(*args)
    took_ms = (world.clock.now_ns - start) / 1000000
    assert found == -code, found
    assert world.nor.error == (number, at), world.nor.error
    assert took_ms <= within_ms, took_ms
    assert world.longest_unfed_ms(start, world.clock.now_ns) <= FEED_MS
    assert world.cs.value() == 1


def starts_not(world, code, number, within_ms, **options):
    start = world.clock.now_ns
    assert error_of(lambda: world.start(**options)) == (code, number)
    assert world.clock.now_ns - start <= within_ms * 1000000
    assert world.longest_unfed_ms(start, world.clock.now_ns) <= FEED_MS
    assert world.cs.value() == 1


# What it does


def test_it_tells_what_the_tables_say():
    for name in ("W25Q128JV", "W25Q64JV", "AT25SF081"):
        world, nor = wired(kind=name)
        assert nor.id == KINDS[name].id and nor.size == 64 * KIB and nor.error is None
        assert [nor.ioctl(request, 0) for request in range(1, 6)] == [0, 0, 0, 16, 4096]
        assert nor.ioctl(7, 0) is None and nor.ioctl(0, 0) is None
        assert not world.chip.illegal and not world.chip.unknown


def test_chips_without_tables_are_known_by_their_id_or_their_user():
    world, nor = wired(kind="W25X40", size=0)
    assert nor.size == 512 * KIB and nor.block_size == 4096
    assert [kind[0] for kind in nor._erases] == [4096, 65536]
    assert nor.ioctl(6, 3) == 0 and not world.chip.illegal
    atmel = Kind(b"\x1f\x44\x12", 256 * KIB, sfdp=0)  # 2^18 would be wrong
    starts_not(Wired(atmel, 0), ENODEV, errors.WRONG_DEVICE, 10)
    assert Wired(atmel, 0).start(size=256 * KIB).size == 256 * KIB
    starts_not(Wired(atmel, 0), ENODEV, errors.WRONG_DEVICE, 10, size=4097)


def test_size_may_be_told_to_a_driver_whose_chip_lies():
    world = Wired()
    world.chip.tables = tables_of(KINDS["W25Q128JV"], 16 << 20)
    assert world.start().size == 16 << 20
    nor = world.start(size=64 * KIB)
    assert nor.size == 64 * KIB and nor.ioctl(4, 0) == 16


def test_any_bytes_at_any_place_read_as_they_were_written():
    world, nor = wired(profile="none")
    model = bytearray(b"\xff" * nor.size)
    dice = dice_of(1)
    for i in range(60):
        at, size = dice(nor.size - 1200), i * 20 + 1
        data = noise(size, i)
        assert write(nor, at, data) == 0
        for k in range(size):
            model[at + k] &= data[k]
        assert read(nor, at - at % 7, size + 9) == model[at - at % 7 :][: size + 9]
    assert world.chip.data == model
    assert not world.chip.illegal and not world.chip.unknown


def test_a_write_without_offset_erases_and_one_with_offset_never_does():
    world, nor = wired(profile="none")
    world.chip.load(0, bytes(16 * KIB))
    assert nor.writeblocks(1, noise(8192, 1)) == 0
    assert world.chip.data[:16384] == bytes(4096) + noise(8192, 1) + bytes(4096)
    assert world.chip.erases == [4096, 4096]
    assert nor.writeblocks(0, noise(4096, 2), 0) == 0
    assert world.chip.data[:4096] == bytes(4096) and len(world.chip.erases) == 2
    assert nor.ioctl(6, 3) == 0
    assert world.chip.data[12288:16384] == b"\xff" * 4096
    assert world.chip.erases == [4096] * 3 and not world.chip.illegal


def test_pages_of_ones_are_not_sent():
    world, nor = wired()
    assert write(nor, 128, b"\xff" * 640 + b"\0" + b"\xff" * 255) == 0
    assert world.power.ops == 2  # the half page in front, and the one with the zero
    assert world.chip.data.index(b"\0") == 768


def test_erase_takes_the_largest_command_that_fits_one_at_a_time():
    for at, size, wanted in (
        (0, 64, [64]),
        (64, 128, [64, 64]),
        (4, 4, [4]),
        (28, 104, [4, 32, 64, 4]),
        (32, 36, [32, 4]),
        (36, 96, [4] * 7 + [64, 4]),
    ):
        world, nor = wired(size=256 * KIB, profile="none")
        world.chip.load(0, bytes(256 * KIB))
        at, end = at * KIB, (at + size) * KIB
        first = at
        calls = 0
        while at < end:
            at = nor.erase(at, end - at)
            calls += 1
        assert [size // KIB for size in world.chip.erases] == wanted and calls == len(wanted)
        data = world.chip.data
        assert data[first:end] == b"\xff" * (end - first)
        assert not any(data[:first]) and not any(data[end:])
        assert nor.erase(end, 0) == end and len(world.chip.erases) == calls


def test_every_deadline_is_four_times_what_the_data_sheet_calls_the_most():
    for name in KINDS:
        world = Wired(name, 128 * KIB)
        nor = world.start(size=128 * KIB)
        most = {1 << erase[0]: erase[4] for erase in KINDS[name].erases}
        for size, _op, _typical, limit_ms in nor._erases:
            assert 4 * most.get(size, 0) <= limit_ms <= norchip._ANY[3] <= 60000, (name, size)
        assert 4 * KINDS[name].page_us[1] <= 1000 * nor._page[3] <= 100000, name
    page_ms = shape_of(Kind(b"\xef\x40\x15", 0, page_us=(2000, 20000))).page_ms
    assert 4 * 20 <= page_ms <= 8 * 20


def test_the_slowest_chip_of_every_kind_works():
    for name in KINDS:
        for silent in False, True:
            world = Wired(name, 128 * KIB, profile="slow")
            world.chip.silent = silent
            world.chip.load(0, bytes(128 * KIB))
            nor = world.start(size=128 * KIB)
            assert world.chip.resets == (1 if world.chip.kind.reset else 0)
            for kind in nor._erases:
                if kind[0] in (1 << erase[0] for erase in world.chip.kind.erases):
                    start = world.clock.now_ns
                    nor._ready(65536)
                    nor._start(kind, 65536)
                    nor._wait(kind, 65536)
                    assert world.longest_unfed_ms(start, world.clock.now_ns) <= FEED_MS
                    world.chip.load(65536, bytes(64 * KIB))
            assert nor.erase(0, 65536) == 65536
            world.chip.load(0, b"\xff" * 128 * KIB)
            assert write(nor, 256, noise(600)) == 0 and read(nor, 256, 600) == noise(600)
            assert world.longest_unfed_ms(0, world.clock.now_ns) <= FEED_MS and not nor.error
            assert not world.chip.illegal


def test_every_profile_is_in_time_and_feeds_the_watchdog():
    for profile in PROFILES:
        for read_back in (False, True):
            world = Wired(profile=profile)
            nor = world.start(read_back=read_back)
            start = world.clock.now_ns
            assert nor.writeblocks(0, noise(4096)) == 0 and nor.erase(0, 65536) == 65536
            assert world.longest_unfed_ms(start, world.clock.now_ns) <= FEED_MS
            assert not world.chip.illegal and nor.error is None


def test_two_chips_share_a_bus():
    first = Wired()
    other = FakeNor(first.clock, "AT25SF081", size=32 * KIB)
    bus = Bus(first.clock, first.chip, other)
    norchip.time = first.clock
    nors = [spinor.SpiNor(bus, bus.pin(chip)) for chip in (first.chip, other)]
    assert [nor.size for nor in nors] == [64 * KIB, 32 * KIB]
    for i in range(2):
        assert nors[i].writeblocks(i, noise(4096, i)) == 0
    for i in range(2):
        assert read(nors[i], 4096 * i, 4096) == noise(4096, i)
        assert read(nors[i], 4096 - 4096 * i, 4096) == b"\xff" * 4096
    assert not first.chip.illegal and not other.illegal


# What it finds at the start


def test_a_chip_asleep_is_woken():
    world = Wired()
    world.chip.asleep = True
    assert read(world.start(), 0, 4) == b"\xff" * 4
    assert not world.chip.illegal or set(world.chip.illegal) == {"command 05 while asleep"}


def test_a_chip_may_need_time_from_power_release_and_reset():
    for us in (30, 100, 400, 12000, 30000, 100000):
        for name in "power_up_us", "wake_us", "reset_us":
            for silent in False, True:
                world = Wired(Kind(b"\x9d\x60\x18", 0, address="3 or 4"))
                setattr(world.chip, name, us)
                world.chip.silent = silent
                world.chip.power_up()
                world.chip.asleep = world.chip.wide = True
                assert world.start().size == 64 * KIB
                assert world.chip.resets == 1 and not world.chip.wide
                assert world.longest_unfed_ms(0, world.clock.now_ns) <= FEED_MS


def test_a_chip_is_reset_once_it_hears_that():
    kind = Kind(b"\x9d\x60\x18", 0, address="3 or 4")
    world = Wired(kind)
    world.chip.bus = 0x00  # it gets its power later, and what it holds is older than that
    world.chip.wide = True

    def powers(world=world):
        if world.clock.now_ns > 100000000:
            world.chip.bus = None

    nor = world.start(feed=powers)
    assert nor.size == 64 * KIB and world.chip.resets == 1 and not world.chip.illegal


def test_an_erase_under_way_is_waited_for_not_spoilt():
    for profile in "typ", "max", "slow":
        world, nor = wired(profile=profile)
        world.chip.load(0, bytes(64 * KIB))

        def dies():
            raise ValueError  # the MCU is reset while it waits

        nor._feed = dies
        try:
            nor.erase(0, 65536)
            raise AssertionError("nobody fed")
        except ValueError:
            pass
        start = world.clock.now_ns
        nor = world.start()
        assert world.longest_unfed_ms(start, world.clock.now_ns) <= FEED_MS
        assert world.chip.data == b"\xff" * 65536
        assert not world.chip.illegal


def test_what_a_feed_interrupts_is_waited_for_by_the_next_call():
    for call in (
        lambda nor: read(nor, 4096, 16) == noise(16),
        lambda nor: write(nor, 8192, b"abc") == 0 and read(nor, 8192, 3) == b"abc",
        lambda nor: nor.ioctl(6, 2) == 0,
    ):
        world, nor = wired()
        assert write(nor, 4096, noise(16)) == 0
        feed = nor._feed

        def interrupts():
            raise KeyboardInterrupt

        nor._feed = interrupts
        try:
            nor.ioctl(6, 0)
            raise AssertionError("nobody fed")
        except KeyboardInterrupt:
            pass
        nor._feed = feed
        assert world.cs.value() == 1 and call(nor)
        assert set(world.chip.illegal) == {"command 9f while busy"}  # how it sees that


def test_nobody_there_at_the_start():
    for level in 0xFF, 0x00:
        world = Wired()
        world.chip.bus = level
        starts_not(world, ENODEV, errors.NO_DEVICE, 550)


def test_a_chip_that_needs_time_after_power_up_is_waited_for():
    for level in 0xFF, 0x00:
        world = Wired()
        world.chip.bus = level

        def wakes(world=world):
            if world.clock.now_ns > 400000000:
                world.chip.bus = None

        assert world.start(feed=wakes).size == 64 * KIB


def test_a_chip_that_is_busy_for_ever_at_the_start():
    world = Wired()
    nor = world.start()
    world.chip.stuck = True
    nor._start(nor._erases[0], 0)
    starts_not(world, ETIMEDOUT, errors.STUCK, ANY_MS + 20)


def test_a_chip_left_in_4_byte_mode_is_brought_back():
    for reset in True, False:
        for wren in True, False:
            kind = Kind(b"\x9d\x60\x18", 0, address="3 or 4", reset=reset, wren_b7=wren)
            world = Wired(kind)
            world.chip.load(0x1234, b"here")
            world.chip.wide = True
            assert read(world.start(), 0x1234, 4) == b"here"
            assert not world.chip.wide and not world.chip.wel and not world.chip.illegal


# Faults while it works


def calls(nor):
    """(function, arguments, address) of each way in."""
    return (
        (nor.readblocks, (2, bytearray(64), 100), 8292),
        (nor.writeblocks, (2, b"x" * 64, 100), 8292),
        (nor.writeblocks, (2, b"x" * 4096), 8192),
        (nor.ioctl, (6, 3), 12288),
        (code_of_erase, (nor, 12288, 4096), 12288),
    )


def code_of_erase(nor, at, size):
    code, number = error_of(nor.erase, at, size)
    assert number == nor.error[0]
    return -code


def test_chip_pulled_between_calls():
    for level in 0xFF, 0x00:
        for i in range(5):
            world, nor = wired()
            world.chip.bus = level
            function, args, at = calls(nor)[i]
            fails(world, function, args, ENODEV, errors.NO_DEVICE, at, 1)
            world.chip.bus = None
            assert read(nor, 0, 4) == b"\xff" * 4  # and it is back


def test_chip_pulled_while_it_is_busy():
    for i in range(1, 5):
        world, nor = wired()
        function, args, at = calls(nor)[i]

        def pull(world=world):
            world.chip.bus = 0xFF

        nor._feed = pull
        assert function(*args) == -ENODEV and nor.error == (errors.NO_DEVICE, at)


def test_busy_for_ever():
    for i, deadline_ms in (1, 52), (2, 2700), (3, 2700), (4, 2700):
        world, nor = wired()
        world.chip.stuck = True
        function, args, at = calls(nor)[i]
        fails(world, function, args, ETIMEDOUT, errors.STUCK, at, deadline_ms)
        fails(world, nor.readblocks, (0, bytearray(4)), ETIMEDOUT, errors.STUCK, 0, ANY_MS + 20)
        world.chip.stuck = False
        assert world.start().error is None


def test_write_enable_that_gets_lost():
    for i in range(1, 5):
        world, nor = wired()
        world.chip.deaf = 1
        function, args, at = calls(nor)[i]
        fails(world, function, args, EIO, errors.NOT_ENABLED, at, 1)
        assert i == 4 or function(*args) == 0  # only that one was lost
        assert not world.chip.illegal


def test_a_command_the_chip_does_not_know():
    world = Wired("M25P16", 128 * KIB)  # it has no erase of 4 KiB, and no tables
    nor = world.start(size=128 * KIB)
    fails(world, nor.ioctl, (6, 3), EIO, errors.IGNORED, 12288, 1)
    assert nor.erase(0, 65536) == 65536
    assert set(world.chip.unknown) == {0x20, 0xE9, 0x66, 0x99, 0x5A}


def test_protection_is_reported_and_stays():
    for status, places in ((0x1C, (0, 8, 15)), (0x14, (12, 15)), (0x34, (0, 3)), (0x9C, (0,))):
        world = Wired()
        world.chip.load(0, bytes(64 * KIB))
        world.chip.status = status
        nor = world.start()
        assert nor.protection == status & 0x1C
        for block in places:
            at = 4096 * block
            fails(world, nor.ioctl, (6, block), EROFS, errors.PROTECTED, at, 60)
            fails(world, nor.writeblocks, (block, b"x" * 4096), EROFS, errors.PROTECTED, at, 60)
            world.chip.load(at, b"\xff" * 4096)
            fails(world, nor.writeblocks, (block, b"x", 9), EROFS, errors.PROTECTED, at + 9, 60)
        if status & 0x1C != 0x1C:
            assert nor.writeblocks(8, noise(4096)) == 0  # the rest may be used
            assert world.chip.data[32768:36864] == noise(4096)
        assert world.chip.status == status and not world.chip.illegal


def test_protection_set_later_is_seen():
    world, nor = wired()
    world.chip.status = 0x1C
    fails(world, nor.writeblocks, (0, b"x", 0), EROFS, errors.PROTECTED, 0, 60)


def test_worn_sectors_and_bad_bits_are_found_by_reading_back():
    for read_back in False, True:
        world = Wired()
        world.chip.load(0, bytes(64 * KIB))
        world.chip.worn = {3}
        nor = world.start(read_back=read_back)
        if read_back:
            fails(world, nor.ioctl, (6, 3), EILSEQ, errors.READ_BACK, 12288, 60)
            assert error_of(nor.erase, 0, 65536) == (EILSEQ, errors.READ_BACK)
            assert nor.error == (errors.READ_BACK, 12288)
        else:
            assert nor.ioctl(6, 3) == 0
        world.chip.load(0, b"\xff" * 65536)
        world.chip.flips = {0x505: 0x10}
        found = nor.writeblocks(0, noise(1024), 0x400)
        assert found == (-EILSEQ if read_back else 0)
        assert not read_back or nor.error == (errors.READ_BACK, 0x500)


def test_operations_that_do_nothing_are_found_by_reading_back():
    for i in range(1, 5):
        world = Wired()
        world.chip.load(0, bytes(64 * KIB) if i > 1 else b"\xff" * 65536)
        nor = world.start(read_back=True)
        function, args, _ = calls(nor)[i]
        world.power.fail_at(1)
        assert function(*args) == -EILSEQ and nor.error[0] == errors.READ_BACK


def test_programming_over_bytes_is_found_by_reading_back():
    world = Wired()
    nor = world.start(read_back=True)
    assert write(nor, 300, b"abc") == 0
    fails(world, write, (nor, 300, b"xyz"), EILSEQ, errors.READ_BACK, 300, 5)
    assert read(nor, 300, 3) == bytes([a & b for a, b in zip(b"abc", b"xyz")])
    # Ones that are not sent are looked at too
    fails(world, write, (nor, 256, b"\xff" * 256), EILSEQ, errors.READ_BACK, 256, 5)


def test_addresses_outside_of_the_chip():
    world, nor = wired()
    buf = bytearray(4096)
    for function, args, at in (
        (nor.readblocks, (16, buf), 65536),
        (nor.readblocks, (15, buf, 1), 61441),
        (nor.readblocks, (-1, buf), -4096),
        (nor.writeblocks, (16, buf), 65536),
        (nor.writeblocks, (15, buf, 1), 61441),
        (nor.writeblocks, (0, buf, -1), -1),
        (nor.writeblocks, (0, buf[:256]), 0),
        (nor.ioctl, (6, 16), 65536),
        (nor.ioctl, (6, -1), -4096),
        (code_of_erase, (nor, 0, 100), 0),
        (code_of_erase, (nor, 100, 4096), 100),
        (code_of_erase, (nor, 61440, 8192), 61440),
    ):
        before = world.bus.bytes
        fails(world, function, args, EINVAL, errors.OUTSIDE, at, 0)
        assert world.bus.bytes == before


def test_a_bus_that_raises_is_an_error_like_any_other():
    class Broken:
        def __init__(self, bus, calls):
            self.bus, self.calls = bus, calls

        def write(self, buf):
            self._call()
            self.bus.write(buf)

        def readinto(self, buf):
            self._call()
            self.bus.readinto(buf)

        def _call(self):
            self.calls -= 1
            if self.calls < 0:
                raise OSError(EIO)

    seen = 0
    for i in range(5):
        for after in range(40):
            world, nor = wired()
            nor._spi = Broken(world.bus, after)
            function, args, at = calls(nor)[i]
            if i == 4:
                failed = error_of(*((nor.erase,) + args[1:])) is not None
            else:
                failed = function(*args) == -EIO
            if failed:
                seen += 1
                assert nor.error == (errors.NO_DEVICE, at)
            assert world.cs.value() == 1
    assert seen > 60, seen


# Tables


def test_old_tables_have_no_times_and_no_page():
    old = Kind(b"\xef\x40\x15", 0, sfdp=9)
    world, nor = wired(kind=old)
    assert [kind[:2] for kind in nor._erases] == [(4096, 0x20), (32768, 0x52), (65536, 0xD8)]
    assert nor.writeblocks(0, noise(4096)) == 0 and world.chip.data[:4096] == noise(4096)


def shape_of(kind, changes=()):
    """What is read out of a kind's tables; changes: (offset, byte) each."""
    tables = bytearray(tables_of(kind, 64 * KIB))
    for at, byte in changes:
        tables[at] = byte
    return sfdp.parse(reader(tables), memoryview(bytearray(64)))


def test_tables_are_read_as_the_standard_says():
    narrow, wide = KINDS["W25Q128JV"], KINDS["MX25U25645G"]
    shape = shape_of(narrow)
    first = (4096, 0x20, 0, 48, 48 * 2 * 7 * 4)  # 45 and 1600 / 120, rounded up to their units
    assert shape.erases == [first, (32768, 0x52, 0, 128, 8192), (65536, 0xD8, 0, 160, 16384)]
    assert (shape.size, shape.page_us, shape.page_ms) == (64 * KIB, 704, 50)
    assert (shape.always, shape.mode, shape.wide_ops) == (False, False, False)
    assert shape_of(narrow, ((3, 0x51),)) is None  # "SFDQ"
    assert shape_of(narrow, ((11, 8),)) is None  # a table of 8 dwords
    for nothing in 0, 0xFF:
        assert shape_of(narrow, ((45, nothing),)).erases == shape.erases[1:]
    # A basic table at 24: dword 1 says how many bytes addresses have, 16 how to get there
    shape = shape_of(wide)
    assert (shape.always, shape.mode, shape.wide_ops) == (False, True, True)
    assert [erase[1:3] for erase in shape.erases] == [(0x20, 0x21), (0x52, 0x5C), (0xD8, 0xDC)]
    assert shape_of(wide, ((26, 0xF5),)).always  # always 4, says dword 1
    assert shape_of(wide, ((87, 0x40),)).always  # and dword 16
    assert not shape_of(wide, ((87, 0x20),)).mode
    assert shape_of(wide, ((87, 0x02),)).mode
    for known in 0x03, 0x41:  # without 12, without 0C
        assert not shape_of(wide, ((88, known),)).wide_ops
    assert shape_of(wide, ((28, 0x1C), (29, 0), (30, 0), (31, 0x80))).size == 1 << 25


def test_an_erase_of_a_page_is_no_block():
    erases = ((8, 0x81, 0, 10, 30),) + KINDS["W25Q128JV"].erases
    world, nor = wired(kind=Kind(b"\x85\x60\x15", 0, erases))
    assert nor.block_size == 4096 and nor.ioctl(4, 0) == 16
    # unless there is nothing else
    world, nor = wired(kind=small(1024))
    assert nor.block_size == 1024 and nor.ioctl(6, 63) == 0 and not world.chip.illegal


def test_tables_of_junk_are_no_surprise():
    good = tables_of(KINDS["W25Q256JV"], 64 * KIB)
    dice = dice_of(5)
    for i in range(400):
        tables = bytearray(good)
        for _ in range(1 + i % 8):
            first = 4 if i % 4 else 0
            tables[first + dice(len(tables) - first)] = (0, 255, i & 255)[dice(3)]
        if i % 3 == 0:
            tables[24:] = noise(len(tables) - 24, i)
        shape = sfdp.parse(reader(tables), memoryview(bytearray(64)))
        if shape is not None:
            assert shape.erases and 0 <= shape.size <= 1 << 32
            for size, _op, _wide, typical, limit in shape.erases:
                assert 256 <= size <= 1 << 18 and typical > 0 and 0 < limit <= 60000
            assert 0 < shape.page_us <= 2048 and shape.page_ms < 300
        world = Wired("W25Q256JV")
        world.chip.tables = bytes(tables)
        failed = error_of(world.start)
        assert failed in (
            None,
            (ENODEV, errors.WRONG_DEVICE),
            (EIO, errors.NO_ADDRESS),
        ), failed
        if not failed:
            world.nor.readblocks(0, bytearray(16))


def reader(data):
    def read(at, mv):
        for i in range(len(mv)):
            mv[i] = data[at + i] if at + i < len(data) else 0xFF

    return read


# Costs and the end of power


class Quiet:
    """A bus that allocates nothing, with a chip that is always done; for SpiNor on MicroPython."""

    def __init__(self):
        self.op = self.status = 0

    def write(self, buf):
        if len(buf) < 6:
            self.op = buf[0]
            self.status = 2 if self.op == 0x06 else self.status if self.op == 0x05 else 0

    def readinto(self, buf):
        if self.op == 0x9F:
            buf[0] = 0xEF
            if len(buf) == 3:
                buf[2] = 0x14
        elif self.op == 0x05:
            buf[0] = self.status


def test_a_call_allocates_no_more_for_more_bytes():
    try:
        from gc import collect, disable, enable, mem_alloc
    except ImportError:
        return  # CPython
    bus = Quiet()
    nor = spinor.SpiNor(bus, lambda level: None)
    assert nor.size == 1 << 20
    used = []
    for size in 256, 4096:
        buf = bytearray(size)
        for call in (nor.readblocks, nor.writeblocks):
            call(0, buf, 0)
            collect()
            disable()
            before = mem_alloc()
            assert call(0, buf, 0) == 0
            used.append(mem_alloc() - before)
            enable()
    # Reading: nothing for the payload. Writing: slices, 16 pages of them
    assert used[0] == used[2] <= 256 and used[3] <= 16 * 256, used


def test_power_gone_is_not_an_error_to_be_handled():
    world, nor = wired()
    world.power.cut_at(1)
    try:
        write(nor, 0, b"x")
        raise AssertionError("the cut was swallowed")
    except PowerCut:
        pass
    world.power.reset()
    assert read(world.start(), 0, 1) == b"\xff"
