"""P-256: both kinds of key give the right answer, for every vector and every corner we know.

Corners are made, not searched for. `signed` picks u1 and u2, the factors a verify computes,
and derives key, digest and signature from them with plain affine arithmetic of its own.
"""

import hashlib
import os
import sys

from fwcore import errors, p256
from helpers import here, raises, vectors

if sys.implementation.name == "cpython":
    from fwtool.signing import p256_tables
else:  # fwtool as a package is for the host only; this file of it is not
    sys.path.append(here("../tools/fwtool/signing"))
    import p256_tables

BOTH = True  # runs on CPython and on MicroPython

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
ANY = 0x1F0E2D3C4B5A69788796A5B4C3D2E1F00123456789ABCDEFFEDCBA9876543210
OTHER = 0x7A5D0C93B1E4F6282E6F4B1E39C0D5A7F10293847566574839201AFBECDDCEBF


def inverse(a, m):
    b, x, y = m, 1, 0
    while a:
        q = b // a
        a, b, x, y = b - q * a, a, y - q * x, x
    return y % m


def plus(a, b):
    """Sum of two affine points; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if a[1] != b[1]:
            return None
        slope = 3 * (a[0] ** 2 - 1) * inverse(2 * a[1], P)
    else:
        slope = (b[1] - a[1]) * inverse((b[0] - a[0]) % P, P)
    x = (slope**2 - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(k, point=G):
    total = None
    for bit in range(255, -1, -1):
        total = plus(total, total)
        if k >> bit & 1:
            total = plus(total, point)
    return total


def lift(x):
    """The first point of the curve whose x is at least this."""
    while True:
        square = (x * x * x - 3 * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return x, y
        x += 1


def word(number):
    return number.to_bytes(32, "big")


def packed(point):
    return b"\x04" + word(point[0]) + word(point[1])


def accepts(point, digest, signature):
    """What both kinds of key say, which must be the same."""
    fixed = p256.FixedKey(p256_tables.tables(point)).verify(digest, signature)
    assert p256.PublicKey(point).verify(digest, signature) is fixed
    return fixed


def signed(key, u1, u2, r):
    """Key, digest and signature that make a verify compute u1 * G + u2 * key and expect r."""
    s = r * inverse(u2, N) % N
    return packed(key), word(u1 * s % N), word(r) + word(s)


def signed_with(q, u1, u2):
    """Valid case of the key q * G."""
    return signed(times(q), u1, u2, times((u1 + u2 * q) % N)[0] % N)


def key_reaching(point, u1, u2):
    """The key for which u1 * G + u2 * key is this point, of which nobody knows the factor."""
    return times(inverse(u2, N), plus(point, times(N - u1)))


CASE = signed_with(ANY, 5, OTHER)  # as good as any other


def test_every_wycheproof_vector_gets_its_verdict():
    valid = invalid = 0
    for group in vectors("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json")["testGroups"]:
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        keys = p256.PublicKey(point), p256.FixedKey(p256_tables.tables(point))
        for case in group["tests"]:
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            signature = bytes.fromhex(case["sig"])
            expected = case["result"] == "valid"
            valid += expected
            invalid += not expected
            for key in keys:
                assert key.verify(digest, signature) is expected, case["tcId"]
    assert (valid, invalid) == (173, 89)


def test_stored_comb_is_that_of_the_generator():
    assert p256_tables.comb(*G) == p256.G_COMB


def test_what_is_no_point_of_the_curve_is_no_key():
    good = packed(G)
    bad = [b"", good[:64], good + b"\0", good[1:], b"\x04" + bytes(64), b"\x04" + b"\xff" * 64]
    bad += [bytes([prefix]) + good[1:] for prefix in (0, 2, 3, 5, 6, 7)]
    bad += [packed((G[0], G[1] ^ 1)), packed((G[0] ^ 1, G[1])), packed((G[1], G[0]))]
    for point in bad:
        raises(errors.BAD_KEY, p256.PublicKey, point)
        raises(errors.BAD_KEY, p256_tables.tables, point)


def test_coordinates_beyond_the_field_are_no_key():
    small_x = lift(1)
    p256.PublicKey(packed(small_x))
    raises(errors.BAD_KEY, p256.PublicKey, packed((small_x[0] + P, small_x[1])))
    small_y = (  # tcId 250 of Wycheproof
        0xBCBB2914C79F045EAA6ECBBC612816B3BE5D2D6796707D8125E9F851C18AF015,
        0x000000001352BB4A0FA2EA4CCEB9AB63DD684ADE5A1127BCF300A698A7193BC2,
    )
    p256.PublicKey(packed(small_y))
    raises(errors.BAD_KEY, p256.PublicKey, packed((small_y[0], small_y[1] + P)))


def test_damaged_tables_are_no_key():
    tables = p256_tables.tables(CASE[0])
    p256.FixedKey(tables)
    for bad in (b"", tables[:-1], tables + b"\0", b"uPK2" + tables[4:]):
        raises(errors.BAD_KEY, p256.FixedKey, bad)
    for at in range(4, len(tables), 32):  # each coordinate
        bad = tables[:at] + bytes([tables[at] ^ 1]) + tables[at + 1 :]
        assert raises(errors.BAD_KEY, p256.FixedKey, bad).at == at - (at - 4) % 64


def test_tables_of_two_keys_mixed_are_no_key():
    ours, theirs = p256_tables.tables(CASE[0]), p256_tables.tables(packed(G))
    assert raises(errors.BAD_KEY, p256.FixedKey, ours[:68] + theirs[68:]).at == 68
    opposite = ours[:68] + p256_tables.tables(packed(times(N - ANY)))[68:]
    raises(errors.BAD_KEY, p256.FixedKey, opposite)


def test_wrong_length_is_a_wrong_signature():
    point, digest, signature = CASE
    assert accepts(point, digest, signature)
    for bad in (b"", digest[:31], digest + b"\0", b"\0" + digest):
        assert not accepts(point, bad, signature)
    r, s = signature[:32], signature[32:]
    for bad in (b"", r + s[:31], r + s + b"\0", b"\0" + r + s, r + b"\0" + s):
        assert not accepts(point, digest, bad)


def test_r_and_s_are_from_1_to_n_less_1():
    point, digest, signature = CASE
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    for bad in (0, N, N + 1, P, 2**256 - 1):
        assert not accepts(point, digest, word(bad) + word(s))
        assert not accepts(point, digest, word(r) + word(bad))
        assert not accepts(point, digest, word(bad) + word(bad))
    assert accepts(point, digest, word(r) + word(N - s))  # ECDSA itself allows both
    assert not accepts(point, digest, word(N - r) + word(s))


def test_numbers_beyond_the_order_are_refused_though_the_sum_is_right():
    # s: 7 is accepted, 7 + N is not
    u2 = times(OTHER)[0] * inverse(7, N) % N
    key = key_reaching(times(OTHER), ANY, u2)
    point, digest, signature = signed(key, ANY, u2, times(OTHER)[0] % N)
    assert signature[32:] == word(7)
    assert accepts(point, digest, signature)
    assert not accepts(point, digest, signature[:32] + word(7 + N))
    # r: x itself, where it is N or more
    x, y = lift(N + ANY % 1000)
    point, digest, signature = signed(key_reaching((x, y), 5, OTHER), 5, OTHER, x - N)
    assert accepts(point, digest, signature)
    assert not accepts(point, digest, word(x) + signature[32:])


def test_an_x_beyond_the_order_matches_only_its_remainder():
    for least in (N, (N + P) // 2, P - 1000):
        reached = lift(least)
        key = key_reaching(reached, ANY, OTHER)
        assert accepts(*signed(key, ANY, OTHER, reached[0] - N))
    # r + N is compared below P only: here it is x + P, and must not come round to x
    x = times((5 + OTHER * ANY) % N)[0]
    assert not accepts(*signed(times(ANY), 5, OTHER, x + P - N))


def test_a_digest_that_is_0_modulo_the_order_can_be_signed():
    point, digest, signature = signed_with(ANY, 0, OTHER)
    assert digest == bytes(32)
    assert accepts(point, digest, signature)
    assert accepts(point, word(N), signature)
    assert not accepts(point, word(1), signature)
    assert not accepts(point, word(N - 1), signature)


def test_extreme_factors_add_up():
    extremes = (1, 2, 2**52 - 1, 2**128, 2**255, N // 2, N // 2 + 1, N - 2, N - 1)
    for i, u1 in enumerate(extremes):
        assert accepts(*signed_with(ANY, u1, extremes[(4 * i + 3) % 9]))
        assert accepts(*signed_with(ANY, u1, 2**256 % N + i))


def test_equal_and_opposite_points_are_added_rightly():
    # With the key G or -G a FixedKey adds an entry to itself or to its opposite
    for q in (1, N - 1):
        assert p256._comb(OTHER)[51] == p256._comb(OTHER + 2)[51]
        assert accepts(*signed_with(q, OTHER, OTHER + 2))
    # A PublicKey does when the key is the entry that u1 selects in column 51, digit 1 of u2
    entry = spread(p256._comb(ANY)[51])
    for q in (entry, N - entry):
        assert accepts(*signed_with(q, ANY, 2**51))


def test_a_sum_at_infinity_is_no_signature():
    for q, u2 in ((1, OTHER), (N - 1, OTHER), (ANY, OTHER), (ANY, 1)):
        for r in (1, ANY, N - 1):
            assert not accepts(*signed(times(q), N - u2 * q % N, u2, r))


def test_digits_are_the_number_and_select_from_the_tables():
    for k in (0, 1, 2, 15, 2**128 - 1, 2**255, 2**256 - 1 - 2**224, ANY, OTHER, N - 1):
        digits = signed_bytes(p256._wnaf(k))
        assert sum([digit << i for i, digit in enumerate(digits)]) == k
        assert all(digit == 0 or (digit & 1 and -8 < digit < 8) for digit in digits)
        digits = signed_bytes(p256._comb(k))
        assert all(digit & 1 and -32 < digit < 32 for digit in digits)
        assert sum([spread(digit) << i for i, digit in enumerate(digits)]) % N == k


def signed_bytes(digits):
    return [digit - 256 if digit > 127 else digit for digit in digits]


def spread(digit):
    """What a digit of the comb stands for: its five bits as 1 or -1, 52 columns apart."""
    bits = (digit + 31) >> 1
    return sum([(2 * (bits >> j & 1) - 1) << 52 * j for j in range(5)])


def test_no_bit_can_be_flipped():
    point, digest, signature = CASE
    fixed, runtime = p256.FixedKey(p256_tables.tables(point)), p256.PublicKey(point)
    for bit in range(768):
        flipped = bytearray(digest + signature)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not fixed.verify(flipped[:32], flipped[32:]), bit
        if bit % 7 == 0:
            assert not runtime.verify(flipped[:32], flipped[32:]), bit


def test_a_check_feeds_in_every_round():
    point, digest, signature = CASE  # u2, which a PublicKey goes through digit by digit, is OTHER
    for make, from_key, rounds in (
        (p256.PublicKey, point, len(p256._wnaf(OTHER))),
        (p256.FixedKey, p256_tables.tables(point), 52),
    ):
        fed = []
        key = make(from_key, lambda fed=fed: fed.append(1))
        assert not fed  # making one is short
        assert key.verify(digest, signature)
        assert len(fed) == rounds
        assert not key.verify(word(1), signature)
        assert len(fed) == 2 * rounds
        assert not key.verify(digest, signature[:63])  # no round at all
        assert len(fed) == 2 * rounds
    assert 250 < len(p256._wnaf(OTHER)) < 258


def test_openssl_agrees_on_random_keys():
    if sys.implementation.name != "cpython":
        return
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    for i in range(40):
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        message = os.urandom(i)
        der = private.sign(message, ec.ECDSA(hashes.SHA256()))
        signature = b"".join([word(number) for number in utils.decode_dss_signature(der)])
        digest = hashlib.sha256(message).digest()
        assert accepts(point, digest, signature)
        assert not accepts(point, hashlib.sha256(digest).digest(), signature)
