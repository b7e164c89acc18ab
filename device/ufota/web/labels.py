"""Header lines that are written oddly, and answers before the answer.

http.py loads this file when one comes. Liberal in labels: what changes no byte passes, as a
digest protects the bytes. Exact in bytes: a line that says where an answer ends, or what is in
it, was read whole, or it is an error. Works on an HttpSource. Source: RFC 9110, RFC 9112.
"""

from micropython import const

from fwcore.errors import BAD_RESPONSE, FwError

_LONGEST = const(126)  # bytes of a line that is surely whole
_EXACT = const(b" content-encoding content-length content-range location transfer-encoding ")
# Encodings of bytes that are as they were; two are no codings, but servers say so
_PLAIN = (b"", b"identity", b"aws-chunked", b"none", b"utf-8")
_MAX_DIGITS = const(10)
_MAX_INTERIM = const(16)  # answers with 1xx in front of the final one


def take(source, line, name, value):
    """A Content-Length or Content-Encoding, or more of the line before. Raises FwError."""
    if line[0] in b" \t":
        good = b" %s " % source._last not in _EXACT
    elif len(line) > _LONGEST:
        good = False
    elif name == b"content-length":
        good = all(_is_length(source, each.strip()) for each in value.split(b","))
    else:
        good = all(each.strip() in _PLAIN for each in value.lower().split(b","))
    if not good:
        raise FwError(BAD_RESPONSE, source._header_bytes)


def _is_length(source, digits):
    """False for what is no length, or another one than the source has by now."""
    number = digits.lstrip(b"0") or digits[-1:]
    if not number.isdigit() or len(number) > _MAX_DIGITS:
        return False
    if source._left is None:
        source._left = int(number)
    return source._left == int(number)


def interim(source):
    """The header of a 1xx has come: nothing of it is for the answer to come. Raises FwError."""
    source._interim += 1
    if source._interim > _MAX_INTERIM:
        raise FwError(BAD_RESPONSE, source._header_bytes)
    source.status = 0
    source._left = None
    source._tag = b""
    source._found = {}
