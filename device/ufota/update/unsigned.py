"""Unsigned: an image that comes without a manifest, on devices whose maker allows that.

Allowed by `unsigned` in the layout, and never where it says `signed`. Nothing proves who made
such an image: the device trusts the source that delivers it, and the boot log says so each time.
Everything else is as for every image: writer.py.
"""

from fwcore import errors_net
from fwcore.errors import FwError
from fwcore.formats import RAW
from fwcore.manifest import Manifest, version_word


class UnsignedManifest(Manifest):
    """Stands for the missing manifest: an image for this very board."""

    def __init__(self, board, version, size, digest, uri):
        self.end = 0
        self.version = version
        self.vendor_id = board.vendor_id
        self.class_id = board.class_id
        self.priority = 0
        self.component = board.layout.get("component", "MAIN")
        self.uri = uri
        self.format = RAW
        self.size = self.installed_size = size
        self.digest = self.installed_digest = digest
        self.image_signature = self.precursor = self.vendor_data = b""


def begin(update, version, size, digest, again=False):
    """UpdateWriter.begin() without a manifest, for an application's own transport.

    raises:  as manifest_of() below, and as UpdateWriter.begin()
    """
    return update.accept(manifest_of(update.board, version, size, digest, ""), again)


def manifest_of(board, version, size, digest, uri):
    """A Manifest for an image that has none, if this device takes such images.

    version:  text "1.2.3"
    size:     bytes of the image
    digest:   its SHA-256, 32 bytes; always needed
    uri:      where it is, for a Client
    raises:   FwError UNSIGNED | BAD_VERSION
    """
    if not board.layout.get("unsigned", False) or board.layout.get("signed", False):
        raise FwError(errors_net.UNSIGNED)
    if not size or len(digest) != 32:
        raise FwError(errors_net.UNSIGNED)
    found = UnsignedManifest(board, version_word(version), size, digest, uri)
    board.log("[WARN] Image " + version + " is not signed")
    return found


def take(client):
    """What a FleetClient does when its source has a bare image. Returns a Manifest.

    source:  has bare() -> (version, size, digest)
    """
    version, size, digest = client.source.bare()
    return manifest_of(client.board, version, size, digest, client.url)
