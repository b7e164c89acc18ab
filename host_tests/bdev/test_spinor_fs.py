"""LittleFS2 and FAT on the NOR driver: 1,000 operations against a model, power cuts included.

LittleFS never loses more than the operation that was cut. FAT on bare flash promises nothing:
a cut between erase and program takes a whole sector, of its tables too. So what is asked of it
is that it works without cuts, and that with them nothing hangs and the chip is as good as
before once it is formatted.

FAT: its sector is the driver's block, 4 KiB, which MicroPython's FAT allows; each write of a
sector is an erase and 16 pages. On CPython FAT is not tried.
"""

from bdev import errors
from nor_fs import ON_MICROPYTHON, Story, fat, lfs
from ufota_testkit.chips.wired_nor import KIB, Device, Wired, dice_of

BOTH = True  # runs on CPython and on MicroPython
LONG = (
    "test_littlefs_keeps_what_a_model_keeps",
    "test_littlefs_loses_to_a_cut_at_most_what_was_cut",
    "test_fat_keeps_what_a_model_keeps",
    "test_fat_may_lose_all_to_a_cut_but_never_hangs",
)
OPERATIONS = 1000
FEW = 150  # of them for `make test`

TEARS = ("nothing", "half", "junk", "bits", "whole")  # moody flash is beyond file systems


def prepared(make, size=256 * KIB, **options):
    """(chip's world, file system, story) on a blank chip."""
    world = Wired("W25Q128JV", size, profile="none", **options)
    files = make(Device(world))
    files.format()
    files.mount()
    return world, files, Story(files, dice_of(7))


def run(make, operations):
    """So many operations without a cut, mounted anew after every hundred."""
    world, files, story = prepared(make)
    for i in range(operations):
        story.step()
        if i % 100 == 99:
            assert files.all() == story.model
            world.chip.power_up()
            files.mount()
            assert files.all() == story.model
    assert not world.chip.illegal and not world.chip.unknown


def cut(make, judge, operations):
    """Operations, a cut planned in every second; judge(files, story). Returns the cuts."""
    world, files, story = prepared(make)
    dice = dice_of(8)
    cuts = 0
    for _ in range(operations):
        world.power.reset()
        if dice(2) == 0:
            world.power.cut_at(1 + dice(dice(40) + 1), TEARS[dice(len(TEARS))])
        failed = False
        try:
            story.step()
        except OSError:
            failed = True
        assert files.guard.cut or not failed
        if files.guard.cut:
            cuts += 1
            world.power.reset()
            judge(files, story)
    assert not world.chip.illegal and world.device_error() is None
    return cuts


def test_littlefs_keeps_few_things():
    run(lfs, FEW)


def test_littlefs_keeps_what_a_model_keeps():
    run(lfs, OPERATIONS)


def test_littlefs_loses_to_few_cuts_at_most_what_was_cut():
    littlefs_cut(FEW)


def test_littlefs_loses_to_a_cut_at_most_what_was_cut():
    littlefs_cut(OPERATIONS)


def littlefs_cut(operations):
    kept = []

    def judge(files, story):
        files.mount()
        found = files.all()
        assert found in story.allowed, (sorted(found), sorted(story.model))
        kept.append(found == story.allowed[1])
        story.model = found

    cuts = cut(lfs, judge, operations)
    print(cuts, "cuts,", sum(kept), "operations done")
    assert cuts > 0.2 * operations and 0 < sum(kept) < cuts, (cuts, sum(kept))


def test_fat_keeps_few_things():
    if ON_MICROPYTHON:
        run(fat, FEW)


def test_fat_keeps_what_a_model_keeps():
    if ON_MICROPYTHON:
        run(fat, OPERATIONS)


def test_fat_may_lose_all_to_few_cuts_but_never_hangs():
    fat_cut(FEW)


def test_fat_may_lose_all_to_a_cut_but_never_hangs():
    fat_cut(OPERATIONS)


def fat_cut(operations):
    if not ON_MICROPYTHON:
        return
    lost = []

    def judge(files, story):
        try:
            files.mount()
            found = files.all()
        except (OSError, UnicodeError):  # the latter by names of junk
            found = None
        lost.append(found not in story.allowed)
        files.format()
        files.mount()
        story.model = {}

    cuts = cut(fat, judge, operations)
    print(cuts, "cuts, lost in", sum(lost))
    assert cuts > 0.2 * operations


def test_littlefs_goes_round_worn_sectors():
    """It looks at what it wrote, and takes READ_BACK for what it is: a bad block."""
    for read_back in False, True:
        world = Wired("W25Q128JV", 256 * KIB, profile="none")
        files = lfs(Device(world, read_back=read_back))
        files.format()
        files.mount()
        story = Story(files, dice_of(9), 3000)
        for i in range(150):
            if i % 10 == 5:
                world.chip.worn.add(3 + i // 5)
            story.step()
        assert files.all() == story.model and not world.chip.illegal
        seen = world.device_error()
        assert seen is None or read_back and seen[0] == errors.READ_BACK
        assert bool(seen) == read_back
