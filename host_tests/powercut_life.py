"""What may happen to a device whose power is cut, as something that runs and judges.

A Life is a board, the two images that meet on it, and the truth: what the device was told
is durable, whatever its medium says. Every boot is judged against it; settle() boots as a
device does until nothing is left to do. Anything else is Wrong, and each kind of wrong has
one of the names below.

Runs on CPython and on MicroPython.
"""

from hashlib import sha256

import simboard
from fwboot import main
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header, device_key
from fwcore.places import SwapSlot
from fwcore.slot import Writer
from fwcore.state import IDLE, NO_SIGNATURE, NONE, PENDING, TRIAL, State
from ufota import trial

NOTHING_RUNS = "nothing bootable"
MIX = "an image that is not whole was started"
NOT_OFFERED = "an image nobody offered was started"
FOR_EVER = "an unconfirmed image stays for ever"
LOST = "a confirmed image was lost"
CAME_BACK = "a rejected image was started again"
UPDATE_LOST = "an update that was pending came to nothing"
FLOOR = "the floor fell, or rose early"
STUCK = "no progress"
PROMISE = "a header stands before an image that is not whole"
WRITES = "a boot with nothing to do writes"

OLD, NEW = 1, 2  # versions
NO, BEGUN, DONE = 0, 1, 2  # of something durable: BEGUN may turn out either way


class Wrong(Exception):
    """The device did what it must never do."""


class Truth:
    """What is durable, told by the calls that returned.

    offered:    the client's PENDING
    confirmed:  confirm() of the new image; or an update that needs none
    over:       the update came to its end with the old image
    starts:     trial boots of the new image
    cuts:       of power
    """

    def __init__(self):
        self.offered = NO
        self.confirmed = NO
        self.over = NO
        self.starts = 0
        self.cuts = 0

    def copy(self):
        other = Truth()
        other.offered, other.confirmed, other.over = self.offered, self.confirmed, self.over
        other.starts, other.cuts = self.starts, self.cuts
        return other


