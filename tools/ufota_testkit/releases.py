"""Releases of an application, made and signed as `fwtool image` and `fwtool bundle` do it."""

import uuid
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

from fwcore.manifest import version_text, version_word
from fwtool.images import image
from fwtool.signing import keys, manifests, statements


class Release(NamedTuple):
    """version: text;  image: what a board installs;  bundle: what a server has; both bytes"""

    version: str
    image: bytes
    bundle: bytes


class Maker:
    """Who signs releases, and whom boards trust: a key and identity of its own.

    sign:   sign(component, version, image) -> 64 bytes, for factory.make()
    """

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.point = keys.point(self.key.public_key())
        self.vendor, self.class_id = uuid.uuid4(), uuid.uuid4()
        self.sign = statements.signer(self.key, self.vendor, self.class_id)

    def release(self, layout, folder, version):
        """A Release of the application in a folder, for boards of this layout.

        version: "1.2.3", each part 0 to 999
        raises:  Failure, FwError
        """
        active = layout["active"]
        block = layout["devices"][active["device"]]["erase"]
        made = image.build(image.collect(str(folder)), active["format"], block)
        image.check(layout, str(folder), made)
        text = version_text(version_word(str(version)))
        signed = manifests.create(self.key, made, self.vendor, self.class_id, text)
        return Release(text, made, signed + made)
