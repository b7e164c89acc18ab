"""What the emulated board lives through: a story is a row of STORIES.

A scene is a function in app/scenes.py, which a release of the application runs; the board is
reset between them, by itself. What must be said, in this order, is in `tells`.
"""

import json
from dataclasses import dataclass

import certs
import compose
import play

OLD, NEW = "1.0.0", "2.0.0"
_ADDRESS = "/app.fw"
_PLAYS = 8  # starts of an application in one story


@dataclass
class Story:
    """scenes: what each release runs, as app/main.py takes it
    tells:     "SCENE STEP WORDS" of some of the steps, in order
    is_broken: the new release raises at its start;  is_new: the board has no identity yet
    certs:     the server has certificates
    kind:      what the server has for the new release, as compose.bundle() takes it
    """

    name: str
    scenes: dict
    tells: list
    is_broken: bool = False
    is_new: bool = False
    certs: bool = False
    kind: str = "raw"


STORIES = [
    Story("boot", {}, ["boot start 1.0.0", "boot done"]),
    Story("first start", {OLD: "first_start"}, ["first_start done"], is_new=True),
    Story(
        "update",
        {OLD: "update", NEW: "confirm"},
        ["update done", "confirm start 2.0.0", "confirm done"],
    ),
    Story(
        "fleet",
        {OLD: "fleet", NEW: "confirm"},
        ["fleet done", "confirm start 2.0.0", "confirm done"],
    ),
    Story(
        "asyncio",
        {OLD: "arun", NEW: "confirm"},
        ["arun done", "confirm start 2.0.0", "confirm done"],
    ),
    Story(
        "hawkBit",
        {OLD: "hawkbit", NEW: "confirm"},
        ["hawkbit done", "confirm start 2.0.0", "confirm done"],
    ),
    *(
        Story(
            kind,
            {OLD: "update", NEW: "confirm"},
            ["update done", "confirm start 2.0.0", "confirm done"],
            kind=kind,
        )
        for kind in ("deflate", "patch", "arm", "raw-encrypted", "patch-encrypted")
    ),
    Story(
        "reject",
        {OLD: "result, update", NEW: "reject"},
        ["update done", "reject done", "result result 2 300", "update error 84"],
    ),
    Story(
        "broken",  # three trials, the way back, and it does not come in again: 81, 84
        {OLD: "result, update"},
        ["update done", "result result 2 81", "update error 84"],
        is_broken=True,
    ),
    Story(
        "hang",  # three times until the watchdog bites: 82
        {OLD: "result, update", NEW: "hang"},
        ["update done", "hang start", "hang start", "hang start", "result result 2 82"],
    ),
    Story(
        "TLS, RSA-2048",
        {OLD: "tls rsa", NEW: "confirm"},
        ["tls shaken", "tls done", "confirm done"],
        certs=True,
    ),
    Story(
        "TLS, P-256",
        {OLD: "tls p256", NEW: "confirm"},
        ["tls shaken", "tls done", "confirm done"],
        certs=True,
    ),
    Story("TLS, stranger", {OLD: "tls p256 rsa"}, ["tls error 101"], certs=True),
]


class Shop:
    """Images, and the flash of boards that leave the factory with the old one."""

    def __init__(self):
        self.old = compose.release(OLD)
        self.new = compose.release(NEW)
        self.broken = compose.release(NEW, is_broken=True)
        self._certs = certs.pages()
        self._areas = compose.area(OLD, self.old)  # without an identity, and with one

    def fill(self, pico, story):
        """Program the flash of a board for a story."""
        files = {"scene": json.dumps(story.scenes).encode()}
        if story.is_new:
            files["identity.json"] = json.dumps(compose.identity()).encode()
        image = self.broken if story.is_broken else self.new
        pages = {
            _ADDRESS: compose.bundle(NEW, image, self.old, story.kind),
            **(self._certs if story.certs else {}),
        }
        area = bytearray(self._areas[not story.is_new])
        compose.put_user(area, files)
        pico.flash(compose.AREA, area)
        pico.flash(compose.WEB, compose.web(pages))


def tell(pico, story):
    """Let a board that was switched on live through a story.

    returns:  (steps, what it did not tell: text, "" when it told all)
    """
    found, due = [], list(story.tells)
    for _ in range(_PLAYS):
        for step in play.steps(pico):
            found.append(step)
            said = f"{step.scene} {step.step} {step.words}"
            if due and f"{said} ".startswith(due[0] + " "):
                due.pop(0)
            if not due:
                return found, ""
        if step.step in play.ENDS:
            break
    return found, f"not told: {due[0]}; {step.step}: {step.said[-300:]!r}"
