"""Payload: what comes in is not the image itself, but deflated, a patch, encrypted.

Owns what each format is made of, and what is asked of it before anything is erased. Between
whoever writes the payload and the Candidate stand filters, each with write(mv) and end():

    client --write(mv)--> Decrypt --> Inflate --> Patch --> Candidate
                                                   ^ reads the active image

A format without its filter in this build is refused. check.py loads this file when a
manifest announces another format than the image itself. What came is not kept through a
reset: filters remember what a count of bytes cannot say, so such a download begins again;
through a broken link it goes on, as the filters live on. A patch reads the active image, which
no client writes in any mode: it stays what it was until the boot stage has a whole new one.
"""

from fwcore import errors, formats, net_errors
from fwcore.errors import FwError
from ufota import running


def check(intake, found):
    """Can this build, and this device, make the image out of the payload? Nothing is erased.

    raises:  FwError UNSUPPORTED for a format without its filter, and for a patch of firmware;
             MALFORMED when the manifest does not say what comes out, or what a patch is for;
             WRONG_PRECURSOR; NO_CLASS_KEY; OSError
    """
    is_patch = found.format & formats.KIND != formats.RAW
    formats.check(found)
    if intake.target and is_patch:
        raise FwError(errors.UNSUPPORTED)
    for name in _filters(found.format):
        try:
            __import__("ufota.filters." + name)
        except ImportError:
            raise FwError(errors.UNSUPPORTED) from None
    if is_patch:
        _precursor(intake.board, found)
    if found.format & formats.ENCRYPTED:
        _class_key(intake.board)
    intake.target = Target(intake.target)


class Target:
    """What an Intake asks for the candidate, in place of its own target or of none."""

    def __init__(self, target):
        self._target = target

    def image(self, intake):
        """Payload. The intake's own target is back then."""
        from ufota.candidate import Candidate

        intake.target = self._target
        return Payload(intake, intake.target.image(intake) if intake.target else Candidate(intake))


def _filters(number):
    """Names of the modules that a format needs."""
    if number & formats.ENCRYPTED:
        yield "decrypt"
    if number & formats.DEFLATED:
        yield "inflate"
    if number & formats.KIND == formats.PATCH:
        yield "delta"
    if number & formats.KIND == formats.ARM_PATCH:
        yield "delta_arm"


def chain(board, found, sink):
    """The first of the filters of a format, the last of which writes to sink. Raises OSError."""
    sink = _patch(board, found, sink)
    if found.format & formats.DEFLATED:
        from ufota.filters.inflate import Inflate

        is_image = found.format & formats.KIND == formats.RAW
        sink = Inflate(sink, found.installed_size if is_image else None, feed=board.feed)
    if found.format & formats.ENCRYPTED:
        from ufota.filters.decrypt import Decrypt

        sink = Decrypt(sink, _class_key(board))
    return sink


def _patch(board, found, sink):
    kind = found.format & formats.KIND
    if kind == formats.RAW:
        return sink
    from ufota.filters.precursor import Precursor

    slot, head = _precursor(board, found)
    old = Precursor(slot, head.size)
    if kind == formats.ARM_PATCH:
        from ufota.filters.delta_arm import ArmPatch

        return ArmPatch(sink, old, found.installed_size, feed=board.feed)
    from ufota.filters.delta import Patch

    return Patch(sink, old, found.installed_size)


def _precursor(board, found):
    """(Slot, Header) of the active image, which the patch must be made for."""
    slot, head = running.active(board)
    if not head or head.digest != found.precursor:
        raise FwError(net_errors.WRONG_PRECURSOR)
    return slot, head


def _class_key(board):
    from ufota.filters.errors import NO_CLASS_KEY

    key = board.class_key() if hasattr(board, "class_key") else None
    if not key:
        raise FwError(NO_CLASS_KEY)
    return key


class Payload:
    """A Candidate behind its filters: what intake.py and the clients have in place of it.

    write(mv): the next bytes of the payload. Raises as the filters, and as Candidate.write()
    image:     Candidate
    """

    def __init__(self, intake, image):
        self._image = image
        self._first = chain(intake.board, intake.manifest, Sink(image))
        self.write = self._first.write
        self.verify = image.verify
        self.commit = image.commit

    def catch_up(self):
        return False

    def finish(self):
        """All bytes are there. Raises as the filters; FwError CORRUPT, CUT_SHORT."""
        first, self._first = self._first, None
        if first:
            first.end()
            self.write = self._image.write
        self._image.finish()


class Sink:
    """The end of the filters."""

    def __init__(self, image):
        self.write = image.write

    def end(self):
        pass
