"""Add: what both kinds of patches do with the old image's bytes, as fast as it can be had."""

from micropython import const

STEP = const(256)  # bytes added at a time, at most


def adder(native=True):
    """A function add(old, diff): old[i] = old[i] + diff[i], mod 256.

    old, diff:  memoryviews of the same length, at most STEP; old gets the sums
    native:     False: the bytecode one also where machine code can be had
    """
    if native:
        try:
            from ufota.filters.add_native import add

            return add
        except (AttributeError, ImportError, SyntaxError, ValueError):
            pass  # CPython, left out, no compiler for it, a .mpy for another machine
    return Wide().add


class Wide:
    """Adds all bytes at once, as one long number, without carries between them.

    RAM:  two numbers of STEP bytes; each add() makes and drops eight
    """

    def __init__(self):
        self._low = int.from_bytes(b"\x7f" * STEP, "little")
        self._high = int.from_bytes(b"\x80" * STEP, "little")

    def add(self, old, diff):
        a = int.from_bytes(old, "little")
        b = int.from_bytes(diff, "little")
        low, high = self._low, self._high
        # The upper bits are left out of the sum, so that their carries go nowhere.
        total = ((a & low) + (b & low)) ^ ((a ^ b) & high)
        old[:] = total.to_bytes(len(old), "little")
