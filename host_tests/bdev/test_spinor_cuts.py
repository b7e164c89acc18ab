"""Power cuts through the NOR driver: a slot, a journal and an erase, on the chip's own bytes.

The chip is one of simdisk's disks: each erase and page program is an operation that every_cut
cuts and tears. Where the moment matters more than the operation, power goes at a clock, which
also meets the driver's start, its commands and the time a chip is busy.
"""

from fwcore.journal import Journal
from fwcore.slot import candidate_slots
from fwcore.storage import Storage
from images import head_of, load, packed, store
from test_powercut import INSTALL_OPS, WRITE_OPS, boots, write
from test_powercut import NEW as NEW_IMAGE
from ufota_testkit.chips.wired_nor import KIB, Device, Wired, small, through
from ufota_testkit.noise import noise
from ufota_testkit.simboard import ROT, make, read
from ufota_testkit.simboard import candidate_slots as candidate_slots_of
from ufota_testkit.simdisk import ALL, PowerCut, Violation, every_cut

BOTH = True  # runs on CPython and on MicroPython

ERASE, PAGE = 1024, 256
SIZE = 16 * KIB
SLOT_END = SIZE - 3 * ERASE
OLD, NEW = noise(2000, 1), noise(2500, 2)


class World:
    """A slot with an old image and a journal that says so, on one chip, through the driver."""

    def __init__(self, profile="none", **options):
        options.setdefault("once", True)
        wired = Wired(small(ERASE), SIZE, profile=profile, unit=PAGE, **options)
        self.chip = wired.chip
        self.power = wired.power
        self.device = Device(wired)
        self.boot()
        store(self.slot, 1, OLD)
        self.journal.put(b"1")

    def boot(self):
        self.storage = Storage(self.device, ERASE, PAGE)
        self.slot = candidate_slots(self.storage, 0, SLOT_END, 1)[0]
        self.journal = Journal(self.storage, SLOT_END, 3 * ERASE, 16)

    def rot(self):
        return ROT

    def update(self):
        store(self.slot, 2, NEW, 700)
        self.journal.put(b"2")

    def judge(self):
        """Old or new, never other; and the update can be repeated."""
        self.boot()
        told, image = self.journal.load(), self.image()
        assert told in (b"1", b"2"), told
        assert image in ((0, None), (1, OLD), (2, NEW)), image[0]
        assert told == b"1" or image == (2, NEW)
        self.update()
        self.boot()
        assert self.journal.load() == b"2" and self.image() == (2, NEW)
        assert not self.chip.illegal and not self.chip.unknown

    def image(self):
        # By the driver, not out of the array: a torn page may read differently
        buf = bytearray(len(NEW) + PAGE)
        at = self.slot.body_at
        version, _ = read(self, self.slot)
        size = {0: 0, 1: len(OLD), 2: len(NEW)}[version]
        self.storage.read(at, memoryview(buf)[: -(-size // PAGE) * PAGE])
        return (version, bytes(buf[:size])) if size else (0, None)


def test_a_cut_in_any_operation_leaves_old_or_new():
    ops = []

    def check(world):
        ops.append(world.power.ops)
        world.judge()

    count = every_cut(World, World.update, check, ALL)
    # The slot: 3 erases, 10 pages and 2 of the header; the journal: an erase, record, commit, seal
    assert count == 19 * len(ALL), count


def test_a_second_cut_while_it_is_repeated():
    cases = 0
    for op in range(1, 20, 4):
        for tear in "half", "junk":

            def make(op=op, tear=tear):
                world = World()
                world.power.reset()
                world.power.cut_at(op, tear)
                try:
                    world.update()
                except PowerCut:
                    pass
                return world

            def act(world):
                world.power.on()
                world.boot()
                if world.journal.load() != b"2":  # as a client that goes on
                    world.update()

            cases += every_cut(make, act, World.judge, ("half",))
    assert cases == 200, cases


def test_power_goes_at_any_clock():
    def run(cut_ns, tear):
        world = World("typ")
        start = world.chip.clock.now_ns
        if cut_ns:
            world.chip.cut_ns = start + cut_ns
            world.chip.cut_tear = tear
        try:
            world.chip.power_ups += 1  # the driver starts first
            world.boot()
            world.update()
        except PowerCut:
            pass
        took = world.chip.clock.now_ns - start
        assert bool(cut_ns) == (world.chip.power.dark)
        world.power.on()
        world.judge()
        return took

    end = run(0, None)
    for i in range(60):
        run(1 + (end - 1) * i // 60, ALL[i % len(ALL)])


def test_an_erase_of_a_range_goes_on_where_it_was_cut():
    """Its caller knows how far it was; what the cut hit is erased again."""

    def make():
        wired = Wired("W25Q128JV", 256 * KIB, profile="none")
        wired.chip.load(0, bytes(256 * KIB))
        wired.device = Device(wired)
        wired.at = 28 * KIB
        return wired

    def act(world):
        while world.at < 200 * KIB:
            world.at = world.device.erase(world.at, 200 * KIB - world.at)

    def check(world):
        act(world)
        data = world.chip.data
        assert not any(data[: 28 * KIB]) and not any(data[200 * KIB :])
        assert data[28 * KIB : 200 * KIB].count(b"\xff") == 172 * KIB

    assert every_cut(make, act, check) == 3 * 6  # 4, 32, 64, 64, 4, 4 KiB: to 200 KiB


def test_a_contract_that_is_broken_through_the_driver_is_seen():
    world = World()
    head = packed(world.slot, head_of(1, OLD))
    try:
        world.slot.write_header(head)
        raise AssertionError("a header was written twice")
    except Violation:
        pass


def test_the_boot_stage_installs_from_the_chip_through_any_cut():
    def check(board):
        assert boots(board) in (1, 2)
        write(board)  # the update can be repeated
        assert boots(board) == 2
        assert not board.disks["spi"].chip.illegal

    def with_new():
        board = make_board()
        load(candidate_slots_of(board)[0], 2, NEW_IMAGE)
        return board

    def make_board():
        return through(make("spi"))

    assert every_cut(with_new, write, check, ALL) == WRITE_OPS["spi"] * len(ALL)
    assert every_cut(with_new, boots, check, ALL) == INSTALL_OPS * len(ALL)
