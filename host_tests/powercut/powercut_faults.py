"""Let the storage fail everywhere: each scene of powercut.py, each call, and long lives.

    make powercut                                             all of it, in its table
    python host_tests/powercut/powercut_faults.py JOB         one job of jobs(), as figures
    python host_tests/powercut/powercut_faults.py CASE        one case again, step by step

A failure begins with its case: `one error|direct|flash dies|1|17` is the scene
`flash dies` of the row `direct`, the error in call 17 of its step 1. Kinds of cases:

    one error        one call of a step (offer, start, confirm ...) fails
    two errors       two calls of one step
    dead device      a disk fails from a call on, until the next step or so many calls later
    error, then cut  one call fails, and power is cut later in the step
    failing cells    power is cut, and what is torn fails each read until it is erased
    drifting cells   power is cut; what is torn reads new for some starts, then old, or reversed
    another card     is in, or none, for one start, for three, or for good
    lives            all of these at random, in powercut_faulty_lives.py: `life:17`

Runs on CPython and on MicroPython.
"""

import sys

from powercut import PAIRED, Count, Tracer, each_cut
from powercut_faulty import Faulty
from powercut_faulty_lives import UPDATES, FaultyLife, again
from powercut_life import named
from powercut_scenes import SCENES
from ufota_testkit.simdisk import ALL, FAILING, Violation

ERROR, TWO, DEAD, THEN_CUT = "one error", "two errors", "dead device", "error, then cut"
CELLS, DRIFT, CARD = "failing cells", "drifting cells", "another card"
KINDS = (ERROR, TWO, DEAD, THEN_CUT, CELLS, DRIFT, CARD)

NO_FAULT = "no fault"
AGAIN = 4  # times that a read which fails is asked for again (fwcore.storage)
BACK = (2, 9, 40)  # calls a dead disk is dead for, when it does not wait for a start
DRIFTS = range(1, 6)  # starts
DRIFTING = [("moody", mood) for n in DRIFTS for mood in ((2 << n) - 1, ~((2 << n) - 1))]
SOME_READS = 5  # before a cut: one of so many
TEARS = tuple([(tear, 0) for tear in ALL + (FAILING,)])


class FirstWrong(Exception):
    """What ends a sweep that was to find one case."""


