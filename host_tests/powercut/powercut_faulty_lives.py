"""Lives of 50 updates in a row, on a device whose storage fails, whose power goes, at random.

A life is a number: the layout, each image, what each application does and each fault follow from
it. `powercut_faults.py life:NUMBER` lives it again, step by step. Judged as in powercut_faulty.py.

Runs on CPython and on MicroPython.
"""

from fwcore import manifest
from powercut_faulty import Faulty
from powercut_life import named
from powercut_scenes import PLACES, life
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import ALL, FAILING, PowerCut, Violation

UPDATES = 50
MOST_FAULTY = 6  # steps of an update in which something fails
HABITS = ("confirms", "confirms", "confirms", "rejects", "dies")
TEARS = ALL + (FAILING,)
SHAPES = ((2, 2), (3, 3, (1,)))


class Dice:
    def __init__(self, seed):
        self._state = seed * 2654435761 + 97 & 0x7FFFFFFF

    def upto(self, most):
        """A number, 0 .. most - 1."""
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 8) % most


class FaultyLife:
    """One life.

    say:     None, or called with a line of text for each step
    faults:  steps in which something was to fail;  cuts: of power
    """

    def __init__(self, seed, say=None):
        self._seed = seed
        self._dice = Dice(seed)
        self._say = say
        self.faults = self.cuts = self.updates = 0

    def live(self, updates=UPDATES):
        """None, or what went wrong, as text."""
        dice = self._dice
        mode, kind = PLACES[self._seed % len(PLACES)]
        shape = SHAPES[self._seed // len(PLACES) % len(SHAPES)]
        self._tell("{} {} {}".format(mode, kind, shape))
        device = self._device = Faulty(life(mode, kind, "offer", shape)())
        device.further, device.say = False, self._say
        most = len(device.images[device.truth.new])
        try:
            for number in range(updates):
                self._update(number, 100 + dice.upto(most - 100))
                self.updates += 1
        except (Exception, Violation) as error:
            return "life:{}: update {}: {}".format(self._seed, self.updates, named(error))
        return None

    def _update(self, number, size):
        device, truth, dice = self._device, self._device.truth, self._dice
        stable, new = truth.stable, manifest.version_word("{}.0.0".format(number + 2))
        truth.new = new
        device.images = {
            stable: device.images[stable],
            new: noise(size, 1000 * self._seed + number),
        }
        device.habit = HABITS[dice.upto(len(HABITS))]
        self._tell("update {}: {} bytes, {}".format(number, size, device.habit))
        verb = "offer"
        for _ in range(dice.upto(MOST_FAULTY + 1)):
            self._faulty_step(verb)
            truth = device.truth
            if verb == "boot" and device.version > 0:
                verb = "app" if device.version == new else "boot"
            elif truth.offered == truth.confirmed == 0 and not dice.upto(2):
                verb = "offer"
            else:
                verb = "boot"
        device.power.reset()
        device.do("settle")

    def _faulty_step(self, verb):
        """One step, with a fault or two."""
        device, dice, power = self._device, self._dice, self._device.power
        power.reset()
        device.truth.lame += 1
        self.faults += 1
        device.single = False
        kind = dice.upto(8)
        disk = self._card()
        if kind == 7 and disk and verb == "boot":
            card = disk.snapshot()[0]
            spoilt = None if dice.upto(2) else self._spoilt(disk)
            self._tell("no card" if spoilt is None else "another card, {} bytes".format(len(card)))
            device.with_card(spoilt, 1)
            return
        if kind in (0, 1, 2, 3):
            self._plan("call {} fails", power.fail_call)
        if kind in (1, 2):
            self._plan("call {} fails", power.fail_call)
        if kind == 4:
            self._plan("dead from call {}", power.die_at)
        if kind in (3, 5, 6, 7):
            op, tear = 1 + dice.upto((15, 60)[dice.upto(2)]), TEARS[dice.upto(len(TEARS))]
            starts, first = dice.upto(6), bool(dice.upto(2))
            if starts:
                power.drift(starts, first)
            else:
                power.mood = 0
            self._tell("cut in operation {}, {}, drift {} {}".format(op, tear, starts, first))
            power.cut_at(op, tear)
        try:
            device.do(verb)
        except PowerCut:
            self.cuts += 1
            device.truth.cuts += 1
            device.version, device.phase = 0, -1
        power.reset()

    def _plan(self, text, what):
        call = 1 + self._dice.upto((20, 60, 150)[self._dice.upto(3)])
        self._tell(text.format(call))
        what(call)

    def _card(self):
        """The disk that can be taken out, or None."""
        layout = self._device.board.layout
        name = layout["candidates"]["device"]
        if layout["mode"] == "direct" or name == "flash":
            return None
        return self._device.board.disks[name]

    def _spoilt(self, disk):
        contents = disk.snapshot()
        return (bytearray([byte ^ 0x5A for byte in contents[0]]),) + tuple(contents[1:])

    def _tell(self, text):
        if self._say:
            self._say(text)


def again(seed):
    """Live it with all that happens printed."""
    found = FaultyLife(seed, print)
    print(found.live() or "life:{}: nothing went wrong".format(seed))