class Life:
    """A device with an old image that runs and a new one that may come.

    layout:     LAYOUT dict with a state region
    old, new:   image bytes
    habit:      what the application does when it is on trial: "confirms", "rejects", "dies"
    tries:      trial boots of the new image; 0: it needs no confirm
    """

    def __init__(self, layout, old, new, habit="confirms", tries=3):
        self.board = simboard.Board(layout)
        self.power = self.board.power
        self.images = {OLD: old, NEW: new}
        self.head = Header(NEW, len(new), sha256(new).digest(), NO_CAMPAIGN)
        self.habit = habit
        self.tries = tries
        self.truth = Truth()
        self.most_ops = 400  # of one boot; the longest of the sweeps takes 120
        simboard.put(self.board, simboard.active_slot(self.board), OLD, old)
        state = State(self.board)
        state.floor = OLD
        state.put()

    # What a client and an application do

    def offer(self):
        """What the client does: the candidate, its header, PENDING."""
        state = State(self.board)
        location, slot = self._free_slot(state)
        if state.phase == PENDING:  # torn by a cut, and come back: not its slot any more
            state.phase = IDLE
            state.put()
        for step in self.ORDER:
            getattr(self, "_" + step)(slot, location)

    ORDER = ("image", "header", "pending")

    def _image(self, slot, location):
        self._writer(slot).write(memoryview(self.images[NEW]))

    def _writer(self, slot):
        writer = Writer(slot, self.head.size)
        writer.begin()
        return writer

    def _header(self, slot, location):
        if isinstance(slot, SwapSlot):
            slot.write_inner(self.head)
        key = device_key(self.board.rot()) if slot.external else None
        slot.write_header(slot.pack(self.head, key))

    def _pending(self, slot, location):
        state, truth = State(self.board), self.truth
        state.phase, state.new, state.location = PENDING, self.head, location
        state.tries, state.signature = self.tries, NO_SIGNATURE
        state.result, state.reason = NONE, 0
        truth.offered = max(truth.offered, BEGUN)
        if not self.tries:
            truth.confirmed = max(truth.confirmed, BEGUN)
        state.put()
        truth.offered = DONE

    def _free_slot(self, state):
        """(location, Slot) to download to: one that does not keep the image that runs."""
        slots = state.candidate_slots(self.board)
        for location in range(len(slots)):
            if simboard.read(self.board, slots[location])[0] != OLD:
                return location, slots[location]
        return 0, slots[0]

    def confirm(self):
        self.truth.confirmed = max(self.truth.confirmed, BEGUN)
        trial.confirm(self.board)
        self.truth.confirmed = DONE

    def reject(self):
        trial.reject(self.board, 200)
        self.truth.over = DONE

    def app(self):
        """What the application does once it runs."""
        if self.version == NEW and self.habit == "confirms":
            self.confirm()
        elif self.version == NEW and self.habit == "rejects" and self.phase == TRIAL:
            self.reject()

    # Booting, and judging

    def boot(self):
        """One boot; raises Wrong when it is not one this device may make."""
        before = self.power.ops
        self.power.cycle()
        del self.board.lines[:]  # of some hundred thousand boots
        try:
            found = main.run(self.board)
        except (OSError, FwError):
            found = None
        _must(self.power.ops - before <= self.most_ops, STUCK)
        _must(found, NOTHING_RUNS)
        self.version = found.head.version
        _must(self.version in self.images, NOT_OFFERED)
        data, at = found.slot.storage.device.data, found.slot.body_at
        _must(data[at : at + found.head.size] == self.images[self.version], MIX)
        self._judge(State(self.board))

    def _judge(self, state):
        truth, new = self.truth, self.version == NEW
        self.phase = state.phase
        self.is_bad = state.is_bad(self.head.digest)
        if new:
            _must(truth.offered, NOT_OFFERED)
            _must(truth.over != DONE, CAME_BACK)
        else:
            _must(truth.confirmed != DONE, LOST)
        _must(OLD <= state.floor <= (NEW if truth.confirmed else OLD), FLOOR)
        if truth.confirmed == DONE and self.tries:
            _must(state.floor == NEW, FLOOR)
        if new and state.phase == TRIAL:
            truth.starts += 1
            _must(truth.starts <= self.tries, FOR_EVER)
        elif new:
            _must(truth.confirmed, FOR_EVER)
            truth.confirmed = DONE  # it was torn, and turned out so; now it stays so
        elif truth.offered == DONE and state.phase == IDLE:
            truth.over = DONE

    def settle(self):
        """Boot until nothing is left to do, then judge where that is.

        A download that a cut ended is made again: the device can still be updated.
        """
        if self.truth.offered == NO and self.truth.cuts < 2:  # no torn erase of a whole one
            self._check_slots()
        self._settle()
        if self.truth.offered != DONE and self.version == OLD:
            self.offer()
            self._settle()

    def _check_slots(self):
        """A candidate's header is a promise: it comes last."""
        for slot in State(self.board).candidate_slots(self.board):
            key = device_key(self.board.rot()) if slot.external else None
            try:
                size = slot.read_header(memoryview(bytearray(1024)), key).size
            except FwError:
                continue
            image = bytes(slot.storage.device.data[slot.body_at : slot.body_at + size])
            _must(image in self.images.values(), PROMISE)

    def _settle(self):
        quiet = 0
        for _ in range(self.tries + 6):
            before = self.power.ops
            self.boot()
            quiet = quiet + 1 if self.phase == IDLE and self.power.ops == before else 0
            if quiet == 2:
                break
            self.app()
        else:
            raise Wrong(WRITES if self.phase == IDLE else STUCK)
        self._judge_end()

    def _judge_end(self):
        truth = self.truth
        if self.version == OLD and truth.offered == DONE:
            _must(truth.confirmed != DONE, LOST)
            may_fail = self.habit != "confirms" or truth.starts + truth.cuts >= self.tries
            _must(may_fail and self.tries, UPDATE_LOST)
            _must(self.is_bad, CAME_BACK)
        if self.version == NEW:
            _must(truth.confirmed == DONE, FOR_EVER)


def _must(what, name):
    if not what:
        raise Wrong(name)


def named(error):
    """The name of what went wrong, for an exception that a case ended with."""
    if isinstance(error, Wrong):
        return error.args[0]
    return "{} {}".format(type(error).__name__, error)
