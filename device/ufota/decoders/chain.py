"""Chain: the decoders of a payload format, one behind the other.

Owns which decoders each format needs. The host's tools use it too.
"""

from fwcore import formats


def names(number):
    """Names of the modules with the decoders of a format."""
    if number & formats.ENCRYPTED:
        yield "decrypt"
    if number & formats.DEFLATED:
        yield "inflate"
    if number & formats.KIND == formats.PATCH:
        yield "delta"
    if number & formats.KIND == formats.ARM_PATCH:
        yield "delta_arm"


def chain(number, size, sink, old=None, key=None, feed=None, wbits=10, digest=None):
    """The first of the decoders of a format, the last of which writes to sink.

    At the end of the payload call end() of each: it returns the next one; the sink's returns None.

    number:  format, known, with all its decoders in this build
    size:    bytes of the image, as announced
    sink:    write(mv), which takes all or raises, and end()
    old:     the image before, for a patch: size, and read(at, mv) for any bytes of it
    key:     class key, 16 bytes, where it is encrypted
    digest:  SHA-256 of the payload, where it is encrypted
    wbits:   the window of what is deflated is 2^wbits bytes
    """
    kind = number & formats.KIND
    if kind == formats.PATCH:
        from ufota.decoders.delta import Patch

        sink = Patch(sink, old, size)
    elif kind == formats.ARM_PATCH:
        from ufota.decoders.delta_arm import ArmPatch

        sink = ArmPatch(sink, old, size, feed=feed)
    if number & formats.DEFLATED:
        from ufota.decoders.inflate import Inflate

        sink = Inflate(sink, size if kind == formats.RAW else None, wbits, feed)
    if number & formats.ENCRYPTED:
        from ufota.decoders.decrypt import Decrypt

        sink = Decrypt(sink, key, digest)
    return sink
