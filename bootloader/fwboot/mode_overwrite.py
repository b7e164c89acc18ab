"""Overwrite mode: the old image is kept in a second candidate slot, for a revert."""

from micropython import const

from fwboot.images import device_key
from fwboot.install import DONE, install
from fwcore import errors, layout
from fwcore.errors import FwError
from fwcore.slot_writer import Writer
from fwcore.state import NOWHERE
from fwcore.storage import up

_BACK_UPS = const(2)  # attempts to keep the active image, in each slot


class OverwriteMode:
    COPIES = True

    def __init__(self, board, state, buf):
        self._board = board
        self._state = state
        self._buf = buf

    def is_ready(self, slot, head):
        return True

    def fits(self, size):
        return self._active().fits(size)

    def prepare(self):
        """Keep the active image: it is in another slot, or is copied there.

        raises:  OSError; FwError WRITE_FAILED | NO_SLOT
        """
        state = self._state
        state.kept = NOWHERE
        if not state.old.size:
            return
        slots = state.candidate_slots(self._board)
        others = [i for i in range(len(slots)) if i != state.location]
        for i in others:
            if self._holds(slots[i], state.old):
                state.kept = i
                return
        for i in others * _BACK_UPS:
            try:
                self._back_up(slots[i])
            except (OSError, FwError):
                continue  # a bad block there: the next one
            state.kept = i
            return
        self.may_go_on()  # raises for a card that does not answer, and
        self._is_whole(self._active(), state.old)  # for what could not be read: no verdict
        raise FwError(errors.NO_SLOT)

    def may_go_on(self):
        """True when the candidate is whole: it is the same card as before. Raises OSError."""
        try:
            return self._is_whole(self._slot(self._state.location), self._state.new)
        except FwError:
            return False

    def forward(self):
        """Install the candidate; whether it is whole is the caller's to look at.

        raises:  OSError; FwError NO_SLOT
        """
        state = self._state
        self._install(state.location, state.new, state.signature)

    def back(self):
        """Install the kept image. Raises as forward()."""
        state = self._state
        self._install(state.kept, state.old, state.old_signature)

    def old_is_whole(self):
        """Raises OSError; FwError NO_SLOT."""
        return self._is_whole(self._slot(self._state.kept), self._state.old)

    def _is_whole(self, slot, head):
        return slot.digest(head.size, self._buf, self._board.feed) == head.digest

    def _slot(self, location):
        slots = self._state.candidate_slots(self._board)
        if location >= len(slots):  # NOWHERE, or the layout has fewer than it had
            raise FwError(errors.NO_SLOT, location)
        return slots[location]

    def _install(self, location, head, signature):
        slot, board, active = self._slot(location), self._board, self._active()
        signature = signature[: active.room]
        for _ in range(board.layout.get("copy_retries", layout.COPY_RETRIES)):
            if install(slot, head, signature, active, self._buf, board.log, board.feed) == DONE:
                break

    def _active(self):
        return self._state.active_slot(self._board)[0]

    def _holds(self, slot, head):
        try:
            found = slot.read_header(self._buf, device_key(self._board))
            if found[:3] != head[:3]:
                return False
            return self._is_whole(slot, head)
        except (OSError, FwError):
            return False

    def _back_up(self, slot):
        """Copy the active image into a slot, header last."""
        head = self._state.old
        self._board.log("[DBG ] Keeping the active firmware")
        key = device_key(self._board)
        if key is None:
            raise FwError(errors.BAD_KEY)
        packed = slot.pack(head, key) + self._state.old_signature[: slot.room]
        active = self._active()
        writer = Writer(slot, head.size)
        writer.begin()
        for at in range(0, head.size, len(self._buf)):
            count = min(head.size - at, len(self._buf))
            mv = self._buf[: up(count, active.storage.program_size)]
            active.storage.read(active.body_at + at, mv)
            writer.write(mv[:count])
            self._board.feed()
        if not self._is_whole(slot, head):
            raise FwError(errors.WRITE_FAILED)
        slot.write_header(packed)
