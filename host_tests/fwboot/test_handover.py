"""What the boot stage mounts the application from can be read, and nothing else."""

import sys
from errno import ENODEV

from fwboot import handover, modules
from fwboot.images import Image
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.slot import active_slot
from fwcore.storage import Storage
from fwcore.window import Window
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython

ERASE = 1024
PROGRAM = 256
IMAGE = noise(2 * ERASE)
EROFS, EIO = -30, -5
ACTIVE = ERASE  # where a Board has its image


def disk_with_image():
    disk = Disk(8 * ERASE, ERASE, PROGRAM)
    assert disk.writeblocks(1, IMAGE, PROGRAM) == 0
    return disk


def window(disk, block=ERASE):
    return handover.Window(Storage(disk, ERASE, PROGRAM), ERASE + PROGRAM, len(IMAGE), block)


def test_a_window_shows_the_image_from_its_first_byte():
    disk = disk_with_image()
    for block in (ERASE, 512):
        view = window(disk, block)
        assert (view.ioctl(4, 0), view.ioctl(5, 0)) == (len(IMAGE) // block, block)
        buf = bytearray(PROGRAM)
        assert view.readblocks(1, memoryview(buf), PROGRAM) == 0
        assert buf == IMAGE[block + PROGRAM : block + 2 * PROGRAM]


def test_a_window_refuses_every_write_and_erase():
    disk = disk_with_image()
    view = window(disk)
    before, ops = disk.snapshot(), disk.power.ops
    assert view.writeblocks(0, bytes(PROGRAM), 0) == EROFS
    assert view.writeblocks(0, bytes(ERASE)) == EROFS
    assert view.ioctl(6, 0) == EROFS
    assert (view.ioctl(1, 0), view.ioctl(2, 0), view.ioctl(3, 0)) == (0, 0, 0)
    assert disk.snapshot() == before and disk.power.ops == ops


def test_a_window_ends_with_the_image():
    view = window(disk_with_image())
    assert view.readblocks(2, bytearray(PROGRAM)) == EIO
    assert view.readblocks(1, bytearray(ERASE), PROGRAM) == EIO


def test_a_window_on_a_part_of_a_device_is_of_that_part():
    part = Window(disk_with_image(), ERASE, 7 * ERASE)
    view = handover.Window(Storage(part, ERASE, PROGRAM), PROGRAM, len(IMAGE), ERASE)
    buf = bytearray(PROGRAM)
    assert view.readblocks(1, memoryview(buf), PROGRAM) == 0
    assert buf == IMAGE[ERASE + PROGRAM : ERASE + 2 * PROGRAM]
    card = Disk(8 * 512, 512, 512, True)
    card.load(3 * 512, IMAGE[:1024])
    part = Window(card, 2 * 512, 4 * 512)
    view = handover.Window(Storage(part, 512, 512, True), 512, 1024, 512)
    buf = bytearray(512)
    assert view.readblocks(1, buf) == 0 and buf == IMAGE[512:1024]


def test_a_device_that_fails_or_returns_nothing_is_told_as_a_number():
    class Device:
        def __init__(self, answer):
            self.answer = answer

        def readblocks(self, *_):
            if isinstance(self.answer, OSError):
                raise self.answer
            return self.answer

        def ioctl(self, request, _):
            return ERASE if request == 5 else 8

    for answer, want in ((None, 0), (0, 0), (-5, -5), (1, EIO), (OSError(19), -19)):
        view = window(Device(answer))
        assert view.readblocks(0, bytearray(PROGRAM), 0) == want, answer


def test_blocks_before_the_window_are_out_of_reach():
    assert window(disk_with_image()).readblocks(-1, bytearray(PROGRAM)) == EIO


class Vfs:
    """Plays the module `vfs`: each file system is the device it was made on."""

    def VfsFat(self, device):
        return device

    VfsRom = VfsFat

    def VfsLfs2(self, device, readsize, progsize):
        return device


class Board:
    """One flash with an image in it. program: bytes; whole: what mapped() returns."""

    def __init__(self, form, image, program=PROGRAM, whole=None):
        self.disk = Disk(8 * ERASE, ERASE, program)
        self.disk.load(ACTIVE, image)
        self.layout = {
            "devices": {"flash": {"size": 8 * ERASE, "erase": ERASE, "program": program}},
            "active": {
                "device": "flash",
                "header": 0,
                "start": ACTIVE,
                "size": 7 * ERASE,
                "format": form,
            },
        }
        self.whole = whole

    def device(self, name):
        return self.disk

    def mapped(self, name):
        return self.whole


def mounted_on(board, size):
    """The device, or the bytes, the file system of an image of `size` bytes is made on."""
    kept = sys.modules.get("vfs")
    sys.modules["vfs"] = Vfs()
    try:
        head = Header(1, size, bytes(32), NO_CAMPAIGN)
        slot = active_slot(board.layout, board.disk)
        active = board.layout["active"]
        image = Image(head, slot, active["device"], active["format"])
        return handover.file_system(board, image)
    finally:
        del sys.modules["vfs"]
        if kept:
            sys.modules["vfs"] = kept


def fat(sector):
    """An image whose boot sector says so; all else of it is noise."""
    image = bytearray(noise(4096))
    image[11:13] = bytes((sector & 0xFF, sector >> 8))
    return bytes(image)


def test_a_fat_image_is_shown_in_its_own_sectors_whatever_the_program_size():
    for program in (1, 4, 8, 16, 256, 512):
        for sector in (512, 1024, 2048, 4096):
            image = fat(sector)
            view = mounted_on(Board("fat", image, program), len(image))
            assert (view.ioctl(4, 0), view.ioctl(5, 0)) == (4096 // sector, sector)
            buf = bytearray(512)
            assert view.readblocks(0, memoryview(buf)) == 0
            assert buf == image[:512]


def test_what_is_no_fat_is_refused_before_it_is_mounted():
    for program in (1, 8, 256):
        for sector in (0, 1, 2, 128, 256, 511, 513, 1536, 3072, 4095, 8192, 0x8000, 0xFFFF):
            try:
                mounted_on(Board("fat", fat(sector), program), 4096)
            except OSError as error:
                assert error.args[0] == ENODEV
                continue
            raise AssertionError("taken: {} bytes in a sector".format(sector))


def test_a_mapped_romfs_is_used_in_place_and_ends_with_its_image():
    for size in (1, 700, 2 * ERASE):
        flash = bytearray(noise(8 * ERASE))
        board = Board("romfs", IMAGE, whole=memoryview(flash))
        board.disk.bad_blocks = set(range(8))  # nothing is copied, so nothing is read
        image = mounted_on(board, size)
        assert bytes(image) == bytes(flash[ACTIVE : ACTIVE + size])
        flash[ACTIVE] ^= 0xFF
        assert image[0] == flash[ACTIVE]


def test_a_romfs_that_is_not_mapped_is_read_into_ram():
    for size, units in ((1, 1), (PROGRAM, 1), (PROGRAM + 1, 2), (2 * ERASE, 8)):
        assert bytes(mounted_on(Board("romfs", IMAGE), size)) == IMAGE[: units * PROGRAM]


def test_the_boot_stage_leaves_memory_with_all_it_shares():
    assert "fwboot.handover" in sys.modules and "fwcore.storage" in sys.modules
    kept = dict(sys.modules)
    try:
        modules.forget("json")
        left = {name.split(".")[0] for name in sys.modules}
        assert not left & {"fwboot", "fwcore", "ufota", "json"}
        assert "ufota_testkit" in left
    finally:
        sys.modules.update(kept)
