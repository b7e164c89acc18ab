"""Lines of a request header: what a client adds to its source's own, and who may see those.

Owns both rules. client.py loads this file only when there are such lines.
"""

from binascii import hexlify

from fwcore.modules import STATE, load, states


def add(client):
    """Make the source's header that of the client's next request. Raises OSError.

    With a state region the server of any address gets the result of the last update. The
    source's own lines, a password for instance, are for the server of the manifest only.
    """
    source = client.source
    lines = source.header if _site(client._url) == _site(client.url) else b""
    if "state" in client.board.layout:
        load("fwcore", STATE)  # not by states(): 240 B of C stack on the board
        from fwcore.state import State

        lines += result(State(client.board))
    if client._tells:
        lines += client.image_line()
    source.header = lines


def result(state):
    """The request header that says which image the server need not offer again.

    returns:  b"Ufota-Result: WORD REASON VERSION DIGEST" with its line end; b"" when the last
              update was confirmed, is under way, or there was none
    source:   docs/FORMATS.md
    """
    kinds = states()
    if state.result not in (kinds.REVERTED, kinds.REFUSED):
        return b""
    load("fwcore", "manifest")
    from fwcore.manifest import version_text

    word = "refused"
    if state.result == kinds.REVERTED:
        load("ufota.update", "rest")
        from ufota.update import rest

        word = "resting" if rest.is_resting(state) else "reverted"
    words = (
        word,
        state.reason,
        version_text(state.new.version),
        hexlify(state.new.digest[:8]).decode(),
    )
    return ("Ufota-Result: %s %d %s %s\r\n" % words).encode()


def _site(url):
    """The part of an address that names the server."""
    return url[: (url + "/").find("/", len("https://"))].lower()
