"""What the code did before a failed read was no verdict: each must make powercut_faults.py red.

A bug is a name, a function that puts the old behaviour back and returns a list of (object,
attribute, what was there), and the kind of fault, the row and the scene that must see it.
Runs on CPython and on MicroPython.
"""

from fwboot import decide, swap, trial
from fwcore import errors, errors_boot, header
from fwcore.errors import FwError
from fwcore.state import FORWARD, NONE, PENDING, TRIAL, State
from powercut_faults import CARD, CELLS, DEAD, ERROR, TWO
from ufota.update import acceptance, pending, resume

CUT = "a cut"  # no fault at all: powercut.py sees it
MARKS = "error in a mark, then a cut"  # marks_then_cuts() of powercut_faults.py


def unread_is_a_failed_installation():
    def forward(self):
        state = self.state
        if not self._settled:
            self._put()
        try:
            self.mode.forward()
            head = self._active_header()
        except (OSError, FwError):
            head = None
        if head is None or head.digest != state.new.digest:
            return self._go_back(errors_boot.INSTALL_FAILED)
        return self._installed(head)

    Boot = trial._Boot
    return [
        _put_phase(FORWARD, forward),
        _put(Boot, "_untried", lambda self: None),
        _put(Boot, "_is_untried", lambda self, head: False),
    ]


def unread_is_a_failed_move():
    def move(self, source, target, front):
        storage, at = target
        if target != self._p(0):
            front = b""
        storage.erase(at, self._block, self._feed)
        for offset in range(0, self._block, len(self._one)):
            self._read(source, offset, front)
            storage.write(at + offset, self._one)
        if not self._same(source, target, front):
            raise FwError(errors.WRITE_FAILED, at)

    return unread_is_a_failed_installation() + [_put(swap.Swap, "_move", move)]


def progress_given_up_for_one_error():
    forget = resume.ResumeRecord.forget

    def careless(self):
        return forget(self) if self._counts else True

    return [_put(resume.ResumeRecord, "forget", careless)]


def unread_takes_the_blame_from_the_image():
    def judged(self):
        state = self.state
        try:
            head = self._active_header()
        except OSError:
            if state.tries:
                state.tries -= 1
                self._put()
                raise
            head = None
        if decide.by_trial(state.tries, head, state.new) == decide.GO_BACK:
            whole = head and head.digest == state.new.digest
            code = (state.reason or errors_boot.NOT_CONFIRMED) if whole else errors.CORRUPT
            return self._go_back(code)
        return self._start_trial(head)

    return [_put_phase(TRIAL, judged)]


def rescued_before_it_is_restored():
    restore = trial._Boot._restore

    def late(self):
        return self._rescue() or restore(self)

    return [_put(trial._Boot, "_restore", late)]


def unread_slot_is_no_choice():
    def choose(update, size):
        board = update.board
        internal = board.layout["candidates"].get("internal", False)
        update.key = None if internal else header.device_key(board.rot() or b"")
        buf = update.buf[2048:]
        code, best, oldest = errors.NO_SLOT, None, 0
        for each in update.pending.slots(buf, update.key):
            try:
                version = acceptance._version_in(update, each, update.key)
            except OSError:
                continue
            if not each.fits(size):
                code = errors.TOO_BIG
            elif not best or version < oldest:
                best, oldest = each, version
        if not best:
            raise FwError(code, size)
        return best

    return [_put(acceptance, "_choose_slot", choose)]


def one_error_and_the_trial_goes_on():
    def give_up(board):
        try:
            state = State(board)
            if state.phase == TRIAL:
                state.phase = trial.BACK
                state.reason = state.reason or errors_boot.NOT_CONFIRMED
                state.put()
            elif not state.journal.settled:
                state.put()
        except (OSError, FwError):
            pass

    return [_put(trial, "give_up", give_up)]


def permanent_only_once_it_is_pending():
    def begin(self, slot):
        self._slot = slot
        self._location = self._slots.index(slot)
        state = State(self._board)
        if state.phase == PENDING and state.location == self._location:
            state.end(NONE, 0)
            state.put()

    return [_put(pending.PendingUpdate, "begin", begin)]


def permanent_until_one_error():
    def go_back(self, reason):
        self.state.phase = trial.BACK
        self.state.reason = reason
        self._put()

    return [_put(trial._Boot, "_go_back", go_back)]


def old_image_taken_for_whole():
    return [_put(trial._Boot, "_old_is_whole", lambda self: self.state.old.size > 0)]


def pending_refused_for_one_error():
    refusal = trial._Boot._refusal

    def verdict(self, location, new):
        try:
            return refusal(self, location, new)
        except OSError:
            return errors.CORRUPT

    return [_put(trial._Boot, "_refusal", verdict)]


def _put_phase(phase, act):
    phases = dict(trial._PHASES)
    phases[phase] = act
    return _put(trial, "_PHASES", phases)


def _put(owner, name, what):
    old = getattr(owner, name)
    setattr(owner, name, what)
    return owner, name, old


def take_out(puts):
    """Undo what a function above did."""
    for owner, name, old in puts:
        setattr(owner, name, old)


# name of the bug, its function; kind of fault, row and scene that must see it
BUGS = (
    (
        "P1: unread is a failed installation",
        unread_is_a_failed_installation,
        TWO,
        "direct",
        "flash confirms",
    ),
    (
        "P1: the same, by a card that is dead for a while",
        unread_is_a_failed_move,
        DEAD,
        "swap NOR",
        "spi (2, 2)",
    ),
    (
        "P2: progress given up for one error",
        progress_given_up_for_one_error,
        MARKS,
        "fetch",
        "swap spi",
    ),
    (
        "P3: unread takes the blame from the image",
        unread_takes_the_blame_from_the_image,
        ERROR,
        "direct",
        "flash dies",
    ),
    (
        "P3: the same, with a kept image",
        unread_takes_the_blame_from_the_image,
        ERROR,
        "revert",
        "overwrite sd (2, 2)",
    ),
    (
        "P4: rescued before it is restored",
        rescued_before_it_is_restored,
        ERROR,
        "revert",
        "direct flash rejected",
    ),
    (
        "P5: an unread slot is no choice",
        unread_slot_is_no_choice,
        CELLS,
        "client write",
        "direct flash",
    ),
    (
        "P7: one error and the trial goes on",
        one_error_and_the_trial_goes_on,
        ERROR,
        "recovery",
        "direct flash dies",
    ),
    (
        "P8: permanent only once it is PENDING",
        permanent_only_once_it_is_pending,
        CUT,
        "recovery",
        "direct flash permanent",
    ),
    (
        "P8: permanent until one error",
        permanent_until_one_error,
        DEAD,
        "recovery",
        "swap sd permanent",
    ),
    (
        "P8: the old image is taken for whole",
        old_image_taken_for_whole,
        CARD,
        "revert",
        "swap spi (2, 2)",
    ),
    (
        "one error refuses what is PENDING",
        pending_refused_for_one_error,
        ERROR,
        "direct",
        "flash confirms",
    ),
)
