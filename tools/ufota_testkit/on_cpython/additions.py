"""Names that MicroPython has and CPython has not, put where an application looks for them.

Machine code (viper, assembler) is not among them: what has a way around it takes that.
"""

import functools
import gc
import sys
import time

from ufota_testkit.on_cpython import errors, files

_host_collect = gc.collect
_FREE = 4 << 20  # bytes of heap that are told; it has no bound here
_PERIOD = 1 << 30  # of ticks, as in hostshim


def patch():
    import micropython  # hostshim's; adds the millisecond clock to `time`

    sys.print_exception = errors.print_exception
    _set(gc, collect=_collect)
    _set(gc, threshold=_threshold, mem_free=lambda: _FREE, mem_alloc=lambda: 0)
    _set(time, sleep_us=_sleep_us, ticks_us=_ticks_us, ticks_cpu=_ticks_us)
    _set(
        micropython,
        alloc_emergency_exception_buf=_nothing,
        heap_lock=_nothing,
        heap_unlock=_nothing,
        kbd_intr=_nothing,
        mem_info=_nothing,
        native=lambda function: function,
        opt_level=lambda *level: None if level else 0,
        qstr_info=_nothing,
        schedule=lambda function, argument: function(argument),
    )


def _set(module, **names):
    for name, value in names.items():
        setattr(module, name, value)


def patch_json(json):
    """Text is written as it is, not in escapes."""
    json.dump = functools.partial(json.dump, ensure_ascii=False)
    json.dumps = functools.partial(json.dumps, ensure_ascii=False)


def _threshold(*size):
    return None if size else -1


def _collect(*_):
    _host_collect()
    files.close_lost()
    return 0


def _nothing(*_):
    return None


def _sleep_us(us):
    time.sleep(max(0, us) / 1_000_000)


def _ticks_us():
    return time.monotonic_ns() // 1000 & (_PERIOD - 1)
