"""The client that asks for patches: a server that knows which image runs can send less.

Owns what the server is told, and when the whole image is asked for instead. The patch itself is
payload.py's. Apart from fleet.py because not every device has the filters, and names cost heap.
"""

from binascii import hexlify

from micropython import const

from fwcore import errors, net_errors
from fwcore.modules import load
from ufota.fleet import FleetClient

_RAW = const(1)  # payload format: the image as it is
_OF_PAYLOAD = (errors.CORRUPT, errors.UNSUPPORTED, net_errors.WRONG_PRECURSOR)
_FIRST_FILTER = const(150)  # numbers of filters/errors.py
_LAST_FILTER = const(169)


class PatchClient(FleetClient):
    """A FleetClient that tells the server of the manifest which image runs.

    Where what it is sent for that cannot be made into the image, for any reason but the link,
    the update begins again, nothing is told, and the whole image comes.
    """

    _tells = True

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self._tells = True
        super().start(url)

    def _add_lines(self):
        super()._add_lines()
        if self._tells and self._url == self.url:
            load("fwcore", "manifest")
            self.source.header += _image(self.board)

    def _after_error(self, state):
        if self._tells and self._is_payload_bad():
            self._begin(self.url)
            self._tells = False
        else:
            super()._after_error(state)

    def _is_payload_bad(self):
        """True when it is not the image itself, and what that is made of is to blame."""
        found, code = self.manifest, self.error.code
        if not found or found.format == _RAW:
            return False
        return code in _OF_PAYLOAD or _FIRST_FILTER <= code <= _LAST_FILTER


def _image(board):
    """The request header that names the image that runs; b"" when there is none. Raises OSError.

    source:  docs/FORMATS.md, HTTP
    """
    from fwcore.manifest import version_text
    from ufota import running

    head = running.header(board)
    if not head:
        return b""
    words = version_text(head.version), hexlify(head.digest[:16]).decode()
    return "Ufota-Image: {} {}\r\n".format(*words).encode()
