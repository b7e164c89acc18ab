"""HTTP answers other than a plain 200; http.py loads this file when one comes.

Owns what to do with them. What is rarer still is in files of its own:

    ranges.py     206 and 416: parts of an object
    chunked.py    a body in chunks
    redirects.py  addresses that lead elsewhere
    retry_after.py     when to come back

All work on an HttpSource and its attributes. Source: RFC 9110.
"""

from micropython import const

from fwcore.errors import BAD_RESPONSE, CUT_SHORT, FwError
from fwcore.modules import make_room

_WEB = const("ufota.web")
_KEPT = const(b" content-range date location retry-after transfer-encoding ")
_HINTS = const((b"date", b"retry-after"))  # the first one counts
_LONGEST = const(126)  # bytes of a line that is surely whole


def header(at, tag):
    """Lines of the request header: for the object from `at` on; at 0: only if it is not `tag`.

    A weak ETag is good for the second only, and a tag that could forge the request for none.
    """
    for byte in tag:
        if not 0x20 <= byte <= 0x7E:
            tag = b""
    weak = tag[:2] == b"W/"
    named = weak or tag[:1] == b'"'
    if not at:
        name = b"If-None-Match" if named else b"If-Modified-Since"
        return b"%s: %s\r\n" % (name, tag) if tag else b""
    make_room((_WEB, "chunked"))  # so that it is not there together with ranges.py
    lines = b"Range: bytes=%d-\r\n" % at
    if tag and not weak:
        lines += b"If-Range: %s\r\n" % tag
    return lines


def add(found, name, value, size):
    """Keep a header line that answer() needs. Two that differ are a fault, but for hints.

    size:  bytes of the line; from 127 on it may be cut
    """
    if b" " + name + b" " in _KEPT:
        exact = name not in _HINTS
        if exact and (
            found.get(name, value) != value or (size > _LONGEST and name != b"location")
        ):
            raise FwError(BAD_RESPONSE)
        found.setdefault(name, value)


def answer(source):  # noqa: C901 (a table of statuses)
    """The header has come: make the source ready for the body, or begin the next request.

    raises:  FwError: what HttpSource.readinto() lists
    """
    status = source.status
    part = None  # of a body: offset of its first byte; True when it has a Content-Length
    at, tag, more, _ = source._asked or (0, b"", False, 0)
    if status == 200 or (200 < status < 206 and hasattr(source, "call")):  # an HttpService
        if more:  # the object has changed; the bytes that came are useless
            raise FwError(CUT_SHORT, at)
        sized = source._left is not None
        if status in (204, 205):
            if source._left:  # a body that must not be
                source._lasts = None
            source._left = 0
        source.tag = source._tag
        source.length = source._end = source._left
        part = 0, sized
    elif status == 304 and tag and not at:
        source.tag = source._tag or tag
        source._left = 0
        source._end = source.length = None
    elif status in (206, 416) and at:
        part = _part(source)
        make_room((_WEB, "ranges"))
        if part and part[1] is None:
            source._left = 0
            source._end = source.length = part[0]
            part = None
    elif status in (301, 302, 303, 307, 308):
        from ufota.web import redirects

        redirects.answer(source)
        make_room((_WEB, "redirects"), (_WEB, "origin"), (_WEB, "url"))
    else:
        from ufota.web import retry_after

        retry_after.answer(source)
    coding = source._found.get(b"transfer-encoding", b"identity").lower().strip(b", \t")
    if part and coding != b"identity":
        if coding != b"chunked" or part[1]:  # both: an attack (RFC 9112 section 6.3)
            raise FwError(BAD_RESPONSE)
        from ufota.web.chunked import Chunks

        source._stream = Chunks(source._stream, source._byte, part[0])


def _part(source):
    """The result of ranges.py, in a frame of its own: after it that module can be dropped."""
    from ufota.web import ranges

    return ranges.part(source) if source.status == 206 else ranges.beyond(source)


def open(source):
    """Ask for what follows the part that has come. Returns None: nothing has arrived yet."""
    source._is_late()  # a server of tiny parts may never be caught waiting
    source._asked = source._end, source.tag, True, 0
    source._restart(source._url, source._header)
