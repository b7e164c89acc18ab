"""What the boot stage mounts the application from can be read, and nothing else."""

import sys

from fwboot import handover
from fwcore.storage import Storage
from helpers import noise
from simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython

ERASE = 1024
PROGRAM = 256
IMAGE = noise(2 * ERASE)
EROFS, EIO = -30, -5


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


def test_blocks_before_the_window_are_out_of_reach():
    assert window(disk_with_image()).readblocks(-1, bytearray(PROGRAM)) == EIO


def test_the_boot_stage_leaves_memory_but_what_it_shares_stays():
    assert "fwboot.handover" in sys.modules
    kept = dict(sys.modules)
    try:
        handover._forget("fwboot")
        assert not [name for name in sys.modules if name.startswith("fwboot")]
        assert "fwcore.storage" in sys.modules
    finally:
        sys.modules.update(kept)
