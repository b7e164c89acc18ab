"""A block device in memory that keeps a harder contract than any chip, and cuts power.

Owns the storage contract of docs/DESIGN.md as something that runs: MicroPython's
block protocol, NOR rules, wear, power cuts with tears, read and write errors.
It knows nothing of headers or slots.

An operation is the erase of one erase block or the program of one program unit
(on cards that overwrite: the write of one 512-byte block). Operations are
numbered from 1 by a `Power`, which all disks of a device share, so a sweep over
the numbers meets every moment at which an update of SD card and flash can die.

What a cut leaves in the unit it hits (its neighbours stay as they were):

    tear     program               erase
    nothing  old bytes             old bytes
    half     first half new        first half blank
    junk     arbitrary bytes       arbitrary bytes
    moody    at each read old, new or arbitrary bytes, unit by unit; or, when Power.mood is
             not 0, old or new for as long as power stays on
    bits     some of the bits that were to change have changed
    whole    new bytes: all is done, and nobody was told
    failing  each read fails, until the erase block is erased (on a card: the block written)

A unit torn by anything but nothing and whole counts as programmed: only an erase makes it
usable.

Not only cuts: every call can be made to fail, and a disk to die and to come back. Calls are
reads, erases and programs of a unit, numbered from 1 by the same Power; ioctl that does not
erase is none, for drivers answer it from memory.

Sweeping by trace() and replay() gives the same media as cutting power does, without the run
up to the cut: what the device held in RAM is lost either way.

Runs on CPython and on MicroPython.
"""

from ufota_testkit.noise import noise

TEARS = ("nothing", "half", "junk")
MOODY = TEARS + ("moody",)
ALL = MOODY + ("bits", "whole")
FAILING = "failing"  # not in ALL: a flash with ECC has it, others have not

_EIO = 5

# ioctl requests of the block protocol
_SYNC = 3
_COUNT = 4
_SIZE = 5
_ERASE = 6


class PowerCut(BaseException):
    """The device is dark. No `except Exception` lives through it."""


class Violation(BaseException):
    """The code under test did what the storage contract forbids."""


