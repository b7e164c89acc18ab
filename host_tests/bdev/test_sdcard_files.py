"""LittleFS and FAT over the SD driver and the card that is a program, against a model of both.

Random operations, ended by a power cut or a pulled card, and an update that comes on a card.
"""

import gc
import sys

from bdev import errors
from card_kit import _clean_up, names, write
from fragments_kit import simple_board, trial_board
from fwcore import errors as fw_errors
from helpers import raises
from test_card import BUNDLE, SMALL, boot, poll
from test_card_faults import tried
from ufota.trial import confirm
from ufota_testkit.chips.fake_sd import BLOCK, PULL, SDHC, SDSC2, TYPICAL, Times
from ufota_testkit.chips.wired_sd import OfMicroPython, Rig, another
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import PowerCut

BOTH = True  # runs on CPython and on MicroPython
HEAP = "8M"
LONG = (
    "test_random_operations_do_what_the_model_does",
    "test_littlefs_cut_in_random_operations_has_old_or_new",
    "test_fat_cut_in_random_operations_keeps_the_other_files",
    "test_a_card_pulled_in_random_operations_is_an_oserror_and_then_mounts",
)

ON_MICROPYTHON = sys.implementation.name == "micropython"
NAMES = tuple(["f{}.bin".format(i) for i in range(8)])
QUICK = Times(access_us=2, gap_us=2, write_us=5, stop_us=5, ncr=1)
OPERATIONS = 1000
FEW = 120  # of them for `make test`
TEARS = ("nothing", "half", "junk", "bits", "whole")


def make_files(rig, card, kind):
    if ON_MICROPYTHON:
        return OfMicroPython(card, kind)
    from sd_files import OfCPython

    return OfCPython(card, kind, rig.disk.data)


class World:
    """A file system on a card, and the model of what it holds: {name: bytes}."""

    def __init__(self, kind):
        self.kind = kind
        self.rig = Rig(SDSC2, 256, QUICK)
        self.card = self.rig.start()
        make_files(self.rig, self.card, kind).format()
        self._new = bytes(self.rig.disk.data)
        self.renew()

    def renew(self):
        """The file system as it was made."""
        self.rig.disk.data[:] = self._new
        self.files = make_files(self.rig, self.card, self.kind)
        self.files.mount()
        self.model = {}

    def restart(self):
        """After a power cut."""
        self.rig.power.reset()
        self.card = self.rig.restart()
        self.files = make_files(self.rig, self.card, self.kind)
        self.files.mount()

    def plan(self, seed):
        """(operation, names it touches, new model) of a throw of the dice."""
        dice = noise(8, seed)
        name, other = NAMES[dice[1] % 8], NAMES[dice[2] % 8]
        new = dict(self.model)
        if dice[0] % 8 < 4 or not new:
            data = noise((dice[3] << 8 | dice[4]) % 3500, seed)
            new[name] = data
            return (lambda: self.files.write(name, data)), (name,), new
        name = sorted(new)[dice[1] % len(new)]
        if dice[0] % 8 < 6:
            del new[name]
            return (lambda: self.files.remove(name)), (name,), new
        if other in new:
            other = name
        if other == name:
            return self.files.mount, (), new
        new[other] = new.pop(name)
        return (lambda: self.files.rename(name, other)), (name, other), new

    def found(self):
        return {name: self.files.read(name) for name in self.files.names()}

    def between(self, touched, new):
        """What LittleFS may hold when an operation does not come to its end."""
        begun = dict([(name, b"") for name in touched])  # a new file begins empty
        begun.update(self.model)
        return self.model, begun, new


def without(files, names):
    return {name: data for name, data in files.items() if name not in names}


def test_few_random_operations_do_what_the_model_does():
    operate(FEW)


def test_random_operations_do_what_the_model_does():
    operate(OPERATIONS)


def operate(operations):
    for kind in ("lfs2", "fat"):
        world = World(kind)
        for seed in range(operations):
            act, _, new = world.plan(seed)
            act()
            world.model = new
            if seed % 50 == 0:
                assert world.found() == new, (kind, seed)
        world.files.mount()
        assert world.found() == world.model and world.card.error == (0, 0)
        assert world.rig.card.written > 2 * operations


