"""What tests of fragments share: boards with a client store, and the fragments.

Runs on CPython and on MicroPython.
"""

from ufota.update import client_store
from ufota.update.writer import UpdateWriter
from ufota_testkit import simboard
from ufota_testkit.noise import noise
from update_kit import OLD as FIRST
from update_kit import Key, payload, signed

OLD = 1, noise(1200, 1)


def with_client_store(layout, unit=128):
    """The layout with a region for the client, on a chip of its own: nine blocks of 512."""
    size = 9 * 512
    layout["devices"]["eeprom"] = {"size": size, "erase": 512, "program": unit}
    layout["client"] = {"device": "eeprom", "start": 0, "size": size}
    return layout


def simple_board(kind, locations=1, has_store=True, unit=0):
    """A simple board that runs OLD. unit: another program size of the internal flash."""
    layout = simboard.layout(kind, locations)
    if unit:
        layout["devices"]["flash"]["program"] = unit
    if has_store:
        with_client_store(layout)
    board = simboard.Board(layout, simboard.ROT, Key())
    simboard.put(board, simboard.active_slot(board), *OLD)
    return board


def trial_board(mode, kind="spi", **more):
    """A board with a state region that runs FIRST. more: further keys of the layout."""
    layout = simboard.trial_layout(mode, kind, **more)
    board = simboard.Board(with_client_store(layout), simboard.ROT, Key())
    simboard.put(board, simboard.active_slot(board), *FIRST)
    return board


def fragments(name, each):
    """Offset -> bytes."""
    whole = payload(name)
    return {at: whole[at : at + each] for at in range(0, len(whole), each)}


def begun(board, name, each, again=False):
    update = UpdateWriter(board)
    update.begin(signed(name), again, each)
    return update


def client_store_of(board):
    return client_store.of(board)


def restarted(board):
    """The device starts anew: what it had in RAM is gone. Returns the board."""
    if hasattr(board, "client_store"):
        del board.client_store
    board.power.cycle()
    return board
