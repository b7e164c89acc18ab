"""Encrypted payloads, against RFC 3394's vector and what Python's `cryptography` makes."""

from binascii import unhexlify

from fwcore.errors import FwError
from helpers import raises, vectors
from ufota.decoders import decrypt, errors
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython

# RFC 3394, 4.1: wrap 128 bits of key data with a 128-bit KEK
KEK = unhexlify("000102030405060708090A0B0C0D0E0F")
DATA = unhexlify("00112233445566778899AABBCCDDEEFF")
WRAPPED = unhexlify("1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5")


class Sink:
    """Collects what comes; ended: how often end() was called."""

    def __init__(self):
        self.data = bytearray()
        self.ended = 0

    def write(self, mv):
        self.data += mv

    def end(self):
        self.ended += 1


def cases():
    """(payload, plain) of each vector."""
    made = vectors("encrypted.json")
    for case in made["cases"]:
        yield unhexlify(case["payload"]), noise(case["size"], case["seed"])


def run(payload, step, size=64, key=KEK):
    """The Sink after all of a payload came in pieces of `step` bytes."""
    sink = Sink()
    one = decrypt.Decrypt(sink, key, size)
    buf = bytearray(step)  # reused, as a client reuses its buffer
    for at in range(0, len(payload), step):
        piece = payload[at : at + step]
        buf[: len(piece)] = piece
        one.write(memoryview(buf)[: len(piece)])
    one.end().end()
    return sink


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


def test_a_payload_that_is_cut_anywhere_is_refused():
    payload, plain = list(cases())[2]
    for end in range(len(payload)):
        sink = Sink()
        one = decrypt.Decrypt(sink, KEK, 64)
        one.write(memoryview(payload)[:end])
        try:
            one.end().end()
        except FwError as error:
            assert error.code == errors.BAD_PADDING
            assert not sink.ended
        else:  # plain text that looks like padding
            assert len(sink.data) < len(plain)
        assert bytes(sink.data) == plain[: len(sink.data)]


def test_a_wrong_key_says_so_before_anything_comes_out():
    payload, _ = list(cases())[1]
    sink = Sink()
    one = decrypt.Decrypt(sink, DATA, 64)
    raises(errors.WRONG_CLASS_KEY, one.write, memoryview(payload))
    assert not sink.data


def test_a_damaged_end_is_refused_or_comes_out_as_long():
    payload, plain = list(cases())[1]
    for at in range(len(payload) - 32, len(payload)):
        bad = bytearray(payload)
        bad[at] ^= 0x55
        try:
            sink = run(bad, 100)
        except FwError as error:
            assert error.code == errors.BAD_PADDING
        else:
            assert abs(len(sink.data) - len(plain)) <= 16
