"""Scenes of the boot selector; as scenes_stage.py, which also tells of the figures.

The stages are as large as they are: the second slot and the region of /user have room for two.
The application they find is the one this board has, in its own place.
"""

import os
from hashlib import sha256

import net
from report import step, unwatched
from scenes_stage import new_board, pend, write

_FLASH = {"device": "flash"}
_STAGES = {
    "active": dict(_FLASH, header=0x59000, start=0x59100, size=0x2CF00, format="lfs2"),
    "candidates": dict(_FLASH, start=0x86000, size=0x2D000, locations=1, internal=True),
    "state": dict(_FLASH, start=0xB3000, size=0x3000),
    "mode": "direct",
    "headers": "stage",
    "component": "BOOT",
    "signed": True,
}


def stages():
    """A stage of the factory, one that comes in, and none that is whole."""
    os.umount("/user")
    layout = _layout()
    steps = [
        ("new", lambda: _put(layout, 2, 1)),
        ("frozen", lambda: _spoil(layout)),
        ("", lambda: None),
    ]
    unwatched(lambda: _put(layout, 1, 0))
    step("made")
    return _start(layout, "started", steps)


def _start(layout, word, steps):
    """A start, which ends with the step `word`. steps: (word, what comes before) of the next ones

    report.py calls it, one Python call down: main.py's _select() is not deeper at a real start,
    but for some 100 bytes.
    """
    board = new_board(layout)

    def select():
        from stage import enter

        from fwboot import select

        assert select.enter(board, enter)
        return ended()

    def ended():
        unwatched(_clear)
        step(word)
        following, act = steps.pop(0)
        unwatched(act)
        return _start(layout, following, steps) if following else None

    return select


def _layout():
    from layout import LAYOUT

    made = dict(LAYOUT, stages=_STAGES)
    made["candidates"] = dict(made["candidates"], start=0xB6000, size=0x10000)
    made["regions"] = {"identity": made["regions"]["identity"]}
    return made


def _clear():
    """As a reset: nothing is mounted."""
    from fwboot.modules import of_firmware

    of_firmware()
    if "stage" in os.listdir("/"):
        os.umount("/stage")


def _put(layout, version, where):
    from fwcore.boot_chain import StageBoard
    from fwcore.header import NO_CAMPAIGN, Header
    from fwcore.state import State

    board = new_board(layout)
    view = StageBoard(board)
    data = net.page("/stage")
    head = Header(version, len(data), sha256(data).digest(), NO_CAMPAIGN)
    write(board, State(view).runnable(view, where)[0], head, data, "BOOT")
    if where:
        pend(view, head)


def _spoil(layout):
    from fwcore.storage import Storage

    storage = Storage(new_board(layout).device("flash"), 4096, 256)
    for at in (0x59000, 0x86000):
        storage.erase(at, 0x1000)
