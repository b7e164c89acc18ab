"""Boards with chips on SPI, through the real drivers, down to the bytes on the bus."""

from bdev import norchip, sdcard, spinor
from boards_kit import World
from fwcore.state import IDLE, State
from test_boards import NEW, NEWER, OLD, boot, update
from ufota.trial import confirm
from ufota_testkit.chips.fake_nor import FakeNor
from ufota_testkit.chips.fake_sd import Card, Socket
from ufota_testkit.chips.fake_spi import Bus, Clock

BOTH = True  # runs on CPython and on MicroPython
HEAP = "128M"  # chips of 8 MiB and more


def wired(name):
    """(World, {device: chip}) of a board whose SPI devices are chips that speak bytes."""
    world = World(name)
    clock = Clock()
    norchip.time = sdcard.time = clock
    nor = FakeNor(clock, "W25Q64JV", world.power)
    world.disks.made["spi"] = nor
    lines = {"Y5": Bus(clock, nor), "PA4": Bus(clock, nor)}
    chips = {"Y5": nor, "PA4": nor}
    if "sd" in world.layout["devices"]:
        chips["PE4"] = Socket(Card(world.disks["sd"], clock))
        lines["PE4"] = chips["PE4"].bus = Bus(clock, chips["PE4"])
    numbers = {2: "Y5", 1: "PA4", 4: "PE4"}

    class Pin:
        OUT = 1

        def __new__(cls, name, mode, value):
            pin = lines[name].pin(chips[name])
            pin(value)
            return pin

    machine = world.hardware.modules()["machine"]
    machine.SPI = lambda number, baudrate: lines[numbers[number]]
    machine.Pin = Pin
    modules = {"machine": machine, "bdev.spinor": spinor, "bdev.sdcard": sdcard}
    world.hardware.more.update(modules)
    return world, chips


def life(name):
    world, chips = wired(name)
    with world.ports():
        world.provision()
        world.factory(*OLD)
        assert boot(world)[1] == OLD
        update(world, "small")
        board, runs = boot(world)
        assert runs == NEW
        assert confirm(board) is True
        board, runs = boot(world)
        assert runs == NEW and State(board).phase == IDLE
        update(world, "later")
        for _ in range(3):  # never confirmed
            assert boot(world)[1] == NEWER
        board, runs = boot(world)
        assert runs == NEW and State(board).phase == IDLE
    return chips


def test_a_pyboard_updates_itself_on_a_nor_chip():
    assert not life("PYBV11")["Y5"].illegal


def test_a_nucleo_updates_itself_from_a_card_to_a_nor_chip():
    chips = life("NUCLEO_F429ZI")
    assert not chips["PA4"].illegal and not chips["PE4"].card.illegal


def test_a_nucleo_without_its_card_runs_what_it_has():
    world, chips = wired("NUCLEO_F429ZI")
    with world.ports():
        world.provision()
        world.factory(*OLD)
        chips["PE4"].card = None
        assert boot(world)[1] == OLD


def test_a_board_without_its_chip_says_so():
    world, chips = wired("PYBV11")
    chips["Y5"].bus = 0xFF
    with world.ports():
        try:
            world.start().device("spi")
        except OSError:
            return
    raise AssertionError("found")
