"""PendingUpdate: an update for a device with a state region, from the check to PENDING.

Owns the rules by which the state allows a new image, and the order of its last writes.
The boot stage decides what is done with it. acceptance.py loads this file only where
the layout has a state region.

Each put has a State of its own, just loaded: the application may confirm() while a
download is under way.
"""

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.regions import SwapSlot
from fwcore.state import IDLE, NO_SIGNATURE, NONE, PENDING, PERMANENT, TRIALS, State


class PendingUpdate:
    """One new image, allowed by the state.

    board:      see docs/DESIGN.md, "What a board offers"
    state:      its State, just loaded;  places: its active Slot, and a list of its candidate slots
    found:      Manifest, for this device
    buf:        memoryview, scratch for a header
    permanent:  True: no trial, and no revert once it is installed. Then the image that is
                installed already is accepted again, if it is not whole any more: for a
                recovery image
    active:     (Slot, Header) of the image that runs; Header None where there is no good one
    raises:     OSError; FwError ON_TRIAL | BLACK_LISTED | BELOW_FLOOR | NOT_NEWER | TOO_BIG,
                before anything is written
    """

    def __init__(self, board, state, places, found, buf, permanent):
        self._board = board
        active, self._slots = places
        self._head = Header(
            found.version, found.installed_size, found.installed_digest, NO_CAMPAIGN
        )
        self._tries = 0 if permanent else board.layout.get("trials", TRIALS)
        if state.phase not in (IDLE, PENDING):
            raise FwError(errors_boot.ON_TRIAL)
        if state.is_bad(self._head.digest):
            raise FwError(errors_boot.BLACK_LISTED)
        if self._head.version < state.floor:
            raise FwError(errors_boot.BELOW_FLOOR)
        try:
            self._running = _header_in(active, buf, None)
        except OSError:
            if not permanent:
                raise
            self._running = None  # a recovery image replaces what cannot be read
        self.active = active, self._running
        if not permanent or self._is_whole(active, buf):
            self._check_newer()
        # In direct mode it runs where it is written to.
        if board.layout["mode"] != "direct" and not active.fits(self._head.size):
            raise FwError(errors.TOO_BIG, self._head.size)

    def _is_whole(self, active, buf):
        """False when this very image is installed already, and damaged, or cannot be read."""
        if not self._running or self._running.digest != self._head.digest:
            return True
        try:
            return active.digest(self._head.size, buf, self._board.feed) == self._head.digest
        except OSError:
            return False

    def _check_newer(self):
        if not self._running:
            return
        if self._board.layout.get("downgrade", False):
            wanted = self._head.digest != self._running.digest
        else:
            wanted = self._head.version > self._running.version
        if not wanted:
            raise FwError(errors.NOT_NEWER)

    def slots(self, buf, key):
        """Slots the image may be written to: all, less one that holds the image that runs.

        key:     device key, 32 bytes; None where no header is external
        returns: list of Slot
        """
        allowed = list(self._slots)
        for slot in self._slots:
            if self._running and self._holds_running(slot, buf, key):
                allowed.remove(slot)  # a revert needs it, and need not even copy it
                break
        return allowed

    def _holds_running(self, slot, buf, key):
        if self._board.layout["mode"] != "overwrite":
            return False
        try:
            head = _header_in(slot, buf, key)
        except OSError:
            return False
        return head is not None and head[:3] == self._running[:3]

    def begin(self, slot):
        """Call right before the first erase of this slot: no update waits in it any more.

        raises:  OSError; FwError WRITE_FAILED
        """
        self._slot = slot
        self._location = self._slots.index(slot)
        state = State(self._board)
        here = state.phase == PENDING and state.location == self._location
        said = state.phase == IDLE and (state.tries or not self._tries)
        if here or said:
            state.end(NONE, 0)
            if not self._tries:  # a cut between header and PENDING must not make it a trial
                state.new = self._head
                state.tries = PERMANENT
            state.put()

    def write_header(self, packed):
        """Commit, then PENDING: durable from here on. packed, raises: as Slot.write_header()."""
        slot = self._slot
        if isinstance(slot, SwapSlot):
            slot.write_inner(self._head)
        slot.write_header(packed)
        state = State(self._board)
        state.end(NONE, 0)
        state.phase = PENDING
        state.tries = self._tries
        state.location = self._location
        state.new = self._head
        state.signature = NO_SIGNATURE  # it is behind the header
        state.put()


def _header_in(slot, buf, key):
    """Header of a slot, None when it holds no image. Raises OSError."""
    try:
        return slot.read_header(buf, key)
    except FwError:
        return None
