"""What a device reports of its last update and of the image it runs, in request headers
(FORMATS.md section 10).
"""

import re
from typing import NamedTuple

from fwcore import errors, errors_boot

HEADER = "ufota-result"
IMAGE = "ufota-image"
_RESULT = re.compile(r"(reverted|refused|resting) (\d{1,5}) ([\d.]{1,20}) ([0-9a-f]{16})")
_IMAGE = re.compile(r"[\d.]{1,20} ([0-9a-f]{32})")
# Reasons that lie in the device or its storage: the same image may work the next time.
_DEVICE_FAULTS = (errors_boot.INSTALL_FAILED, errors.CORRUPT)
# Reasons for which a boot stage refuses an image every time.
_FINAL = (errors.BAD_SIGNATURE, errors.TOO_BIG, errors_boot.BELOW_FLOOR, errors_boot.BLACK_LISTED)


class Result(NamedTuple):
    """What a device says of its last update."""

    word: str  # reverted, refused or resting
    reason: int
    version: str
    digest: str  # the first 16 hex digits

    @property
    def is_final(self):
        """True when it would end in the same way again."""
        if self.word == "reverted":
            return self.reason not in _DEVICE_FAULTS
        return self.word == "refused" and self.reason in _FINAL

    def rejects(self, digest):
        """True when an image with this digest (bytes) need not be offered again."""
        return self.is_final and digest.hex().startswith(self.digest)

    def __str__(self):
        return " ".join(map(str, self))


def read(text):
    """Value of the request header -> Result, or None when it is not what FORMATS.md says."""
    found = _RESULT.fullmatch(text)
    return Result(found[1], int(found[2]), found[3], found[4]) if found else None


class Image(NamedTuple):
    """The image a device runs."""

    digest: str  # the first 32 hex digits

    def is_of(self, digest):
        """True when it is the image with this digest (bytes; none: b"")."""
        return digest.hex().startswith(self.digest)


def read_image(text):
    """Value of the request header -> Image, or None when it is not what FORMATS.md says."""
    found = _IMAGE.fullmatch(text)
    return Image(found[1]) if found else None
