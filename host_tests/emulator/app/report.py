"""What a scene says of itself: lines that the host reads, "scene NAME STEP HEAP WORDS ~".

The host notes how deep the stack was since the line before, and how long it took. STEP is the
scene's own word, and in the end "done" or "error".
"""

import gc
import sys
import time

import machine
import micropython

_QUIET_MS = 30  # the host looks at the stack meanwhile
_UNWATCHED = 0x4005800C  # the watchdog's first scratch register: 1 tells the emulator
_scene = ""


def run(scenes, names, version, start):
    """Run scenes, and stay alive; a scene that returns a board wants it reset.

    names:    as in /user/scene;  version: of the release that runs
    start:    bytes of stack in use where the application began
    """
    global _scene
    found = None
    for text in names.split(","):
        name, *words = text.split()
        _scene = name
        step("start", version, _depth() - start)
        try:
            found = getattr(scenes, name)(*words)
            step("done")
        except Exception as error:
            sys.print_exception(error)
            step("error", getattr(error, "code", error), getattr(error, "at", ""))
    _stay(found)


def _depth():
    return micropython.stack_use()  # as deep as a scene is


def _stay(board):
    from board import Board

    if board:
        board.reset()
    board = Board()
    while True:
        board.feed()
        time.sleep_ms(200)


def step(word, *words):
    """What follows is another step."""
    gc.collect()
    print("scene", _scene, word, gc.mem_free(), *words, "~")
    time.sleep_ms(_QUIET_MS)


def unwatched(act):
    """Call a function whose stack is not to be counted."""
    machine.mem32[_UNWATCHED] = 1
    act()
    machine.mem32[_UNWATCHED] = 0
