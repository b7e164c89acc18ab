"""Bench rows of the block device drivers: their speed on virtual time, against what limits it.

The bus takes 8 clocks a byte and nothing else takes time, so these are limits of the protocol:
an MCU adds its own. Exact, so also bounds of test_spinor_speed.py.
"""

from ufota_testkit.chips.wired_nor import BAUD, KIB, Wired
from ufota_testkit.noise import noise

READ_BOUND = 0.9  # of the bus
WRITE_BOUND = 1.1  # of the chip's typical times and the bus


def nor():
    """[(name, figure, unit, bound, note)]; figures are time taken / limit.

    The limits: reading, what the bus takes for the payload; writing, the chip's typical times
    and the payload on the bus; erasing, the chip's typical time.
    """
    rows = []
    for kind in "W25Q128JV", "MX25L25635E":
        for size in 4096, 65536:
            rows += _rows("NOR " + kind, Wired(kind, 128 * KIB), size)
    return rows


def _rows(name, world, size):
    driver = world.start()
    bus_ns = size * 8 * 1000000000 // BAUD
    took = _time(world, driver.readblocks, 0, bytearray(size))
    note = "{:.2f} MB/s at {} MHz".format(size / took * 1000, BAUD // 1000000)
    text = "{}: {} {} bytes"
    yield text.format(name, "read", size), took / bus_ns, "x bus", 1 / READ_BOUND, note

    limit = bus_ns + size // 256 * world.chip.kind.page_us[0] * 1000
    took = _time(world, driver.writeblocks, 0, noise(size), 0)
    note = "{:.0f} KB/s into erased blocks".format(size / took * 1000000)
    yield text.format(name, "write", size), took / limit, "x typical", WRITE_BOUND, note

    typical = {1 << erase[0]: erase[3] for erase in world.chip.kind.erases}[size]
    took = _time(world, driver.erase, 0, size) / 1000000
    note = "{:.1f} ms, typically {}".format(took, typical)
    yield text.format(name, "erase", size), took / typical, "x typical", WRITE_BOUND, note


def _time(world, call, *args):
    start = world.clock.now_ns
    call(*args)
    return world.clock.now_ns - start


if __name__ == "__main__":
    for row in nor():
        print(*row, sep="\t")
