"""Direct mode: both slots can run, the state says which one does; nothing is copied.

A newer image in the other slot is not started without PENDING: a header torn by a cut may read
as good at this start, and not any more once its image is confirmed. PENDING says that it was
read back.
"""

from fwboot.images import whole_header
from fwcore import header
from fwcore.regions import StageSlot


class DirectMode:
    COPIES = False  # forward() and back() change the state alone

    def __init__(self, board, state, buf):
        self._board = board
        self._state = state
        self._buf = buf

    def is_ready(self, slot, head):
        """True when the header, just read into buf, is one that an active image may have."""
        return isinstance(slot, StageSlot) or header.is_v2(self._buf)

    def fits(self, size):
        return True  # it is where it will run

    def may_go_on(self):
        return True

    def prepare(self):
        pass

    def forward(self):
        self._state.kept = self._state.active
        self._state.active ^= 1

    def back(self):
        self._state.active = self._state.kept

    def old_is_whole(self):
        """Raises OSError."""
        board, state = self._board, self._state
        slot, _ = state.runnable(board, state.kept)
        head = whole_header(slot, self._buf, board.log, board.feed)
        return head is not None and head.digest == state.old.digest
