"""The NOR driver's time on the bus: reading takes the payload's, writing the chip's own."""

from bench_bdev import nor

BOTH = True  # runs on CPython and on MicroPython


def test_reading_takes_the_bus_and_writing_the_chips_typical_times():
    rows = nor()
    assert len(rows) == 12
    for name, figure, _unit, bound, note in rows:
        assert 0.99 <= figure <= bound, (name, figure, note)
