"""Runs one scene, and prints how deep its C stack got: {"scene", "bytes", "kind", "counts"}.

    micropython host_tests/stack/stack_scenes.py [SCENE [FRAMES [DEPTH]]]

SCENE:  without one the names of all are printed, a JSON list
FRAMES: Python calls more in each read of a Storage, planted; the bound must be missed then
DEPTH:  stop at the first call as deep as that, and show the way there

stack_table.py runs all, each in a process of its own.
"""

import json
import sys

from micropython import stack_use

import stack_boot
import stack_calls
import stack_client
import stack_services
import stack_sources
import stack_worlds as worlds
from fake_ports import Reset
from stack_net import Stop
from stack_watch import FRAME, UNDER_APPLICATION, UNDER_BOOT_STAGE, TooDeep, watch

BOOT = stack_boot.SCENES
APPLICATION = {}
for _part in (stack_calls, stack_client, stack_sources, stack_services):
    APPLICATION.update(_part.SCENES)


def play(name):
    """Run a scene; the watch has its figures then."""
    boots = name in BOOT
    act = (BOOT if boots else APPLICATION)[name]()
    try:
        if boots:
            worlds.boot_stage()
            _start(act)
        else:
            worlds.application()
            watch.frozen.clear()  # the boot stage has loaded them
            _below(act)
    except (Reset, Stop):
        pass
    finally:
        watch.stop()


def _below(act):
    """What lies under an application lies under it here."""
    if stack_use() < UNDER_APPLICATION - 2 * FRAME:
        return _below(act)
    watch.start(UNDER_APPLICATION)
    act()


def _start(act):
    watch.start(UNDER_BOOT_STAGE, stack_use() + FRAME)
    act()


def plant(frames):
    """Put Python calls, two at least, between Storage.read() and who calls it."""

    def loaded(name):
        if name == "fwcore.storage":
            storage = sys.modules[name].Storage
            read = storage.read

            def further(self, at, mv, left):
                return further(self, at, mv, left - 1) if left else read(self, at, mv)

            storage.read = lambda self, at, mv: further(self, at, mv, frames - 2)

    watch.loaded = loaded


def main(name=None, frames="0", depth=None):
    if not name:
        print(json.dumps(sorted(BOOT) + sorted(APPLICATION)))
        return
    if int(frames):
        plant(int(frames))
    watch.trap = depth and int(depth)
    try:
        play(name)
    except TooDeep as error:
        sys.print_exception(error)
    found = {"scene": name, "bytes": watch.deepest, "kind": watch.kind, "counts": watch.counts}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
