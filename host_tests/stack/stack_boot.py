"""Scenes of stack_scenes.py: the boot stage, from the frozen main.py to that of an application.

Each function prepares a board, and returns what is watched.
"""

import stack_worlds as worlds
from fwcore.boot_chain import StageBoard
from fwcore.state import IDLE, State
from trial_kit import spoil
from ufota_testkit.noise import noise
from ufota_testkit.simboard import active_slot, put
from ufota_testkit.simdisk import PowerCut

_MODES = ("simple", "direct", "swap", "overwrite")
_APPLICATION = {"main.py": b"import stack_watch\nstack_watch.note('main.py')\n"}
_CRASHES = {"main.py": b"raise ValueError\n"}
_CUT_AT = 5  # operation of an installation
_COPIED = "New active firmware is valid"
_INSTALLED = {"simple": _COPIED, "direct": "Trial boot", "swap": _COPIED, "overwrite": _COPIED}


def boot(world, words):
    """A start, up to what starts the application. words: that the boot log must have then."""
    begin = worlds.frozen_main(world)
    world.lines.clear()

    def act():
        begin()
        assert any([words in line for line in world.lines]), world.lines

    return act


def idle(mode):
    return lambda: boot(worlds.in_mode(mode), "Active firmware up-to-date")


def install(mode):
    return lambda: boot(worlds.offered(worlds.in_mode(mode)), _INSTALLED[mode])


def resume(mode):
    """An installation that was cut."""

    def prepare():
        world = worlds.offered(worlds.in_mode(mode))
        world.power.reset()
        world.power.cut_at(_CUT_AT)
        try:
            worlds.booted(world)
        except PowerCut:
            world.power.reset()
            return boot(world, _INSTALLED[mode])
        raise AssertionError("no cut")

    return prepare


def way_back(mode):
    world = worlds.booted(worlds.offered(worlds.in_mode(mode)), 3)
    return boot(world, "Old active firmware is back")


def rescue():
    """The active image is not whole: the candidate is taken."""
    world = worlds.in_mode("overwrite", signed=False)
    put(world, State(world).candidate_slots(world)[1], 2, noise(700, 2))
    spoil(active_slot(world))
    return boot(world, "Trial boot")


def _with_recovery():
    world = worlds.in_mode("swap", recovery=worlds.RECOVERY, signed=False)
    put(world, worlds.recovery_slot(world), 7, noise(700, 7))
    return world


def recovery():
    world = _with_recovery()
    spoil(active_slot(world))
    return boot(world, "Starting the recovery image")


def asked_recovery():
    """A key asks for it, while an image is on trial."""
    world = worlds.on_trial(_with_recovery())
    act = boot(world, "Starting the recovery image")
    world.board.wants_recovery = lambda: True
    return act


def nothing():
    """No image is left: a reset, which ends the scene."""
    world = worlds.sold()
    spoil(active_slot(world))
    return boot(world, "")


def recorded():
    """The signature was verified by the start before."""
    return boot(worlds.on_trial(), "Signature recorded")


def signed_simple():
    world = worlds.in_mode("simple", signed=True)
    return boot(worlds.offered(world), _COPIED)


def signed_at_every_start():
    world = worlds.sold()
    worlds.booted(worlds.offered(world))
    return boot(worlds.key_frozen(world), "Signature verified")


def chip():
    return boot(worlds.offered(worlds.on_chip()), "Trial boot")


def card():
    return boot(worlds.offered(worlds.with_card()), "New active firmware is valid")


def hand_over(files, trial=False):
    """To the end of an application of its own, in LittleFS, on trial or not."""

    def prepare():
        world = worlds.sold(signed=False)
        if trial:
            worlds.booted(worlds.staged(world, 2, worlds.file_system(files)))
        else:
            world.factory(2, worlds.file_system(files))
        begin = worlds.frozen_main(world)

        def act():
            begin()()

        return act

    return prepare


def selector():
    return boot(worlds.chain(), "This is boot stage 1")


def new_stage():
    """A stage that is offered, and confirms itself."""
    world = worlds.chain()
    worlds.booted_selector(world)
    worlds.staged(StageBoard(world), 2, worlds.stage_image())
    act = boot(world, "This is boot stage 2")

    def confirmed():
        act()
        assert State(StageBoard(world)).phase == IDLE

    return confirmed


def frozen_stage():
    """The only stage is not whole."""
    world = worlds.chain()
    view = StageBoard(world)
    spoil(State(view).runnable(view, 0)[0])
    return boot(world, "Boot stage 0, frozen")


SCENES = {"boot, " + mode: idle(mode) for mode in _MODES}
SCENES.update({"install, " + mode: install(mode) for mode in _MODES})
SCENES.update({"cut install, " + mode: resume(mode) for mode in _MODES if mode != "direct"})
SCENES.update({"way back, " + mode: lambda mode=mode: way_back(mode) for mode in _MODES[1:]})
SCENES.update(
    {
        "boot, rescue": rescue,
        "boot, recovery": recovery,
        "boot, recovery asked for": asked_recovery,
        "boot, nothing to start": nothing,
        "install, simple, signed": signed_simple,
        "boot, signed": recorded,
        "boot, signed at every start": signed_at_every_start,
        "install, NOR chip": chip,
        "install, SD card": card,
        "boot, application starts": hand_over(_APPLICATION),
        "boot, application crashes": hand_over(_CRASHES, True),
        "boot, selector": selector,
        "boot, selector, new stage": new_stage,
        "boot, selector, no stage": frozen_stage,
    }
)
