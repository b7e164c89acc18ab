"""Manifests: signature first, then every field within its bounds, DER in its one form.

That the bytes are Arm's is test_conform.py's; here a stand-in signs, so that what a
trusted signer may get wrong can be tried. Arbitrary bytes are test_fuzz.py's.
"""

from hashlib import sha256

from fwcore import errors, formats, manifest
from fwcore.formats import ARM_PATCH, RAW
from helpers import raises
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython

INTEGER, OCTETS, ENUM, UTF8, SEQUENCE = 0x02, 0x04, 0x0A, 0x0C, 0x30
DIGEST = bytes(range(32))


def verify(digest, signature):
    return signature == digest + digest


def tlv(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    if size < 0x100:
        return bytes([tag, 0x81, size]) + content
    return bytes([tag, 0x82, size >> 8, size & 0xFF]) + content


def number(value, tag=INTEGER):
    size = 1
    while value >> (8 * size - 1):
        size += 1
    return tlv(tag, value.to_bytes(size, "big"))


def metadata(*digests):
    return tlv(SEQUENCE, number(2000) + b"".join([tlv(OCTETS, digest) for digest in digests]))


FIELDS = (
    ("vendor", tlv(OCTETS, b"v" * 16)),
    ("class", tlv(OCTETS, b"c" * 16)),
    ("priority", number(7)),
    ("component", tlv(UTF8, b"MAIN")),
    ("version", tlv(UTF8, b"1.2.3")),
    ("digest", tlv(OCTETS, DIGEST)),
    ("size", number(1000)),
    ("uri", tlv(UTF8, b"http://x/y")),
    ("format", number(1, ENUM)),
    ("image signature", tlv(OCTETS, b"")),
    ("metadata", b""),
    ("vendor data", b""),
)


def body(**changed):
    """Fields of a manifest, some replaced by other DER."""
    names = [name.replace(" ", "_") for name, _ in FIELDS]
    assert all(name in names for name in changed)
    return b"".join([changed.get(name, FIELDS[i][1]) for i, name in enumerate(names)])


def sign(content, schema=3, tail=b""):
    """SignedResource around the content of a manifest."""
    signed = tlv(SEQUENCE, content)
    digest = sha256(signed).digest()
    frame = number(schema, ENUM) + signed + tlv(OCTETS, digest + digest) + tail
    return tlv(SEQUENCE, frame)


def read(data, takes=(RAW, ARM_PATCH)):
    found = manifest.read(data, verify)
    formats.check(found, takes)
    return found


def made(**changed):
    return sign(body(**changed))


def refused(code, **changed):
    raises(code, read, made(**changed))


def test_fields_come_out_as_they_went_in():
    data = made(vendor_data=tlv(OCTETS, b"custom"))
    found = read(memoryview(bytearray(data)))
    assert found.version == manifest.version_word("1.2.3")
    assert (found.vendor_id, found.class_id) == (b"v" * 16, b"c" * 16)
    assert (found.priority, found.size, found.format) == (7, 1000, RAW)
    assert (found.component, found.uri) == ("MAIN", "http://x/y")
    assert found.digest == found.installed_digest == DIGEST
    assert found.installed_size == 1000
    assert (found.image_signature, found.precursor) == (b"", b"")
    assert found.vendor_data == b"custom"
    assert found.end == len(data)


def test_what_follows_is_the_callers():
    data = made()
    assert read(data + noise(500)).end == len(data)


def test_signature_covers_the_manifest_and_comes_before_its_fields():
    data = bytearray(made(vendor=tlv(OCTETS, b"short")))
    raises(errors.WRONG_VENDOR, read, data)
    for at in range(7, len(data)):
        data[at] ^= 1
        try:
            read(data)
        except errors.FwError as error:
            assert error.code in (errors.BAD_SIGNATURE, errors.MALFORMED)
            data[at] ^= 1
            continue
        raise AssertionError("bit flip at {} was accepted".format(at))


def test_signature_is_64_bytes():
    signed = tlv(SEQUENCE, body())

    def always(digest, signature):
        return True

    for size in (0, 1, 63, 65, 128):
        data = tlv(SEQUENCE, number(3, ENUM) + signed + tlv(OCTETS, bytes(size)))
        raises(errors.BAD_SIGNATURE, manifest.read, data, always)


def test_schema_is_3():
    for schema in (0, 1, 2, 4, 0x7FFFFFFF):
        raises(errors.BAD_SCHEMA, read, sign(body(), schema))


def test_every_cut_is_malformed():
    for data in (made(), made(uri=tlv(UTF8, b"u" * 200))):
        for size in range(len(data)):
            raises(errors.MALFORMED, read, data[:size])


def test_nothing_may_be_added_inside():
    raises(errors.MALFORMED, read, sign(body(), tail=b"\x05\x00"))
    raises(errors.MALFORMED, read, sign(body() + number(1)))
    more = tlv(SEQUENCE, number(2000) + tlv(OCTETS, DIGEST) * 3)
    refused(errors.MALFORMED, format=number(5, ENUM), metadata=more)


def test_ids_are_16_bytes():
    for size in (0, 15, 17):
        refused(errors.WRONG_VENDOR, vendor=tlv(OCTETS, bytes(size)))
        refused(errors.WRONG_CLASS, **{"class": tlv(OCTETS, bytes(size))})


def test_numbers_are_31_bits_in_their_shortest_form():
    for value in (0, 1, 127, 128, 255, 256, 0x7FFFFFFF):
        found = read(made(size=number(value), priority=number(value)))
        assert found.size == found.priority == value
    for content in (
        b"",
        b"\x80",  # negative
        b"\xff\xff\xff\xff",
        b"\x00\x01",  # longer than it need be
        b"\x00\x00\x80",
        b"\x00\x80\x00\x00\x00",  # 2^31
        b"\x01\x00\x00\x00\x00",
        b"\x01" * 40,
    ):
        refused(errors.MALFORMED, size=tlv(INTEGER, content))
        refused(errors.MALFORMED, priority=tlv(INTEGER, content))


def test_lengths_are_in_their_shortest_form():
    vendor = b"v" * 16
    refused(errors.MALFORMED, vendor=b"\x04\x81\x10" + vendor)
    refused(errors.MALFORMED, vendor=b"\x04\x82\x00\x10" + vendor)
    refused(errors.MALFORMED, vendor=b"\x04\x83\x00\x00\x10" + vendor)
    refused(errors.MALFORMED, vendor=b"\x04\x80" + vendor)
    refused(errors.MALFORMED, uri=b"\x0c\x82\x00\xc8" + b"u" * 200)
    refused(errors.MALFORMED, uri=b"\x0c\xff" + b"u" * 200)


def test_frame_length_is_in_its_shortest_form():
    data = made(uri=tlv(UTF8, b"u" * 200))
    assert data[:2] == b"\x30\x82" and read(data).size == 1000
    raises(errors.MALFORMED, read, b"\x30\x83\x00" + data[2:])
    raises(errors.MALFORMED, read, b"\x30\x84\x00\x00" + data[2:])


def test_each_field_has_its_tag():
    for name, der in FIELDS[:10]:
        wrong = bytes([der[0] ^ 0x40]) + der[1:]
        refused(errors.MALFORMED, **{name.replace(" ", "_"): wrong})
    refused(errors.MALFORMED, vendor=b"")


def test_texts_have_their_limits():
    assert read(made(component=tlv(UTF8, b"12345678"))).component == "12345678"
    assert read(made(component=tlv(UTF8, b""))).component == ""
    refused(errors.MALFORMED, component=tlv(UTF8, b"123456789"))
    assert len(read(made(uri=tlv(UTF8, b"u" * 255))).uri) == 255
    refused(errors.URI_TOO_LONG, uri=tlv(UTF8, b"u" * 256))


def test_texts_are_printable_ascii():
    for byte in (0x00, 0x0A, 0x0D, 0x1F, 0x7F, 0x80, 0xFF):
        bad = tlv(UTF8, b"a" + bytes([byte]))
        refused(errors.MALFORMED, component=bad)
        refused(errors.MALFORMED, uri=bad)
        refused(errors.MALFORMED, version=bad)


def test_version_is_three_numbers_below_1000():
    for text in ("", "1", "1.2", "1.2.3.4", "1.2.", ".2.3", "a.b.c", "1.2.3-rc1", "-1.2.3"):
        refused(errors.BAD_VERSION, version=tlv(UTF8, text.encode()))
    for text in ("1000.0.0", "0.1000.0", "0.0.1000", "+1.2.3", " 1.2.3", "1_0.0.0", "0x1.0.0"):
        refused(errors.BAD_VERSION, version=tlv(UTF8, text.encode()))
    refused(errors.BAD_VERSION, version=tlv(UTF8, b"1.2.3" + b" " * 20))
    for text in ("１.2.3", "1.².3"):  # digits of other scripts
        raises(errors.BAD_VERSION, manifest.version_word, text)


def test_version_word_is_in_order_and_reads_back():
    texts = ("0.0.0", "0.0.1", "0.0.999", "0.1.0", "0.999.999", "1.0.0", "1.2.3", "999.999.999")
    words = [manifest.version_word(text) for text in texts]
    assert words == sorted(words)
    assert [manifest.version_text(word) for word in words] == list(texts)
    assert words[0] == 1 << 55 > 1 << 40
    assert manifest.version_word("01.002.3") == manifest.version_word("1.2.3")
    assert manifest.version_text(1700000000) == "1700000000"


def test_digest_is_32_bytes():
    for size in (0, 20, 31, 33, 64):
        refused(errors.BAD_DIGEST, digest=tlv(OCTETS, bytes(size)))


def test_only_formats_of_this_build():
    for form in (0, 2, 6, 257, 262):
        refused(errors.UNSUPPORTED, format=number(form, ENUM))
    delta = made(format=number(5, ENUM), metadata=metadata(DIGEST, DIGEST))
    assert read(delta).format == ARM_PATCH
    raises(errors.UNSUPPORTED, read, delta, (RAW,))
    for form in (0, 2, 6, 257, 261, 262, 0x407 | 0x800):  # 257 and the like are Arm's: not ours
        data = made(format=number(form, ENUM), metadata=metadata(DIGEST, DIGEST))
        raises(errors.UNSUPPORTED, read, data, None)


def test_delta_names_what_it_is_made_from_and_what_comes_out():
    installed, precursor = noise(32, 1), noise(32, 2)
    delta = {"format": number(5, ENUM)}
    found = read(made(metadata=metadata(installed, precursor), **delta))
    assert (found.installed_size, found.size) == (2000, 1000)
    assert (found.installed_digest, found.precursor) == (installed, precursor)
    assert found.digest == DIGEST
    refused(errors.MALFORMED, **delta)
    refused(errors.MALFORMED, metadata=metadata(installed), **delta)
    deflated = {"format": number(formats.DEFLATED | RAW, ENUM)}
    raises(errors.MALFORMED, read, made(**deflated), None)
    found = read(made(metadata=metadata(installed), **deflated), None)
    assert (found.installed_digest, found.precursor) == (installed, b"")
    for size in (0, 31, 33):
        refused(errors.BAD_DIGEST, metadata=metadata(bytes(size), precursor), **delta)
        refused(errors.BAD_DIGEST, metadata=metadata(installed, bytes(size)), **delta)


def test_raw_image_is_its_payload_whatever_the_metadata_says():
    found = read(made(metadata=metadata(noise(32, 1), noise(32, 2))))
    assert (found.installed_size, found.installed_digest) == (1000, DIGEST)
    assert found.precursor == b""


def test_image_signature_is_64_bytes_or_none():
    signature = noise(64)
    assert read(made(image_signature=tlv(OCTETS, signature))).image_signature == signature
    assert read(made(image_signature=b"")).image_signature == b""
    for size in (1, 63, 65):
        refused(errors.MALFORMED, image_signature=tlv(OCTETS, bytes(size)))
    assert read(made(image_signature=tlv(OCTETS, b""))).image_signature == b""


def test_vendor_data_is_64_bytes_at_most():
    assert read(made(vendor_data=tlv(OCTETS, bytes(64)))).vendor_data == bytes(64)
    refused(errors.VENDOR_DATA, vendor_data=tlv(OCTETS, bytes(65)))


def test_manifest_with_every_field_at_its_largest_is_below_the_limit():
    data = made(
        priority=number(0x7FFFFFFF),
        component=tlv(UTF8, b"12345678"),
        version=tlv(UTF8, b"999.999.999"),
        size=number(0x7FFFFFFF),
        uri=tlv(UTF8, b"u" * 255),
        format=number(5, ENUM),
        image_signature=tlv(OCTETS, bytes(64)),
        metadata=metadata(DIGEST, DIGEST),
        vendor_data=tlv(OCTETS, bytes(64)),
    )
    assert read(data).end == len(data) <= manifest.MAX_SIZE


def test_frame_size_tells_early_how_much_to_read():
    short, long = made(), made(uri=tlv(UTF8, b"u" * 200))
    for data in (short, long, tlv(SEQUENCE, b"x"), tlv(SEQUENCE, bytes(1020))):
        buf = bytearray(data + bytes(8))
        assert [manifest.frame_size(buf, have) for have in range(4)] == [0, 0, 0, 0]
        assert manifest.frame_size(buf, 4) == manifest.frame_size(buf, len(buf)) == len(data)


def test_frame_that_cannot_be_a_manifest_is_refused_at_once():
    raises(errors.MALFORMED, manifest.frame_size, b"\x31\x81\xb3\x0a", 1)
    for head in (
        b"\x30\x80\x00\x00",
        b"\x30\x83\x00\x01",
        b"\x30\x82\x03\xfd",
        b"\x30\x82\xff\xff",
    ):
        raises(errors.MALFORMED, manifest.frame_size, head, 4)
    for head in (b"\x30\x81\x7f\x00", b"\x30\x82\x00\xff"):  # not the shortest form
        raises(errors.MALFORMED, manifest.frame_size, head, 4)
    assert manifest.frame_size(b"\x30\x82\x03\xfc", 4) == manifest.MAX_SIZE
