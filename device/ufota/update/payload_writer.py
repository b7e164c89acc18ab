"""PayloadWriter: takes a payload that is not the image itself, and writes the Candidate.

Owns the decoders between the two. Apart from payload.py to save heap: that is not needed any
more when the decoders are there.
"""

from fwcore.modules import load, make_room


class PayloadWriter:
    """First the target of an UpdateWriter, then the candidate that this made.

    target:    the update's own, of firmware; None: the image is the application's
    old:       Precursor, the active image for a patch to it, else None
    key:       class key, 16 bytes, for what is encrypted, else None
    write(mv): the next bytes of the payload. Raises as the decoders, and as Candidate.write()
    """

    def __init__(self, target, old, key):
        self._target = target
        self._old = old
        self._key = key

    def image(self, update):
        """Self, with its decoders. The update's own target is back then. Raises OSError."""
        make_room(("ufota.update", "payload"), ("ufota", "active_image"))
        update.target = self._target
        sink = _Sink()
        self._first = self._chain(update, sink)  # large pieces of heap: before what is small
        package = "ufota.decoders"
        make_room((package, "chain"), (package, "add"), ("fwcore", "formats"))
        if self._target:
            image = self._target.image(update)
        else:
            load("fwcore", "slot_writer")
            from ufota.update.candidate import Candidate

            image = Candidate(update)
        sink.write = image.write
        self._image = image
        self.begin = image.begin
        self.write = self._first.write
        self.verify = image.verify
        self.commit = image.commit
        return self

    def _chain(self, update, sink):
        from ufota.decoders.chain import chain

        found = update.manifest
        size, feed = found.installed_size, update.board.feed
        return chain(found.format, size, sink, self._old, self._key, feed, digest=found.digest)

    def catch_up(self):
        return False

    def finish(self):
        """All bytes are there. Raises as the decoders; FwError CORRUPT, CUT_SHORT."""
        while self._first:  # one after the other, as each writes what it still holds
            self._first = self._first.end()
            self.write = self._image.write
        self._image.finish()


class _Sink:
    """The end of the decoders."""

    write = None  # of the Candidate, once there is one

    def end(self):
        pass
