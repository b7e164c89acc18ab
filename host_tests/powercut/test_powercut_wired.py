"""Updates through the drivers of SPI chips, cut everywhere, down to the bytes on the bus.

test_powercut_all.py's scenes and oracle, where the candidate, or all, is on a fake NOR chip or
SD card behind the driver that boards use. `make powercut` cuts the same with each tear, and at
more clocks.
"""

import sys

from boards_kit import read
from fwboot import main
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED, IDLE, REVERTED, TRIAL, State
from powercut import Count, again, clocks, storm, sweep, traced, weak
from powercut_life import UPDATE_LOST, Truth, Wrong
from powercut_scenes import CHIPS, WIRED, wired_lives
from powercut_wired import wire
from ufota import trial
from ufota.client import Client
from ufota_testkit.simboard import ROT, Board, active_slot, put, trial_layout
from update_kit import MANIFEST_URL, OLD, FakeSource, Key, bundle, payload

BOTH = True  # runs on CPython and on MicroPython
HEAP = "8M"
LONG = (
    "test_a_cut_in_any_operation_leaves_old_or_new",
    "test_a_cut_in_any_operation_that_leaves_junk_leaves_old_or_new",
    "test_power_goes_at_any_clock",
    "test_storms_of_cuts_are_survived",
)

# MicroPython takes three times as long: it does with fewer tears, clocks and storms.
SLOW = sys.implementation.name == "micropython"
TEARS = (("half", 0), ("junk", 0)) if SLOW else (("half", 0), ("junk", 0), ("moody", 0))
CLOCKS = 14 if SLOW else 28  # of each act and chip
STORMS = 5 if SLOW else 10  # of each life
FEW_CLOCKS = 4 if SLOW else 7  # `make test` has so many, one tear, and one storm
FEW_OPERATIONS = 7  # the step of those it cuts
NEW = version_word("2.0.0"), payload("small")
NEWER = version_word("3.0.0"), payload("later")

# Operations of both media: offer, install, go back
OPERATIONS = {
    "NOR chip swap": (29, 46, 36),
    "NOR chip direct": (24, 8, 20),
    "SD card overwrite": (17, 32, 36),
    "SD card swap": (17, 42, 36),
    "SD card state on it": (26,),
    "both chips swap": (15, 31, 25),
}


def test_a_cut_in_few_operations_leaves_old_or_new():
    count = Count()
    for row, name, make in WIRED:
        sweep(row + " " + name, make, count, (("junk", 0),), share=1, shares=FEW_OPERATIONS)
    assert not count.wrong, count.wrong[:5]
    assert count.single > 300 // FEW_OPERATIONS, count.single


def test_a_cut_in_any_operation_that_leaves_junk_leaves_old_or_new():
    cut_in_any_operation((("junk", 0),))


def test_a_cut_in_any_operation_leaves_old_or_new():
    cut_in_any_operation(TEARS)


