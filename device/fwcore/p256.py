"""ECDSA P-256 / SHA-256, the verifying half.

Owns the curve arithmetic and the table format below; no hashing, no DER, no signing.
Nothing here is secret, so nothing takes care to run in constant time.

Both keys compute u1*G + u2*Q in one loop, `_sum`, over signed odd digits: digit d selects
entry |d| >> 1 of a table of affine points, negated when d < 0. Tables stay bytes, 64 a point,
so they can sit in ROM. G goes through its comb in the last 52 rounds of either way.
    PublicKey  any key: table {Q, 3Q, 5Q, 7Q}, u2 in width-4 NAF, 256 doublings
    FixedKey   a key known when the firmware is built: a comb for Q too, 51 doublings

Measured on an emulated Cortex-M3, in thousand instructions: a * b % P takes 15.3, of which the
`%` 10.6; Barrett or the NIST word reduction would be slower. Inverse: Euclid 829, pow 5029.

Tables of a FixedKey, made by fwtool.signing.p256_tables:
    offset size  field    meaning
    0      4     magic    b"uPK1"
    4      64    key      Q as x, y                                (all numbers big-endian)
    68     1024  comb     16 points x, y: entry i is 2^208*Q plus 2^(52j)*Q for each bit j
                          of i that is 1, minus it for each that is 0 (j = 0..3)
"""

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

MAGIC = b"uPK1"
COLUMNS = const(52)  # of a comb with 5 teeth: 260 bits
_KEY = const(4)  # offsets in the tables
_COMB = const(68)
_SIZE = const(1092)

_P = const(0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF)
_B = const(0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B)
_N = const(0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551)


class PublicKey:
    """A key that arrives at run time.

    point:   65 bytes: 4, x, y
    feed:    called in every round of a check, for the watchdog
    raises:  FwError BAD_KEY when it is anything else, or no point of the curve
    """

    def __init__(self, point, feed=None):
        if len(point) != 65 or point[0] != 4:
            raise FwError(errors.BAD_KEY)
        x, y = read_point(point, 1)
        total = INFINITY
        odd = []
        for i in range(1, 8):
            total = add(total, x, y)
            if i & 1:
                odd.append(total)
        self._table = pack_points(odd)
        self._feed = feed

    def verify(self, digest, signature):
        """True when the holder of this key signed digest; see `_verify`."""
        return _verify(digest, signature, _wnaf, self._table, self._feed)


class FixedKey:
    """A key whose tables were made on the host: half the work of PublicKey.

    tables:  bytes, layout on top of this module; trusted as much as a key in ROM is
    feed:    as for a PublicKey
    raises:  FwError BAD_KEY, at = offset: wrong length or magic, an entry that is no point
             of the curve, or a comb of another key than the one in front of it
    """

    def __init__(self, tables, feed=None):
        if len(tables) != _SIZE or tables[:_KEY] != MAGIC:
            raise FwError(errors.BAD_KEY)
        x, y = read_point(tables, _KEY)
        total = double((x, y, 1))
        for at in range(_COMB, _SIZE, 64):
            x, y = read_point(tables, at)
            if at == _SIZE - 128:
                total = add(total, x, y)
        if add(total, x, _P - y)[2]:  # entry 15 is entry 14 plus 2Q
            raise FwError(errors.BAD_KEY, _COMB)
        self._table = memoryview(tables)[_COMB:]
        self._feed = feed

    def verify(self, digest, signature):
        """True when the holder of this key signed digest; see `_verify`."""
        return _verify(digest, signature, _comb, self._table, self._feed)


