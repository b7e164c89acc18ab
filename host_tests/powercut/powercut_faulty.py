"""What a device may do when its storage fails, as something that runs and judges.

A Faulty is a Life of powercut_scenes.py whose client, application and boot stage may meet errors
in any call of a disk. Judged by powercut_life.py's truth, and by what errors change in it:

    always        what starts is whole, and was offered; a confirmed image stays, the floor too;
                  a trial ends; the storage contract is kept; no result is a wrong one
    in a start    in which a call failed, nothing may run, or, as the last choice, an image that is
                  on trial or rejected: what is better could not be read
    afterwards    something runs, the device comes to rest, and takes a whole update. An image is
                  black-listed when it was rejected, it rests when its trials are used up, and
                  only then.
                  For one error no update is lost

Runs on CPython and on MicroPython.
"""

from fwboot import main, select
from fwcore import manifest, storage
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.state import CONFIRMED, IDLE, REVERTED, TRIAL, State
from powercut_life import (
    BEGUN,
    CAME_BACK,
    CONDEMNED,
    DONE,
    FLOOR,
    FOR_EVER,
    GOLDEN,
    GOLDEN_ON,
    LOST,
    MIX,
    NEW,
    NO,
    NO_PHASE,
    NO_VERSION,
    NOT_OFFERED,
    NOTHING_RUNS,
    OLD,
    STUCK,
    UPDATE_LOST,
    WRITES,
    Told,
    Wrong,
    sha256,
)
from toy_manifest import manifest as manifest_for
from ufota import client, trial
from ufota.update import pending
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from ufota_testkit.virtual_clock import Clock
from update_kit import MANIFEST_URL, FakeSource

ESCAPED = "an image that was rejected, or used up its trials, is not in the list"
BLAMED = "an image that had trials left, and was not rejected, is in the list"
RESULT = "the result of the last update is not what happened"
REFUSED = "a call failed though its storage did not"
NO_MORE = "no further update"

REASON = 300  # of reject()
NEXT = manifest.version_word("3.0.0")

storage.time = Clock()  # it waits between attempts at a read


class FaultTruth:
    """What is durable, told by the calls that returned. As Truth, and:

    rejected:   by the application
    used:       trial boots;  lame: starts that were allowed to go wrong, cuts not counted
    stable:     version that must not be lost
    bad:        versions that are black-listed, or rest
    fetched, owed, known: not judged here
    """

    known = False
    fetched, owed = 0, 1 << 30

    def __init__(self):
        self.offered = self.confirmed = self.rejected = NO
        self.used = self.lame = self.cuts = 0
        self.new, self.stable, self.floor = NEW, OLD, OLD
        self.given_up = NO
        self.bad = ()

    def copy(self):
        other = FaultTruth()
        other.offered, other.confirmed, other.rejected = (
            self.offered,
            self.confirmed,
            self.rejected,
        )
        other.used, other.lame, other.cuts = self.used, self.lame, self.cuts
        other.new, other.stable, other.floor = self.new, self.stable, self.floor
        other.given_up, other.bad = self.given_up, self.bad
        return other

    def is_over(self, version=0):
        """The update came to its end; this version is what runs for good, 0: that of before."""
        self.stable = version or self.stable
        self.offered = self.confirmed = self.rejected = NO
        self.used = self.lame = self.cuts = 0
        self.given_up = NO


