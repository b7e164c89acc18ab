"""Cut the power everywhere: every scene, every operation, every tear, once and twice, and storms.

    make powercut                              all of it, both interpreters, a table
    micropython host_tests/powercut/powercut.py JOB     one job of jobs(), as figures

A case is one history of cuts, then power that stays, then a device that must come to rest
where the truth allows (powercut_life.py). Single: one cut in the act. Pair: a second one in
anything that is written on the way to rest. Storm: 3 to 10, anywhere in a whole life.
Moody: those of them in which a torn unit reads differently each time.
"""

import sys

from powercut_life import named
from powercut_scenes import SCENES, WIRED, lives, wired_lives
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, PowerCut, Violation

STORMS = 700  # of each whole life, on each interpreter

# Faces of a torn unit (Power.mood): another one at each read; new, then old; old, then new.
MOODS = (0, 0b01, 0b10)
TEARS = tuple([(tear, 0) for tear in ALL] + [("moody", mood) for mood in MOODS[1:]])

# mode of a scene, as the table's rows
ROWS = (
    "client write",
    "fetch",
    "swap NOR",
    "swap SD",
    "overwrite",
    "direct",
    "revert",
    "confirm",
    "kv put",
    "chain",
    "selector",
    "rescue",
    "recovery",
    "state on a card",
    "NOR chip",
    "SD card",
    "both chips",
)


class Count:
    """What came of the cases of a row.

    single, pairs, storms, moody: cases;  wrong: list of texts
    """

    def __init__(self):
        self.single = self.pairs = self.storms = self.moody = 0
        self.wrong = []

    def add(self, kind, moody):
        setattr(self, kind, getattr(self, kind) + 1)
        self.moody += moody

    def cases(self):
        return self.single + self.pairs + self.storms


class Tracer:
    """List for Power.trace: each operation with the truth of that moment."""

    def __init__(self, world):
        self._world = world
        self.steps = []

    def append(self, operation):
        self.steps.append((operation, self._world.truth.copy()))


def traced(world, act, where, count):
    """Run act() without a cut; returns its steps: (operation, truth before it)."""
    tracer = Tracer(world)
    world.power.trace = tracer
    try:
        act()
    except (Exception, Violation) as error:
        count.wrong.append("{}: {}".format(where, named(error)))
    finally:
        world.power.trace = None
    return tracer.steps


def each_cut(world, start, steps, tears, mood, share=0, shares=1):
    """Leave the world as each cut in these steps would; yields (number of the step, tear).

    start:  snapshot the steps began with
    mood:   (mood, cycles) of the power, for tears that are not moody
    share, shares: of the steps
    """
    world.power.restore(start)
    for number, (operation, truth) in enumerate(steps):
        if number % shares == share:
            before = world.power.snapshot()
            for tear, face in tears:
                world.power.restore(before)
                world.power.replay(operation, tear)
                world.power.reset()
                world.power.mood, world.power.cycles = (face, 0) if tear == "moody" else mood
                world.truth = truth.copy()
                world.truth.cuts += 1
                yield number, (tear, face)
            world.power.restore(before)
        world.power.replay(operation)


def sweep(name, make, count, tears=TEARS, pairs=(), share=0, shares=1, first=False):
    """Cut a scene once everywhere, and, for pairs, once more everywhere on the way to rest.

    tears, pairs:   of the first cut and of the second; () for none
    share, shares:  of the operations of the act, for several processes
    first:          True: the first case that goes wrong is enough
    """
    world = make()
    start = world.power.snapshot()
    mood = world.power.mood, world.power.cycles
    steps = traced(world, world.act, name + ", uncut", count)
    settled(world, name + ", uncut", count)
    for number, tear in each_cut(world, start, steps, tears, mood, share, shares):
        if first and count.wrong:
            return
        where = "{}, operation {} {}".format(name, number + 1, tear)
        torn = world.power.snapshot() if pairs else None
        now = world.power.mood, world.power.cycles
        count.add("single", tear[0] == "moody")
        again, good = settled(world, where, count)
        if not pairs or not good:
            continue
        for second, other in each_cut(world, torn, again, pairs, now):
            count.add("pairs", "moody" in (tear[0], other[0]))
            text = "{}, then {} {}".format(where, second + 1, other)
            settled(world, text, count)


def settled(world, where, count):
    """Let a world come to rest; returns (steps it took, True when it did as it must)."""
    before = len(count.wrong)
    steps = traced(world, world.settle, where, count)
    return steps, len(count.wrong) == before


def weak(name, make, count):
    """Let each program of an image keep only some of its bits, with power on: it is done again."""
    world = make()
    region = world.board.layout["state"]
    steps = traced(world, world.act, name, count)
    ops = [step[0][4] for step in steps if step[0][3] and not _within(world, region, step)]
    for op in ops:
        _lame(name, make(), "weak", op, "app settle", count)


