"""Checked: nothing a device says, or does not say, makes a lost write look kept."""

from errno import EINVAL, EIO, ENODEV

from bdev import errors
from bdev.checked import Checked
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython

SIZE = 512


class Sloppy:
    """A card driver that tells as little as some do.

    says:  what it returns from a transfer when it went well
    fault: "silent": does nothing, and says it did; else what it returns, or raises
    after: so many blocks are written before that
    """

    def __init__(self, says=True, fault=None, after=0, size=SIZE):
        self.disk = Disk(16 * SIZE, SIZE, SIZE, True)
        self.says = says
        self.fault = fault
        self.after = after
        self.size = size
        self.calls = []

    def readblocks(self, block, buf):
        self.calls.append((block, len(buf)))
        assert self.disk.readblocks(block, buf) == 0
        return self.says

    def writeblocks(self, block, buf):
        kept = len(buf) if self.fault is None else self.after * SIZE
        assert self.disk.writeblocks(block, memoryview(buf)[:kept]) == 0
        if self.fault in (None, "silent"):
            return self.says
        if isinstance(self.fault, Exception):
            raise self.fault
        return self.fault

    def ioctl(self, request, argument):
        if request == 5:
            return self.size
        return self.disk.ioctl(request, argument)


def test_a_good_device_is_good_whatever_it_calls_that():
    for says in (None, 0, True):
        card = Checked(Sloppy(says))
        data = noise(3 * SIZE)
        assert card.writeblocks(2, data) == 0
        buf = bytearray(3 * SIZE)
        assert card.readblocks(2, buf) == 0 and buf == data and card.error == (0, 0)
        assert (card.ioctl(4, 0), card.ioctl(5, 0), card.ioctl(3, 0)) == (16, SIZE, 0)
        assert card.ioctl(6, 1) == 0 and card.ioctl(1, 0) == 0


def test_a_write_that_is_lost_without_a_word_is_found_at_its_block():
    for after in range(3):
        for says in (None, 0, True):
            card = Checked(Sloppy(says, "silent", after))
            assert card.writeblocks(4, noise(3 * SIZE)) == -EIO
            assert card.error == (errors.READ_BACK, 4 + after)


def test_one_bit_is_enough():
    for byte in (0, 1, 511):
        device = Sloppy()
        card = Checked(device)
        write = device.disk.writeblocks

        def flip(block, buf, write=write, byte=byte):
            data = bytearray(buf)
            data[byte] ^= 0x10
            return write(block, data)

        device.disk.writeblocks = flip
        assert card.writeblocks(0, noise(SIZE)) == -EIO
        assert card.error == (errors.READ_BACK, 0)


def test_every_way_to_say_no_is_a_negative_errno():
    for fault, code in (
        (False, -EIO),
        (1, -EIO),
        (-EIO, -EIO),
        (-ENODEV, -ENODEV),
        (OSError(ENODEV, "gone"), -ENODEV),
        (OSError(), -EIO),
        (OSError("timeout waiting for v2 card"), -EIO),
        (OSError("text", "as errno"), -EIO),
    ):
        card = Checked(Sloppy(fault=fault))
        assert card.writeblocks(0, noise(SIZE)) == code, fault
        assert card.error == (errors.BELOW, -code)
        device = Sloppy(fault)
        if not isinstance(fault, Exception):
            assert Checked(device).readblocks(0, bytearray(SIZE)) == code
            device.ioctl = lambda request, argument, fault=fault: SIZE if request == 5 else fault
            assert Checked(device).ioctl(6, 0) == code


def test_a_read_back_that_fails_is_a_failure():
    device = Sloppy()
    card = Checked(device)
    device.says = False
    device.writeblocks = lambda block, buf: True
    assert card.writeblocks(7, noise(SIZE)) == -EIO and card.error == (errors.BELOW, EIO)


def test_reads_back_block_by_block_into_one_buffer():
    device = Sloppy()
    assert Checked(device).writeblocks(1, noise(4 * SIZE)) == 0
    assert device.calls == [(1, SIZE), (2, SIZE), (3, SIZE), (4, SIZE)]


def test_offsets_are_handed_on_and_no_part_of_a_block_escapes():
    chip = Disk(4 * 1024, 1024, 256)
    card = Checked(chip)
    data = noise(1280)
    assert card.writeblocks(1, data, 256) == 0
    assert chip.data[1280:2560] == data
    buf = bytearray(1280)
    assert card.readblocks(1, buf, 256) == 0 and buf == data
    assert card.ioctl(6, 1) == 0 and chip.data[1024:2048] == b"\xff" * 1024
    chip.writeblocks = lambda *_: 0
    assert card.writeblocks(1, data, 0) == -EIO and card.error == (errors.READ_BACK, 1)
    assert card.writeblocks(1, bytes(100)) == -EINVAL and card.error == (errors.OUTSIDE, 1)


def test_a_device_without_a_block_size_is_refused():
    assert Checked(Sloppy(size=None)).writeblocks(0, noise(SIZE)) == 0
    for size in (0, -5, False):
        try:
            Checked(Sloppy(size=size))
            raise AssertionError("accepted")
        except OSError as error:
            assert error.args == (EIO, errors.BELOW)
