"""A SpiNor driver wired to a FakeNor: what the tests of the driver start from.

Runs on CPython and on MicroPython.
"""

from bdev import norchip, spinor
from ufota_testkit.chips.fake_nor import FakeNor, Kind
from ufota_testkit.chips.fake_spi import Bus, Clock

KIB = 1024
BAUD = 20000000


def small(erase=4096):
    """A Kind of chip with one small erase, for sweeps: no real chip erases less than 4 KiB."""
    power = 0
    while 1 << power < erase:
        power += 1
    return Kind(b"\xef\x40\x10", 0, ((power, 0x20, 0, 45, 400),))


class Wired:
    """Chip, bus and driver. `clock` is put in the place of norchip's `time`.

    options of the chip as FakeNor takes them; `start()` makes a driver, as each boot does
    """

    def __init__(self, kind="W25Q128JV", size=64 * KIB, **options):
        self.clock = Clock()
        self.chip = FakeNor(self.clock, kind, size=size, **options)
        self.power = self.chip.power
        self.bus = Bus(self.clock, self.chip)
        self.bus.init(baudrate=BAUD)
        self.cs = self.bus.pin(self.chip)
        self.fed = []  # times of feeding

    def start(self, **options):
        """A new driver on the chip, as it is."""
        norchip.time = self.clock
        self.cs(1)
        options.setdefault("feed", self._feed)
        self.nor = spinor.SpiNor(self.bus, self.cs, **options)
        return self.nor

    def device_error(self):
        """The last error of the newest driver, or None."""
        return self.nor.error

    def _feed(self):
        self.fed.append(self.clock.now_ns)

    def longest_unfed_ms(self, start, end):
        """The longest time between two feedings from start to end, in ns of the clock."""
        times = [start] + [at for at in self.fed if start <= at <= end] + [end]
        return max([times[i + 1] - times[i] for i in range(len(times) - 1)]) / 1000000


class Device:
    """A chip behind its driver in the place of a simdisk.Disk: for boards, slots and sweeps.

    Each time power was off or the device starts (Power.cycle()) there is a new driver. `data`,
    `load()`, `wear`, `erase_size` and `program_size` are the chip's.

    wired:   Wired
    options: the driver's

    failed:  calls that returned an error
    """

    def __init__(self, wired, **options):
        options.setdefault("feed", None)  # nobody counts
        self.wired = wired
        self.chip = wired.chip
        self.data = wired.chip.data
        self.wear = wired.chip.wear
        self.load = wired.chip.load
        self.erase_size = wired.chip.erase_size
        self.program_size = wired.chip.program_size
        self.overwrite = False
        self._options = options
        self.failed = 0
        self._started = None

    def readblocks(self, *args):
        return self._told(self._driver().readblocks(*args))

    def writeblocks(self, *args):
        return self._told(self._driver().writeblocks(*args))

    def ioctl(self, request, argument):
        return self._told(self._driver().ioctl(request, argument))

    def erase(self, at, size):
        return self._driver().erase(at, size)

    def _told(self, code):
        self.failed += (code or 0) < 0
        return code

    def _driver(self):
        if self._started != self._start():
            self.wired.start(**self._options)
            self._started = self._start()
        norchip.time = self.wired.clock
        return self.wired.nor

    def _start(self):
        """What differs from one start to the next."""
        return self.chip.power_ups, self.chip.power.outages, self.chip.power.cycles


def through(board, name="spi", once=True, profile="none", **options):
    """Put a chip and its driver in the place of a simulated board's disk; returns the board.

    The chip has the disk's sizes, contents and power, and keeps to the storage contract
    (`once`). profile: of FakeNor; options: the driver's
    """
    old = board.disks[name]
    board.power.disks.remove(old)
    kind = small(old.erase_size)
    sizes = {"size": len(old.data), "unit": old.program_size}
    wired = Wired(kind, profile=profile, once=once, power=board.power, **sizes)
    wired.chip.load(0, bytes(old.data))
    board.disks[name] = Device(wired, **options)
    return board


def error_of(function, *args):
    """(errno, number) that function(*args) raises, or None."""
    try:
        function(*args)
    except OSError as error:
        return error.args
    return None


def read(nor, at, size):
    buf = bytearray(size)
    code = nor.readblocks(at // nor.block_size, buf, at % nor.block_size)
    return bytes(buf) if code == 0 else code


def write(nor, at, data):
    return nor.writeblocks(at // nor.block_size, data, at % nor.block_size)


def dice_of(seed):
    """A die: dice(n) is one of 0..n-1, the same on each interpreter."""
    state = [seed]

    def dice(count):
        state[0] = (state[0] * 1103515245 + 12345) & 0x7FFFFFFF
        return (state[0] >> 8) % count

    return dice
