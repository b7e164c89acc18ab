"""Tables with which a device verifies signatures of one fixed key at twice the speed.

Owns nothing: layout and arithmetic are fwcore.p256's. Runs on MicroPython too, for the tests;
a device has no use for it, because making tables costs more than a verify with them saves.
"""

from fwcore import p256


def tables(point):
    """Tables for p256.FixedKey.

    point:    public key, 65 bytes: 4, x, y
    returns:  1092 bytes
    raises:   FwError BAD_KEY when point is no point of the curve
    """
    p256.PublicKey(point)  # refuses a wrong length or prefix
    x, y = p256.read_point(point, 1)
    return p256.MAGIC + point[1:] + comb(x, y)


def comb(x, y):
    """The 16 entries: the highest tooth, plus or minus each lower one."""
    teeth = _teeth(x, y)
    entries = []
    for i in range(16):
        total = teeth[4] + (1,)
        for j in range(4):
            x, y = teeth[j]
            total = p256.add(total, x, y if i >> j & 1 else -y)
        entries.append(total)
    return p256.pack_points(entries)


def _teeth(x, y):
    """Q times 2^0, 2^52, ... 2^208, affine."""
    point = (x, y, 1)
    points = [point]
    for _ in range(4):
        for _ in range(p256.COLUMNS):
            point = p256.double(point)
        points.append(point)
    packed = p256.pack_points(points)
    return [p256.read_point(packed, at) for at in range(0, len(packed), 64)]
