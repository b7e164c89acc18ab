"""What an emulated board has in its flash for a story, and what servers have."""

import json

import certs
import compose
from stories import NEW, OLD, OTHER_KEY

_ADDRESS = "/app.fw"


class FlashContents:
    """Images, and the flash of boards that leave the factory with the old one."""

    def __init__(self):
        self.old = compose.release(OLD)
        self.new = compose.release(NEW)
        self.broken = compose.release(NEW, is_broken=True)
        self._certs = certs.pages()
        self._fixed = compose.fixed_pages()
        self._areas = compose.area(OLD, self.old)  # without an identity, and with one

    def fill(self, pico, story):
        """Program the flash of a board for a story."""
        files = {"scene": json.dumps(story.scenes).encode()}
        if story.is_new:
            files["identity.json"] = json.dumps(compose.identity()).encode()
        pages = self._pages(story)
        if story.dropped:
            files["update.bin"] = pages[_ADDRESS]
        area = bytearray(self._areas[not story.is_new])
        compose.put_user(area, files)
        pico.flash(compose.AREA, area)
        pico.flash(compose.WEB, compose.web(pages))

    def _pages(self, story):
        image = self.broken if story.is_broken else self.new
        if story.kind == OTHER_KEY:
            bundle = compose.bundle(NEW, image, self.old, "raw", compose.OTHER_KEY)
        else:
            bundle = compose.bundle(NEW, image, self.old, story.kind)
        found = {_ADDRESS: bundle, **compose.two_files(NEW, image), **self._fixed}
        return {**found, **self._certs} if story.certs else found
