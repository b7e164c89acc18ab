"""The client that asks for patches: a server that knows which image runs can send less.

Owns the request header that names the image, and when the whole image is requested instead. The
patch itself is in payload.py. A file of its own, because not every device has the decoders, and
names cost heap.
"""

from binascii import hexlify

from micropython import const

from fwcore import errors, errors_net
from fwcore.modules import load
from ufota.fleet_client import FleetClient

_RAW = const(1)  # payload format: the image as it is
_OF_PAYLOAD = (
    errors.CORRUPT,
    errors.UNSUPPORTED,
    errors_net.WRONG_PRECURSOR,
    errors_net.OTHER_LENGTH,
)
_FIRST_DECODER = const(150)  # numbers of decoders/errors.py
_LAST_DECODER = const(169)


class PatchClient(FleetClient):
    """A FleetClient that names the image that runs to the server of the manifest.

    When the payload that comes cannot be decoded into the image, for any reason but the link, the
    update begins again: the request does not name the image that runs, and the whole image comes.
    """

    _tells = True

    def start(self, url):
        """Begin an update from a manifest or a bundle. Raises FwError."""
        self._tells = True
        self._anew()  # as FleetClient.start(): C stack
        self._begin(url)
        self.step()

    def image_line(self):
        """For request_headers.py: the line that names the image, for the manifest's server."""
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
        """True when the payload is not the image itself, and its decoding has failed."""
        found, code = self.manifest, self.error.code
        if not found or found.format == _RAW:
            return False
        return code in _OF_PAYLOAD or _FIRST_DECODER <= code <= _LAST_DECODER


def _line(head):
    """The request header that names the image that runs. source: docs/FORMATS.md, HTTP"""
    from fwcore.manifest import version_text

    words = version_text(head.version), hexlify(head.digest[:16]).decode()
    return "Ufota-Image: {} {}\r\n".format(*words).encode()
