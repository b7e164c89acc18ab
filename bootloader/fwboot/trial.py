"""The boot stage of layouts with a state region: install, trial, revert.

The phases are those of fwcore/state.py; how an image becomes active is in the file of its
mode (mode_swap.py, mode_overwrite.py, mode_direct.py). One run:

    PENDING  the candidate is checked, then FORWARD; refused: IDLE
    FORWARD  the mode makes the new image active, then TRIAL (IDLE when permanent)
    TRIAL    one try less, then the start; none left, or the image is not whole: BACK
    BACK     the mode makes the old image active, the new one is noted as failed, IDLE
    IDLE     the active image is started; not whole: the best candidate, else recovery

Where the layout says `signed`, the active image starts only when this state records that its
statement was verified, or it verifies now; then that is recorded. Nothing is decided because the
key cannot be read, or the heap is too small to verify. Nor because an image cannot be read: that
is asked again at the next start (OSError), and only where a start may not wait for it, another
image is taken, which is whole, and nothing is black-listed.

What a cut leaves: put() is durable or has not happened, and each act is done again from
its start, or from the last mark. Before anything is moved this run has put (R1): a state
that an earlier run left half-written must not be found again under a half-moved image.
While a card is pulled amid FORWARD or BACK nothing is written, however often the device starts.
"""

from errno import EIO

from micropython import const

from fwboot import decide
from fwboot.images import Image, device_key, may_start, recovery, standing, whole_header
from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.regions import read_signature
from fwcore.state import (
    BACK,
    CONFIRMED,
    FORWARD,
    IDLE,
    NO_SIGNATURE,
    NONE,
    PENDING,
    PERMANENT,
    REFUSED,
    REVERTED,
    TRIAL,
    TRIALS,
    State,
    no_image,
)

# PENDING, FORWARD, BACK, IDLE, and once more from IDLE for the old image or a candidate;
# FORWARD, BACK, IDLE for each further candidate that comes to the rescue.
_STEPS = const(10)
_MORE_STEPS = const(3)
_FORWARDS = const(2)  # attempts at an installation, which goes on where the first one stopped
_PUTS = const(3)  # attempts at a write that nobody makes again


def run(board, buf, any_image=True):
    """Finish what was begun; returns the Image to start, or None.

    buf:     memoryview, 4096 bytes of work space
    any_image: False: rather None than an image that is rejected, or not proven
    raises:  OSError when the active image or the key cannot be read, MemoryError when there is
             no heap to verify; FwError for a state region that is too small
    """
    boot = _Boot(board, buf)
    try:
        if not boot.state.journal.settled:
            boot.state.put()  # what a cut put was found just now; it must be found again
        for _ in range(_STEPS + _MORE_STEPS * board.layout["candidates"]["locations"]):
            image = _PHASES.get(boot.state.phase, _Boot.idle)(boot)
            if image:
                return image
            if boot.lost:
                break
    except (OSError, FwError, MemoryError) as error:
        board.log("[ERR ] {}, update not finished".format(repr(error)))
    return boot.last_resort(any_image)


def give_up(board):
    """Go back at the next start, if an image is on trial: somebody asked for the recovery image.

    So that image cannot confirm the other one by mistake.
    """
    for _ in range(_PUTS):
        try:
            state = State(board)
            if state.phase == TRIAL:
                state.phase = BACK
                state.reason = state.reason or errors_boot.NOT_CONFIRMED
                state.put()
            elif not state.journal.settled:
                state.put()
            return
        except (OSError, FwError) as error:  # the recovery image is to start all the same
            board.log("[ERR ] {}, trial goes on".format(repr(error)))


