"""Payloads: what a device downloads in place of an image, to have less to download.

Owns how each kind is made, what RAM a device's decoders take for it, and which is chosen. What
the bytes are: fwcore/formats.py and docs/FORMATS.md. Each is turned into the image again by
the device's own decoders before anybody gets it.
"""

from io import BytesIO
from typing import NamedTuple

from fwcore import formats
from fwcore.errors import FwError
from fwtool import exits, explain
from fwtool.exits import Failure
from fwtool.payloads import arm_delta, deflate, unpack

# Names on the command line -> format. What names a manifest has for them: manifests.py.
KINDS = {
    "raw": formats.RAW,
    "deflate": formats.DEFLATED | formats.RAW,
    "patch": formats.DEFLATED | formats.PATCH,
    "arm": formats.ARM_PATCH,
}
AUTO = "auto"
# Bytes, as the RAM lines of device/ufota/decoders say, without machine code for the sums.
_INFLATE = 2560 + 1400  # and the window
_PRECURSOR = 512
_RAM = {
    formats.RAW: 0,
    formats.PATCH: 512 + 600 + _PRECURSOR,
    formats.ARM_PATCH: 2 * arm_delta.FRAME + 256 + 600 + _PRECURSOR,
}
DECRYPT = 2 * 512 + 72


class Payload(NamedTuple):
    """What is downloaded in place of an image.

    format:  number, of fwcore.formats
    data:    bytes
    """

    format: int
    data: bytes

    @property
    def is_patch(self):
        return self.format & formats.KIND != formats.RAW


class Offer(NamedTuple):
    """A kind that was tried.

    ram:      bytes a device's decoders take
    payload:  None when it could not be made
    why:      why it could not be made, or is not taken; else ""
    """

    kind: str
    ram: int
    payload: Payload | None
    why: str


def ram(number, wbits=unpack.WBITS):
    """Bytes of heap that a device's decoders take at most for a format."""
    found = _RAM[number & formats.KIND]
    if number & formats.DEFLATED:
        found += _INFLATE + (1 << max(wbits, unpack.WBITS))
    if number & formats.ENCRYPTED:
        found += DECRYPT
    return found


def _patch(old, new):
    import detools

    out = BytesIO()
    try:
        detools.create_patch(BytesIO(old), BytesIO(new), out, compression="none", use_mmap=False)
    except detools.Error as error:
        raise Failure(f"detools makes no patch: {error}") from None
    return out.getvalue()


def make(kind, old, new, wbits=unpack.WBITS):
    """Payload of a kind, tried with the device's decoders. Raises Failure when it cannot be."""
    if kind == "raw":
        data = new
    elif kind == "deflate":
        data = deflate.smallest(new, wbits)
    elif kind == "patch":
        data = deflate.smallest(_patch(old, new), wbits)
    else:
        data = arm_delta.make(old, new)
    made = Payload(KINDS[kind], data)
    try:
        same = unpack.unpack(made.format, data, len(new), old, wbits=wbits) == new
    except FwError as error:
        raise Failure(
            f"a device's decoders refuse it: {explain.sentence(error)}", exits.VERIFY
        ) from None
    if not same:
        raise Failure("a device's decoders make another image of it", exits.VERIFY)
    return made


def offers(kinds, old, new, wbits=unpack.WBITS, limit=None):
    """List of Offer, one for each of the kinds.

    old:    bytes of the image before
    limit:  bytes of RAM that decoders may take; None: any
    """
    return [_offer(kind, old, new, wbits, limit) for kind in kinds]


def _offer(kind, old, new, wbits, limit):
    needed = ram(KINDS[kind], wbits)
    try:
        made = make(kind, old, new, wbits)
    except Failure as failure:
        return Offer(kind, needed, None, str(failure))
    too_much = limit is not None and needed > limit
    return Offer(kind, needed, made, f"takes more than {limit} bytes of RAM" if too_much else "")


def smallest(found):
    """The Offer to take. Raises Failure when there is none."""
    good = [offer for offer in found if not offer.why]
    if not good:
        reasons = "; ".join(f"{offer.kind}: {offer.why}" for offer in found)
        refused = any(offer.payload for offer in found)
        raise Failure(f"nothing to take: {reasons}", exits.REFUSED if refused else exits.FAILED)
    return min(good, key=lambda offer: (len(offer.payload.data), offer.ram))