def _verify(digest, signature, recode, table, feed):
    """One signature against one key.

    digest:     32 bytes, the SHA-256 of the message
    signature:  64 bytes, r then s
    recode:     turns u2 into the digits that select from table
    returns:    bool; False for other lengths too. Never raises for what the bytes say
    source:     FIPS 186-5 section 6.4.2; Wycheproof vectors in host_tests/vectors
    """
    if len(digest) != 32 or len(signature) != 64:
        return False
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:], "big")
    if not (0 < r < _N and 0 < s < _N):
        return False
    columns, digits = _factors(digest, r, s, recode)
    x, _, z = _sum(columns, digits, table, feed)
    if not z:
        return False
    # The point's affine x is x / z^2; multiplying r instead saves an inverse. x mod N is what
    # was signed, so an x of N or more shows as r + N.
    zz = z * z % _P
    return x == r * zz % _P or (r + _N < _P and x == (r + _N) * zz % _P)


def _factors(digest, r, s, recode):
    """u1 and u2 as digits; a function of its own, so that its big numbers are gone after it."""
    w = _inverse(s, _N)
    return _comb(int.from_bytes(digest, "big") * w % _N), recode(r * w % _N)


def _sum(columns, digits, table, feed):
    total = INFINITY
    for i in range(len(digits) - 1, -1, -1):
        if feed:
            feed()
        total = double(total)
        if i < COLUMNS:
            total = _add_entry(total, G_COMB, columns[i])
        if digits[i]:
            total = _add_entry(total, table, digits[i])
    return total


def _comb(k):
    """Column i as the odd digit, -31..31, whose bits are i, i + 52, ... i + 208 of k.

    In the digits -1 and 1 an odd number is sum((2b - 1) * 2^i), b the bits of k >> 1 under a
    leading 1. An even k gets N added, which changes no multiple of a point.
    """
    if not k & 1:
        k += _N
    bits = (k >> 1 | 1 << 259).to_bytes(33, "little")
    digits = bytearray(COLUMNS)
    bit = 0
    for weight in (2, 4, 8, 16, 32):
        for i in range(COLUMNS):
            digits[i] += (bits[bit >> 3] >> (bit & 7) & 1) * weight
            bit += 1
    for i in range(COLUMNS):
        digits[i] = (digits[i] - 31) & 0xFF
    return digits


def _wnaf(k):
    """Digits 0 or odd, -7..7, at least three zeros between two others: 51 additions, not 128.

    Windows are read from bytes; shifting a 256-bit number down takes 2.7 times as long.
    """
    bits = k.to_bytes(34, "little")
    digits = bytearray(257)
    i = carry = 0
    while i < 257:
        window = ((bits[i >> 3] | bits[(i >> 3) + 1] << 8) >> (i & 7) & 15) + carry
        if window & 1:
            carry = window >> 3
            digits[i] = (window - 16 * carry) & 0xFF
            i += 4
        else:
            i += 1
    return digits


# Points: (X, Y, Z) stands for x = X / Z^2, y = Y / Z^3, and Z = 0 for the point at infinity.
# X, Y and Z are always reduced, so equal means equal.
INFINITY = (0, 0, 0)


def double(point):
    """Twice a point: 8 multiplications (as dbl-2001-b in the Explicit-Formulas Database)."""
    x, y, z = point
    zz = z * z % _P
    y2 = y + y
    yy2 = y2 * y % _P
    yy4 = yy2 + yy2
    b = x * yy4 % _P
    a = 3 * (x - zz) * (x + zz) % _P
    x = (a * a - b - b) % _P
    return x, (a * (b - x) - yy4 * yy2) % _P, y2 * z % _P


def add(point, x2, y2):
    """A point plus an affine one, any two of the curve: 11 multiplications."""
    x, y, z = point
    if not z:
        return x2, y2, 1
    zz = z * z % _P
    h = x2 * zz % _P - x
    r = y2 * (z * zz % _P) % _P - y
    if not h:
        return INFINITY if r else double(point)
    hh = h * h % _P
    hhh = h * hh % _P
    v = x * hh % _P
    x = (r * r - hhh - v - v) % _P
    return x, (r * (v - x) - y * hhh) % _P, z * h % _P