class _Boot:
    def __init__(self, board, buf):
        self.board = board
        self.buf = buf
        self.state = State(board)
        self.mode = _mode(board.layout)(board, self.state, buf)
        self.lost = False  # nothing left to try
        self._settled = False  # this run has put, or need not
        self._left_out = []  # candidates that came to the rescue, and were no good
        self._signatures = {}  # location -> signature that was verified in this run

    def last_resort(self, any_image):
        """The Image to start when the state cannot go on; None when there is none.

        In this order: a good active image that is not on trial, the recovery image, any active
        one that is whole and not below the floor: better than none. Raises OSError.
        """
        state = self.state = State(self.board)  # as it is written, not as it was to be
        head = self._active_header()
        if head and head.version < state.floor:
            head = None
        is_bad = head and state.is_bad(head.digest)
        tried = head and not self._is_untried(head)
        if tried and not is_bad:
            image = self._image(head, False)
            if image:
                return image
            head = None
        found = recovery(self.board, self.buf)
        if found or not head or not any_image:
            return found
        return self._image(head, False, is_bad)

    def pending(self):
        state = self.state
        code = self._refusal(state.location, state.new)
        if not code:
            code = self._begin(self._active_header())
        if code:
            self.board.log("[DBG ] Update refused, error {}".format(code))
            state.end(REFUSED, code)
            self._put()

    def forward(self):
        state, mode = self.state, self.mode
        if not self._settled:  # an earlier run was cut
            state.candidate_slots(self.board)  # raises for a pulled card: go on when it is back
            if not self._is_signed(state.new, state.signature):
                return self._go_back(errors.BAD_SIGNATURE)
            code = self._lost()
            if code:
                return self._go_back(code)
            self._put()
        self.board.log("[DBG ] Update active firmware")
        head = None
        for _ in range(_FORWARDS):
            try:
                mode.forward()
                head = self._active_header()
                break
            except (OSError, FwError) as error:
                if not mode.COPIES:
                    raise  # the old image runs meanwhile
                self.board.log("[ERR ] {}".format(repr(error)))
        if head is None or head.digest != state.new.digest:
            self.board.log("[DBG ] Firmware update failed")
            self._lost()  # raises when that is for want of a read
            return self._go_back(errors_boot.INSTALL_FAILED)
        self.board.log("[DBG ] New active firmware is valid")
        return self._installed(head)

    def _installed(self, head):
        """The new image is active, and whole: it is tried now, or stays."""
        state = self.state
        if 0 < state.tries < PERMANENT:
            state.phase = TRIAL  # put, with one try less, by _start_trial()
            return self._start_trial(head)
        state.end(CONFIRMED, 0)
        state.count_on()
        self._put()

    def trial(self):
        state = self.state
        head = None
        try:
            head = self._active_header()
        except OSError:
            if state.tries:  # without one, the verdict is there already
                return self._unread()
        if state.reason != errors_boot.CRASHED and self.board.hung():
            state.reason = errors_boot.HUNG
        if decide.by_trial(state.tries, head, state.new) == decide.GO_BACK:
            used_up = state.reason or errors_boot.NOT_CONFIRMED
            return self._go_back(errors.CORRUPT if state.tries else used_up)
        return self._start_trial(head)

    def _unread(self):
        """The image on trial cannot be read: asked again at the next start, but once only."""
        state = self.state
        if state.reason == errors.READ_FAILED:
            return self._go_back(errors.READ_FAILED)
        if state.reason == errors_boot.CRASHED:
            state.tries -= 1  # the crash stays on record
        else:
            state.reason = errors.READ_FAILED
        self._put()
        raise OSError(EIO)

    def back(self):
        state = self.state
        self.board.log("[DBG ] Going back, reason {}".format(state.reason))
        state.candidate_slots(self.board)  # raises for a pulled card: go back when it is back
        if self._is_signed(state.old, state.old_signature) and self._can_go_back():
            if not self._settled:
                self._put()
            try:
                self.mode.back()
            except (OSError, FwError):
                pass  # a bad block that was never changed is no harm
            head = self._active_header()
            if head is None or head.digest != state.old.digest:
                raise FwError(errors.WRITE_FAILED)
            self.board.log("[DBG ] Old active firmware is back")
        else:
            self.board.log("[ERR ] No old firmware to go back to")
            head = self._untried()
            if head:
                return self._installed(head)
        if state.reason not in errors_boot.DEVICE_FAULTS:
            state.blacklist(state.new, state.reason in errors_boot.USED_UP)
        tries = state.tries
        state.end(REVERTED, state.reason)
        if tries == PERMANENT:
            state.tries = tries
        self._put()

    def _can_go_back(self):
        try:
            return self._old_is_whole()
        except OSError:
            return False  # idle() looks again, at each start

    def _untried(self):
        """Header of the new image that is active, and whole, when only the device was at fault."""
        reason = self.state.reason
        if reason not in errors_boot.DEVICE_FAULTS or reason == errors.BAD_SIGNATURE:
            return None
        try:
            head = self._active_header()
        except OSError:
            return None  # idle() looks again
        return head if head and self._is_untried(head) else None

    def _is_untried(self, head):
        """True for a new image that is active, and was neither confirmed nor taken back."""
        state = self.state
        if head.digest != state.new.digest or head.digest == state.old.digest:
            return False
        return state.phase != IDLE or state.result == REVERTED

    def idle(self):
        state = self.state
        try:
            head = self._active_header()
        except OSError:  # if a way back was cut there, only its erase makes it readable
            if state.result != REVERTED or not self._restore():
                raise
            return None
        good = head and decide.may_start(head, state.floor, state.is_bad)
        used_up = good and state.reason in errors_boot.USED_UP and self._is_untried(head)
        if good and not used_up:
            self.board.log("[DBG ] Active firmware up-to-date")
            image = self._image(head)
            if image and self._is_untried(head):
                if state.tries != PERMANENT:
                    state.tries = self._trials()
                return self._installed(head)
            if image:
                return image
        elif head:
            why = "is below the floor" if head.version < state.floor else "was rejected"
            self.board.log("[ERR ] Active firmware " + why)
        ways = self._rescue, self._restore
        if state.result == REVERTED:  # maybe by a start that could not read the old image
            ways = self._restore, self._rescue
        if not ways[0]() and not ways[1]():
            self.board.log("[ERR ] Active firmware invalid")
            self.lost = True

    def _rescue(self):
        """Take the best candidate that may start. True when there is one; then it is FORWARD.

        Best is the newest of those that have run here for good, and of the others, which are
        on trial as ever, if there is none.
        """
        state = self.state
        best = None
        for location, slot in enumerate(self._candidates()):
            found = self._header_in(slot)
            if not found or location in self._left_out:
                continue
            proven = self._is_proven(found)
            if not proven and state.find(found.digest) >= 0:
                continue  # it failed here
            try:
                if self._refusal(location, found):
                    continue
            except OSError:
                continue
            rank = proven, found.version
            if not best or rank > best[0]:
                best = rank, location, found
        if not best:
            return False
        (proven, _), state.location, state.new = best
        state.end(NONE, 0)
        if not proven:
            state.tries = self._trials()
        self._left_out.append(state.location)
        code = self._begin(None)
        if code:
            raise FwError(code, state.location)
        return True

    def _is_proven(self, head):
        """True when this image was confirmed here, or needs no trial, or was the one before."""
        state = self.state
        confirmed = state.result == CONFIRMED or state.tries == PERMANENT
        return confirmed and head.digest == state.new.digest or head.digest == state.old.digest

    def _trials(self):
        return self.board.layout.get("trials", TRIALS)

    def _restore(self):
        """Go back to the old image, if that may start and is still whole. True when it is BACK.

        Raises OSError when it cannot be read.
        """
        old = self.state.old
        if not decide.may_start(old, self.state.floor, self.state.is_bad):
            return False
        if not self._is_signed(old, self.state.old_signature) or not self._old_is_whole():
            return False
        again = self.state.result == REVERTED  # by a start that could not read it
        self._go_back(self.state.reason if again else errors.CORRUPT)
        return True

    def _old_is_whole(self):
        """True when the old image can be put back. Raises OSError."""
        try:
            return self.state.old.size > 0 and self.mode.old_is_whole()
        except FwError:
            return False

    def _lost(self):
        """0, or the error number of why the new image cannot come to its place.

        One that cannot be read is waited for, but only while a revert is not possible: raises
        OSError.
        """
        try:
            return 0 if self.mode.may_go_on() else errors.CORRUPT
        except (OSError, FwError):
            if not self._old_is_whole():
                raise
            return errors.READ_FAILED

    def _refusal(self, location, new):
        """0 when the image in this candidate slot may be installed, else the error number.

        Raises OSError when it cannot be read.
        """
        state, buf = self.state, self.buf
        if state.is_bad(new.digest):
            return errors_boot.BLACK_LISTED
        if new.version < state.floor:
            return errors_boot.BELOW_FLOOR
        if not new.size or not new.version:
            return errors.CORRUPT
        key = device_key(self.board)
        try:
            slot = state.candidate_slots(self.board)[location]
            head = slot.read_header(buf, key)
            # The internal header in front of a swapped image is not under the MAC.
            if head[:3] != new[:3] or not self.mode.is_ready(slot, head):
                return errors.CORRUPT
            if not self.mode.fits(head.size):
                return errors.TOO_BIG
            if slot.digest(head.size, buf, self.board.feed) != head.digest:
                return errors.CORRUPT
            signature = read_signature(slot, buf)
        except (FwError, IndexError) as error:
            return getattr(error, "code", errors.CORRUPT)
        self._signatures[location] = signature
        try:
            return 0 if self._is_signed(new, signature) else errors.BAD_SIGNATURE
        except FwError as error:
            return error.code  # no key: no candidate is taken

    def _begin(self, old):
        """Make a revert possible, then FORWARD. Returns 0, or the error number. Raises OSError."""
        state = self.state
        state.old = old or no_image()
        try:
            state.signature = self._signatures[state.location] or NO_SIGNATURE
            state.old_signature = NO_SIGNATURE
            if old:
                active, _ = state.active_slot(self.board)
                state.old_signature = read_signature(active, self.buf) or NO_SIGNATURE
            self.mode.prepare()
        except FwError:
            return errors_boot.INSTALL_FAILED
        self._record(old, state.new)
        state.phase = FORWARD
        state.done = 0
        if self.mode.COPIES:
            self._put()
        self._settled = True  # where nothing is copied, the trial is the next to be written
        return 0

    def _go_back(self, reason):
        state = self.state
        if state.phase == FORWARD and not state.tries:
            state.tries = PERMANENT  # should it come to the rescue
        state.phase = BACK
        state.reason = reason
        self._put()

    def _start_trial(self, head):
        state = self.state
        image = self._image(head)
        if not image:
            return self._go_back(errors.BAD_SIGNATURE)
        state.tries -= 1
        if state.reason != errors_boot.CRASHED:  # one crash is enough, should nobody confirm
            state.reason = 0
        self._put()
        self.board.log("[DBG ] Trial boot, {} left".format(state.tries))
        return image

    def _put(self):
        self.state.put()
        self._settled = True

    def _active_header(self):
        slot, _ = self.state.active_slot(self.board)
        return whole_header(slot, self.buf, self.board.log, self.board.feed)

    def _image(self, head, record=True, is_bad=False):
        """The active Image; None when it may not start. This is the only way to one.

        head:    of the active image, whole
        record:  write down that it was verified
        is_bad:  it was rejected: its signature does not help, only the record of it
        raises:  OSError, MemoryError: no verdict; FwError WRITE_FAILED
        """
        state, board = self.state, self.board
        slot, device = state.active_slot(board)
        if head.version < state.floor:
            return None
        is_bad = is_bad or state.is_bad(head.digest)
        signature = b"" if is_bad else read_signature(slot, self.buf)
        found = may_start(board, head, signature, state)
        if found == decide.FORGED:
            return None
        if found == decide.VERIFIED and record and board.layout["signed"] != "start":
            self._record(head)
            self._put()
        return Image(head, slot, device, board.layout["active"]["format"])

    def _is_signed(self, head, signature):
        """True when the maker signed this image. Raises as standing()."""
        return standing(self.board, head, signature, self.state) != decide.FORGED

    def _record(self, *heads):
        """The last of these was verified just now; keep that, and what is known of the others."""
        layout, state = self.board.layout, self.state
        if not layout.get("signed", False):
            return
        from fwcore import statement

        component = layout.get("component", "MAIN")
        for head in heads:
            if head:
                said = statement.digest_of(self.board, component, head)
                if head is heads[-1] or state.is_verified(said):
                    state.remember(said)

    def _candidates(self):
        """The candidate slots; none when their device does not answer (card pulled)."""
        try:
            return self.state.candidate_slots(self.board)
        except (OSError, FwError):
            return []

    def _header_in(self, slot):
        try:
            return slot.read_header(self.buf, device_key(self.board))
        except (OSError, FwError):
            return None


_PHASES = {
    IDLE: _Boot.idle,
    PENDING: _Boot.pending,
    FORWARD: _Boot.forward,
    TRIAL: _Boot.trial,
    BACK: _Boot.back,
}


def _mode(layout):
    name = layout["mode"]
    if name == "swap":
        from fwboot.mode_swap import SwapMode

        return SwapMode
    if name == "overwrite":
        from fwboot.mode_overwrite import OverwriteMode

        return OverwriteMode
    from fwboot.mode_direct import DirectMode

    return DirectMode