def cut_in_any_operation(tears):
    found = {}
    for row, name, make in WIRED:
        count = Count()
        sweep(row + " " + name, make, count, tears)
        assert not count.wrong, count.wrong[:5]
        world = row + " " + name.split(",")[0]
        found[world] = found.get(world, ()) + (count.single // len(tears),)
    assert found == OPERATIONS, found


def test_power_goes_at_few_clocks():
    cut_at_clocks(FEW_CLOCKS)


def test_power_goes_at_any_clock():
    cut_at_clocks(CLOCKS)


def cut_at_clocks(clocks_of_each):
    """Or the board is reset, at every seventh moment, and the chips go on."""
    count = Count()
    for row, name, make in WIRED:
        clocks(row + " " + name, make, count, clocks_of_each)
    assert not count.wrong, count.wrong[:5]
    # 3 scenes have two chips
    assert count.single == clocks_of_each * (len(WIRED) + 3), count.single


def test_a_storm_of_cuts_is_survived():
    storms(1)


def test_storms_of_cuts_are_survived():
    storms(STORMS)


def storms(of_each):
    count = Count()
    for row, name, make in wired_lives():
        storm(row + " " + name, make, count, range(of_each))
    assert not count.wrong, count.wrong[:5]
    assert count.storms == of_each * 2 * len(CHIPS), count.storms


def test_what_a_chip_keeps_half_of_is_copied_again():
    """Of each program of an image some bits are missing, and the chip says that all is well."""
    count = Count()
    for row, name, make in WIRED:
        if name == "swap, install" and row != "both chips":
            weak(row + " " + name, make, count)
    assert not count.wrong, count.wrong[:5]
    assert count.single == 22, count.single


# Faults that a chip tells of, or a driver sees. A move of a swap is done again; an installation
# that overwrites is given up, and the old image runs.


def test_a_block_that_a_card_refuses_is_told_and_the_device_can_be_updated():
    assert all_faults("SD card", "sd", refusals) == {
        "overwrite, offer": (21, 0),
        "overwrite, install": (12, 0),
        "overwrite, go back": (0, 0),
        "swap, offer": (21, 0),
        "swap, install": (6, 0),
        "swap, go back": (0, 0),
    }


def test_a_command_that_a_nor_chip_does_not_hear_is_told_and_the_device_can_be_updated():
    assert all_faults("NOR chip", "spi", losses) == {
        "swap, offer": (19, 0),
        "swap, install": (6, 0),
        "swap, go back": (0, 0),
    }


def refusals(world, ops):
    """A card refuses a block: by its answer, twice, or later, by its status."""
    for number, op in enumerate(ops):
        for answer in 0x0B, 0x0D:
            yield setattr, world.chips[0], "responses", [None] * number + [answer]
        yield world.power.fail_at, op


def losses(world, ops):
    """A NOR chip does not hear the WREN of an operation."""
    for op in ops:
        yield setattr, world.power, "trace", Deafening(world.chips[0], op)


class Deafening:
    """List for Power.trace: the WREN in front of operation `op` gets lost."""

    def __init__(self, chip, op):
        self._chip = chip
        self._op = op
        self._listen(0)

    def append(self, operation):
        self._listen(operation[4])

    def _listen(self, op):
        if op == self._op - 1:
            self._chip.deaf = 1


def all_faults(row, name, faults):
    """{scene: (cases, updates that were given up)} of those with this device and another's state

    A start that cannot write the state runs what there is, on trial or not.
    faults: faults(world, ops) yields functions with their arguments; ops: of the device
    """
    found = {}
    for its_row, scene, make in WIRED:
        world = make()
        board = world.board
        if its_row == row and name in board.disks and board.layout["state"]["device"] != name:
            found[scene] = each_fault(row + " " + scene, world, board.disks[name], faults)
    return found


def each_fault(where, world, device, faults):
    start, truth = world.power.snapshot(), world.truth.copy()
    again(world, start, truth)
    steps = traced(world, world.act, where, Count())
    chip = world.chips[0]
    ops = [step[0][4] for step in steps if step[0][0] in (chip, getattr(chip, "disk", None))]
    cases = given_up = 0
    for fault in faults(world, ops):
        again(world, start, truth)
        fault[0](*fault[1:])
        given_up += one_fault(world, "{}, fault {}".format(where, cases), device)
        cases += 1
    return cases, given_up


def one_fault(world, where, device):
    """Act with one fault; returns True when the update was given up: then it can be made again."""
    failed = device.failed
    try:
        world.act()
    except FwError:  # the client; settle() asks it again
        pass
    world.power.trace = None
    assert device.failed == failed + 1, where  # once, and never in silence
    try:
        world.settle()
    except Wrong as wrong:
        assert wrong.args[0] == UPDATE_LOST, (where, wrong.args[0])
        world.truth = Truth()
        world.offer()
        world.settle()
        return True
    return False


# A whole update, without cuts


def fetch(board, name):
    """The client brings the image `name`."""
    client = Client(board, FakeSource({MANIFEST_URL: bundle(name)}))
    client.start(MANIFEST_URL)
    assert client.run()


def boots(board, expected, phase):
    """A start of the device, drivers included."""
    board.power.cycle()
    found = read(main.run(board))
    assert found == expected, (found and found[0], board.lines)
    state = State(board)
    assert state.phase == phase
    return state


def life(mode, kind, on_chips):
    board = Board(trial_layout(mode, kind), ROT, Key())
    put(board, active_slot(board), *OLD)
    chips = wire(board, on_chips)
    boots(board, OLD, IDLE)
    fetch(board, "small")
    boots(board, NEW, TRIAL)
    assert trial.confirm(board) is True
    assert boots(board, NEW, IDLE).result == CONFIRMED
    fetch(board, "later")
    for _ in range(3):  # never confirmed
        boots(board, NEWER, TRIAL)
    assert boots(board, NEW, IDLE).result == REVERTED
    assert not any([chip.illegal for chip in chips])


def test_devices_on_chips_are_updated_and_go_back():
    for _, _, mode, kind, what in CHIPS:
        life(mode, kind, what.on_chips)
