"""Redirects (RFC 9110 section 15.4): where they lead, and what may be told there.

What was meant for one server is not told to another, and nothing that was asked for under TLS
comes without it.
"""

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota.web import answers

_MAX_URL = const(2048)  # bytes; http.py's line buffer takes more
_MAX_HOPS = const(5)  # redirects in a row


def answer(source):
    """Begin anew at the address the server names, with the same conditions; as web.answer()."""
    if answers.is_service(source) and source.method != b"GET":
        raise FwError(errors.HTTP_STATUS, source.status)
    at, tag, more, hops = source._asked or (0, b"", False, 0)
    if hops == _MAX_HOPS:
        raise FwError(errors_net.TOO_MANY_REDIRECTS)
    source._line = bytearray()  # it has grown; _restart() makes another
    old, lines = source._url, source._header
    try:
        url = _resolved(source._found.get(b"location", b""), old)
        if answers.server(url) != answers.server(old):
            lines = _public(lines)
    except (FwError, ValueError):  # CPython says UnicodeError of what is not ASCII
        raise FwError(errors_net.BAD_REDIRECT)
    if old[4] == "s" and url[4] != "s":
        raise FwError(errors_net.INSECURE_REDIRECT)
    source._asked = at, tag, more, hops + 1
    source._restart(url, lines)


def _resolved(place, base):
    from ufota.web.relative_url import resolve

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