class Faulty:
    """A Life, just made, and what may happen to it.

    version:   that runs; 0: none
    phase:     of the state, as the last start left it
    lame:      a call failed in the last start
    record:    None, or a list to which each step is appended: [name, what save() returned, calls]
    further:   False: no further update is tried at the end
    single:    True: no more than one call fails
    say:       None, or called with a line of text for each step
    """

    def __init__(self, world):
        self.world, self.board, self.power = world, world.board, world.board.power
        self.images = world.images
        self.habit, self.tries = world.habit, world.tries
        self.version, self.phase, self.lame = OLD, IDLE, False
        self.record = None
        self.further = True
        self.single = False
        self.say = None
        self.foreign = self.must_run = False  # another card is in; and the image is not on it
        world.faulty = True  # for a Fetched
        truth, before = FaultTruth(), world.truth
        truth.offered, truth.confirmed = before.offered, before.confirmed
        truth.used, truth.floor = before.starts, world.floor
        truth.known = False
        if before.confirmed == DONE:
            truth.is_over(NEW)
        self.truth = truth
        self.heads = {OLD: self._head(OLD), NEW: world.head}
        if truth.used:
            self.version, self.phase = NEW, TRIAL
        for name in ("offer", "boot", "app", "confirm", "reject", "recover", "settle"):
            setattr(world, name, self._verb(name))
        self.act = world.act
        # The selector's view of the board has no chips of its own.
        self._outer = getattr(world, "_outer", None)

    @property
    def truth(self):
        return self.world.truth

    @truth.setter
    def truth(self, truth):
        self.world.truth = truth

    def _verb(self, name):
        return lambda: self.do(name)

    def save(self):
        power, ran = self.power, (self.version, self.phase, self.lame)
        return power.snapshot(), self.truth.copy(), ran, (power.mood, power.cycles)

    def back_to(self, saved):
        self.power.restore(saved[0])
        self.power.reset()
        self.truth = saved[1].copy()
        self.version, self.phase, self.lame = saved[2]
        self.power.mood, self.power.cycles = saved[3]
        self.board.pressed = self.foreign = self.must_run = False
        self.board.pulled.clear()

    def do(self, name):
        """One step: offer, boot, app, confirm, reject, recover; settle is many."""
        if self.say:
            self.say(name)
        if self.record is None or name == "settle":
            getattr(self, name)()
            if self.say and name == "boot":
                for line in self.board.lines:
                    self.say("    " + line)
                self.say("  version {}, phase {}".format(self.version, self.phase))
            return
        entry = [name, self.save(), 0]
        self.record.append(entry)
        self.power.reset()
        try:
            return getattr(self, name)()
        finally:
            entry[2] = self.power.calls

    # What a client and an application do

    def offer(self):
        """Bring the new image, by the life's own client."""
        if self.world.repaired:  # once its header is there it may come to the rescue, too
            self.truth.offered = self.truth.confirmed = max(self.truth.offered, BEGUN)
        pending.State = lambda board: Told(board, self.world)
        failed = self.power.failed
        try:
            if self.truth.new == NEW:
                self.world._update(self.images[NEW])
            else:
                self._bring()
        except (OSError, FwError) as error:
            if not self._failed(failed) and not (self.world.repaired and self.lame):
                raise Wrong("{}: {}".format(REFUSED, repr(error))) from None
        finally:
            pending.State = State

    def _bring(self):
        new = self.truth.new
        made = manifest_for(self.world.board, self.world.key, new, self.images[new])
        source = FakeSource({MANIFEST_URL: made + self.images[new]}, pieces=(333, 512, 1))
        machine = client.Client(self.board, source, permanent=not self.tries)
        machine.start(MANIFEST_URL)
        machine.run()

    def confirm(self):
        before = self.truth.confirmed
        self.truth.confirmed = max(before, BEGUN)
        if self._tell(trial.confirm):
            self.truth.confirmed = DONE

    def reject(self):
        self.truth.rejected = max(self.truth.rejected, BEGUN)
        if self._tell(trial.reject, REASON):
            self.truth.rejected = DONE

    def _tell(self, function, *args):
        """Call confirm() or reject(). True when it is durable."""
        failed = self.power.failed
        try:
            function(self.board, *args)
            return True
        except (OSError, FwError) as error:
            if not self._failed(failed) and not self.lame:
                raise Wrong("{}: {}".format(REFUSED, repr(error))) from None
            return False

    def app(self):
        """What the application does once it runs, or the recovery image."""
        if self.version == NO_VERSION and self.world.repaired:
            self.do("offer")
        if self.version in (self.truth.stable, 0, NO_VERSION):
            return
        if self.habit == "confirms":
            self.confirm()
        elif self.habit == "rejects" and self.phase == TRIAL:
            self.reject()
        elif self.habit == "crashes" and self.phase == TRIAL:
            select._note_crash(self._outer)

    def recover(self):
        """Start with the key held."""
        self.truth.given_up = BEGUN
        self.board.pressed = True
        try:
            self.boot()
        finally:
            self.board.pressed = False
        # One failed call is no reason to let the trial go on.
        if self.version == NO_VERSION and (not self.lame or self.single):
            self.truth.given_up = DONE

    # Starts

    def boot(self):
        """One start; raises Wrong when it is not one this device may make."""
        power, before = self.power, self.power.ops
        power.cycle()
        failed = power.failed
        del self.board.lines[:]
        try:
            found = select.run(self._outer)[0] if self._outer else main.run(self.board)
        except (OSError, FwError):
            found = None
        self.lame = self._failed(failed)
        _must(power.ops - before <= self.world.most_ops, STUCK)
        power.aside(self._judge, found)

    def with_card(self, contents, starts, stays=False):
        """So many starts with other contents of the candidate's device; None: it is pulled.

        stays:   the card that was there before does not come back; else it does
        """
        name = self.board.layout["candidates"]["device"]
        disk = self.board.disks[name]
        before = disk.snapshot()
        if contents is None:
            self.board.pulled.add(name)
        else:
            disk.restore(contents)
        self.foreign = True
        for _ in range(starts):
            self.truth.lame += 1
            is_whole = self.must_run = self.power.aside(self._is_active_whole)
            self.do("boot")
            self.do("app")
        self.foreign, self.must_run = False, False
        self.board.pulled.clear()
        if not stays or not is_whole or self.version < 1:
            disk.restore(before)
        else:  # whatever it is, this is what runs from here on
            truth = self.truth = FaultTruth()
            truth.stable, truth.new = self.version, self.version
            truth.floor = self.power.aside(State, self.board).floor

    def _is_active_whole(self):
        """Something is there that can be started without the candidate's device."""
        state = State(self.board)
        slot, name = state.runnable(self.board, state.active)
        try:
            version = simboard.read(self.board, slot)[0]
        except OSError:
            return False
        if name in self.board.pulled or version not in self.images:
            return False
        size = slot.body_at - slot.header_at + len(self.images[version])
        return not self.board.disks[name].is_torn(slot.header_at, size)

    def _failed(self, before):
        return self.power.failed != before or self.foreign or bool(self.board.pulled)

    def _judge(self, found):
        if not found:
            _must(self.lame and not self.must_run, NOTHING_RUNS)
            self.version, self.phase = 0, -1
            return
        data, at = found.slot.storage.device.data, found.slot.body_at
        image = bytes(data[at : at + found.head.size])
        if found.device == GOLDEN_ON:
            _must(image == GOLDEN, MIX)
            _must(self.board.pressed or self.lame or self.world.repaired, NOTHING_RUNS)
            self.version, self.phase = NO_VERSION, NO_PHASE
            return
        self.version = found.head.version
        _must(self.version in self.images, NOT_OFFERED)
        _must(image == self.images[self.version], MIX)
        state = State(self.board)
        self.phase = state.phase
        self._judge_version(state)
        self._judge_state(state)

    def _judge_version(self, state):
        truth = self.truth
        if self.version == truth.stable:
            _must(truth.confirmed != DONE, LOST)
            return
        _must(self.version == truth.new, CAME_BACK if self.version in truth.bad else LOST)
        _must(truth.offered, NOT_OFFERED)
        truth.offered = DONE  # it was torn, and turned out so; now it stays so
        if self.lame:
            return  # what is better could not be read
        _must(self.version not in truth.bad and truth.rejected != DONE, CAME_BACK)
        _must(truth.given_up != DONE, CAME_BACK)
        if state.phase == TRIAL:
            truth.used += 1
            _must(truth.used <= self.tries, FOR_EVER)
            return
        _must(state.phase == IDLE and (truth.confirmed or not self.tries), FOR_EVER)
        truth.confirmed = DONE

    def _judge_state(self, state):
        truth = self.truth
        top = max(truth.floor, truth.new if truth.confirmed else 0)
        _must(truth.floor <= state.floor <= top, FLOOR)
        if state.result == CONFIRMED and not self.lame:
            wrong = state.new.version == truth.new and truth.rejected == DONE
            _must(not wrong and state.new.version not in truth.bad, RESULT)

    # The end

    def settle(self):
        """Start until nothing is left to do, then judge where that is, and update once more."""
        self.power.reset()
        self._rest()
        if self.truth.offered == BEGUN and self.power.aside(self._has_failed):
            self.truth.offered = DONE  # it turned out so, and each of its tries was cut
        if self.truth.offered != DONE and self.version == self.truth.stable != self.truth.new:
            self.do("offer")
            self._rest()
        self.power.aside(self._judge_end)
        if self.further:
            self._once_more()

    def _rest(self):
        quiet = 0
        for _ in range(2 * self.tries + 6):
            before = self.power.ops
            self.do("boot")
            at_rest = self.version > 0 and self.phase == IDLE and self.power.ops == before
            quiet = quiet + 1 if at_rest and not self.lame else 0
            if quiet == 2:
                return
            self.do("app")
        raise Wrong(WRITES if self.phase == IDLE else STUCK)

    def _judge_end(self):
        truth, state = self.truth, State(self.board)
        has_failed, is_bad = self._has_failed(), self._is_bad()
        if self.version == truth.new:
            _must(truth.confirmed == DONE or truth.new == truth.stable, FOR_EVER)
            truth.is_over(truth.new)
            truth.floor = state.floor  # judged before
        elif truth.offered:
            must_be = truth.rejected == DONE or truth.used >= self.tries > 0
            may_be = truth.rejected or truth.given_up
            may_be = may_be or truth.used + truth.lame + truth.cuts >= self.tries
            _must(has_failed or not must_be, ESCAPED)
            _must(may_be or not has_failed, BLAMED)
            _must(is_bad or truth.rejected != DONE, ESCAPED)
            _must(truth.rejected or self.habit == "crashes" or not is_bad, CONDEMNED)
            if truth.rejected == DONE:
                found = state.result, state.reason, state.new.version
                _must(found == (REVERTED, REASON, truth.new), RESULT)
            _must(may_be or self.habit != "confirms" or truth.lame or truth.cuts, NO_MORE)
            _must(not (self.single and self._must_succeed()), UPDATE_LOST)
            truth.is_over()
        if has_failed:
            truth.bad += (truth.new,)

    def _must_succeed(self):
        """One error is no reason to lose an update; a confirm() that fails may end its trial."""
        truth = self.truth
        if truth.offered != DONE or truth.rejected or truth.given_up or self.habit != "confirms":
            return False
        return truth.used < self.tries or not self.tries

    def _has_failed(self):
        return State(self.board).find(self._head(self.truth.new).digest) >= 0

    def _is_bad(self):
        return State(self.board).is_bad(self._head(self.truth.new).digest)

    def _once_more(self):
        """Update: with the image that did not come to its trial, or with another one."""
        truth = self.truth
        if truth.new == truth.stable or truth.new in truth.bad:
            truth.new = NEXT
            self.images[NEXT] = noise(min(400, len(self.images[OLD])), 3)
        habit, self.habit = self.habit, "confirms"
        try:
            self.offer()
            self._rest()
            _must(self.version == truth.new and truth.confirmed == DONE, NO_MORE)
        except Wrong as wrong:
            raise Wrong("{}: {}".format(NO_MORE, wrong.args[0])) from None
        finally:
            self.habit = habit

    def _head(self, version):
        image = self.images[version]
        return Header(version, len(image), sha256(image).digest(), NO_CAMPAIGN)


def _must(what, name):
    if not what:
        raise Wrong(name)
