"""Bench rows of the SD driver: exact, on the virtual clock of the card that is a program.

The bus limit is 8 clocks a byte of data, and nothing else. What the interpreter takes is not in
there: its CRC-16, the most of it, is a row of bench_time.py.
"""

import bench_lab  # noqa: F401  (first: it sets the path)
from ufota_testkit.chips.fake_sd import TYPICAL, Times
from ufota_testkit.chips.wired_sd import Rig

SIZE = 4096
BAUDRATE = 20000000


def sd():
    """[(name, figure, unit, bound, note)]; figures are time taken / limit."""
    rows = []
    limit_us = 8 * SIZE / BAUDRATE * 1e6
    for name, times, bound in (
        ("at once", Times(ncr=1), 1 / 0.9),
        ("after 200 us", TYPICAL, None),
    ):
        took = _took_us("readblocks", times)
        note = f"4 KiB at {BAUDRATE // 1000000} MHz: {took:.0f} us, limit {limit_us:.0f} us"
        rows.append((f"SD read, card answers {name}", took / limit_us, "x bus", bound, note))
    least = limit_us + SIZE // 512 * TYPICAL.write_us + TYPICAL.stop_us
    took = _took_us("writeblocks", TYPICAL)
    note = f"{took:.0f} us; a card of {TYPICAL.write_us} us a block, assumed"
    rows.append(("SD write", took / least, "x bus and busy", 1.1, note))
    return rows


def _took_us(act, times):
    rig = Rig(times=times)
    function = getattr(rig.start(BAUDRATE), act)
    code, ms = rig.took_ms(function, 0, bytearray(SIZE))
    if code:
        raise RuntimeError(f"{act}: {code}")
    return ms * 1000


if __name__ == "__main__":
    for row in sd():
        print(*row, sep="\t")