def cut(world, seed, dice, tears):
    """Let an operation die; True when it did."""
    tear = tears[dice[1] % len(tears)]
    act, touched, new = world.plan(seed)
    world.rig.power.reset()
    world.rig.disk.cut_at(dice[2] % 12 + 1, tear)
    try:
        act()
        world.rig.power.reset()
        world.model = new
        return None
    except (PowerCut, OSError):  # what ends a `with` in the dark hides the cut
        assert world.rig.power.dark
        return tear, touched, new


def test_littlefs_cut_in_few_random_operations_has_old_or_new():
    littlefs_cut(FEW)


def test_littlefs_cut_in_random_operations_has_old_or_new():
    littlefs_cut(OPERATIONS)


def littlefs_cut(operations):
    """With every tear of the block that was being written; what is closed is kept."""
    world, cuts = World("lfs2"), 0
    for seed in range(operations):
        died = cut(world, seed, noise(3, seed + 5000), TEARS)
        if died:
            cuts += 1
            world.restart()
            found = world.found()
            assert found in world.between(*died[1:]), (seed, died[:2], sorted(found))
            world.model = found
    assert cuts > 0.15 * operations, cuts
    assert world.found() == world.model and world.rig.card.written > 1.5 * operations


def test_fat_cut_in_few_random_operations_keeps_the_other_files():
    fat_cut(FEW)


def test_fat_cut_in_random_operations_keeps_the_other_files():
    fat_cut(OPERATIONS)


def fat_cut(operations):
    """When a block is written or left as it was; FAT has no answer to a torn one."""
    world, cuts = World("fat"), 0
    for seed in range(operations):
        died = cut(world, seed, noise(3, seed + 5000), ("nothing", "whole"))
        if died:
            cuts += 1
            world.restart()
            _, touched, _ = died
            left = {}
            for name in world.files.names():
                if name not in touched:
                    left[name] = world.files.read(name)
            assert left == without(world.model, touched), (seed, died[:2])
            world.model = left
            world.renew()  # lost chains would fill it
    assert cuts > 0.15 * operations, cuts


