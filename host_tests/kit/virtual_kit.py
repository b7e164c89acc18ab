"""Virtual boards with an application and an update of a few lines. CPython only."""

import copy
import sys
import textwrap
import uuid
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from fwcore import header
from fwcore.regions import SwapSlot
from fwcore.slot_writer import Writer
from fwcore.state import IDLE, PENDING, State
from fwtool import paths
from fwtool.images import combine, factory, headers, image, layouts
from fwtool.signing import keys, statements
from helpers import here

sys.path.append(here("../boards/virtual"))

from board import Board  # noqa: E402

VENDOR = uuid.UUID(int=1)
CLASS = uuid.UUID(int=2)
KEY = ec.derive_private_key(7, ec.SECP256R1())  # the maker's; everybody can guess it
STRANGER = ec.derive_private_key(9, ec.SECP256R1())
POINT = keys.point(KEY.public_key())
SIGN = statements.signer(KEY, VENDOR, CLASS)


def own_layout():
    """The virtual board's own LAYOUT."""
    return layouts.load(str(paths.board() / "layout.py"))


def make(folder, main, form="lfs2", block=4096, layout=None, **more):
    """A new board in folder/board whose application is this main.py and `more` files.

    layout: dict; left out: the board's own
    """
    tree = {"main.py": textwrap.dedent(main).encode(), **more}
    layout = copy.deepcopy(layout) if layout else own_layout()
    layout["active"]["format"] = form
    built = image.build(tree, form, block)
    factory.make(str(folder / "board"), layout, built, 1, POINT, VENDOR, CLASS, sign=SIGN)
    return folder / "board"


def give_user(board, files):
    """Put files, {name: bytes}, on /user of a new board. board: its folder"""
    region = own_layout()["regions"]["user"]
    built = image.build(files, "lfs2", 4096, region["size"])
    with open(board / (region["device"] + ".bin"), "r+b") as chip:
        chip.seek(region["start"])
        chip.write(built)


def application(main):
    """A LittleFS image with this main.py."""
    return image.build({"main.py": textwrap.dedent(main).encode()}, "lfs2", 4096)


def write_image(board, slot, version, built):
    """Write an image into a candidate slot, header last. Returns the Header."""
    writer = Writer(slot, len(built))
    writer.begin()
    writer.write(memoryview(built))
    head = header.Header(version, len(built), sha256(built).digest(), bytes(16))
    if isinstance(slot, SwapSlot):
        slot.write_inner(head)
    packed = slot.pack(head, header.device_key(board.rot()))
    if slot.room:
        packed += SIGN(statements.component_of(board.layout), version, built)
    slot.write_header(packed)
    return head


def program(state, region, parts):
    """Write parts, as of combine.parts(), to the device of a region."""
    with open(state / (region["device"] + ".bin"), "r+b") as chip:
        for _, start, _, data in parts:
            chip.seek(start)
            chip.write(data)


def forge(state, main, sign):
    """Write an image of version 9 straight to the active slot. sign: as for factory.make()"""
    layout, built = own_layout(), application(main)
    head = headers.installed(layout, 9, built, sign)
    program(state, layout["active"], combine.parts(layout, built, head))


def offer(state, built, tries=3):
    """Leave an update to version 2 pending, as the client does.

    built:  the image, bytes
    """
    board = Board(str(state))
    made = State(board)
    made.new = write_image(board, made.candidate_slots(board)[0], 2, built)
    made.phase, made.tries, made.location = PENDING, tries, 0
    made.put()


def boot_state(state):
    """The State in a board's folder."""
    return State(Board(str(state)))


def result(state):
    """(result, reason) of the last update of a board; nothing may be under way."""
    made = boot_state(state)
    assert made.phase == IDLE
    return made.result, made.reason
