"""Let the storage fail everywhere: each scene of powercut.py, each call, and long lives.

    make powercut                                             all of it, in its table
    python host_tests/powercut/powercut_faults.py JOB         one job of jobs(), as figures
    python host_tests/powercut/powercut_faults.py CASE        one case again, step by step

A failure begins with its case: `one error|direct|flash dies|1|17` is the scene
`flash dies` of the row `direct`, the error in call 17 of its step 1. Kinds of cases:

    one error        one call of a step (offer, start, confirm ...) fails
    two errors       two calls of one step, or one each of two steps
    dead device      a disk fails from a call on, until the next step or so many calls later
    error, then cut  one call fails, and power is cut later in the step
    failing cells    power is cut, and what is torn fails each read until it is erased
    drifting cells   power is cut; what is torn reads new for some starts, then old, or reversed

Runs on CPython and on MicroPython.
"""

import sys

from powercut import Count, Tracer, each_cut
from powercut_faulty import Faulty
from powercut_life import named
from powercut_scenes import SCENES
from ufota_testkit.simdisk import ALL, FAILING, Violation

ERROR, TWO, DEAD, THEN_CUT = "one error", "two errors", "dead device", "error, then cut"
CELLS, DRIFT = "failing cells", "drifting cells"
KINDS = (ERROR, TWO, DEAD, THEN_CUT, CELLS, DRIFT)

NO_FAULT = "no fault"
BACK = (2, 9, 40)  # calls a dead disk is dead for, when it does not wait for a start
DRIFTS = range(1, 6)  # starts
DRIFTING = [("moody", mood) for n in DRIFTS for mood in ((2 << n) - 1, ~((2 << n) - 1))]
TEARS = tuple([(tear, 0) for tear in ALL + (FAILING,)])


class Sweep:
    """A scene, its uncut run in steps, and what came of its cases.

    share:   of the cases of each kind, one of so many is tried
    only:    None, or the one case to try, which says what happens
    """

    def __init__(self, row, name, make, counts, shares=1, only=None):
        self._scene = "{}|{}".format(row, name)
        self._counts = counts
        self._shares = shares
        self._only = only
        self._number = 0
        self.device = device = Faulty(make())
        device.record, device.further = [], False
        self.steps = []
        if self._run(ERROR, NO_FAULT, lambda: device.world.act()):
            self.steps, device.record, device.further = device.record, None, True

    def errors(self, kind=ERROR):
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1):
                self._case(kind, number, call, self._failing, (call,))

    def pairs(self, kind=TWO):
        """Two errors in one step: of the second, the calls of a run with the first."""
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1):
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

    def cuts(self, kind, tears, first=False):
        """Cut each operation of each step; first: after an error in each call."""
        for number, (_, _, calls) in enumerate(self.steps):
            for call in range(1, calls + 1) if first else (0,):
                self._cut(kind, tears, number, call)

    # One case

    def _case(self, kind, number, name, plan, *args):
        where = "{}|{}".format(number, name)
        if not self._is_chosen(kind, where):
            return
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        device.truth.lame += 1
        plan(*args)
        self._run(kind, where, lambda: device.do(verb))

    def _failing(self, calls):
        self.device.single = len(calls) == 1
        for call in calls:
            self.device.power.fail_call(call)

    def _dead(self, call, back):
        self.device.single = False
        self.device.power.die_at(call, None, back)

    def _calls_after(self, number, call):
        device, (verb, saved, _) = self.device, self.steps[number]
        device.back_to(saved)
        device.truth.lame += 1
        device.power.fail_call(call)
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
            device.power.fail_call(call)
        tracer = device.power.trace = Tracer(device)
        try:
            device.do(verb)
        except (Exception, Violation):
            pass  # seen by errors()
        finally:
            device.power.trace = None
        for at, tear in each_cut(device, saved[0], tracer.steps, tears, (0, 0)):
            where = "{}|{}|{}|{}|{}".format(number, call, at + 1, *tear)
            if self._is_chosen(kind, where):
                self._run(kind, where, lambda: None)

    def _is_chosen(self, kind, where):
        if self._only:
            return self._only == "{}|{}|{}".format(kind, self._scene, where)
        self._number += 1
        return self._number % self._shares == 0

    def _run(self, kind, where, act):
        """Act, let it come to rest. True when nothing went wrong."""
        device, count = self.device, self._counts.setdefault(kind, Count())
        device.say = print if self._only and where != NO_FAULT else None
        count.add("pairs" if kind in (TWO, THEN_CUT) else "single", kind == DRIFT)
        try:
            act()
            device.settle()
            return True
        except (Exception, Violation) as error:
            text = "{}|{}|{}: {}".format(kind, self._scene, where, named(error))
            count.wrong.append(text)
            return False
        finally:
            device.say = None


def sweep(kind, row, name, make, counts, shares=1, only=None):
    """All cases of a kind in a scene, or a share."""
    found = Sweep(row, name, make, counts, shares, only)
    if kind == ERROR:
        found.errors()
    elif kind == TWO:
        found.pairs()
    elif kind == DEAD:
        found.dead()
    elif kind == THEN_CUT:
        found.cuts(kind, TEARS, True)
    elif kind == CELLS:
        found.cuts(kind, ((FAILING, 0),))
    elif kind == DRIFT:
        found.cuts(kind, DRIFTING)


# Not a Life, or one whose images are not what powercut_faulty.py judges
NOT_HERE = ("kv put",)


def scenes():
    return [scene for scene in SCENES if scene[0] not in NOT_HERE]


def main(job):
    counts = {}
    parts = job.split("|")
    for row, name, make in scenes():
        if len(parts) > 1 and (row, name) != (parts[1], parts[2]):
            continue
        sweep(parts[0], row, name, make, counts, 1, job if len(parts) > 3 else None)
    for kind, count in counts.items():
        figures = count.single, count.pairs, count.storms, count.moody, len(count.wrong)
        print("\t".join([kind] + [str(figure) for figure in figures]))
        for text in count.wrong[:20]:
            print("WRONG\t" + text)


if __name__ == "__main__":
    main(sys.argv[1])
