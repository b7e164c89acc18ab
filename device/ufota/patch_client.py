"""The client that asks for patches: a server that knows which image runs can send less.

Owns what the server is told, and when the whole image is asked for instead. The patch itself is
payload.py's. Apart from fleet_client.py because not every device has the decoders, and names
cost heap.
"""

from binascii import hexlify

from micropython import const

from fwcore import errors, errors_net
from fwcore.modules import load
from ufota.fleet_client import FleetClient

_RAW = const(1)  # payload format: the image as it is
_OF_PAYLOAD = (errors.CORRUPT, errors.UNSUPPORTED, errors_net.WRONG_PRECURSOR)
_FIRST_DECODER = const(150)  # numbers of decoders/errors.py
_LAST_DECODER = const(169)


class PatchClient(FleetClient):
    """A FleetClient that tells the server of the manifest which image runs.

    Where what it is sent for that cannot be made into the image, for any reason but the link,
    the update begins again, nothing is told, and the whole image comes.
    """

    _tells = True

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self._tells = True
        if self.retry:  # as FleetClient.start(): C stack
            self.retry.reset()
        self._begin(url)
        self.step()

    def image_line(self):
        """For request_headers.py: the line of the image that runs, for the manifest's server."""
        if self._url != self.url:
            return b""
        load("fwcore", "manifest")
        from ufota.active_image import active

        head = active(self.board)[1]
        return _line(head) if head else b""

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
        return code in _OF_PAYLOAD or _FIRST_DECODER <= code <= _LAST_DECODER


def _line(head):
    """The request header that names the image that runs. source: docs/FORMATS.md, HTTP"""
    from fwcore.manifest import version_text

    words = version_text(head.version), hexlify(head.digest[:16]).decode()
    return "Ufota-Image: {} {}\r\n".format(*words).encode()
