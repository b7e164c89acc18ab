"""The virtual board's chips keep the rules of real ones, across restarts too."""

import os
import sys

from helpers import here

sys.path.append(here("../boards/virtual"))

from blockdev import FileCard, FileFlash  # noqa: E402

BOTH = True  # runs on CPython and on MicroPython

ERASE = 1024
PROGRAM = 256
SIZE = 4 * ERASE
EIO, EINVAL = -5, -22
ONES = b"\xff" * PROGRAM
ZEROS = bytes(PROGRAM)


def with_file(test, size=SIZE, overwrite=False):
    """Run test(path) on the file of a new device, which is removed afterwards."""
    path = "/tmp/ufota-blockdev-{}.bin".format(int.from_bytes(os.urandom(6), "big"))
    with open(path, "wb") as file:  # as `fwtool factory` leaves it
        file.write((b"\0" if overwrite else b"\xff") * size)
    try:
        test(path)
    finally:
        (getattr(os, "unlink", None) or os.remove)(path)


def flash(path):
    return FileFlash(path, SIZE, ERASE, PROGRAM)


def read(device, block, size=PROGRAM, offset=0):
    buf = bytearray(size)
    assert device.readblocks(block, buf, offset) == 0
    return bytes(buf)


def test_new_flash_is_blank_and_tells_its_shape():
    def test(path):
        chip = flash(path)
        assert read(chip, 0, SIZE) == b"\xff" * SIZE
        assert (chip.ioctl(4, 0), chip.ioctl(5, 0), chip.ioctl(3, 0)) == (4, ERASE, 0)

    with_file(test)


def test_a_transfer_by_offset_spans_blocks_and_leaves_neighbours():
    def test(path):
        chip = flash(path)
        assert chip.writeblocks(0, ZEROS * 2, ERASE - PROGRAM) == 0
        assert read(chip, 0, 4 * PROGRAM, ERASE - 2 * PROGRAM) == ONES + ZEROS * 2 + ONES

    with_file(test)


def test_a_second_program_without_erase_is_refused_and_changes_nothing():
    def test(path):
        chip = flash(path)
        assert chip.writeblocks(1, b"\x0f" * PROGRAM, 0) == 0
        assert chip.writeblocks(1, ZEROS, 0) == EIO
        assert chip.writeblocks(0, ZEROS * 2, ERASE - PROGRAM) == EIO
        assert chip.violations == 2
        assert read(chip, 0) == ONES and read(chip, 1) == b"\x0f" * PROGRAM
        assert chip.ioctl(6, 1) == 0
        assert chip.writeblocks(1, ZEROS, 0) == 0

    with_file(test)


def test_a_unit_programmed_with_ones_counts_as_programmed():
    def test(path):
        chip = flash(path)
        assert chip.writeblocks(2, ONES, PROGRAM) == 0
        assert chip.writeblocks(2, ZEROS, PROGRAM) == EIO
        assert chip.ioctl(6, 2) == 0
        assert chip.writeblocks(2, ZEROS, PROGRAM) == 0

    with_file(test)


def test_the_rule_outlives_a_restart():
    def test(path):
        assert flash(path).writeblocks(3, ZEROS, 0) == 0
        again = flash(path)
        assert read(again, 3) == ZEROS
        assert again.writeblocks(3, ZEROS, 0) == EIO

    with_file(test)


def test_part_of_a_program_unit_is_refused():
    def test(path):
        chip = flash(path)
        assert chip.writeblocks(0, bytes(PROGRAM - 1), 0) == EIO
        assert chip.writeblocks(0, ZEROS, 1) == EIO
        assert chip.violations == 2

    with_file(test)


def test_a_write_of_whole_blocks_erases_them_first():
    def test(path):
        chip = flash(path)
        assert chip.writeblocks(1, bytes(ERASE), 0) == 0
        assert chip.writeblocks(1, b"\xf0" * ERASE) == 0
        assert read(chip, 1, ERASE) == b"\xf0" * ERASE

    with_file(test)


def test_nothing_is_read_or_written_outside_a_device():
    def test(path):
        for device in (flash(path), FileCard(path, SIZE)):
            last = device.ioctl(4, 0)
            assert device.readblocks(last, bytearray(PROGRAM), 0) == EINVAL
            assert device.readblocks(-1, bytearray(PROGRAM), 0) == EINVAL
            assert device.writeblocks(last, ZEROS, 0) == EINVAL
            assert device.writeblocks(last - 1, bytes(2 * ERASE), 0) == EINVAL
        assert flash(path).ioctl(6, 4) == EINVAL
        assert read(flash(path), 0, SIZE) == b"\xff" * SIZE

    with_file(test)


def test_a_card_overwrites_and_has_nothing_to_erase():
    def test(path):
        card = FileCard(path, 8 * 512)
        assert (card.ioctl(4, 0), card.ioctl(5, 0)) == (8, 512)
        assert read(card, 7, 512) == bytes(512)
        assert card.writeblocks(2, b"a" * 1024) == 0
        assert card.writeblocks(3, b"b" * 512) == 0
        assert card.ioctl(6, 2) == 0
        again = FileCard(path, 8 * 512)
        assert read(again, 1, 1024) == bytes(512) + b"a" * 512
        assert read(again, 3, 1024) == b"b" * 512 + bytes(512)

    with_file(test, 8 * 512, True)


def test_a_file_of_another_size_is_not_the_device():
    def test(path):
        try:
            FileFlash(path, 2 * SIZE, ERASE, PROGRAM)
        except OSError:
            return
        raise AssertionError("taken")

    with_file(test)