class Power:
    """Supply and operation counter of one device; its disks share it.

    ops:  operations begun since reset()
    weak: number of an operation that is torn by bits while power stays on; 0: none
    last: the newest one, as text, for failure messages
    trace: None, or a list to which each operation is appended, for replay()
    mood:  0: a moody unit shows another face at each read; else one face until cycle(),
           new where bit number `cycles` of mood is 1, and old where it is 0
    outages: times that power went, for chips that forget what they were doing
    calls:  begun since reset(): reads too
    failed: calls that were made to fail, since the Power was made
    """

    def __init__(self):
        self.disks = []
        self.trace = None
        self.mood = 0
        self.cycles = 0
        self.outages = 0
        self.failed = 0
        self.reset()

    def reset(self):
        """Switch on, count from 0 and forget what was planned."""
        self.ops = 0
        self.calls = 0
        self._planned = ()  # calls that fail
        self._again = self._until = 0  # the last call of a read that fails, asked for again
        self._death = None
        self._watched = False  # a call may fail
        self.last = "none"
        self.dark = False
        self._cut = None
        self._fail = None
        self.weak = 0

    def cut_at(self, op, tear="nothing"):
        """Cut power in operation number op (the next one is ops + 1)."""
        assert tear in ALL or tear == FAILING, tear
        self._cut = (op, tear)

    def fail_at(self, op):
        """Make operation number op report EIO, once, and change nothing."""
        self._fail = op

    def fail_call(self, call, again=0):
        """Make call number `call` report EIO, and change nothing. Several may be planned.

        again:  a read fails so many times more when it is asked for again, by the next calls
        """
        self._planned += (call,)
        self._again = again
        self._watched = True

    def die_at(self, call, disk=None, back=None):
        """From this call on a disk fails every call; ioctl 4 and 5 answer, as from memory.

        disk:   default: the one that this call is for
        back:   number of the call with which it works again; default: at the next cycle()
        """
        self._death = [call, disk, back]
        self._watched = True

    def drift(self, starts, new_first=True):
        """Units torn `moody` read new for so many starts, then old for ever; or old, then new.

        A start is a cycle(). This sets mood, and counts the starts from here.
        """
        new = (2 << starts) - 1
        self.mood = new if new_first else ~new
        self.cycles = 0

    def cycle(self):
        """The device starts anew: a moody unit may show its other face, a dead disk is back."""
        self.cycles += 1
        if self._death and self._death[2] is None and self.calls >= self._death[0]:
            self._death = None

    def on(self):
        """Power comes back: storage is as the cut left it, and works again."""
        self.dark = False

    def off(self):
        """Power goes."""
        self.dark = True
        self.outages += 1

    def alive(self):
        if self.dark:
            raise PowerCut(self.last)

    def fails(self, disk, reads=False):
        """Count one call, of this disk; True when it is to report EIO."""
        if self.dark:
            raise PowerCut(self.last)
        self.calls += 1
        if not self._watched or not self._is_planned(disk, reads):
            return False
        self.failed += 1
        return True

    def _is_planned(self, disk, reads):
        if self.calls in self._planned:
            if reads:
                self._until = self.calls + self._again
            return True
        if self.calls <= self._until:
            return True
        if not self._death or self.calls < self._death[0]:
            return False
        _, dead, back = self._death
        if back is not None and self.calls >= back:
            self._death = None
            return False
        if dead is None:
            self._death[1] = dead = disk
        return dead is disk

    def aside(self, function, *args):
        """Call this without planned faults, and without counting: a test looks at a disk."""
        watched, calls = self._watched, self.calls
        self._watched = False
        try:
            return function(*args)
        finally:
            self._watched, self.calls = watched, calls

    def begin(self, what, disk=None):
        """Count one operation, which is a call; returns (tear or None, does it fail)."""
        if self.fails(disk):
            return None, True
        self.ops += 1
        self.last = what
        if self._cut and self._cut[0] == self.ops:
            tear = self._cut[1]
            self._cut = None
            self.off()
            return tear, False
        if self._fail == self.ops:
            self._fail = None
            self.failed += 1
            return None, True
        return None, False

    def snapshot(self):
        return [disk.snapshot() for disk in self.disks]

    def restore(self, snapshots):
        self.outages += 1
        for disk, snapshot in zip(self.disks, snapshots):
            disk.restore(snapshot)

    def replay(self, operation, tear=None):
        """Do an operation of a trace once more, whole or with a tear; nobody dies of it."""
        disk, start, new, used, op = operation
        self.ops = op
        disk.change(start, new, tear, used)


