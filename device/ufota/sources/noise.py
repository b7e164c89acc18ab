"""Random numbers, of what the port has: they spread a fleet."""

from fwcore.modules import built_in


def noise():
    """function(bits) -> 0..2**bits - 1; at most 24 bits."""
    try:
        urandom = built_in("os").urandom
    except AttributeError:  # a port without a source of noise
        return built_in("random").getrandbits
    return lambda bits: int.from_bytes(urandom(3), "little") >> 24 - bits
