"""An SD card on a bus, and the driver over it, for tests on both interpreters."""

from bdev import sdcard
from ufota_testkit.chips.fake_sd import AT_ONCE, BLOCK, SDHC, SDSC2, Card, Socket, Sparse, Times
from ufota_testkit.chips.fake_spi import Bus, Clock
from ufota_testkit.simdisk import Disk


class Rig:
    """A board with a card in its socket; no driver yet.

    kind, times, serial: of the card, see fake_sd
    blocks:  of the card; above 1 << 20 it takes any number, and no power cuts
    power:   simdisk.Power, when other disks share it
    """

    def __init__(self, kind=SDHC, blocks=1024, times=AT_ONCE, serial=1, power=None):
        self.clock = Clock()
        if blocks > 1 << 20:
            self.disk = Sparse(blocks)
        else:
            self.disk = Disk(blocks * BLOCK, BLOCK, BLOCK, True, power, "card")
            self.power = self.disk.power
        self.card = Card(self.disk, self.clock, kind, times, serial)
        self.socket = Socket(self.card)
        self.fed = 0
        self.unfed_ms = 0  # the longest in the last took_ms()
        self._fed_ns = 0
        self.bus = None
        self.connect()

    def connect(self):
        """The board starts anew: pins as after a reset, the card as it was."""
        if self.bus:
            self.bus.chips = ()  # an old driver has nobody left, whoever still closes its files
        self.bus = self.socket.bus = Bus(self.clock, self.socket)
        self.cs = self.bus.pin(self.socket)
        self.card.deselect()
        sdcard.time = self.clock

    def start(self, baudrate=20000000):
        """The driver; raises OSError when no card starts."""
        return sdcard.SDCard(self.bus, self.cs, baudrate, self.feed)

    def restart(self, baudrate=20000000):
        """The driver after a power cut: card and board were dark."""
        self.card.power_cycle()
        self.connect()
        return self.start(baudrate)

    def feed(self):
        self.fed += 1
        self.unfed_ms = max(self.unfed_ms, (self.clock.now_ns - self._fed_ns) / 1000000)
        self._fed_ns = self.clock.now_ns

    def took_ms(self, act, *args):
        """(result, ms) of act(*args) on the virtual clock; result may be an OSError."""
        start = self._fed_ns = self.clock.now_ns
        self.unfed_ms = 0
        try:
            result = act(*args)
        except OSError as error:
            result = error
        self.unfed_ms = max(self.unfed_ms, (self.clock.now_ns - self._fed_ns) / 1000000)
        return result, (self.clock.now_ns - start) / 1000000


class Device:
    """A card behind its driver in the place of a simdisk.Disk: for boards, slots and sweeps.

    Each time the device starts (Power.cycle()) there is a new driver; when power was off the
    card has lost it too. `data`, `load()` and `wear` are the card's.

    failed:  calls that returned an error
    """

    overwrite = True
    erase_size = program_size = BLOCK

    def __init__(self, rig):
        self.rig = rig
        self.chip = rig.card
        self.data = rig.disk.data
        self.wear = rig.disk.wear
        self.load = rig.disk.load
        self.failed = 0
        self._outages = self._cycles = -1

    def readblocks(self, *args):
        return self._told(self._driver().readblocks(*args))

    def writeblocks(self, *args):
        return self._told(self._driver().writeblocks(*args))

    def ioctl(self, request, argument):
        return self._driver().ioctl(request, argument)

    def _told(self, code):
        self.failed += code != 0
        return code

    def _driver(self):
        rig, power = self.rig, self.rig.power
        power.alive()
        sdcard.time = rig.clock
        if self._outages != power.outages:
            rig.card.power_cycle()
        if (self._outages, self._cycles) != (power.outages, power.cycles):
            self._outages = self._cycles = -1  # should power go meanwhile
            rig.connect()
            self._card = rig.start()
            self._outages, self._cycles = power.outages, power.cycles
        return self._card


# For sweeps: a driver that looks for the end finds it after some looks, and one that does not
# has its next command, of 6 bytes, in the busy time.
SOON = Times(0, 2, 1, 6, 6, 1)


def through(board, name="sd", times=SOON):
    """Put a card and its driver in the place of a simulated board's disk; returns the board.

    It has the disk's contents and power; its size is rounded up to what a card can say.
    """
    old = board.disks[name]
    board.power.disks.remove(old)
    blocks = -(-len(old.data) // (4 * BLOCK)) * 4
    rig = Rig(SDSC2, blocks, times, power=board.power)
    rig.disk.load(0, bytes(old.data))
    board.disks[name] = Device(rig)
    return board


def another(rig, serial=2, blocks=None):
    """Another card for its socket, of the same size when that is not given."""
    disk = Disk((blocks or rig.disk.ioctl(4, 0)) * BLOCK, BLOCK, BLOCK, True, None, "other card")
    return Card(disk, rig.clock, rig.card.kind, rig.card.times, serial)


# File systems over a driver: the same calls for both kinds, on both interpreters


class Files:
    """A file system in the root folder of a block device; every failure is an OSError.

    card: block device
    """

    def write(self, name, data):
        with self.fs.open(name, "wb") as file:
            for at in range(0, len(data), 700):
                file.write(data[at : at + 700])

    def read(self, name):
        with self.fs.open(name, "rb") as file:
            return file.read()


class OfMicroPython(Files):
    """What MicroPython mounts."""

    def __init__(self, card, kind):
        import vfs

        more = {"readsize": BLOCK, "progsize": BLOCK, "lookahead": 32} if kind == "lfs2" else {}
        self._make = vfs.VfsLfs2 if kind == "lfs2" else vfs.VfsFat
        self._more = more
        self._card = card

    def format(self):
        self._make.mkfs(self._card, **self._more)

    def mount(self):
        self.fs = self._make(self._card, **self._more)
        self.fs.mount(False, False)

    def names(self):
        return sorted([entry[0] for entry in self.fs.ilistdir("/")])

    def remove(self, name):
        self.fs.remove(name)

    def rename(self, old, new):
        self.fs.rename(old, new)
