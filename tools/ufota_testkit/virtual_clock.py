"""A clock that stands still until it is told: put in the place of `time` in a device module.

Runs on CPython and on MicroPython.
"""

_PERIOD = 1 << 30  # ticks wrap as on the 32-bit ports


class Clock:
    """now: ms since the start, does not wrap"""

    def __init__(self, now=0):
        self.now = now

    def ticks_ms(self):
        return self.now & _PERIOD - 1

    def ticks_diff(self, end, start):
        return ((end - start + _PERIOD // 2) & _PERIOD - 1) - _PERIOD // 2

    def ticks_add(self, start, ms):
        return start + ms & _PERIOD - 1

    def sleep_ms(self, ms):
        self.now += ms


def low(bits):
    """The least of all random numbers."""
    return 0


def middle(bits):
    """The random number that leaves a wait as it is."""
    return 1 << bits - 1


def high(bits):
    """The largest of all random numbers."""
    return (1 << bits) - 1