class Sweep:
    """A scene, its uncut run in steps, and what came of its cases.

    share:   of the cases of each kind, one of so many is tried
    only:    None, or the one case to try, which says what happens
    first:   True: the first case that goes wrong is enough, and raises FirstWrong
    """

    def __init__(self, row, name, make, counts, shares=1, only=None, first=False):
        self._scene = "{}|{}".format(row, name)
        self._counts = counts
        self._shares = shares
        self._only = only
        self._first = first
        self._number = 0
        self.device = device = Faulty(make())
        device.record, device.further = [], False
        self.steps = []
        if self._run(ERROR, NO_FAULT, device.world.act):
            self.steps, device.record, device.further = device.record, None, True

    def errors(self, kind=ERROR):
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1):
                self._case(kind, number, call, self._failing, (call,))

    def pairs(self, kind=TWO):
        """Two errors in one step: of the second, the calls of a run with the first."""
        every, self._shares = self._split(40)
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1):
                self._number += 1
                if self._number % every:
                    continue
                more = self._calls_after(number, call)
                for second in range(call + 1, more + 1):
                    self._case(
                        kind, number, "{},{}".format(call, second), self._failing, (call, second)
                    )

    def dead(self, kind=DEAD):
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1):
                self._case(kind, number, call, self._dead, call, None)
                for later in BACK:
                    name = "{}+{}".format(call, later)
                    self._case(kind, number, name, self._dead, call, call + later)

    def cuts(self, kind, tears):
        """Cut each operation of each step."""
        for number in range(len(self.steps)):
            self._cut(kind, tears, number, 0)

    def errors_then_cuts(self, kind=THEN_CUT, tears=TEARS, region=None):
        """An error in each program and erase, and in some reads; then each later operation is cut.

        region:  of the layout: only programs and erases there
        """
        every, self._shares = self._split(240)
        for number, (_, _, calls) in enumerate(self.steps):
            writes = self._writes(number, region)
            for call in range(1, calls + 1):
                if call in writes or not region and call % SOME_READS == 0:
                    self._number += 1
                    if self._number % every == 0:
                        self._cut(kind, tears, number, call)

    def _split(self, most):
        """(of so many calls one, of so many of its cases one): a run for a call costs as a case.

        most:  of the second, where there are calls to leave out
        """
        every = max(1, self._shares // most)
        return every, self._shares // every

    def _writes(self, number, region):
        """Calls of a step that are programs and erases, in a region or anywhere."""
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        device.power.trace = calls = Calls(device, region)
        try:
            device.do(verb)
        finally:
            device.power.trace = None
        return calls.found

    def cards(self, kind):
        """Another card, or none, for one start, for three, or for good."""
        layout = self.device.board.layout
        name = layout["candidates"]["device"]
        others = [
            layout[region]["device"]
            for region in ("active", "state", "client")
            if region in layout
        ]
        if layout["mode"] == "direct" or name in others:
            return  # what runs, or what is known, is on it
        if layout["signed"] == "start":
            return  # there an image that was rejected is no last choice
        at = self.device.power.disks.index(self.device.board.disks[name])
        card = self.steps[-1][1][0][at]
        noise = (bytearray([byte ^ 0x5A for byte in card[0]]),) + tuple(card[1:])
        for byte in range(256):
            noise[0][byte] ^= 0x5A  # a header may be good
        blank = (bytearray(b"\xff" * len(card[0])), bytearray(len(card[1]))) + tuple(card[2:])
        cards = ("none", None), ("blank", blank), ("noise", noise)
        for number, (verb, saved, _) in enumerate(self.steps):
            for what, contents in cards if verb == "boot" else ():
                for starts, stays in ((1, False), (3, False), (1, True))[: 3 if contents else 2]:
                    where = "{}|{}|{}|{}".format(number, what, starts, int(stays))
                    if self._is_chosen(kind, where):
                        self.device.back_to(saved)
                        self._run(kind, where, self.device.with_card, contents, starts, stays)

    # One case

    def _case(self, kind, number, name, plan, *args):
        where = "{}|{}".format(number, name)
        if not self._is_chosen(kind, where):
            return
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        device.truth.lame += 1
        plan(*args)
        self._run(kind, where, device.do, verb)

    def _failing(self, calls):
        self.device.single = len(calls) == 1
        for call in calls:
            self.device.power.fail_call(call, AGAIN)

    def _dead(self, call, back):
        self.device.single = False
        self.device.power.die_at(call, None, back)

    def _calls_after(self, number, call):
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        device.truth.lame += 1
        device.power.fail_call(call, AGAIN)
        try:
            device.do(verb)
        except (Exception, Violation):
            pass  # seen by errors()
        return device.power.calls

    def _cut(self, kind, tears, number, call):
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        if call:
            device.truth.lame += 1
            device.power.fail_call(call, AGAIN)
        tracer = device.power.trace = Tracer(device)
        try:
            device.do(verb)
        except (Exception, Violation):
            pass  # seen by errors()
        finally:
            device.power.trace = None
        shares = 1 if self._only else self._shares
        self._number += 7
        share = self._number % shares
        for at, tear in each_cut(device, saved[0], tracer.steps, tears, saved[3], share, shares):
            where = "{}|{}|{}|{}|{}".format(number, call, at + 1, *tear)
            if not self._only or self._is_chosen(kind, where):
                self._run(kind, where)

    def _is_chosen(self, kind, where):
        if self._only:
            return self._only == "{}|{}|{}".format(kind, self._scene, where)
        self._number += 1
        return self._number % self._shares == 0

    def _run(self, kind, where, act=None, *args):
        """Act, let it come to rest. True when nothing went wrong."""
        device, count = self.device, self._counts.setdefault(kind, Count())
        device.say = print if self._only and where != NO_FAULT else None
        if where != NO_FAULT:
            count.add("pairs" if kind in (TWO, THEN_CUT) else "single", kind == DRIFT)
        try:
            if act:
                act(*args)
            device.settle()
            return True
        except (Exception, Violation) as error:
            text = "{}|{}|{}: {}".format(kind, self._scene, where, named(error))
            count.wrong.append(text)
            if self._first:
                raise FirstWrong(text)
            return False
        finally:
            device.say = None


class Calls:
    """List for Power.trace: the numbers of the calls that are operations."""

    def __init__(self, device, region):
        self._power = device.power
        self._region = region and device.board.layout[region]
        self._disk = region and device.board.disks[self._region["device"]]
        self.found = []

    def append(self, operation):
        disk, at = operation[:2]
        region = self._region
        if region and (disk is not self._disk or not 0 <= at - region["start"] < region["size"]):
            return
        self.found.append(self._power.calls)


def sweep(kind, row, name, make, counts, shares=1, only=None, first=False):
    """All cases of a kind in a scene, or one of `shares`, or `only` this one; first: of Sweep."""
    found = Sweep(row, name, make, counts, shares, only, first)
    if kind == ERROR:
        found.errors()
    elif kind == TWO:
        found.pairs()
    elif kind == DEAD:
        found.dead()
    elif kind == THEN_CUT:
        found.errors_then_cuts()
    elif kind == CELLS:
        found.cuts(kind, ((FAILING, 0),))
    elif kind == DRIFT:
        found.cuts(kind, DRIFTING)
    elif kind == CARD:
        found.cards(kind)


def scenes():
    """Those that are a Life."""
    return [scene for scene in SCENES if scene[0] != "kv put"]


# The command line, and the jobs of `make powercut`

# Of so many cases of a kind one is tried. Two errors are tried in the scenes of which powercut.py
# cuts all pairs; a download has too many calls for that, and for an error before each cut.
SHARES = {THEN_CUT: 40, TWO: 2, DEAD: 2}
OF_FETCH = 20
OF_MICROPYTHON = 6
LIVES = 500
LIVES_OF_A_JOB = 50


def jobs():
    rows = []
    for row, _, _ in scenes():
        if row not in rows:
            rows.append(row)
    found = ["faults:{}:{}".format(kind, row) for kind in KINDS for row in rows]
    return found + ["faults:lives:{}".format(at) for at in range(0, LIVES, LIVES_OF_A_JOB)]


def work(job, shares=1):
    """Do one job, or a share; returns {kind: Count}."""
    _, kind, row = job.split(":")
    if kind == "lives":
        return lives(range(int(row), int(row) + LIVES_OF_A_JOB, shares))
    counts = {}
    for scene in scenes():
        if scene[0] == row and (kind != TWO or scene[1] in PAIRED):
            of = SHARES.get(kind, 1) * shares
            if row == "fetch" and kind in (TWO, DEAD, THEN_CUT):
                of *= OF_FETCH
            sweep(kind, *scene, counts, of)
    if kind == THEN_CUT and row == "fetch":
        marks_then_cuts(counts, shares)
    return counts


def marks_then_cuts(counts, shares, first=False):
    """An error in each write of the client store; then each later operation is cut."""
    for row, name, make in scenes():
        if (row, name) == ("fetch", "swap spi"):
            found = Sweep(row, name, make, counts, shares, None, first)
            found.errors_then_cuts(tears=(("half", 0), (FAILING, 0)), region="client")


def lives(seeds, updates=UPDATES):
    """{kind: Count} of whole lives, and of the steps in them in which something was to fail."""
    whole, steps = Count(), Count()
    for seed in seeds:
        found = FaultyLife(seed)
        wrong = found.live(updates)
        whole.storms += 1
        steps.storms += found.faults
        if wrong:
            whole.wrong.append(wrong)
    return {"lives": whole, "steps of lives": steps}


def one_case(text):
    """Do the case that a failure begins with once more; returns {kind: Count}."""
    kind, row, name = text.split("|")[:3]
    counts = {}
    for scene in scenes():
        if scene[:2] == (row, name):
            sweep(kind, *scene, counts, 1, text if text.count("|") > 2 else None)
    return counts


def main(job):
    """Do a job, a case, all cases of a kind in a scene, or a life; print what came of it."""
    if job.startswith("life:"):
        again(int(job.split(":")[1]))
        return
    shares = OF_MICROPYTHON if sys.implementation.name == "micropython" else 1
    for kind, count in (one_case(job) if "|" in job else work(job, shares)).items():
        if not count.cases() and not count.wrong:
            continue
        figures = count.single, count.pairs, count.storms, count.moody, len(count.wrong)
        print("\t".join([kind] + [str(figure) for figure in figures]))
        for text in count.wrong[:20]:
            print("WRONG\t" + text)


if __name__ == "__main__":
    main(sys.argv[1])
