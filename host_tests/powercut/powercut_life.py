"""What may happen to a device whose power is cut, as something that runs and judges.

A Life is a board, the two images that meet on it, and the truth: what the device was told
is durable, whatever its medium says. Every boot is judged against it; settle() boots as a
device does until nothing is left to do. Anything else is Wrong, and each kind of wrong has
one of the names below. The client is the real one, on a network that always works. Manifests and
images are signed, by a key that is as strict as a real one and faster.

Runs on CPython and on MicroPython.
"""

from hashlib import sha256

from fwboot import main, select
from fwcore import manifest
from fwcore.boot_chain import StageBoard
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header, device_key
from fwcore.regions import fixed_slot
from fwcore.state import CONFIRMED, IDLE, PENDING, TRIAL, State
from fwcore.statement import RECOVERY
from toy_manifest import manifest as manifest_for
from ufota import client, trial
from ufota.update import pending
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from update_kit import CLASS_KEY, MANIFEST_URL, FakeSource, payload, signed

NOTHING_RUNS = "nothing bootable"
MIX = "an image that is not whole was started"
NOT_OFFERED = "an image nobody offered was started"
FOR_EVER = "an unconfirmed image stays for ever"
LOST = "a confirmed image was lost"
CAME_BACK = "a rejected image was started again"
CONDEMNED = "an image was black-listed that was not rejected, and did not crash"
UPDATE_LOST = "an update that was pending came to nothing"
FLOOR = "the floor fell, or rose early"
STUCK = "no progress"
PROMISE = "a header stands before an image that is not whole"
WRITES = "a boot with nothing to do writes"

OLD, NEW = 1, manifest.version_word("2.0.0")  # versions
FIXTURE = "small"  # of vectors/client: its image is one that is brought
PACKED = "packed_all"  # the same: a patch that is deflated and encrypted
GOLDEN, GOLDEN_ON = noise(300, 9), "rom"  # the recovery image, and its device
NO_VERSION, NO_PHASE = -1, -1  # of the recovery image
NO, BEGUN, DONE = 0, 1, 2  # of something durable: BEGUN may turn out either way


class Wrong(Exception):
    """The device did what it must never do."""


class Truth:
    """What is durable, told by the calls that returned.

    offered:    the client's PENDING
    confirmed:  confirm() of the new image; or an update that needs none
    over:       the update came to its end with the old image
    rejected:   by the application
    given_up:   somebody asked for the recovery image while the new one was on trial
    starts:     trial boots of the new image
    cuts:       of power
    """

    def __init__(self):
        self.offered = NO
        self.confirmed = NO
        self.over = NO
        self.rejected = NO
        self.given_up = False
        self.starts = 0
        self.cuts = 0

    def copy(self):
        other = type(self)()
        other.offered, other.confirmed, other.over = self.offered, self.confirmed, self.over
        other.starts, other.cuts = self.starts, self.cuts
        other.given_up, other.rejected = self.given_up, self.rejected
        return other


