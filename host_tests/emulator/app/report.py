"""What a scene says of itself: lines that the host reads, "scene NAME STEP HEAP WORDS ~".

The host records how deep the stack was since the line before, and how long it took. STEP is the
scene's own word, and in the end "done" or "error".
"""

import gc
import sys
import time

import machine
import micropython

_QUIET_MS = 30  # the host looks at the stack meanwhile
UNWATCHED = 0x4005800C  # the watchdog's first scratch register: 1 tells the emulator
_scene = ""


def run(names, version, start):
    """Run scenes, and stay alive; a scene that returns a board wants it reset. One that returns
    a function goes on with that, as deep as it began.

    names:    as in /user/scene;  version: of the release that runs
    start:    bytes of stack in use where the application began
    """
    global _scene
    for text in names.split(","):
        place, *words = text.split()
        topic, _scene = place.split(".")
        scenes = __import__("scenes_" + topic)
        step("start", version, _depth() - start)
        found = None
        try:
            found = getattr(scenes, _scene)(*words)
            while callable(found):
                found = found()
            step("done")
        except Exception as error:
            found = None
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
    """Call a function whose stack is not to be counted. Returns what it does."""
    machine.mem32[UNWATCHED] = 1
    try:
        return act()
    finally:
        machine.mem32[UNWATCHED] = 0