def clocks(name, make, count, cuts=100):
    """Let power go at so many moments of the act: in a command, in a block, in a busy time.

    make: of a world with chips; the moments are spread evenly over each chip's time. At every
          seventh the board is reset and the chip is not
    """
    tears = ALL + (None,)
    world = make()
    start, truth = world.power.snapshot(), world.truth.copy()
    for chip in world.chips:
        took = _timed(world, chip, start, truth, None)
        for i in range(cuts):
            chip.cut_tear = tear = tears[i % len(tears)]
            _timed(world, chip, start, truth, 1 + (took - 1) * i // cuts)
            where = "{}, {} of {}, {}".format(name, i, cuts, tear)
            if chip.cut_ns:
                count.wrong.append(where + ": no cut")
                return
            count.add("single", tear == "moody")
            settled(world, where, count)


def again(world, start, truth):
    """Bring a world back to where it was."""
    world.power.restore(start)
    world.power.reset()
    world.truth = truth.copy()


def _timed(world, chip, start, truth, cut_ns):
    """Act, and cut after cut_ns of a chip's time, or None; returns how long that took."""
    again(world, start, truth)
    began = chip.clock.now_ns
    chip.cut_ns = began + cut_ns if cut_ns else None
    try:
        world.act()
    except PowerCut:
        world.truth.cuts += 1
    world.power.reset()
    world.power.cycle()
    return chip.clock.now_ns - began


def faulty_store(name, make, count):
    """Let each write of the client store fail, or keep some bits: that stops nothing."""
    world = make()
    region = world.board.layout["client"]
    steps = traced(world, world.act, name, count)
    for step in steps:
        if _within(world, region, step):
            for how in ("fail", "weak") if step[0][3] else ("fail",):
                other = make()
                other.faulty = True
                _lame(name, other, how, step[0][4], "settle", count)


def _within(world, region, step):
    """True when a step is in a region of the layout."""
    disk, at = step[0][:2]
    mine = disk is world.board.disks[region["device"]]
    return mine and region["start"] <= at < region["start"] + region["size"]


def _lame(name, world, how, op, then, count):
    """Act with one operation that fails, or is torn by bits, while power stays on."""
    if how == "fail":
        world.power.fail_at(op)
    else:
        world.power.weak = op
    count.add("single", False)
    try:
        world.act()
        for verb in then.split():
            getattr(world, verb)()
    except (Exception, Violation) as error:
        count.wrong.append("{}, operation {} {}: {}".format(name, op, how, named(error)))


def storm(name, make, count, seeds):
    """Cut a whole life 3 to 10 times, really, wherever that falls; once for each seed."""
    world = make()
    start, truth = world.power.snapshot(), world.truth.copy()
    for seed in seeds:
        again(world, start, truth)
        world.power.mood, world.power.cycles = MOODS[seed % 3], 0
        count.storms += 1
        count.wrong += _one_storm(world, "{}, storm {}".format(name, seed), seed, count)


def _one_storm(world, where, seed, count):
    dice = noise(32, seed)
    act, moody = world.act, False
    try:
        for i in range(3 + dice[0] % 8):
            tear = ALL[dice[2 * i + 1] % len(ALL)]
            world.power.reset()
            world.power.cut_at(dice[2 * i + 2] % (60, 15)[dice[31] & 1] + 1, tear)
            try:
                act()
                break
            except PowerCut:
                world.truth.cuts += 1
                moody = moody or tear == "moody"
            act = world.settle
        world.power.reset()
        world.settle()
    except (Exception, Violation) as error:
        return ["{}: {}".format(where, named(error))]
    finally:
        count.moody += moody
    return []


# The command line, and the table


PAIRS = (("junk", 0), ("moody", 0), ("moody", 1), ("moody", 2), ("whole", 0))
# Scenes of which all pairs are cut; the others have operations of the same kind.
PAIRED = (
    "swap sd",
    "direct flash",
    "spi (2, 2)",
    "spi (2, 2) dies",
    "flash (2, 3)",
    "sd (2, 2)",
    "sd (2, 2) dies",
    "flash dies",
    "swap spi (2, 2)",
    "swap sd (3, 2)",
    "overwrite spi (2, 2)",
    "direct flash (2, 2)",
    "swap spi rejected",
    "swap spi 1 boots confirms",
    "swap spi 3 boots confirms",
    "overwrite spi 3 boots dies",
    "nor",
    "card",
    "direct sd half-way",
    "direct sd another",
    "update confirms",
    "end of trial, dies",
    "first start, confirms",
    "swap spi confirms",
    "overwrite, install",
)


def jobs():
    """Names of the pieces of the whole: single cuts, then scenes by pairs, then storms."""
    names = ["single"]
    for row, name, _ in SCENES + WIRED:
        if name in PAIRED:
            names.append("pairs:{}:{}".format(row, name))
    every_life = lives() + wired_lives()
    return names + ["storms:{}:{}".format(row, name) for row, name, _ in every_life]


def work(job):
    """Do one job; returns {row: Count}."""
    kind, _, rest = job.partition(":")
    found = {}
    for row, name, make in lives() + wired_lives() if kind == "storms" else SCENES + WIRED:
        if rest not in ("", "{}:{}".format(row, name)):
            continue
        count = found.setdefault(row, Count())
        if kind == "single":
            sweep(name, make, count)
            if row in MORE:
                MORE[row](name, make, count)
        elif kind == "pairs":
            sweep(name, make, count, TEARS, PAIRS)
            count.single = 0  # counted by the job of the single ones
        else:
            storm(name, make, count, range(STORMS))
    return found


# What else can happen to an operation, by row: some read back what they copy, and copy again.
MORE = {"swap NOR": weak, "swap SD": weak, "fetch": faulty_store}
MORE.update({"NOR chip": clocks, "SD card": clocks, "both chips": clocks})


def main(job):
    """Do a job and print a line of figures for each row, then what went wrong."""
    for row, count in work(job).items():
        figures = count.single, count.pairs, count.storms, count.moody, len(count.wrong)
        print("\t".join([row] + [str(figure) for figure in figures]))
        for text in count.wrong[:20]:
            print("WRONG\t" + row + ": " + text)


if __name__ == "__main__":
    main(sys.argv[1])