class Life:
    """A device with an old image that runs and a new one that may come.

    layout:     LAYOUT dict with a state region
    old, new:   image bytes
    habit:      what the application does when it is on trial: "confirms", "rejects", "dies"
    tries:      trial boots of the new image; 0: it needs no confirm
    """

    floor = OLD  # of the state it begins with
    repaired = False  # True: the recovery image runs, and brings the new one

    def __init__(self, layout, old, new, habit="confirms", tries=3):
        self.key = simboard.ToyKey()
        self.board = self._board(simboard.Board(layout, simboard.ROT, self.key))
        self.power = self.board.power
        self.images = {OLD: old, NEW: new}
        self.head = Header(NEW, len(new), sha256(new).digest(), NO_CAMPAIGN)
        self.habit = habit
        self.tries = tries
        # What confirm() raises the floor to.
        self.top = self.floor if self.board.layout.get("downgrade", False) else NEW
        self.truth = Truth()
        self.most_ops = 400  # of one boot; the longest of the sweeps takes 120
        simboard.put(self.board, simboard.active_slot(self.board), OLD, old)
        self._begin()

    def _board(self, board):
        """What is updated, as client and application see it."""
        return board

    def _begin(self):
        state = State(self.board)
        state.floor = self.floor
        state.put()

    def _start(self):
        """One start of the device; returns the Image it chose, or None."""
        return main.run(self.board)

    # What a client and an application do

    def offer(self):
        """Run the client, from the manifest to PENDING."""
        # The State of a PendingUpdate is what tells the moment at which PENDING is durable.
        pending.State = lambda board: Told(board, self)
        try:
            self._update(self.images[NEW])
        finally:
            pending.State = State

    def _update(self, new):
        source = FakeSource({MANIFEST_URL: self._bundle(new)}, pieces=(333, 512, 1))
        machine = client.Client(self.board, source, permanent=not self.tries)
        machine.start(MANIFEST_URL)
        machine.run()

    def _bundle(self, new):
        return manifest_for(self.board, self.key, NEW, new) + new

    def confirm(self):
        self.truth.confirmed = max(self.truth.confirmed, BEGUN)
        trial.confirm(self.board)
        self.truth.confirmed = DONE

    def reject(self):
        self.truth.rejected = max(self.truth.rejected, BEGUN)
        trial.reject(self.board, 200)
        self.truth.over = self.truth.rejected = DONE

    def recover(self):
        """Start with the key held: the recovery image runs, and whoever is on trial goes back."""
        self.truth.given_up = True
        self.board.pressed = True
        try:
            found = main.run(self.board)
        finally:
            self.board.pressed = False
        _must(found, NOTHING_RUNS)
        _must(found.device == GOLDEN_ON, NOT_OFFERED)
        _must(simboard.read(self.board, found.slot) == (OLD, GOLDEN), MIX)
        self.truth.over = DONE

    def strand(self):
        """The active image is no more; the new one, confirmed here before, is in the candidate.

        It comes to the rescue without a trial, so this is for lives with tries = 0.
        """
        state = State(self.board)
        candidate = state.candidate_slots(self.board)[0]
        state.new = simboard.put(self.board, candidate, NEW, self.images[NEW])
        state.end(CONFIRMED, 0)
        state.put()
        self.damage()
        self.truth.offered = self.truth.confirmed = DONE

    def damage(self):
        """A byte of the active image turns over."""
        slot, _ = State(self.board).active_slot(self.board)
        slot.storage.device.data[slot.body_at + 5] ^= 1

    def lose(self):
        """The header of the new image is no more, wherever it is: back to the one before."""
        state = State(self.board)
        for slot in [state.active_slot(self.board)[0]] + state.candidate_slots(self.board):
            if simboard.read(self.board, slot)[0] == NEW:
                slot.storage.device.load(slot.header_at, b"\xff" * slot.header_size())
        self.truth = Truth()

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
            found = self._start()
        except (OSError, FwError):
            found = None
        _must(self.power.ops - before <= self.most_ops, STUCK)
        _must(found, NOTHING_RUNS)
        if found.device == GOLDEN_ON:
            self.recovery()
            return
        self.version = found.head.version
        _must(self.version in self.images, NOT_OFFERED)
        data, at = found.slot.storage.device.data, found.slot.body_at
        _must(data[at : at + found.head.size] == self.images[self.version], MIX)
        self._judge(State(self.board))

    def recovery(self):
        """The recovery image was started."""
        raise Wrong(NOTHING_RUNS)

    def _judge(self, state):
        truth, new = self.truth, self.version == NEW
        self.phase = state.phase
        self.has_failed = state.find(self.head.digest) >= 0
        self.is_bad = state.is_bad(self.head.digest)
        if new:
            _must(truth.offered, NOT_OFFERED)
            _must(truth.over != DONE, CAME_BACK)
            truth.offered = DONE  # it was torn, and turned out so; now it stays so
        else:
            _must(truth.confirmed != DONE, LOST)
            if truth.offered == BEGUN and self.has_failed:
                truth.offered = DONE  # it turned out so, and each of its tries was cut
        _must(self.floor <= state.floor <= (self.top if truth.confirmed else self.floor), FLOOR)
        if truth.confirmed == DONE and self.tries:
            _must(state.floor == self.top, FLOOR)
        if new and state.phase == TRIAL:
            truth.starts += 1
            _must(truth.starts <= self.tries, FOR_EVER)
        elif new:
            _must(truth.confirmed, FOR_EVER)
            truth.confirmed = DONE  # as above
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
            may_fail = self.habit != "confirms" or truth.given_up
            may_fail = may_fail or truth.starts + truth.cuts >= self.tries
            _must(may_fail and self.tries, UPDATE_LOST)
            _must(self.has_failed, CAME_BACK)
            _must(self.is_bad or truth.rejected != DONE, CAME_BACK)
            blamed = truth.rejected or self.habit == "crashes"
            _must(blamed or not self.is_bad, CONDEMNED)
        if self.version == NEW:
            _must(truth.confirmed == DONE, FOR_EVER)


