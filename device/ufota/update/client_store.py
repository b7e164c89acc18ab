"""ClientStore: the little that an update client remembers through a reset.

Owns the region `client` of the layout: a key-value store on a journal of its own, and one
counter that a mark in the journal moves on, so that counting seldom erases. The boot stage
never reads it, and what is lost here costs a download, never an image.

    key       who, and what
    job       resume.py: the download that is under way
    url       resume.py: where it comes from, when no source offers it again
    count     this file: what was counted when the store was last written, 4 bytes, little-endian

Every other key begins with the name of the source that it belongs to.
"""

import struct

from micropython import const

from fwcore.kv import KeyValue
from fwcore.modules import STORE, load

LIMIT = const(1024)  # bytes of the whole store, as fwcore.layout asks room for
_COUNT = b"count"


def of(board):
    """The client store of a board, or None when its layout has no region `client`.

    One object for all callers, in board.client_store: two would not know of each other's
    writes.

    raises:  OSError; FwError TOO_BIG for a region that is too small
    """
    if "client" not in board.layout:
        return None
    if not hasattr(board, "client_store"):
        board.client_store = ClientStore(board)
    return board.client_store


class ClientStore(KeyValue):
    """get(), put(), delete() as fwcore.kv has them, and a counter."""

    def __init__(self, board):
        load("fwcore", STORE)
        from fwcore.journal import Journal
        from fwcore.regions import storage_of

        region = board.layout["client"]
        storage = storage_of(board, region)
        self.journal = Journal(storage, region["start"], region["size"], LIMIT)
        super().__init__(self.journal, self.journal.load())

    def count(self):
        """How often count_on() was called since restart()."""
        return int.from_bytes(self.get(_COUNT, b""), "little") + self.journal.marks

    def settle(self):
        """Call before acting on a count() of an earlier start. Raises as put().

        A mark that a cut tore may be read as counted now and as missing later, or the reverse.
        """
        if not self.journal.room():
            self._store(self._copy())

    def count_on(self):
        """Count one more; durable when this returns. Raises as put()."""
        if not self.journal.room():  # as settle(): one call less, deep down as this is
            self._store(self._copy())
        self.journal.mark()

    def restart(self, key, value):
        """put() and a counter at 0, in one write."""
        changed = self._copy()
        changed[key] = value
        changed[_COUNT] = b""
        self._store(changed)

    def _copy(self):
        values = super()._copy()
        values[_COUNT] = struct.pack("<I", self.count())
        return values
