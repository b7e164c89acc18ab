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
        source.open(client._url, at, tag)
    finally:
        source.header = own


def _site(url):
    """What names the server in an address."""
    return url[: (url + "/").find("/", len("https://"))]