def _add_entry(point, table, digit):
    negative = digit > 127
    at = (256 - digit if negative else digit) >> 1 << 6
    y = int.from_bytes(table[at + 32 : at + 64], "big")
    return add(point, int.from_bytes(table[at : at + 32], "big"), _P - y if negative else y)


def read_point(buf, at):
    """(x, y) from the 64 bytes at `at`; FwError BAD_KEY when they are no point of the curve."""
    x = int.from_bytes(buf[at : at + 32], "big")
    y = int.from_bytes(buf[at + 32 : at + 64], "big")
    if x >= _P or y >= _P or (y * y - (x * x - 3) * x - _B) % _P:
        raise FwError(errors.BAD_KEY, at)
    return x, y


def pack_points(points):
    """Points as affine x, y, 64 bytes each; none may be the point at infinity.

    One inversion for all of them: it costs as much as 54 multiplications.
    """
    before = []  # product of every Z in front of this one
    product = 1
    for point in points:
        before.append(product)
        product = product * point[2] % _P
    inverse = _inverse(product, _P)
    packed = bytearray(64 * len(points))
    for i in range(len(points) - 1, -1, -1):
        x, y, z = points[i]
        z1 = inverse * before[i] % _P
        z2 = z1 * z1 % _P
        packed[64 * i : 64 * i + 32] = (x * z2 % _P).to_bytes(32, "big")
        packed[64 * i + 32 : 64 * i + 64] = (y * z2 * z1 % _P).to_bytes(32, "big")
        inverse = inverse * z % _P
    return bytes(packed)


def _inverse(a, m):
    """1 / a modulo m, for 0 < a < m and m a prime. MicroPython's pow(a, -1, m) returns 0."""
    b, x, y = m, 1, 0
    while a:
        q, r = divmod(b, a)
        a, b, x, y = r, a, y - q * x, x
    return y % m


