"""Scenes: the boot stage in other modes than this board's, and with a boot selector.

They are typed at the prompt, where nearly nothing is on the stack, and go as deep as who calls
the code under test is at a real start, or up to one Python call deeper: so the figures are upper
bounds. Areas and images are small; they lie in the second slot, which the application does not
use. What prepares them is not counted.
"""

import os
import sys
from hashlib import sha256

import net
from micropython import stack_use
from report import step, unwatched

from fwboot.modules import forget

_FIND = 1660  # bytes of stack in use at a real start, in stage.py's _find()
_CALL = 250  # bytes of a Python call
_PATH = ("", ".frozen", "/lib")  # before an application is mounted
_FLASH = {"device": "flash"}
_AREAS = {
    "state": dict(_FLASH, start=0x59000, size=0x3000),
    "active": dict(_FLASH, header=0x5C000, start=0x5C100, size=0x7F00, format="lfs2"),
    "candidates": dict(_FLASH, start=0x64000, size=0x12000, locations=1),
    "recovery": dict(_FLASH, header=0x78000, start=0x78100, size=0x7F00, format="lfs2"),
}
_SIZES = {1: 24000, 2: 16000, 3: 20000, 7: 8000}  # bytes of the images, by version
_CUT_AT = 3  # feeds of an installation


class _Cut(BaseException):
    """Power goes."""


def mode(name):
    """A start, an installation, the way back after three starts, an installation that is cut."""
    layout = _layout(name)
    unwatched(lambda: _put(layout, 1))
    step("made")
    _boots(layout, 1)
    step("idle")
    unwatched(lambda: _offer(layout, 2))
    _boots(layout, 2)
    step("installed")
    if name != "simple":
        _boots(layout, 2)
        _boots(layout, 2)
        step("trials")
        _boots(layout, 1)
        step("back")
    unwatched(lambda: _offer(layout, 3))
    _cut(layout)
    step("cut")
    _boots(layout, 3)
    step("resumed")


def rescue():
    """The active image is not whole: the candidate is taken; without one, nothing is."""
    layout = _layout("overwrite")
    unwatched(lambda: _spoil(layout))
    step("made")
    _boots(layout, 0)
    step("nothing")
    unwatched(lambda: _put(layout, 2, _candidate))
    _boots(layout, 2)
    step("rescued")


def recovery():
    """Nothing else is whole; and a key asks for it while an image is on trial."""
    layout = _layout("swap", True)
    unwatched(lambda: (_spoil(layout), _put(layout, 7, _recovery)))
    step("made")
    _boots(layout, 7)
    step("started")
    unwatched(lambda: (_put(layout, 1), _offer(layout, 2)))
    _boots(layout, 2)
    step("trial")
    _boots(layout, 7, True)
    step("asked")


# A start


def _boots(layout, version, asked=False):
    """Start, as after a reset: nothing is loaded. version: of the image it finds, 0 for none"""
    board = new_board(layout)
    board.wants_recovery = lambda: asked
    found = _as_deep(_run, board)
    assert (found.head.version if found else 0) == version


def _run(board):
    """What stage.py's _find() does."""
    from fwcore.modules import SLOT, STATE, load

    load("fwcore", STATE if "state" in board.layout else SLOT)
    from fwboot.main import run

    return run(board)


def _as_deep(act, board):
    if stack_use() + _CALL < _FIND:
        return _as_deep(act, board)
    return act(board)


def _cut(layout):
    """Start, until power goes in the installation."""
    board = new_board(layout)
    log, feed, left = board.log, board.feed, []

    def logged(text):
        log(text)
        if text.endswith("Update active firmware"):
            left.extend(range(_CUT_AT))

    def fed():
        feed()
        if left and not left.pop():
            raise _Cut

    board.log, board.feed = logged, fed
    try:
        _as_deep(_run, board)
    except _Cut:
        return
    raise AssertionError("no cut")


def new_board(layout):
    """The board, with another layout; nothing is loaded, and imports find what they find then."""
    from board import Board

    os.chdir("/")
    sys.path[:] = _PATH
    forget()
    board = Board()
    board.layout = layout
    return board


def _layout(mode, has_recovery=False, **more):
    from layout import LAYOUT

    made = dict(LAYOUT, mode=mode, **more)
    made.update(_AREAS)
    if not has_recovery:
        del made["recovery"]
    if mode == "overwrite":
        made["candidates"] = dict(made["candidates"], locations=2)
    elif mode == "direct":
        made["candidates"] = dict(made["candidates"], internal=True)
    elif mode == "simple":
        for name in ("mode", "state", "trials"):
            del made[name]
    return made


# What a factory and a client leave


def _put(layout, version, where=None):
    """Put an image into the active region, or where(board) says. Returns its Header."""
    from fwcore.header import NO_CAMPAIGN, Header

    size = _SIZES[version]
    data = net.page("/image")[version * 1000 :][:size]
    head = Header(version, size, sha256(data).digest(), NO_CAMPAIGN)
    board = new_board(layout)
    component = "RECOVERY" if where == _recovery else "MAIN"
    write(board, (where or _active)(board), head, data, component)
    return head


def write(board, slot, head, data, component):
    """Write an image and its header, with the signature that lies behind the chip."""
    from fwcore.header import device_key
    from fwcore.slot_writer import Writer

    writer = Writer(slot, head.size)
    writer.begin()
    writer.write(data)
    if hasattr(slot, "write_inner"):
        slot.write_inner(head)
    packed = slot.pack(head, device_key(board.rot()))
    if slot.room:
        packed += bytes(net.page("/{}-{}.sig".format(component, head.version)))
    slot.write_header(packed)


def _active(board):
    from fwcore.regions import fixed_slot

    if "state" in board.layout:
        from fwcore.state import State

        return State(board).active_slot(board)[0]
    return fixed_slot(board.layout, board.layout["active"], board.device("flash"))


def _candidate(board):
    from fwcore.regions import slots

    if "state" in board.layout:
        from fwcore.state import State

        return State(board).candidate_slots(board)[0]
    return slots(board.layout, board.device("flash"))[0]


def _recovery(board):
    from fwcore.regions import fixed_slot

    return fixed_slot(board.layout, board.layout["recovery"], board.device("flash"))


def _offer(layout, version):
    head = _put(layout, version, _candidate)
    if "state" in layout:
        pend(new_board(layout), head)


def pend(board, head):
    """The image waits in the candidate, as the client leaves it."""
    from fwcore.state import NONE, PENDING, TRIALS, State

    state = State(board)
    state.end(NONE, 0)
    state.phase, state.tries, state.new = PENDING, TRIALS, head
    state.put()


def _spoil(layout):
    slot = _active(new_board(layout))
    slot.storage.erase(0x5C000, 0x1000)
