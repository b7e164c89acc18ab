"""Encrypted payloads, against RFC 3394's vector and what Python's `cryptography` makes."""

from binascii import unhexlify
from hashlib import sha256

from fwcore.errors import CORRUPT, FwError
from helpers import raises, vectors
from ufota.decoders import decrypt, errors
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython

# RFC 3394, 4.1: wrap 128 bits of key data with a 128-bit KEK
KEK = unhexlify("000102030405060708090A0B0C0D0E0F")
DATA = unhexlify("00112233445566778899AABBCCDDEEFF")
WRAPPED = unhexlify("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")


class Sink:
    """Collects what comes; counts: of bytes, each time; ended: how often end() was called.

    most:  after so many bytes it fails
    """

    def __init__(self, most=1 << 20):
        self.data = bytearray()
        self.counts = []
        self.ended = 0
        self._most = most

    def write(self, mv):
        if len(self.data) + len(mv) > self._most:
            raise FwError(errors.BAD_STREAM, 7)
        self.data += mv
        self.counts.append(len(mv))

    def end(self):
        self.ended += 1


def cases():
    """(payload, plain) of each vector."""
    made = vectors("encrypted.json")
    for case in made["cases"]:
        yield unhexlify(case["payload"]), noise(case["size"], case["seed"])


def run(payload, step=100, size=64, key=KEK, signed=None, sink=None):
    """The Sink after all of a payload came in pieces of `step` bytes.

    signed:  the payload that the maker signed; None: this one
    """
    sink = sink or Sink()
    one = decrypt.Decrypt(sink, key, sha256(signed or payload).digest(), size)
    buf = bytearray(step)  # reused, as a client reuses its buffer
    for at in range(0, len(payload), step):
        piece = payload[at : at + step]
        buf[: len(piece)] = piece
        one.write(memoryview(buf)[: len(piece)])
    one.end().end()
    return sink


def fails(code, payload, **more):
    """The error, of this number, of run(); what came out, and how, is the Sink's."""
    sink = more["sink"] = more.get("sink") or Sink()
    error = raises(code, lambda: run(payload, **more))
    assert not sink.ended
    return error, sink


def test_a_key_is_unwrapped_as_in_rfc_3394():
    assert decrypt.unwrap(KEK, WRAPPED) == DATA


def test_a_key_that_was_wrapped_by_another_or_damaged_is_refused():
    raises(errors.WRONG_CLASS_KEY, decrypt.unwrap, DATA, WRAPPED)
    for at in range(24):
        bad = bytearray(WRAPPED)
        bad[at] ^= 1 << at % 8
        raises(errors.WRONG_CLASS_KEY, decrypt.unwrap, KEK, bytes(bad))


def test_payloads_come_out_plain_whatever_the_pieces():
    for payload, plain in cases():
        for step in 1, 7, 16, 40, 64, 500:
            for size in 48, 64, 512:
                sink = run(payload, step, size)
                assert sink.data == plain and sink.ended == 1


def test_whatever_was_changed_is_one_error_and_does_the_same_before_it():
    """Whoever could tell changes apart would decipher what he sends."""
    payload, _ = list(cases())[2]
    seen = set()
    for at in range(len(payload)):
        for bits in (0x01, 0x55, 0x80):
            bad = bytearray(payload)
            bad[at] ^= bits
            error, sink = fails(CORRUPT, bytes(bad), signed=payload)
            seen.add((error.at, at < 24, tuple(sink.counts)))
    assert seen == {(0, True, ()), (0, False, (48,))}  # a changed key never opens anything


def test_no_last_byte_tells_its_padding():
    payload, _ = list(cases())[2]
    for last in range(256):
        if last != payload[-17]:
            bad = payload[:-17] + bytes((last,)) + payload[-16:]
            error, sink = fails(CORRUPT, bad, signed=payload)
            assert (error.at, sink.counts) == (0, [48])


def test_a_payload_that_is_cut_anywhere_is_the_same_error():
    payload, plain = list(cases())[2]
    for end in range(len(payload)):
        error, sink = fails(CORRUPT, payload[:end], signed=payload)
        assert error.at == 0 and bytes(sink.data) == plain[: len(sink.data)]


def test_a_payload_that_was_signed_without_padding_is_refused():
    """By a signer's mistake: cut anywhere before it was signed."""
    payload, plain = list(cases())[2]
    for end in range(len(payload)):
        try:
            sink = run(payload[:end])
        except FwError as error:
            assert error.args == (CORRUPT, 0)
        else:  # plain text that looks like padding
            assert len(sink.data) < len(plain)
            assert bytes(sink.data) == plain[: len(sink.data)]


def test_a_wrong_key_says_so_of_a_whole_payload_only_and_nothing_comes_out():
    payload, _ = list(cases())[1]
    for step in 1, 40, 500:
        assert not fails(errors.WRONG_CLASS_KEY, payload, step=step, key=DATA)[1].data
        bad = payload[:-1] + bytes((payload[-1] ^ 1,))
        assert not fails(CORRUPT, bad, step=step, key=DATA, signed=payload)[1].data


def test_what_fails_behind_it_says_so_of_a_whole_payload_only():
    payload, plain = list(cases())[2]
    for most in range(0, len(plain), 16):
        error, sink = fails(errors.BAD_STREAM, payload, sink=Sink(most))
        assert error.at == 7
        assert fails(CORRUPT, payload[:-16], signed=payload, sink=Sink(most))[0].at == 0