# The comb of G, same form as in the tables of a key.
G_COMB = (
    b"\x84\x29\xdf\xdd\x7f\xd0\x81\xc5\xc7\x0c\x60\xad\x4a\xcd\xa0\xcb\xf8\x8c\x60\xc8\x3a\x22"
    b"\xaa\xd4\xf9\x52\x76\xd2\xc7\xe5\x4b\xee\xc0\x56\xe5\x44\x85\x18\x97\xe6\x8b\xae\x07"
    b"\x1e\x20\xf9\xff\x59\x26\xd8\x2c\x6b\x13\x13\x88\x32\xb6\xe0\x09\x49\x53\x87\x30\x20"
    b"\x2e\x8f\x84\xba\xdf\x5a\xd6\xe9\x74\xa9\x5e\x72\x92\xd8\x1b\x88\xbd\x56\x92\x74\x2a\x56"
    b"\x6f\xc8\xaa\x44\x31\x4c\xea\x4b\x56\x4a\xd4\x4a\xc5\x5d\x54\x38\xfb\xad\x45\xda\x91"
    b"\x65\xcd\x48\x2e\xca\x41\x1f\x1c\xcd\xb1\x58\x43\xf8\xd3\xf6\xbb\xe9\x93\x5c\x5d\xad"
    b"\x57\x2d\x60\x7b\x2a\xc9\xce\x9f\xeb\x66\x2c\xf0\x7d\xa8\x1d\xca\x3b\x08\x6f\x1f\x36\xe6"
    b"\x5e\xb5\x0e\x64\x5a\xc3\x16\x74\xdc\xab\x12\x5e\xb4\xaa\x1b\xcc\x94\x55\x15\x28\xeb"
    b"\x2d\xdd\x40\xce\x47\x5f\x60\x20\xd9\xe1\x45\x1f\x4e\xda\xc5\xf4\xc1\x25\xdd\xa5\x60"
    b"\xa4\xf9\xf3\x67\x2c\x06\xe4\xea\xbe\x4f\xa3\x09\x25\x0a\x69\x32\x7b\x6d\x23\x4e\xc3\xda"
    b"\x30\xbb\x41\x61\x83\x05\xbc\xb7\x05\x52\xf7\x6f\x53\x48\x25\xc4\x42\xe4\x5a\xf9\x50"
    b"\x1f\xa5\xd9\x8e\x06\x90\x09\x7c\xb6\x05\x2a\x14\xae\xb8\xeb\xea\x26\xf6\x8d\x98\x1b"
    b"\x3f\x0c\x96\xe6\xcf\xef\x22\x13\x4c\xfb\x0e\x28\x64\x6d\xb6\x07\x89\xae\x78\x8c\x22\xbd"
    b"\x69\x11\xba\x93\x14\xd9\x33\x8e\x58\xda\xdb\xfb\x71\x91\x92\xcc\xc3\x5c\x15\xf3\xf0"
    b"\x2b\x21\x87\x6f\xc4\xde\x2e\x23\x7a\xfd\x66\x57\xfa\xf9\x66\xd2\xb0\xf3\x50\x10\x83"
    b"\x79\x18\xb0\x3b\xde\x55\xc5\xed\xd9\xfd\x0d\xa1\x64\x39\x66\xb8\x10\x65\xae\x57\xcc\x8e"
    b"\xa3\x58\x3e\x95\x56\x41\xb2\x58\xfb\xba\x61\x4a\xf4\x53\x51\xea\x04\x8b\xfb\x2b\x86"
    b"\x3e\xcd\xdb\x93\x09\x54\x3b\x7d\xd0\x8e\x46\xe9\x93\xbc\x3b\xae\xe5\xb6\x87\x0e\x88"
    b"\xaf\x21\xe4\x9c\x72\xb2\x24\x79\x41\xfb\xa4\x9e\x8e\x9e\x8b\xf3\xc5\xd1\x5a\x99\x9b\x4a"
    b"\xd9\xfd\x0a\x3e\x34\x94\x10\x32\x66\x11\xb0\x11\x0f\xe5\xfc\xae\x53\x6c\xd2\x00\xd6"
    b"\xff\xcf\x1d\x41\x05\xd1\x43\xd5\x9d\x3e\xa1\x11\x6a\xf9\x41\x49\x62\x13\xa4\xb5\x2a"
    b"\xd5\x58\x8a\x0d\xc9\x48\x56\x1b\x98\x46\x5d\xd3\xf4\x7b\xf8\xea\x0f\x09\x1a\x2f\x86\xfb"
    b"\x87\x97\xcf\x04\x27\x14\x99\x4a\x5b\x6e\xda\xa9\x4e\x8f\xa3\x5c\x55\x1a\xe9\xf6\x49"
    b"\xda\xc7\xf7\xa9\x2f\x47\xf5\xcb\x7d\x42\xdd\xc4\x96\xde\x5b\x9a\x41\x9b\xc7\x49\x03"
    b"\x01\xe0\xde\x74\xd8\x6d\x9b\xc0\x59\x24\xf7\xf0\x90\xe7\xf7\xf9\xa8\xea\x75\x89\x4d\x6e"
    b"\x17\x37\x09\x68\xaa\xa0\x9c\x6d\xe2\xf0\xdb\xbd\x89\x1f\x48\x8b\x2f\x0a\xdb\xb4\xca"
    b"\x96\x0a\xa4\x4e\x5d\x51\x22\x67\xad\x4a\x0a\x4a\xef\x9b\x06\xbf\x92\x68\xaf\x55\x2b"
    b"\x2b\x51\xf0\x9a\x3b\xd7\x36\x79\xdb\x3c\xd8\xf0\x79\xc1\xa3\xab\xa0\x7e\xde\xc9\x98\x05"
    b"\x68\x27\xe7\xda\x7a\x30\x3e\xf6\xf4\xc1\xad\x9c\xe7\xab\x33\x2a\xb9\x12\x96\x6b\x6b"
    b"\xd4\x09\x31\x50\x57\x61\xa5\x24\xf3\xdf\xd9\xfe\x28\x6b\x4b\xa1\x9f\xa4\x5f\x02\xe8"
    b"\xeb\x34\xf0\x80\x24\x37\x3a\x17\xd3\x31\xbc\xdc\xc3\xf5\xec\xec\xae\x16\x00\xab\xc0\x01"
    b"\x57\xb9\x0a\xbb\x92\x6b\x85\x45\x43\x8a\x75\x8f\xe2\x59\xa8\xf9\x30\x55\x5f\xe2\x4b"
    b"\xa3\xaa\xdb\x79\x2e\xf0\x2c\xa1\x0a\xcf\x0d\x91\xcd\x57\x10\x00\x75\xb1\xef\x8e\x14"
    b"\xda\xb8\xdd\xdc\x24\xda\x64\x38\x1a\xeb\xf4\x3c\xdd\x9e\xbe\x66\x0c\x0b\xf6\x13\x8b\x38"
    b"\x43\xd5\x3b\x9e\x5a\x25\x32\x03\x04\xd1\x9e\xb0\xef\xbf\x9e\x4e\x37\x0c\x76\x50\xec"
    b"\x55\x8d\x31\x5e\xf7\x64\x77\x97\xc6\x48\xca\x98\x37\xf6\x54\x1c\x56\x08\xba\x5b\x92"
    b"\x52\x78\x84\x40\x96\xc4\xff\x9c\x89\x61\x6c\xb1\xe7\x9e\x07\xdd\xdc\x8f\x13\xbf\xca\xed"
    b"\xdb\x83\x8c\x3d\x52\x02\x79\x8f\x31\x6d\x4d\x3d\x59\x23\xa6\x1a\xe1\xb4\xde\xd0\xd1"
    b"\x5b\xbf\x2d\xd8\x34\x80\xb8\x66\xfe\x6c\x50\xa1\xef\xa2\x09\x99\xf6\xa9\x34\xb6\x69"
    b"\x79\x2f\x29\xf8\x67\x69\x84\xa9\x4f\x52\x39\xd9\x79\x15\x51\xab\xc2\x95\x20\xb8\xbf\x0a"
    b"\xb9\x11\xf3\x17\xd3\x2c\x9b\xf1\x74\xbf\xf0\xd8\xce\x8b\x3b\x28\xe9\x4a\x35\x6f\xdd"
    b"\x6d\xc9\xd4\xb1\xc1\x9a\xb2\xfa\xf2\x39\xb9\x6d\x8b\x08\xf2\x67\xf2\xa6\xfb\x03\x6b"
    b"\xad\x7f\x1b\x10\xb6\x32\x36\x54\xab\x7d\x90\x07\x69\xdd\xab\xe5\x1c\x28\xa6\x36\xd0\x74"
    b"\x61\x91\xf1\xb2\xfb\x60\x2c\x26\x03\xd7\x12\x7f\x9b\x5d\x07\xbd\xe2\x55\x3f\xac\xbe"
    b"\x89\xfd\xe4\x78\x3f\x4a\x77\x65\xa1\xbe\x18\x1b\xea\x09\xb9\xd1\x96\x16\xbc\xeb\x7d"
    b"\x82\x5f\x01\x94\x8e\x83\x1d\x5b\x76\xc4\xc1\x80\x42\x86\xfb\x42\x1a\x25\x30\xb0\x5a\x00"
    b"\x16\x9c\x2e\x75\xa2\x66\x5b\x69\x65\x27\x43\x58\x72\xfe\xbc\x72\x3a\x17\x61\x79\x4c"
    b"\x4f\x24\x11\x11\x50\x10\x6f\x9b\xc4\xce\x5b\x10\x6a\xdb\xf0\xa1\x1f\xef\x70\x37\x39"
)
