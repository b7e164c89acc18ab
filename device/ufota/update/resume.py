"""Resume: the record by which a download goes on after a reset, instead of beginning anew.

Owns the record below, in the client store, and what its counter means: each count is one more
step of the slot that is written for good. Steps are whole erase blocks, so a Writer that goes
on behind them erases the block that was cut and harms none before it.

    offset size field    meaning
    0      4    at       header address of the slot; which slot it is     (little-endian)
    4      4    size     bytes of the image
    8      32   digest   SHA-256 of the image; the same image may come from elsewhere

The record is written before the first erase of the slot and taken back before its header is
written: while it is there, the slot holds no image. The record is not trusted: in the end the
digest of the whole image must be right.
"""

import struct

from micropython import const

from fwcore.errors import FwError
from fwcore.storage import down, up
from ufota.update import client_store

_KEY = b"job"
_URL = b"url"
_MAX_URL = const(255)  # a longer one has a signature that expires soon
_RECORD = "<II32s"  # 40 bytes
_DELETES = const(3)  # attempts
_STEP = const(4096)  # bytes, at least: marks for less would wear the journal out


def of(board, found):
    """ResumeRecord for the image of a manifest; None when the board has no client store."""
    try:
        store = client_store.of(board)
    except (OSError, FwError):
        return None
    return store and ResumeRecord(store, found)


def pending(board):
    """The address of an update that a reset interrupted, or None. Raises OSError."""
    store = client_store.of(board)
    url = store and store.get(_URL)
    try:
        return url.decode() if url else None
    except UnicodeError:  # whatever wrote that, it is none of ours
        return None


def forget_url(board, url):
    """The update from this address is over. url: None for any"""
    try:
        store = client_store.of(board)
        if store and (url is None or store.get(_URL) == url.encode()):
            store.delete(_URL)
    except (OSError, FwError, MemoryError):
        pass  # after a reset it is downloaded again, and refused


class ResumeRecord:
    """The record of one image.

    store:   ClientStore. One that cannot be written may cost a later download; it must not
             stop this one, which goes on without it
    found:   Manifest of the image
    """

    def __init__(self, store, found):
        self._store = store
        self._counts = True  # False: the store has failed, and the rest of this download is lost
        self._found = found
        self._at = self._recorded()

    def _recorded(self):
        """Header address of the slot that this image is coming into, or None."""
        record = self._store.get(_KEY, b"")
        if len(record) != struct.calcsize(_RECORD):
            return None
        at, size, digest = struct.unpack(_RECORD, record)
        same = size == self._found.installed_size and digest == self._found.installed_digest
        return at if same else None

    def done(self, slot, buf, key):
        """Bytes of the image that are in this slot for good; 0: begin anew.

        buf, key: as in Slot.read_header()
        """
        if slot.header_at != self._at:
            return 0
        try:
            slot.read_header(buf, key)
            return 0  # a whole image, and its header cannot be written again
        except OSError:
            return 0  # only an erase helps
        except FwError:
            pass
        return _bytes(slot, self._store.count(), self._found.installed_size)

    def first(self, slot):
        """Bytes of the image in the first step."""
        return _bytes(slot, 1, self._found.installed_size)

    def start(self, slot):
        """Call before the first erase of a slot: the new record counts no bytes yet."""
        found = self._found
        self._steps = 0
        record = struct.pack(_RECORD, slot.header_at, found.installed_size, found.installed_digest)
        try:
            self._store.restart(_KEY, record)
        except (OSError, FwError):
            self._counts = False

    def go_on(self):
        """Call instead of start() when done() was not 0, before anything is erased."""
        self._steps = self._store.count()
        try:
            self._store.settle()
        except (OSError, FwError):
            self._counts = False

    def count(self, slot, writer):
        """Call after a write: counts the steps that it completed."""
        size = self._found.installed_size
        done = min(size, writer.kept(_step(slot)))
        while self._counts and _bytes(slot, self._steps, size) < done:
            self._steps += 1
            try:
                self._store.count_on()
            except (OSError, FwError):
                self._counts = False

    def remember(self, url):
        """Call when an update begins that no source would offer again after a reset."""
        try:
            if len(url) <= _MAX_URL:
                self._store.put(_URL, url.encode())
            else:
                self._store.delete(_URL)  # of an update that this one takes the place of
        except (OSError, FwError):
            pass  # after a reset it begins anew

    def forget(self):
        """Call before the header is written, and when the download is given up.

        returns:  False: it may still be there, and then no header may be written: after a cut in
                  it, the next download would go on, and write it once more
        """
        self._at = None
        for _ in range(_DELETES):
            try:
                self._store.delete(_KEY)
                return True
            except (OSError, FwError):
                pass
        return False


def _step(slot):
    return up(_STEP, slot.storage.erase_size)


def _bytes(slot, count, size):
    """Bytes of the image that `count` steps are."""
    if not count:
        return 0
    step = _step(slot)
    return min(size, down(slot.body_at, step) + count * step - slot.body_at)
