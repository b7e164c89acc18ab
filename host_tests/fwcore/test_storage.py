"""Storage speaks the block protocol as MicroPython's ports do, and passes errors on."""

from fwcore.storage import Storage, down, up
from ufota_testkit.simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython


def nor():
    disk = Disk(8 * 1024, 1024, 128)
    return disk, Storage(disk, 1024, 128)


def card():
    disk = Disk(16 * 512, 512, 512, overwrite=True)
    return disk, Storage(disk, 512, 512, True)


class Answers:
    """A block device that gives one answer to every transfer."""

    def __init__(self, answer, block_size=512):
        self.answer = answer
        self.block_size = block_size

    def readblocks(self, *args):
        return self.answer

    def writeblocks(self, *args):
        return self.answer

    def ioctl(self, request, argument):
        return {4: 16, 5: self.block_size}.get(request, self.answer)


def error_of(function, *args):
    try:
        function(*args)
    except OSError as error:
        return error.args[0]  # CPython leaves errno empty
    return None


def fill(storage, at, size):
    buf = bytearray(size)
    storage.read(at, memoryview(buf))
    return bytes(buf)


def test_addresses_are_bytes():
    for disk, storage in (nor(), card()):
        assert storage.size == 8192
        disk.load(0, bytes(range(256)) * 32)
        at = 3 * storage.program_size
        assert fill(storage, at, 1024) == bytes(disk.data[at : at + 1024])
        assert fill(storage, 8192 - 512, 512) == bytes(disk.data[-512:])


def test_write_on_nor_programs_and_erases_nothing():
    disk, storage = nor()
    storage.write(1152, memoryview(b"\xa5" * 1024))  # from the middle of one block into the next
    assert disk.data.count(b"\xa5") == 1024
    assert sum(disk.wear) == 0
    assert disk.power.ops == 8


def test_write_on_a_card_replaces():
    disk, storage = card()
    for byte in (b"\x11", b"\x22"):
        storage.write(1024, byte * 1024)
    assert disk.data[1024:2048] == b"\x22" * 1024


def test_erase_clears_exactly_its_blocks():
    disk, storage = nor()
    disk.load(0, bytes(8192))
    fed = []
    storage.erase(2048, 3072, lambda: fed.append(1))
    assert disk.data == bytes(2048) + b"\xff" * 3072 + bytes(3072)
    assert len(fed) == 3
    storage.erase(0, 0)
    assert disk.power.ops == 3


def test_erase_unit_larger_than_the_devices_block():
    disk = Disk(8 * 1024, 1024, 128)
    disk.load(0, bytes(8192))
    Storage(disk, 4096, 128).erase(4096, 4096)
    assert disk.data == bytes(4096) + b"\xff" * 4096


def test_erase_on_a_card_does_nothing():
    """Some cards would take it as a wish to clear the blocks, and take their time."""
    storage = Storage(Answers(-5), 512, 512, True)
    storage.erase(0, 8192)


def test_error_numbers_become_oserror():
    for answer, number in ((-5, 5), (-19, 19), (5, 5), (True, 5), (None, None), (0, None)):
        for over in (False, True):
            storage = Storage(Answers(answer), 512, 512, over)
            assert error_of(storage.read, 0, bytearray(512)) == number
            assert error_of(storage.write, 0, bytearray(512)) == number
        assert error_of(Storage(Answers(answer), 512, 512).erase, 0, 512) == number


def test_failed_erase_stops_there():
    disk, storage = nor()
    disk.fail_at(2)
    assert error_of(storage.erase, 0, 4096) == 5
    assert disk.wear[:4] == [1, 0, 0, 0]


def test_device_that_does_not_tell_its_block_size_has_512():
    for answer in (None, 0):
        assert Storage(Answers(0, answer), 512, 512).size == 16 * 512


def test_rounding():
    assert [up(n, 8) for n in (0, 1, 7, 8, 9)] == [0, 8, 8, 8, 16]
    assert [down(n, 8) for n in (0, 1, 7, 8, 9)] == [0, 0, 0, 8, 8]
