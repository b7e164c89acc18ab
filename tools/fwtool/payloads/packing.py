"""Packing: an image into what a device downloads in its place, by options; and out again."""

import functools
from hashlib import sha256
from typing import NamedTuple

import rich_click as click

from fwcore import errors, errors_net, formats
from fwcore.errors import FwError
from fwtool import exits, files
from fwtool.exits import Failure
from fwtool.payloads import payloads, unpack
from fwtool.signing import class_key as class_keys


class Packed(NamedTuple):
    """What is downloaded in place of an image.

    format:     number, of fwcore.formats
    data:       bytes
    precursor:  digest of the image that a patch is for, else b""
    """

    format: int
    data: bytes
    precursor: bytes


class How(NamedTuple):
    """What the options ask for.

    sources:    names of the files of images before
    kind:       of payloads.KINDS, or payloads.AUTO
    ram:        bytes the device's decoders may take, None: any
    class_key:  name of a file, None: nothing is encrypted
    """

    sources: tuple
    kind: str
    ram: int | None
    class_key: str | None

    @property
    def is_asked(self):
        return bool(self.sources or self.class_key) or self.kind != payloads.AUTO

    @property
    def inputs(self):
        """The files among them."""
        return (*self.sources, self.class_key)


def options(command):
    """Adds the options; the command gets them as `how`."""

    @click.option(
        "--from",
        "sources",
        multiple=True,
        metavar="OLD",
        help="Only for devices with image OLD: a patch, if that is smaller. May be repeated.",
    )
    @click.option("--deflate", is_flag=True, help="Deflate the whole image, for all devices.")
    @click.option(
        "--kind",
        type=click.Choice((payloads.AUTO, *payloads.KINDS)),
        default=payloads.AUTO,
        show_default=True,
        help="With --from: what to make; auto is the smallest.",
    )
    @click.option("--ram", type=files.SIZE, help="RAM that the device's decoders may take.")
    @class_keys.option
    @functools.wraps(command)
    def wrapper(sources, deflate, kind, ram, class_key, **rest):
        if deflate and sources or kind != payloads.AUTO and not sources:
            raise click.UsageError("--kind goes with --from, and --deflate without")
        how = How(sources, "deflate" if deflate else kind, ram, class_key)
        return command(how=how, **rest)

    return wrapper


def pack(image, how):
    """One for each image before, or one for all devices.

    returns:  list of (digest of the image before, or None; Packed)
    raises:   Failure
    """
    key = class_keys.load(how.class_key)
    limit = None if how.ram is None else how.ram - (payloads.DECRYPT if key else 0)
    kinds = tuple(payloads.KINDS) if how.sources else ("raw",)
    if how.kind != payloads.AUTO:
        kinds = (how.kind,)
    found = []
    for old in [files.read(name) for name in how.sources] or [None]:
        made = payloads.smallest(payloads.offers(kinds, old, image, limit=limit)).payload
        before = None if old is None else sha256(old).digest()
        packed = Packed(*made, before if made.is_patch else b"")
        found.append((before, _encrypted(packed, key) if key else packed))
    return found


def _encrypted(packed, key):
    data = class_keys.encrypt(packed.data, key)
    number = formats.ENCRYPTED | formats.RAW
    if unpack.unpack(number, data, None, key=key) != packed.data:
        raise Failure("a device would decrypt something else", exits.VERIFY)
    return Packed(packed.format | formats.ENCRYPTED, data, packed.precursor)


class Device(NamedTuple):
    """What a payload needs besides itself.

    old:  bytes of the image before, None: no patches
    key:  class key, None: nothing encrypted
    """

    old: bytes | None
    key: bytes | None

    @classmethod
    def of(cls, source, class_key):
        """Out of files; None: not there. Raises Failure."""
        old = None if source is None else files.read(source)
        return cls(old, class_keys.load(class_key))

    @property
    def formats(self):
        """The payload formats that can be made into an image."""
        kinds = [formats.RAW] + (
            [formats.ARM_PATCH, formats.PATCH] if self.old is not None else []
        )
        found = [kind | bit for kind in kinds for bit in (0, formats.DEFLATED)]
        return found + ([number | formats.ENCRYPTED for number in found] if self.key else [])

    def check_image(self, found, payload):
        """Is the image in a payload the one announced? Raises FwError, Failure."""
        if found.precursor and sha256(self.old).digest() != found.precursor:
            raise FwError(errors_net.WRONG_PRECURSOR)
        image = unpack.unpack(found.format, payload, found.installed_size, self.old, self.key)
        if len(image) != found.installed_size or sha256(image).digest() != found.installed_digest:
            raise FwError(errors.CORRUPT)
