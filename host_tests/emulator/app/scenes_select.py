"""Scenes of the boot selector; as scenes_stage.py, which also tells of the figures.

The application that the stages find is the one this board has, in its own place.
"""

import os
from hashlib import sha256

import net
from report import step, unwatched
from scenes_stage import new_board, pend, write
from select_layout import LAYOUT


def stages():
    """A stage of the factory, one that comes in, and none that is whole."""
    os.umount("/user")
    steps = [
        ("new", lambda: _put(2, 1)),
        ("frozen", _spoil),
        ("", lambda: None),
    ]
    unwatched(lambda: _put(1, 0))
    step("made")
    return _start("started", steps)


def _start(word, steps):
    """A start, which ends with the step `word`. steps: (word, what comes before) of the next ones

    report.py calls it, one Python call down: main.py's _select() is not deeper at a real start,
    but for some 100 bytes.
    """
    board = new_board(LAYOUT)

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
        return _start(following, steps) if following else None

    return select


def _clear():
    """As a reset: nothing is mounted."""
    from fwboot.modules import of_firmware

    of_firmware()
    if "stage" in os.listdir("/"):
        os.umount("/stage")


def _put(version, where):
    from fwcore.boot_chain import StageBoard
    from fwcore.header import NO_CAMPAIGN, Header
    from fwcore.state import State

    board = new_board(LAYOUT)
    view = StageBoard(board)
    data = net.page("/stage")
    head = Header(version, len(data), sha256(data).digest(), NO_CAMPAIGN)
    write(board, State(view).runnable(view, where)[0], head, data, "BOOT")
    if where:
        pend(view, head)


def _spoil():
    from fwcore.storage import Storage

    storage = Storage(new_board(LAYOUT).device("flash"), 4096, 256)
    chain = LAYOUT["stages"]
    for at in (chain["active"]["header"], chain["candidates"]["start"]):
        storage.erase(at, 0x1000)