class Told(State):
    """A State that tells a Life when it is PENDING, and when that is durable."""

    def __init__(self, board, life):
        super().__init__(board)
        self._life = life

    def put(self):
        truth = self._life.truth
        if self.phase != PENDING:
            super().put()
            return
        truth.offered = max(truth.offered, BEGUN)
        if not self._life.tries:
            truth.confirmed = max(truth.confirmed, BEGUN)
        super().put()
        truth.offered = DONE


class Patched(Life):
    """A Life whose new image comes as a patch of the old one, deflated and encrypted."""

    def _begin(self):
        super()._begin()
        self.board.class_key = lambda: CLASS_KEY

    def _bundle(self, new):
        packed, form = payload(PACKED), manifest.read(signed(PACKED), _believe).format
        before = sha256(self.images[OLD]).digest()
        made = manifest_for(self.board, self.key, NEW, new, packed, form, before)
        return made + packed


class Rescued(Life):
    """A Life with a recovery image in a chip of its own."""

    def _begin(self):
        super()._begin()
        region = self.board.layout["recovery"]
        slot = fixed_slot(self.board.layout, region, self.board.disks[region["device"]])
        simboard.put(self.board, slot, OLD, GOLDEN, None, RECOVERY)


class Repaired(Rescued):
    """A Rescued whose active image is not whole: its recovery image brings the new one, for good.

    For lives with tries = 0.
    """

    repaired = True

    def _begin(self):
        super()._begin()
        self.damage()

    def offer(self):
        # Once its header is there it may come to the rescue, too.
        self.truth.offered = self.truth.confirmed = BEGUN
        super().offer()

    def recovery(self):
        # Where nothing is copied, the header that power was cut in may read as before, later.
        _must(self.truth.confirmed != DONE or self.board.layout["mode"] == "direct", LOST)
        self.version, self.phase = NO_VERSION, NO_PHASE

    def app(self):
        if self.version == NO_VERSION:
            self.offer()


class Stages(Life):
    """Two boot stages, of which the selector chooses one; the layout has `stages`.

    habit:  "crashes" too: the stage on trial raises, and the selector records it
    """

    def _board(self, board):
        self._outer = board
        return StageBoard(board)

    def _start(self):
        image, index = select.run(self._outer)
        _must(image and index == State(self.board).active + 1, NOTHING_RUNS)
        return image

    def app(self):
        if self.version == NEW and self.habit == "crashes" and self.phase == TRIAL:
            select._note_crash(self._outer)
        else:
            super().app()


class NewStages(Stages):
    """From the factory with a newer stage in the second slot, and without a state."""

    floor = 0

    def _begin(self):
        slot, _ = State(self.board).runnable(self.board, 1)
        simboard.put(self.board, slot, NEW, self.images[NEW])
        self.truth.offered = DONE


def _believe(digest, signature):
    return True


def _must(what, name):
    if not what:
        raise Wrong(name)


def named(error):
    """The name of what went wrong, for an exception that a case ended with."""
    if isinstance(error, Wrong):
        return error.args[0]
    return "{} {}".format(type(error).__name__, error)
