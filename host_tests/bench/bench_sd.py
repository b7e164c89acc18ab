"""Bench rows of the SD driver: exact, on the virtual clock of the card that is a program.

The bus limit is 8 clocks a byte of data, and nothing else. What the interpreter takes is not in
there: its CRC-16 is a row of its own, and the most of it.
"""

import json
import subprocess

from bench_lab import paths  # first: it sets the path
from ufota_testkit.chips.fake_sd import TYPICAL, Times
from ufota_testkit.chips.wired_sd import Rig

SIZE = 4096
BAUDRATE = 20000000

# Prints ratios crc16 / sha256 of 64 KiB, and floor_ms of the sha256.
_CRC = """
import hashlib, time
from bdev.sdcard import crc16, crc_tables
tables, data, best = crc_tables(), bytes(range(256)) * 2, [1 << 62, 1 << 62]
for _ in range(21):
    start = time.ticks_us()
    for _ in range(128):
        crc16(data, tables)
    middle = time.ticks_us()
    for _ in range(128):
        hashlib.sha256(data)
    found = time.ticks_diff(middle, start), time.ticks_diff(time.ticks_us(), middle)
    best = [min(pair) for pair in zip(best, found)]
print([best[0] / best[1], best[0] / 65536])
"""


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
    ratio, us = _crc()
    note = f"{us * 512:.0f} us for a block of 512 bytes here; in bytecode, no heap"
    rows.append(("SD CRC-16 / sha256 of the same", ratio, "x", None, note))
    return rows


def _took_us(act, times):
    rig = Rig(times=times)
    function = getattr(rig.start(BAUDRATE), act)
    code, ms = rig.took_ms(function, 0, bytearray(SIZE))
    if code:
        raise RuntimeError(f"{act}: {code}")
    return ms * 1000


def _crc():
    done = subprocess.run(
        [paths.micropython(), "-c", _CRC],
        env=paths.environment(paths.device()),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


if __name__ == "__main__":
    for row in sd():
        print(*row, sep="\t")
