"""The parts of the test kit that drivers and storage code are tested with are there on both."""

from ufota_testkit.chips import fake_sd, wired_nor, wired_sd
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, Disk, PowerCut, torn
from ufota_testkit.virtual_clock import Clock

BOTH = True  # runs on CPython and on MicroPython


def test_chips_keep_what_is_written_through_their_drivers():
    sd = wired_sd.Rig(fake_sd.SDSC2, 16).start()
    nor = wired_nor.Wired(wired_nor.small(4096), size=65536).start()
    block = bytearray(512)
    for device in (sd, nor):
        assert not device.writeblocks(2, noise(512, 1) if device is sd else noise(4096, 1))
        assert not device.readblocks(2, block)
        assert block == noise(512, 1)


def test_a_clock_stands_still_until_it_is_told():
    clock = Clock()
    start = clock.ticks_ms()
    clock.sleep_ms(70)
    assert clock.ticks_diff(clock.ticks_ms(), start) == 70


def test_a_tear_leaves_bytes_of_both_and_the_same_in_each_run():
    old, new = b"\x0f" * 64, b"\xf0" * 64
    for tear in ALL:
        if tear != "moody":
            left = torn(tear, old, new, 7)
            assert len(left) == 64 and left == torn(tear, old, new, 7)
    assert torn("nothing", old, new, 7) == old
    assert torn("half", old, new, 7) == new[:32] + old[:32]
    assert torn("whole", old, new, 7) == new


def test_a_disk_leaves_what_torn_says():
    for tear in ALL:
        if tear == "moody":
            continue
        disk = Disk(1024, 512, 512, True)
        disk.load(0, noise(512, 1))
        disk.cut_at(1, tear)
        try:
            disk.writeblocks(0, noise(512, 2))
            raise AssertionError
        except PowerCut:
            pass
        assert bytes(disk.data[:512]) == torn(tear, noise(512, 1), noise(512, 2), 1)