class Disk:
    """One simulated device behind MicroPython's block protocol.

    size:      bytes
    erase:     bytes of an erase block, which is the block of the protocol
    program:   bytes of a program unit
    overwrite: an SD card: erase == program, any block written any time, no offsets
    power:     the Power shared with the device's other disks; its own when left out
    name:      for failure messages

    data:       the contents; read it freely, change it through load()
    wear:       erases of each block (writes, on a card)
    bad_blocks: set of block numbers whose reads report EIO
    """

    def __init__(self, size, erase, program, overwrite=False, power=None, name="disk"):
        assert size % erase == 0 and erase % program == 0
        assert erase == program or not overwrite
        self.erase_size = erase
        self.program_size = program
        self.overwrite = overwrite
        self.name = name
        self.data = bytearray(b"\xff" * size)
        self.wear = [0] * (size // erase)
        self.bad_blocks = set()
        self._used = bytearray(size // program)  # 1: only an erase makes it writable
        # unit -> (old bytes, new bytes): torn so that reads differ; None: so that they fail
        self._moody = {}
        self._reads = 0
        self.power = power or Power()
        self.power.disks.append(self)

    # MicroPython's block protocol

    def readblocks(self, block, buf, offset=None):
        if self.power.fails(self, True):
            return -_EIO
        start = self._address(block, buf, offset)
        if self.bad_blocks and self._bad(start, len(buf)):
            return -_EIO
        if self._moody:
            first = start // self.program_size
            for unit in range(first, -(-(start + len(buf)) // self.program_size)):
                if unit in self._moody:
                    if self._moody[unit] is None:
                        return -_EIO
                    self._settle(unit)
        buf[:] = memoryview(self.data)[start : start + len(buf)]
        return 0

    def writeblocks(self, block, buf, offset=None):
        self.power.alive()
        start = self._address(block, buf, offset)
        if start % self.program_size or len(buf) % self.program_size:
            raise Violation("{}: write {}+{} is no whole unit".format(self.name, start, len(buf)))
        mv = memoryview(buf)
        for at in range(0, len(buf), self.program_size):
            if offset is None and not self.overwrite and at % self.erase_size == 0:
                if self._erase((start + at) // self.erase_size):
                    return -_EIO
            if self._program(start + at, mv[at : at + self.program_size]):
                return -_EIO
        return 0

    def ioctl(self, request, argument):
        self.power.alive()
        if request == _COUNT:
            return len(self.wear)
        if request == _SIZE:
            return self.erase_size
        if request == _ERASE and not self.overwrite:
            if not 0 <= argument < len(self.wear):
                raise Violation("{}: erase of block {}".format(self.name, argument))
            return self._erase(argument)
        return 0 if request in (_SYNC, _ERASE) else None

    # For the tests

    def cut_at(self, op, tear="nothing"):
        self.power.cut_at(op, tear)

    def fail_at(self, op):
        self.power.fail_at(op)

    def make_moody(self, start, old, new):
        """Units from `start` on become torn between these two, a whole number of units each."""
        size = self.program_size
        for at in range(0, len(old), size):
            unit = (start + at) // size
            self._moody[unit] = bytes(old[at : at + size]), bytes(new[at : at + size])
            self._used[unit] = 1

    def is_torn(self, start, size):
        """True when a unit in these bytes may read differently at another time, or fails."""
        first, end = start // self.program_size, -(-(start + size) // self.program_size)
        return any(first <= unit < end for unit in self._moody)

    def load(self, start, data):
        """Put bytes there as a factory would: no operation, no wear, no old contents."""
        assert start >= 0 and start + len(data) <= len(self.data)
        self.data[start : start + len(data)] = data
        first = start // self.program_size
        for unit in range(first, -(-(start + len(data)) // self.program_size)):
            at = unit * self.program_size
            content = self.data[at : at + self.program_size]
            self._used[unit] = content.count(b"\xff") != self.program_size

    def snapshot(self):
        """The state of the medium (not of the supply), for restore()."""
        # No bytes: MicroPython computes a hash of all that are made.
        data, used = bytearray(self.data), bytearray(self._used)
        return data, used, list(self.wear), dict(self._moody), self._reads

    def restore(self, snapshot):
        self.data[:] = snapshot[0]
        self._used[:] = snapshot[1]
        self.wear[:] = snapshot[2]
        self._moody = dict(snapshot[3])
        self._reads = snapshot[4]  # so that the same moods come again

    # Inside

    def _address(self, block, buf, offset):
        """Byte address of a transfer; what a driver may not ask for is a Violation."""
        start = block * self.erase_size + (offset or 0)
        if block < 0 or (offset or 0) < 0 or start + len(buf) > len(self.data):
            raise Violation("{}: {}+{} is off the device".format(self.name, start, len(buf)))
        if self.overwrite and offset is not None:
            raise Violation("{}: a card has no offsets".format(self.name))
        if offset is None and len(buf) % self.erase_size:
            raise Violation("{}: {} bytes are no whole block".format(self.name, len(buf)))
        return start

    def _bad(self, start, size):
        first = start // self.erase_size
        last = (start + size - 1) // self.erase_size
        return any(first <= block <= last for block in self.bad_blocks)

    def _erase(self, block):
        """One operation; returns 0, or a negative error number."""
        start = block * self.erase_size
        tear, failed = self.power.begin("erase {} {:#x}".format(self.name, start), self)
        if failed:
            return -_EIO
        self.wear[block] += 1
        self._put(start, b"\xff" * self.erase_size, tear, 0)
        return 0

    def _program(self, start, new):
        """One operation; returns 0, or a negative error number."""
        unit = start // self.program_size
        if self._used[unit] and not self.overwrite:
            raise Violation("{}: second program of {:#x}".format(self.name, start))
        tear, failed = self.power.begin("program {} {:#x}".format(self.name, start), self)
        if failed:
            return -_EIO
        if self.overwrite:
            self.wear[unit] += 1
        self._put(start, new, tear, 1)
        return 0

    def _put(self, start, new, tear, used):
        """Replace what is there as far as the tear lets it, and die of the tear.

        A unit that may be programmed is blank, so replacing is the same as clearing bits.
        used: 1 when the units cannot be programmed again without an erase
        """
        if self.power.trace is not None:
            self.power.trace.append((self, start, bytes(new), used, self.power.ops))
        if self.power.weak == self.power.ops:
            tear = "bits"
        self.change(start, new, tear, used)
        self.power.alive()

    def change(self, start, new, tear, used):
        """What an operation leaves on the medium; as _put(), which dies of the tear."""
        if tear == "nothing":
            return
        units = range(start // self.program_size, (start + len(new)) // self.program_size)
        if tear in ("half", "junk", "bits"):
            old = memoryview(self.data)[start : start + len(new)]
            new = torn(tear, old, new, self.power.ops)
        elif tear == "moody":
            for unit in units:
                at = unit * self.program_size
                old = bytes(self.data[at : at + self.program_size])
                self._moody[unit] = (old, bytes(new[at - start : at - start + len(old)]))
        elif tear == FAILING:
            for unit in units:
                self._moody[unit] = None
        else:
            for unit in units:
                self._moody.pop(unit, None)
        self.data[start : start + len(new)] = new
        for unit in units:
            self._used[unit] = used or tear not in (None, "whole")

    def _settle(self, unit):
        """Let a moody unit show another face for the next read."""
        self._reads += 1
        old, new = self._moody[unit]
        mood = self.power.mood
        if mood:
            face = (old, new)[mood >> self.power.cycles & 1]
        else:
            face = (old, new, noise(len(old), self._reads))[noise(1, self._reads)[0] % 3]
        self.data[unit * len(old) : (unit + 1) * len(old)] = face


def torn(tear, old, new, seed):
    """What a cut leaves of a unit that held `old` and was to hold `new`; moody is more than bytes.

    old, new:  bytes of one length
    seed:      number of the operation: the same junk in each run
    """
    if tear == "nothing":
        return bytes(old)
    if tear == "half":
        return bytes(new[: len(new) // 2]) + bytes(old[len(new) // 2 :])
    if tear == "junk":
        return noise(len(new), seed)
    if tear == "bits":  # of the bits that differ, a random half is new
        dice = noise(len(new), seed)
        return bytes([old[i] ^ ((old[i] ^ new[i]) & dice[i]) for i in range(len(new))])
    assert tear == "whole", tear
    return bytes(new)


def every_cut(make, act, check, tears=TEARS):
    """Cut power in every operation of act, with every tear; after each, check must hold.

    make:    make() -> world: what act works on, built afresh for every case. Any object
             with `power`, the Power its disks share; a single Disk is a world.
    act:     act(world), the same operations each time
    check:   check(world): power is back and nothing is planned, so it may work on, count
             operations, and sweep the cuts of its own recovery
    returns: number of cases (operations x tears), to be asserted: it proves the sweep swept

    A failure prints operation, tear and place. The uncut run is checked too.
    """
    world = make()
    world.power.reset()
    act(world)
    ops = world.power.ops
    world.power.reset()
    _judge(check, world, "no cut, {} operations".format(ops))
    for op in range(1, ops + 1):
        for tear in tears:
            world = make()
            world.power.reset()
            world.power.cut_at(op, tear)
            where = "cut in operation {} of {}, tear {}".format(op, ops, tear)
            _judge(_until_dark, (act, world), where)
            where += ", " + world.power.last
            world.power.reset()
            _judge(check, world, where)
    return ops * len(tears)


def _until_dark(case):
    act, world = case
    try:
        act(world)
    except PowerCut:
        return
    raise AssertionError("act outlived the power cut")


def _judge(check, subject, where):
    try:
        check(subject)
    except BaseException:
        print("every_cut:", where)
        raise
