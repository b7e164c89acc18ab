"""Power cuts on the emulated board: in an update, its first start, and while it is confirmed."""

import compose
import play
from pico import TEARS
from stories import NEW, OLD, Story

EVERY = 50
_LAST = 14  # operations of the first start and of confirm(): each of them
_PLAYS = 4
_TELLS = ["confirm start 2.0.0", "confirm done"]
STORY = Story("update", {OLD: "client.update", NEW: "calls.confirm"}, _TELLS)
# It goes on where it was.
RESUMED = Story("fleet", {OLD: "client.fleet", NEW: "calls.confirm"}, _TELLS)


def numbers(total):
    """Operations to cut, of a life that takes so many: every 50th, and each of the last ones."""
    return sorted({*range(EVERY, total, EVERY), *range(total - _LAST + 1, total + 1)})


def jobs(total):
    """(story, operation) of each cut."""
    found = [(STORY, at) for at in numbers(total)]
    return found + [(RESUMED, at) for at in range(EVERY, total, 2 * EVERY)]


def survive(pico, contents, story, at):
    """Cut power in the at-th operation; then the board must come back, and go on to the end.

    returns:  (what the cut leaves of the operation, steps since, what went wrong: text, "" for
              nothing)
    """
    tear = TEARS[(at // EVERY if at % EVERY == 0 else at) % len(TEARS)]
    contents.fill(pico, story)
    pico.power()
    pico.cut(at, tear)
    if not _goes_dark(pico):
        return tear, [], "power was not cut"
    pico.cut(0)
    pico.power()
    steps, wrong = play.tell(pico, story)
    area = pico.read(compose.AREA, compose.LAYOUT["devices"]["flash"]["size"])
    if not wrong and not all(image in area for image in (contents.old, contents.new)):
        wrong = "an image is not whole"
    return tear, steps, wrong


def _goes_dark(pico):
    for _ in range(_PLAYS):
        last = list(play.steps(pico))[-1].step
        if last != "done":
            return last == "dark"
    return False
