"""Lines of a request header: what a client adds to its source's own, and who may see those.

Owns both rules. client.py loads this file only when there are such lines.
"""


def open(client, at, tag):
    """Open the client's source where it has got to; its own lines are as before in the end.

    With a state region the server of any address is told what came of the last update. The
    source's own lines, a password for instance, are for the server of the manifest only.
    """
    source = client.source
    own = source.header
    try:
        if _site(client._url) != _site(client.url):
            source.header = b""
        if "state" in client.board.layout:
            from ufota import proposal

            source.header += proposal.header(client.board)
        if getattr(client, "tells_image", False) and client._url == client.url:
            source.header += _image(client.board)
        source.open(client._url, at, tag)
    finally:
        source.header = own


def _image(board):
    """The image that runs, which a server may send a patch for; b"" when there is none."""
    from binascii import hexlify

    from fwcore.manifest import version_text
    from ufota import running

    head = running.header(board)
    if not head:
        return b""
    words = version_text(head.version), hexlify(head.digest[:16]).decode()
    return "Ufota-Image: {} {}\r\n".format(*words).encode()


def _site(url):
    """What names the server in an address."""
    return url[: (url + "/").find("/", len("https://"))]
