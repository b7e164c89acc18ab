"""Manifests signed by a ToyKey, of images that no fixture has. CPython and MicroPython."""

from hashlib import sha256

from fwcore.formats import RAW
from fwcore.manifest import version_text
from ufota_testkit import simboard

_INTEGER, _OCTETS, _ENUM, _UTF8, _SEQUENCE = 0x02, 0x04, 0x0A, 0x0C, 0x30


def manifest(board, key, version, image, payload=None, form=RAW, precursor=None):
    """DER of a signed manifest.

    board:      the device it is for
    key:        ToyKey
    version:    u64 word
    payload:    what is downloaded; default: the image itself
    form:       payload format, of fwcore.formats
    precursor:  digest of the image that a patch is for
    """
    payload = payload or image
    head = version, len(image), sha256(image).digest()
    component = board.layout.get("component", "MAIN")
    body = b"".join(
        [
            _tlv(_OCTETS, simboard.VENDOR_ID),
            _tlv(_OCTETS, simboard.CLASS_ID),
            _number(0),
            _tlv(_UTF8, component.encode()),
            _tlv(_UTF8, version_text(version).encode()),
            _tlv(_OCTETS, sha256(payload).digest()),
            _number(len(payload)),
            _tlv(_UTF8, b""),
            _number(form, _ENUM),
            _tlv(_OCTETS, key.sign(simboard.digest_of(board, component, head))),
        ]
    )
    if form != RAW:
        digests = [head[2]] + ([precursor] if precursor else [])
        parts = [_number(head[1])] + [_tlv(_OCTETS, digest) for digest in digests]
        body += _tlv(_SEQUENCE, b"".join(parts))
    signed = _tlv(_SEQUENCE, body)
    signature = key.sign(sha256(signed).digest())
    return _tlv(_SEQUENCE, _number(3, _ENUM) + signed + _tlv(_OCTETS, signature))


def _tlv(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    if size < 0x100:
        return bytes([tag, 0x81, size]) + content
    return bytes([tag, 0x82, size >> 8, size & 0xFF]) + content


def _number(value, tag=_INTEGER):
    size = 1
    while value >> (8 * size - 1):
        size += 1
    return _tlv(tag, value.to_bytes(size, "big"))
