"""Scenes: what an application calls besides its client. Each is a function, whose arguments are
words; it may tell its steps, and returns a board that is to be reset, or None.
"""

import json
import time

import net
from report import step

_PIECE = 700  # bytes
_FRAGMENT = 512
_STRIDE = 37  # no divisor of the number of fragments: each comes once, none beside the last


def boot():
    """Nothing but the start."""


def first_start():
    from board import Board

    from ufota import provision

    assert provision.first_start(Board())


def provision():
    """The same identity, by an application that has it from elsewhere."""
    from board import Board

    from ufota.provision import provision

    with open("/user/identity.json") as file:
        identity = json.load(file)
    assert provision(Board(), identity)


# Trial


def confirm():
    from board import Board

    from ufota import trial

    trial.confirm(Board())


def confirm_when():
    from board import Board

    from ufota.trial import confirm_when

    answers = [False, True]
    assert confirm_when(Board(), lambda: answers.pop(0), 60000)


def aconfirm_when():
    import asyncio

    from board import Board

    from ufota.trial import aconfirm_when

    answers = [False, True]

    async def check():
        return answers.pop(0)

    assert asyncio.run(aconfirm_when(Board(), check, 60000))


def reject():
    from board import Board

    from ufota import trial

    board = Board()
    trial.reject(board, 300)
    return board


def result():
    """What came of the last update."""
    from board import Board

    from ufota import trial

    found = trial.last_result(Board())
    step("result", *(found[:2] if found else ("none",)))


def hang():
    while True:  # nobody feeds the watchdog
        time.sleep(1)


# A transport of the application's own


def writer():
    """The pieces come in order."""
    from board import Board

    from ufota.update.writer import UpdateWriter

    board = Board()
    page = net.page("/app.fw")
    update = UpdateWriter(board)
    found = update.begin(page)
    step("begun")
    for at in range(found.end, len(page), _PIECE):
        update.write(page[at : at + _PIECE])
    update.end()
    return board


def fragments():
    """They come in any order."""
    from board import Board

    from ufota.update.writer import UpdateWriter

    board = Board()
    page = net.page("/app.fw")
    update = UpdateWriter(board)
    found = update.begin(page, False, _FRAGMENT)
    step("begun")
    count = found.size // _FRAGMENT
    for i in range(count):
        at = i * _STRIDE % count * _FRAGMENT
        update.write(page[found.end + at : found.end + at + _FRAGMENT], at)
    step("written")
    update.end()
    return board


def unsigned():
    from hashlib import sha256

    from board import Board

    from ufota.update import unsigned
    from ufota.update.writer import UpdateWriter

    board = Board()
    board.layout = dict(board.layout, unsigned=True, signed=False)
    data = net.page("/image")
    update = UpdateWriter(board)
    unsigned.begin(update, "2.0.0", len(data), sha256(data).digest())
    update.write(data)
    update.end()
    return board


def login():
    from ufota.alibaba.login import login

    assert login("a1B2c3D4e5F", "dev001", "secret")
