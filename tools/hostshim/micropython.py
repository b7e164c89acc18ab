"""What CPython lacks of MicroPython, so that device code runs under both.

Gives `const`, and adds the millisecond clock to `time` when it is missing
(device modules import `micropython` before they read the clock). This folder
is never installed as a top-level module: PyPI has a `micropython` of its own,
a launcher without `const`, so this one has to come first on the path.
"""

import time

_PERIOD = 1 << 30  # ticks wrap as on the 32-bit ports, so wrap bugs show here too


def const(value):
    return value


def _ticks_ms():
    return time.monotonic_ns() // 1_000_000 & (_PERIOD - 1)


def _ticks_add(ticks, delta_ms):
    return (ticks + delta_ms) & (_PERIOD - 1)


def _ticks_diff(end, start):
    half = _PERIOD // 2
    return ((end - start + half) & (_PERIOD - 1)) - half


def _sleep_ms(ms):
    time.sleep(max(0, ms) / 1000)


for _name, _function in (
    ("ticks_ms", _ticks_ms),
    ("ticks_add", _ticks_add),
    ("ticks_diff", _ticks_diff),
    ("sleep_ms", _sleep_ms),
):
    if not hasattr(time, _name):
        setattr(time, _name, _function)