def test_fat_torn_anywhere_is_an_error_or_data_and_the_card_goes_on():
    world, cuts, broken = World("fat"), 0, 0
    for seed in range(OPERATIONS // 2):
        died = cut(world, seed, noise(3, seed + 7000), ("half", "junk", "bits"))
        if died:
            cuts += 1
            try:
                world.restart()
                world.found()
            except (OSError, ValueError):  # names may be no text any more
                broken += 1
            assert world.card.error[0] in (0, errors.OUTSIDE), world.card.error
            world.renew()
    assert cuts > 75, (cuts, broken)


def test_a_card_pulled_in_few_random_operations_is_an_oserror_and_then_mounts():
    pull(FEW // 4)


def test_a_card_pulled_in_random_operations_is_an_oserror_and_then_mounts():
    pull(OPERATIONS // 4)


def pull(operations):
    if not ON_MICROPYTHON:
        gc.freeze()  # nothing of other tests is looked through, 400 times
    for kind in ("lfs2", "fat"):
        world, pulled = World(kind), 0
        for seed in range(operations):
            act, touched, new = world.plan(seed)
            dice = noise(2, seed + 9000)
            world.rig.socket.event = PULL
            world.rig.socket.event_in = (dice[0] << 8 | dice[1]) % 12000
            try:
                act()
                if world.rig.socket.card:
                    world.rig.socket.event = None
                    world.model = new
                    continue
            except OSError:
                assert not world.rig.socket.card and world.card.error[0], world.card.error
            pulled += 1
            gc.collect()  # a file that could not be closed is closed once more: not in a transfer
            assert world.card.readblocks(0, bytearray(BLOCK)) < 0
            try:
                world.files.mount()
                raise AssertionError("mounted without a card")
            except OSError:
                pass
            world.rig.socket.insert(world.rig.card)
            assert world.card.ioctl(1, 0) == 0
            world.files = make_files(world.rig, world.card, kind)
            world.files.mount()
            left = without(world.found(), touched)
            assert left == without(world.model, touched), (kind, seed)
            if kind == "lfs2":
                assert world.found() in world.between(touched, new), seed
                world.model = world.found()
            else:
                world.renew()
        assert pulled > 0.16 * operations, pulled


def test_a_mount_takes_another_card_and_nothing_else_does():
    if not ON_MICROPYTHON:
        return  # these file systems call no ioctl 1
    for kind in ("lfs2", "fat"):
        world = World(kind)
        world.files.write("f0.bin", noise(2000))
        other = another(world.rig)
        other.disk.data[:] = world._new
        world.rig.socket.insert(other)
        for _ in range(3):
            try:
                world.files.write("f1.bin", noise(2000))
                raise AssertionError("written to another card")
            except OSError:
                assert world.card.error[0] in (errors.NO_DEVICE, errors.CARD_CHANGED)
        assert other.written == 0 and other.disk.data == world._new
        world.files = make_files(world.rig, world.card, kind)
        world.files.mount()
        assert world.files.names() == []
        world.files.write("f1.bin", noise(2000))
        assert world.files.read("f1.bin") == noise(2000)


# update.bin on a FAT card


class DriverCard:
    """As card_kit.FatCard, with the driver under the file system."""

    path = "/card"

    def __init__(self, times=TYPICAL):
        import vfs

        self._vfs = vfs
        self.rig = Rig(SDHC, 1024, times)
        self.card = self.rig.start()
        _clean_up(self)
        vfs.VfsFat.mkfs(self.card)
        self.mount()

    def mount(self, readonly=False):
        self.umount()
        self._vfs.mount(self._vfs.VfsFat(self.card), self.path, readonly=readonly)

    def umount(self):
        try:
            self._vfs.umount(self.path)
        except OSError:
            pass

    def put_back(self):
        self.rig.socket.insert(self.rig.card)
        self.mount()

    def remove(self):
        self.umount()


def test_an_update_is_taken_from_a_fat_card_and_renamed():
    if not ON_MICROPYTHON:
        return  # CardSource opens files of the interpreter's own
    for make in (lambda: simple_board("spi"), lambda: trial_board("overwrite")):
        board, card = make(), DriverCard()
        write(card, "update.bin", BUNDLE)
        assert poll(board, card)
        assert boot(board) == SMALL
        confirm(board)
        raises(fw_errors.NOT_NEWER, poll, board, card)
        assert names(card) == ["update.done"] and card.card.error == (0, 0)


def test_an_update_from_a_card_that_is_pulled_is_a_number_and_the_next_try_works():
    if not ON_MICROPYTHON:
        return
    card = DriverCard(QUICK)
    write(card, "update.bin", BUNDLE)
    before = card.rig.bus.bytes
    assert poll(simple_board("spi"), card)
    length = card.rig.bus.bytes - before
    assert length > len(BUNDLE)
    seen = set()
    for at in range(0, length, 997):
        board = simple_board("spi")
        card.rig.socket.event, card.rig.socket.event_in = PULL, at
        seen.add(tried(board, card))
        assert not card.rig.socket.card and card.card.error[0]
        card.put_back()
        assert poll(board, card) and boot(board) == SMALL, at
        assert names(card) == ["update.bin"]
    assert seen == {0, fw_errors.READ_FAILED}, seen


def test_a_sector_that_turns_bad_is_seen_by_the_file_system():
    for kind in ("lfs2", "fat"):
        world = World(kind)
        world.files.write("f0.bin", noise(3000))
        first = world.rig.disk.data.find(noise(BLOCK)) // BLOCK
        world.rig.disk.bad_blocks = set(range(first, 256))
        try:
            world.files.read("f0.bin")
            raise AssertionError("read")
        except OSError:
            assert world.card.error == (errors.TOKEN, 4)
        world.rig.disk.bad_blocks = set()
        assert world.files.read("f0.bin") == noise(3000)
