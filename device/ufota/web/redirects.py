"""Redirects (RFC 9110 section 15.4): where they lead, and which header lines go there.

Header lines for one server are not sent to another, and a request that began with TLS is not
continued without it.
"""

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from ufota.web.origin import origin

_MAX_URL = const(3072)  # bytes; http.py's line buffer takes more
_MAX_HOPS = const(5)  # redirects in a row


def answer(source):
    """Begin anew at the address the server names, on the same conditions, as answers.answer()."""
    if getattr(source, "method", b"GET") != b"GET":
        raise FwError(errors.HTTP_STATUS, source.status)
    at, tag, more, hops = source._asked or (0, b"", False, 0)
    if hops == _MAX_HOPS:
        raise _refused("TOO_MANY_REDIRECTS")
    source._line = bytearray()  # it has grown; _restart() makes another
    old, lines = source._url, source._header
    try:
        url = _resolved(source._found.get(b"location", b""), old)
        if origin(source, url) != origin(source, old):
            lines = _public(lines)
    except (FwError, ValueError):  # CPython says UnicodeError of what is not ASCII
        raise _refused("BAD_REDIRECT")
    if old[4] == "s" and url[4] != "s":
        raise _refused("INSECURE_REDIRECT")
    source._asked = at, tag, more, hops + 1
    source._restart(url, lines)


def _refused(name):
    """FwError of a name in errors_net, which is loaded for that only: heap."""
    from fwcore import errors_net

    return FwError(getattr(errors_net, name))


def _resolved(place, base):
    from ufota.web.url import resolve

    if len(place) > _MAX_URL:  # and may be cut
        raise ValueError
    return resolve(str(place, "ascii"), base)


def _public(lines):
    """The lines of a request header that any server may see: the device's result."""
    kept = b""
    for line in lines.split(b"\r\n"):
        if line.lower().startswith(b"ufota-result:"):
            kept += line + b"\r\n"
    return kept
