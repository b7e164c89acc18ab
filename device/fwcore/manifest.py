"""Signed manifest, Arm v3: which image, for which devices, signed by whom.

Owns the DER layout below; no I/O, no policy beyond "well-formed and signed".
Read by ufota before the first erase, and by fwtool.

    SignedResource SEQUENCE {
      schema ENUMERATED 3,
      manifest SEQUENCE {              -- signed: this TLV, tag and length included
        vendor-id          OCTET STRING 16
        class-id           OCTET STRING 16
        update-priority    INTEGER
        component-name     UTF8String, at most 8 bytes
        payload-version    UTF8String "a.b.c"
        payload-digest     OCTET STRING 32, SHA-256 of the downloaded file
        payload-size       INTEGER, bytes of the downloaded file
        payload-uri        UTF8String, at most 255 bytes
        payload-format     ENUMERATED
        installed-signature OCTET STRING, empty or 64, over the installed digest
        payload-metadata   SEQUENCE { installed-size, installed-digest, [precursor] } OPTIONAL
        vendor-data        OCTET STRING OPTIONAL
      },
      signature OCTET STRING 64        -- ECDSA P-256 / SHA-256, r and s, big-endian
    }

Stricter than Arm's parser where that one is looser than is safe: docs/FORMATS.md
lists the cases. Whatever follows the SignedResource is the caller's: in a bundle
it is the payload.
"""

from hashlib import sha256

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_RAW = const(1)  # payload format; formats.py has all of them
MAX_SIZE = const(1024)  # bytes of a SignedResource with every field at its largest
_MAX_URI = const(255)
_MAX_COMPONENT = const(8)
_MAX_VENDOR_DATA = const(64)
_SEMVER = const(1 << 55)  # bit 55: a version a.b.c, not an old UNIX time

_INTEGER = const(0x02)
_OCTETS = const(0x04)
_ENUM = const(0x0A)
_UTF8 = const(0x0C)
_SEQUENCE = const(0x30)


class Manifest:
    """A verified manifest; every field has been checked.

    version:          int, a u64
    vendor_id, class_id: 16 bytes each
    priority, size, format: int; size is the payload's
    component, uri:   str
    digest:           32 bytes, SHA-256 of the payload
    image_signature:  64 bytes, or b"" when the image itself is not signed
    installed_size, installed_digest: of the image after decoders; the payload's own when raw;
                      digest b"" when the manifest does not tell
    precursor:        32 bytes for a delta, else b""
    vendor_data:      up to 64 bytes
    end:              offset of the first byte behind the manifest

    It has no methods: they would keep this module in RAM for as long as the manifest is there.
    """

    end = 0


def frame_size(buf, count):
    """Bytes of the SignedResource that begins at buf[0].

    count:    bytes of buf that are filled
    returns:  total bytes, or 0 when more of the frame is needed to tell
    raises:   FwError MALFORMED when it cannot be a manifest of at most MAX_SIZE bytes
    """
    if count and buf[0] != _SEQUENCE:
        raise FwError(errors.MALFORMED)
    if count < 4:
        return 0
    start, length = _length(buf, 1)
    if start + length > MAX_SIZE:
        raise FwError(errors.MALFORMED, 1)
    return start + length


def read(buf, verify):
    """Check the signature of a manifest, then parse it.

    buf:      bytes-like: a whole SignedResource, anything may follow
    verify:   verify(digest 32 bytes, signature 64 bytes) -> bool
    returns:  Manifest
    raises:   FwError MALFORMED | BAD_SCHEMA | BAD_SIGNATURE, and then, for what a trusted
              signer got wrong, WRONG_VENDOR | WRONG_CLASS | BAD_VERSION | BAD_DIGEST |
              URI_TOO_LONG | VENDOR_DATA | MALFORMED; at = byte offset
    formats.check() looks whether the fields that its format needs are there: that costs heap.
    source:   FORMATS.md section 4; Arm manifest-tool 2.6.2 makes the same bytes
    """
    frame = _Der(buf, 0, len(buf)).enter(_SEQUENCE)
    if frame.integer(_ENUM) != 3:
        raise FwError(errors.BAD_SCHEMA, frame.at)
    start = frame.at
    body = frame.enter(_SEQUENCE)
    signed = buf[start : frame.at]
    signature = frame.bytes(_OCTETS)
    frame.finish()
    if len(signature) != 64 or not verify(sha256(signed).digest(), signature):
        raise FwError(errors.BAD_SIGNATURE, start)
    found = Manifest()
    found.end = frame.end
    _fields(body, found)
    _image_fields(body, found)
    body.finish()
    return found


