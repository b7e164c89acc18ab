"""Relative addresses (RFC 3986 section 5): of a manifest's payload-uri, and of redirects.

Checks little: the result goes to HttpSource.split(), which refuses what is no address.
"""

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_MAX_DEPTH = const(64)  # segments of a path that has dots in it


def resolve(uri, base):
    """The address that `uri` means in what came from `base`.

    uri:      "http://host/x", "//host/x", "/x", "x", "../x", "?q", ...
    base:     address that HttpSource.split() accepts
    raises:   FwError BAD_URL for an empty one, or a path with too many segments
    """
    uri = uri.partition("#")[0]
    if not uri:
        raise FwError(errors.BAD_URL)
    if ":" in uri.partition("?")[0].partition("/")[0]:  # has a scheme of its own
        return uri[:5].lower() + uri[5:]
    scheme, _, rest = base.partition("#")[0].partition("?")[0].partition("//")
    if uri.startswith("//"):
        return scheme + uri
    server, _, path = rest.partition("/")
    root = scheme + "//" + server
    if uri[0] == "?":
        return root + "/" + path + uri
    if uri[0] != "/":
        uri = "/" + path[: path.rfind("/") + 1] + uri
    path, mark, query = uri.partition("?")
    if "/." in path:
        path = _without_dots(path)
    return root + path + mark + query


def _without_dots(path):
    """Take "." and ".." segments out of a path that begins with "/"."""
    parts = path.split("/")[1:]
    if len(parts) > _MAX_DEPTH:
        raise FwError(errors.BAD_URL)
    kept = []
    for part in parts:
        if part == "..":
            kept = kept[:-1]
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
