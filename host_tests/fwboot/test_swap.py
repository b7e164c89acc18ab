"""The swap: after any cuts the new image is active, and after going back the old one is."""

from fwboot.swap import Swap
from fwcore.errors import FwError
from fwcore.journal import Journal
from journals import storage
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import MOODY, Disk, Power, every_cut

BOTH = True  # runs on CPython and on MicroPython
LONG = ("test_two_cuts_end_with_the_new_image",)

BLOCK = 256
UNIT = 64
AREA = 8 * BLOCK  # room for P, and for S

FORWARD, DONE, BACK, RESTORED = range(4)

# Not what the blocks begin with; the buffer takes 128 bytes at a time
FRONTS = noise(100, 200), noise(128, 201)


class World:
    """Flash with P and a journal, and staging on a chip or card of its own.

    old, new: lists of letters, one a block: equal letters are equal blocks
    fronts:   bytes that the active region begins with: those of old, and those of new
    """

    def __init__(self, old, new, card=False, fronts=(b"", b"")):
        self.old_front, self.new_front = fronts
        self.power = Power()
        self.flash = Disk(AREA + 3 * 512, BLOCK, UNIT, power=self.power, name="flash")
        if card:
            self.staging = Disk(AREA, UNIT, UNIT, True, power=self.power, name="card")
        else:
            self.staging = Disk(AREA, BLOCK // 2, UNIT, power=self.power, name="staging")
        self.old = [block(letter) for letter in old]
        self.new = [block(letter) for letter in new]
        self.flash.load(0, b"".join(self.old))
        self.staging.load(BLOCK, b"".join(self.new))
        self.saves = 0
        self.equal = self.swap(None).equal_blocks()
        journal = self.journal()
        journal.put(bytes((FORWARD, 0)))

    def journal(self):
        return Journal(storage(self.flash), AREA, 3 * 512, 8)

    def swap(self, equal):
        return Swap(
            storage(self.flash),
            0,
            storage(self.staging),
            0,
            BLOCK,
            len(self.old),
            len(self.new),
            equal,
            memoryview(bytearray(4 * UNIT)),
            lambda: None,
        )

    def boot(self):
        """What a boot stage does with a swap: go on with what the journal says."""
        journal = self.journal()
        phase, done = journal.load()
        if phase in (DONE, RESTORED):
            return

        def save(moves):
            self.saves += 1
            journal.put(bytes((phase, moves)))

        save(done + journal.marks)  # before anything is moved: R1
        swap = self.swap(self.equal)
        if phase == FORWARD:
            swap.forward(journal, journal.payload[1], save, self.new_front)
        else:
            swap.back(1000, self.old_front)
        journal.put(bytes((phase + 1, 0)))

    def go_back(self):
        self.journal().put(bytes((BACK, 0)))

    def active(self, image):
        whole = b"".join(image)
        found = bytearray(len(whole))
        storage(self.flash).read(0, found)  # a moody unit shows another face each time
        return found == whole


def block(letter):
    return noise(BLOCK, ord(letter))


SHAPES = (
    ("ABCD", "EFGH"),
    ("ABCD", "EBGH"),
    ("ABCD", "ABCH"),
    ("ABC", "ABC"),
    ("AB", "EFGH"),
    ("ABCD", "E"),
    ("A", "E"),
    ("ABCD", "AFC"),
    ("", "EF"),
    ("ABCDE", "EDCBA"),
)


def moved(old, new):
    """Moves forward, by the formula: two for each block that differs, one for each new."""
    pairs = min(len(old), len(new))
    return 2 * sum(old[i] != new[i] for i in range(pairs)) + len(new) - pairs


def test_a_swap_and_back_leaves_first_the_new_then_the_old():
    for old, new in SHAPES:
        for card in False, True:
            world = World(old, new, card)
            wear = list(world.flash.wear), list(world.staging.wear)
            world.boot()
            assert world.active(world.new), (old, new)
            swap = world.swap(world.equal)
            for i, (place, at) in enumerate(swap.old_blocks(1000)):
                found = bytearray(BLOCK)
                place.read(at, memoryview(found))
                assert found == world.old[i], (old, new, i)
            if not card:  # whose wear counts writes
                erased = sum(world.flash.wear[: AREA // BLOCK]) - sum(wear[0][: AREA // BLOCK])
                erased += (sum(world.staging.wear) - sum(wear[1])) // 2
                assert erased == moved(old, new)
            world.go_back()
            world.boot()
            assert world.active(world.old), (old, new)


def finish(world, image):
    """Boot until it is done, with the power on."""
    for _ in range(3):
        world.power.reset()
        world.boot()
    for _ in range(3):
        assert world.active(image), "neither image"


def cut_everywhere(make, last, shapes=SHAPES):
    """Cut the next boot of every shape at every operation; returns the cases.

    make:  make(old, new, card) -> World
    last:  last(world) -> the image that must be active in the end
    """
    cases = 0
    for old, new in shapes:
        for card in False, True:
            cases += every_cut(
                lambda old=old, new=new, card=card: make(old, new, card),
                World.boot,
                lambda world: finish(world, last(world)),
                MOODY,
            )
    return cases


def test_a_cut_anywhere_in_a_swap_ends_with_the_new_image():
    assert cut_everywhere(World, lambda world: world.new) == 2944


def test_a_cut_anywhere_on_the_way_back_ends_with_the_old_image():
    def swapped(old, new, card):
        world = World(old, new, card)
        world.boot()
        world.go_back()
        return world

    assert cut_everywhere(swapped, lambda world: world.old) == 1640


def two_cuts(card, first, second):
    """Cut everywhere, then everywhere in what comes after it; returns the cases."""
    inner = []

    def check(world):
        torn = world.power.snapshot()

        def again():
            world.power.restore(torn)
            return world

        inner.append(every_cut(again, World.boot, lambda w: finish(w, w.new), second))

    every_cut(lambda: World("ABC", "EBG", card), World.boot, check, first)
    return sum(inner)


def fronted(image, front):
    """An image whose first block begins with these bytes."""
    return [front + image[0][len(front) :]] + image[1:]


def test_the_active_region_begins_with_what_the_caller_says():
    """Header and signature come from the state, whatever staging has in their place."""
    for old, new in (("ABC", "EBG"), ("AB", "E"), ("A", "EFG")):
        for card in False, True:
            world = World(old, new, card, FRONTS)
            world.boot()
            assert world.active(fronted(world.new, FRONTS[1])), (old, new)
            swap = world.swap(world.equal)
            place, at = next(swap.old_blocks(1000))
            found = bytearray(BLOCK)
            place.read(at, memoryview(found))
            assert found == world.old[0]  # what is kept is not touched
            world.go_back()
            world.boot()
            assert world.active(fronted(world.old, FRONTS[0])), (old, new)


def test_a_cut_anywhere_leaves_the_bytes_in_front_too():
    def there(old, new, card):
        return World(old, new, card, FRONTS)

    def back_again(old, new, card):
        world = there(old, new, card)
        world.boot()
        world.go_back()
        return world

    shapes = [shape for shape in SHAPES if shape[0] and shape[0][0] != shape[1][0]]
    for make, last in (
        (there, lambda world: fronted(world.new, FRONTS[1])),
        (back_again, lambda world: fronted(world.old, FRONTS[0])),
    ):
        assert cut_everywhere(make, last, shapes) > 600


def test_two_cuts_that_tear_end_with_the_new_image():
    cases = [two_cuts(card, ("moody",), ("half",)) for card in (False, True)]
    assert sum(cases) > 1700, cases


def test_two_cuts_end_with_the_new_image():
    assert sum([two_cuts(card, ("half", "moody"), MOODY) for card in (False, True)]) == 14928


def test_a_storm_of_cuts_ends_with_the_new_image_and_then_the_old():
    for seed in range(40):
        world = World("ABCDE", "EBXDYZ", card=seed % 2)
        dice = noise(600, seed)
        at = 0
        for image in world.new, world.old:
            for _ in range(12):
                world.power.reset()
                world.power.cut_at(dice[at] % 23 + 1, MOODY[dice[at + 1] % 4])
                at += 2
                try:
                    world.boot()
                except BaseException as error:
                    if type(error).__name__ != "PowerCut":
                        raise
            finish(world, image)
            world.go_back()


def test_a_full_bank_is_followed_by_another():
    world = World("ABCDEFG", "HIJKLMN")
    world.boot()
    assert world.saves > 1 and world.active(world.new)


def test_a_block_that_does_not_keep_its_bytes_is_tried_again_then_told():
    world = World("AB", "EF")
    keep = world.flash._put
    tries = []

    def forget(start, new, tear, used):
        if start == 0 and used:
            tries.append(start)
            new = bytes(len(new))
        keep(start, new, tear, used)

    world.flash._put = forget
    try:
        world.boot()
    except FwError as error:
        assert error.code == 35 and error.at == 0
    else:
        raise AssertionError("not noticed")
    assert len(tries) == 3
    world.flash._put = keep
    finish(world, world.new)  # both images were whole all the while
