"""A window onto a block device: its blocks and no others, and numbers instead of surprises."""

from errno import EINVAL, EIO

from fwcore.window import Window, bare
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

try:
    from micropython import stack_use
except ImportError:
    stack_use = None

BOTH = True  # runs on CPython and on MicroPython

COUNT, SIZE, ERASE, SYNC = 4, 5, 6, 3


def device(blocks=6):
    disk = Disk(blocks * 1024, 1024, 256)
    disk.load(0, noise(blocks * 1024, 3))
    return disk


class Odd:
    """A device that answers as it is told: `answer` is returned, or raised."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def _do(self, *call):
        self.asked.append(call)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def readblocks(self, *call):
        return self._do("read", *call)

    def writeblocks(self, *call):
        return self._do("write", *call)

    def ioctl(self, request, argument):
        if request in (COUNT, SIZE):
            return 8 if request == COUNT else None
        return self._do(request, argument)


def refused(*args):
    try:
        Window(*args)
    except OSError as error:
        return error.args[0] == EINVAL
    return False


def test_a_window_has_its_own_count_and_the_devices_block_size():
    window = Window(device(), 1024, 3 * 1024)
    assert (window.ioctl(COUNT, 0), window.ioctl(SIZE, 0)) == (3, 1024)
    assert Window(Odd(0), 512, 1024).ioctl(SIZE, 0) == 512  # what None means


def test_block_0_is_the_first_of_the_window():
    disk = device()
    window = Window(disk, 2 * 1024, 3 * 1024)
    buf = bytearray(1024)
    assert window.readblocks(0, buf) == 0 and buf == disk.data[2048:3072]
    part = bytearray(256)
    assert window.readblocks(1, part, 256) == 0 and part == disk.data[3328:3584]
    assert window.readblocks(0, part, 2 * 1024) == 0 and part == disk.data[4096:4352]


def test_an_erase_and_a_write_hit_the_window_and_nothing_else():
    disk = device()
    before = bytes(disk.data)
    window = Window(disk, 2 * 1024, 3 * 1024)
    assert window.ioctl(ERASE, 1) == 0
    assert window.writeblocks(1, noise(512, 9), 256) == 0
    assert window.writeblocks(2, noise(1024, 8)) == 0
    want = before[:3072] + b"\xff" * 256 + noise(512, 9) + b"\xff" * 256 + noise(1024, 8)
    assert disk.data == want + before[5120:]
    assert disk.wear == [0, 0, 0, 1, 1, 0]


def test_an_offset_is_handed_on_and_its_absence_too():
    odd = Odd(0)
    window = Window(odd, 512, 1024)
    buf = bytearray(512)
    window.readblocks(0, buf)
    window.readblocks(0, buf, 0)
    window.writeblocks(1, buf)
    window.writeblocks(1, buf, 0)
    assert [len(call) for call in odd.asked] == [3, 4, 3, 4]
    assert [call[1] for call in odd.asked] == [1, 1, 2, 2]
    assert odd.asked[0][2] is buf  # no copy


def test_the_last_byte_is_inside_and_the_next_one_is_not():
    window = Window(device(), 1024, 2 * 1024)
    buf = bytearray(1024)
    assert window.readblocks(1, buf) == 0
    assert window.readblocks(1, bytearray(256), 768) == 0
    for call in (
        (2, buf),
        (-1, buf),
        (1, buf, 256),
        (0, bytearray(2304)),
        (0, buf, -256),
        (1, buf, -1024),
    ):
        assert window.readblocks(*call) == -EINVAL, call
        assert window.writeblocks(*call) == -EINVAL, call
    for block in (2, -1):
        assert window.ioctl(ERASE, block) == -EINVAL


def test_a_window_that_is_not_inside_or_not_whole_is_refused():
    disk = device()
    for start, size in ((512, 1024), (0, 1000), (0, 0), (0, -1024), (-1024, 1024), (0, 7168)):
        assert refused(disk, start, size), (start, size)
    assert refused(disk, 5120, 2048) and refused(disk, 6144, 1024)
    assert not refused(disk, 5120, 1024)


def test_every_way_a_port_says_no_becomes_a_negative_errno():
    buf = bytearray(512)
    for answer, want in (
        (None, 0),  # rp2, esp32
        (0, 0),
        (-EIO, -EIO),
        (-30, -30),
        (1, -EIO),  # mimxrt
        (True, -EIO),
        (OSError(EINVAL), -EINVAL),
        (OSError(-261, "ESP_ERR_INVALID_SIZE"), -EIO),  # esp32
        (OSError("flash erase command failed with 1"), -EIO),  # mimxrt
        (OSError(), -EIO),
    ):
        window = Window(Odd(answer), 0, 1024)
        assert window.readblocks(0, buf) == want, answer
        assert window.writeblocks(0, buf, 0) == want, answer
        assert window.ioctl(ERASE, 0) == want, answer
        assert window.ioctl(SYNC, 0) == want, answer


def test_what_is_no_storage_error_goes_through():
    try:
        Window(Odd(KeyboardInterrupt()), 0, 1024).readblocks(0, bytearray(512))
    except KeyboardInterrupt:
        return
    raise AssertionError("swallowed")


def test_a_window_in_a_window():
    disk = device()
    window = Window(Window(disk, 1024, 4 * 1024), 2 * 1024, 1024)
    buf = bytearray(1024)
    assert window.readblocks(0, buf) == 0 and buf == disk.data[3072:4096]
    assert refused(Window(disk, 1024, 1024), 0, 2048)


class Frames:
    """A device that records how deep the stack is when it is read."""

    use = 0

    def readblocks(self, block, buf, offset=0):
        self.use = stack_use()

    def ioctl(self, request, argument):
        return 512 if request == SIZE else 8


def test_a_window_in_a_window_takes_no_more_stack_than_one():
    if not stack_use:  # CPython
        return
    frames, buf, depths = Frames(), bytearray(512), []
    window = frames
    for _ in range(3):
        window.readblocks(0, buf)
        depths.append(frames.use)
        window = Window(window, 0, 4096)
    assert depths[1] > depths[0] and depths[2] == depths[1]


class Synced(Window):
    under = None


def test_a_window_that_adds_to_each_call_is_not_passed_by():
    disk = device()
    assert bare(disk) == (disk, 0)
    assert bare(Window(disk, 1024, 2048)) == (disk, 1024)
    synced = Synced(disk, 1024, 2048)
    assert bare(synced) == (synced, 0)
