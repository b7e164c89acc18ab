"""NOR chips above 16 MiB: commands with 4-byte address where all are there, else 4-byte mode."""

from errno import EIO

from bdev import errors
from ufota_testkit.chips.fake_nor import Kind
from ufota_testkit.chips.fake_nor import sfdp as tables_of
from ufota_testkit.chips.wired_nor import Wired, error_of, read, write

BOTH = True  # runs on CPython and on MicroPython
HEAP = "140M"

MIB = 1 << 20
SIZE = 32 * MIB
PLACES = (0, 0x1234, 16 * MIB - 2, 16 * MIB + 0x1234, SIZE - 300)


def works(world, nor):
    """Programs, erases and reads on both sides of 16 MiB hit what they should, and only that."""
    chip = world.chip
    assert nor.size == SIZE == len(chip.data)
    for at in PLACES:
        data = b"at %d" % at
        assert write(nor, at, data) == 0
        assert chip.data[at : at + len(data)] == data and read(nor, at, len(data)) == data
    used = [block for block in range(SIZE // 65536) if any_written(chip, block)]
    assert used == [0, 255, 256, 511]
    assert nor.erase(16 * MIB, 65536) == 16 * MIB + 65536
    assert nor.ioctl(6, SIZE // 4096 - 1) == 0 and nor.ioctl(6, 0) == 0
    used = [block for block in range(SIZE // 65536) if any_written(chip, block)]
    assert used == [0, 255]  # 0x1234 is in the block after the first
    assert not chip.illegal and nor.error is None


def any_written(chip, block):
    view = memoryview(chip.data)[65536 * block : 65536 * (block + 1)]
    return view != BLANK


BLANK = b"\xff" * 65536


def clear(chip):
    for at in PLACES:
        chip.data[at : at + 16] = b"\xff" * 16


def test_commands_with_4_byte_address_leave_the_chip_in_3_byte_mode():
    for kind in "W25Q256JV", "MX25U25645G":
        world = Wired(kind, 0)
        nor = world.start()
        assert not world.chip.wide and not world.chip.unknown
        works(world, nor)
        assert not world.chip.wide
        # A program before us left it in the other mode: that changes nothing
        clear(world.chip)
        world.chip.wide = True
        works(world, world.start())
        # Winbond has none of 32 KiB there
        assert nor.erase(65536 + 32768, 32768) == 65536 + (36864, 65536)[kind[0] == "M"]


def test_chips_without_all_of_these_commands_are_switched():
    for kind in "MX25L25635E", "N25Q256A":
        world = Wired(kind, 0)
        nor = world.start()
        assert world.chip.wide and not world.chip.wel
        works(world, nor)
        # The MCU is reset, the chip is not
        assert read(world.start(), 0x1234, 7) == b"at 4660"
        # The chip's power goes, and that of the MCU with it
        world.chip.power_up()
        assert not world.chip.wide
        assert read(world.start(), 0x1234, 7) == b"at 4660"
        assert not world.chip.illegal


def test_chips_that_always_take_4_bytes():
    world = Wired(Kind(b"\x01\x02\x19", SIZE, address=4), 0)
    works(world, world.start())
    assert not world.chip.unknown


def test_a_capacity_that_is_no_power_of_two_is_in_the_tables():
    world = Wired("W25Q512JV", SIZE)
    world.chip.tables = tables_of(world.chip.kind, 64 * MIB)
    assert world.start().size == 64 * MIB  # by id it would be 4 GiB


def test_a_chip_nobody_can_address_is_refused():
    world = Wired("W25Q128JV", 65536)
    world.chip.tables = tables_of(world.chip.kind, SIZE)
    assert error_of(world.start) == (EIO, errors.NO_ADDRESS)
    assert world.start(size=16 * MIB).size == 16 * MIB  # the lower half may be used
    assert error_of(lambda: world.start(size=16 * MIB + 4096)) == (EIO, errors.NO_ADDRESS)
