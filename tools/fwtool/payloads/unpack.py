"""Unpack: images out of payloads, and what is in a patch, by the device's own decoders.

Decoders take bytes and give bytes, so they run in this process, on the shim. One thing differs
from a device: zlib may accept distances beyond the window.
"""

import zlib
from hashlib import sha256

from fwcore import formats
from fwcore.errors import FwError
from fwtool.exits import REFUSED, VERIFY, Failure
from fwtool.files import MAX_IMAGE
from ufota.decoders import delta, delta_arm, errors
from ufota.decoders.chain import chain

WBITS = 10  # Inflate's window, where a board's build does not say otherwise
MAGIC = delta_arm._MAGIC  # of Arm's patches
_STEP = 4096


class _Old:
    """The image before, in memory."""

    def __init__(self, data):
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, at, mv):
        if at < 0 or at + len(mv) > self.size:
            raise FwError(errors.OUTSIDE_OLD, at)
        mv[:] = self._data[at : at + len(mv)]


class _Image:
    """What the decoders make, in memory."""

    def __init__(self):
        self.made = bytearray()

    def write(self, mv):
        self.made += mv
        if len(self.made) > MAX_IMAGE:
            raise Failure(f"it makes more than {MAX_IMAGE} bytes", REFUSED)

    def end(self):
        pass


def unpack(number, data, size, old=None, key=None, wbits=WBITS):
    """Bytes of the image in a payload of format `number`.

    size:    bytes of the image, as announced; None: not known, where only it is deflated
    old:     bytes of the image before, for a patch
    key:     class key, 16 bytes, for an encrypted payload
    raises:  FwError, as a device's decoders; Failure when they lack old or key
    """
    sink = _Image()
    if number & formats.KIND != formats.RAW and old is None:
        raise Failure("a patch makes an image only out of the one it was made for", REFUSED)
    if number & formats.ENCRYPTED and key is None:
        raise FwError(errors.NO_CLASS_KEY)
    before = None if old is None else _Old(old)
    digest = sha256(data).digest()
    _pour(data, chain(number, size, sink, before, key, wbits=wbits, digest=digest))
    return bytes(sink.made)


def _pour(data, decoder):
    view = memoryview(data)
    for at in range(0, len(data), _STEP):
        decoder.write(view[at : at + _STEP])
    while decoder:
        decoder = decoder.end()


# What a payload without a manifest is


def guess(data):
    """Format of a patch, or of what is deflated. Raises Failure when it is neither.

    What is deflated is a patch when it has records, whole, and nothing behind them: nearly no
    image looks so.
    """
    if data.startswith(MAGIC):
        return formats.ARM_PATCH
    try:
        records(formats.PATCH, inflated(data))
    except FwError:
        return formats.DEFLATED | formats.RAW
    return formats.DEFLATED | formats.PATCH


def inflated(data):
    """What is in a stream of raw deflate, whatever its window. Raises Failure."""
    one = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        made = one.decompress(data, MAX_IMAGE + 1)
    except zlib.error:
        raise Failure("neither Arm's patch nor deflated", VERIFY) from None
    if len(made) > MAX_IMAGE:
        raise Failure(f"it makes more than {MAX_IMAGE} bytes", REFUSED)
    if not one.eof:
        raise Failure("it ends before its stream does, or is none", VERIFY)
    if one.unused_data:
        raise Failure("it goes on behind its stream", VERIFY)
    return made


class _AnyOld:
    """An image before of which nothing is known."""

    size = 1 << 40

    def read(self, at, mv):
        pass


class _Patch(delta.Patch):
    """Keeps the records."""

    def __init__(self, size):
        super().__init__(_Image(), _AnyOld(), size)
        self._numbers = []

    def _number(self, value):
        super()._number(value)
        self._numbers.append(value)

    def records(self):
        numbers = iter(self._numbers[2:])  # behind size and data format
        return list(zip(numbers, numbers, numbers))


class _ArmPatch(delta_arm.ArmPatch):
    """Keeps the records."""

    def __init__(self, size):
        super().__init__(_Image(), _AnyOld(), size)
        self._records = []

    def _number(self, value):
        ends = self._next == delta_arm._SEEK
        counts = self._diff, self._extra
        super()._number(value)
        if ends:
            self._records.append((*counts, self._move))

    def records(self):
        return self._records


_READERS = {formats.PATCH: _Patch, formats.ARM_PATCH: _ArmPatch}


def image_size(kind, data):
    """Bytes of the image that a patch says it makes. Arguments and errors: as records()."""
    try:
        _pour(data, _READERS[kind](-1))  # no patch is of that size
    except FwError as error:
        if error.code == errors.OTHER_SIZE:
            return error.at
        raise
    raise FwError(errors.STREAM_CUT, len(data))


def records(kind, data):
    """The records of a patch.

    kind:     formats.PATCH or formats.ARM_PATCH
    data:     bytes, no more deflated
    returns:  list of (bytes that are a sum, bytes of nothing else, move in the old image)
    raises:   FwError, as the device's decoder
    """
    reader = _READERS[kind](image_size(kind, data))
    _pour(data, reader)
    return reader.records()
