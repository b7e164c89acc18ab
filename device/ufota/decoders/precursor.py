"""Precursor: the active image, read at any address, as patches need it.

Reads only whole program units of the Storage, at multiples of their size.
"""

from micropython import const

from fwcore import errors as fw_errors
from fwcore.errors import FwError
from fwcore.storage import up
from ufota.decoders import errors

_PAGE = const(512)


class Precursor:
    """The first `size` bytes of the image in a slot.

    slot:    Slot, of fwcore.slot
    size:    bytes that may be read: those of the image, as its header says
    raises:  FwError TOO_BIG when they leave the slot
    RAM:     512 bytes, or a program unit where that is larger
    """

    def __init__(self, slot, size):
        if size > slot.end - slot.body_at:
            raise FwError(fw_errors.TOO_BIG, size)
        self.size = size
        self._storage = slot.storage
        self._start = slot.body_at
        self._end = up(slot.body_at + size, slot.storage.program_size)
        self._page = memoryview(bytearray(up(_PAGE, slot.storage.program_size)))
        self._first = -1  # which bytes of the image are in _page; none yet

    def read(self, at, mv):
        """Fill mv with the image's bytes from `at` on.

        raises:  FwError OUTSIDE_OLD; OSError
        """
        count, page = len(mv), len(self._page)
        if at < 0 or at + count > self.size:
            raise FwError(errors.OUTSIDE_OLD, at)
        done = 0
        while done < count:
            inside = at % page
            self._load(at - inside)
            some = min(count - done, page - inside)
            mv[done : done + some] = self._page[inside : inside + some]
            done += some
            at += some

    def _load(self, first):
        if first != self._first:
            self._first = -1  # until it is there: a read may fail half way
            begin = self._start + first
            self._storage.read(begin, self._page[: self._end - begin])
            self._first = first
