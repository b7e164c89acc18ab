"""Adds patch bytes to bytes of the old image, for both kinds of patches, as fast as possible."""


def adder(size, native=True):
    """A function add(old, diff): old[i] = old[i] + diff[i], mod 256.

    old, diff:  memoryviews of the same length, at most size; old gets the sums
    native:     False: the bytecode one also where machine code can be had
    """
    if native:
        try:
            from ufota.decoders.add_native import add

            return add
        except (AttributeError, ImportError, SyntaxError, ValueError):
            pass  # CPython, left out, no compiler for it, a .mpy for another machine
    from ufota.decoders.add_wide import Wide

    return Wide(size).add