def _fields(der, found):
    found.vendor_id = der.sized(_OCTETS, 16, errors.WRONG_VENDOR)
    found.class_id = der.sized(_OCTETS, 16, errors.WRONG_CLASS)
    found.priority = der.integer(_INTEGER)
    found.component = der.text(_MAX_COMPONENT, errors.MALFORMED)
    found.version = version_word(der.text(11, errors.BAD_VERSION))
    found.digest = der.sized(_OCTETS, 32, errors.BAD_DIGEST)
    found.size = der.integer(_INTEGER)
    found.uri = der.text(_MAX_URI, errors.URI_TOO_LONG)
    found.format = der.integer(_ENUM)


def _image_fields(der, found):
    found.image_signature = der.bytes(_OCTETS) if der.next_is(_OCTETS) else b""
    if len(found.image_signature) not in (0, 64):
        raise FwError(errors.MALFORMED, der.at)
    found.installed_size = found.size
    found.installed_digest = found.digest if found.format == _RAW else b""
    found.precursor = b""
    if der.next_is(_SEQUENCE):
        _metadata(der.enter(_SEQUENCE), found)
    found.vendor_data = der.bytes(_OCTETS) if der.next_is(_OCTETS) else b""
    if len(found.vendor_data) > _MAX_VENDOR_DATA:
        raise FwError(errors.VENDOR_DATA, der.at)


def _metadata(der, found):
    size = der.integer(_INTEGER)
    digest = der.sized(_OCTETS, 32, errors.BAD_DIGEST)
    precursor = der.sized(_OCTETS, 32, errors.BAD_DIGEST) if der.next_is(_OCTETS) else b""
    der.finish()
    if found.format != _RAW:  # a raw image is its payload, whatever this says
        found.installed_size = size
        found.installed_digest = digest
        found.precursor = precursor


def version_word(text):
    """ "1.2.3" -> u64, larger is newer. Raises FwError BAD_VERSION.

    source: Arm's fota: 2^55 | major << 40 | minor << 16 | patch, each 0..999
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise FwError(errors.BAD_VERSION)
    for part in parts:
        if not 1 <= len(part) <= 3 or part.strip("0123456789"):  # isdigit() takes more digits
            raise FwError(errors.BAD_VERSION)
    major, minor, patch = [int(part) for part in parts]
    return _SEMVER | major << 40 | minor << 16 | patch


def version_text(version):
    """u64 -> "1.2.3"; a version that is no semver (a UNIX time) -> its decimal number."""
    if not version & _SEMVER:
        return str(version)
    return "%d.%d.%d" % ((version >> 40) & 0x7FFF, (version >> 16) & 0xFFFFFF, version & 0xFFFF)


class _Der:
    """Reads the elements of one DER value in order, never past its end."""

    def __init__(self, buf, at, end):
        self.buf = buf
        self.at = at
        self.end = end

    def next_is(self, tag):
        return self.at < self.end and self.buf[self.at] == tag

    def enter(self, tag):
        """Step over the next element; returns a reader of its content."""
        if not self.next_is(tag):
            raise FwError(errors.MALFORMED, self.at)
        if self.at + 2 > self.end:
            raise FwError(errors.MALFORMED, self.at)
        start, length = _length(self.buf, self.at + 1)
        if start + length > self.end:
            raise FwError(errors.MALFORMED, self.at)
        self.at = start + length
        return _Der(self.buf, start, start + length)

    def bytes(self, tag):
        content = self.enter(tag)
        return bytes(self.buf[content.at : content.end])

    def sized(self, tag, size, code):
        at = self.at
        content = self.bytes(tag)
        if len(content) != size:
            raise FwError(code, at)
        return content

    def text(self, limit, code):
        """UTF8String of printable ASCII: a URL or a name has nothing else in it."""
        at = self.at
        content = self.bytes(_UTF8)
        if len(content) > limit:
            raise FwError(code, at)
        for byte in content:
            if not 0x20 <= byte < 0x7F:
                raise FwError(errors.MALFORMED, at)
        return content.decode()

    def integer(self, tag):
        """0..2^31-1 in the fewest bytes, as DER demands."""
        at = self.at
        content = self.bytes(tag)
        if not 1 <= len(content) <= 4 or content[0] & 0x80:
            raise FwError(errors.MALFORMED, at)
        if len(content) > 1 and content[0] == 0 and not content[1] & 0x80:
            raise FwError(errors.MALFORMED, at)
        return int.from_bytes(content, "big")

    def finish(self):
        if self.at != self.end:
            raise FwError(errors.MALFORMED, self.at)


def _length(buf, at):
    """DER length at buf[at] -> (offset of the content, its length); at most 65535.

    A length cut off by the end of buf comes out as one that is not in its shortest form.
    """
    first = buf[at]
    if first < 0x80:
        return at + 1, first
    count = first & 0x7F
    if not 1 <= count <= 2:
        raise FwError(errors.MALFORMED, at)
    length = int.from_bytes(bytes(buf[at + 1 : at + 1 + count]), "big")
    if length < (0x80 if count == 1 else 0x100):  # not the shortest form
        raise FwError(errors.MALFORMED, at)
    return at + 1 + count, length
