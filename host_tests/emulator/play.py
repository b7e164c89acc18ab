"""One scene on an emulated board: what it said, step by step, and what each step took."""

import re
from dataclasses import dataclass

# What report.py prints. A traceback may stand before it.
_LINE = re.compile(r"scene (\S+) (\S+) (\d+) ?(.*?) ?~")
_END = "~\r\n"
ENDS = ("dark", "time", "wall")  # of a run in which nothing was said
_STEP_MS = 60000  # simulated
_STARTS = 8  # of an application in one story
_TYPED = "import report\nreport.run({!r}, 'typed', 0)\n"


@dataclass
class Step:
    """From the line before to this one. stack, heap: bytes; heap is what is free."""

    scene: str
    step: str
    stack: int
    heap: int
    ms: int
    operations: int
    words: str
    said: str  # all that was printed

    @property
    def is_last(self):
        return self.step in ("done", "error", *ENDS)


def steps(pico):
    """Yield each Step of a scene; the last one is_last, and names what ended it."""
    while True:
        began_ms, began = pico.ms, pico.operations
        pico.stack_low()
        why, said = pico.run(_END, _STEP_MS)
        found = _LINE.search(said)
        name, word, heap, words = found.groups() if found and why == "text" else ("", why, 0, "")
        step = Step(
            name,
            word,
            pico.stack,
            int(heap),
            round(pico.ms - began_ms),
            pico.operations - began,
            words,
            said,
        )
        yield step
        if step.is_last:
            return


def life(pico, story):
    """Yield the steps of all scenes of a story, on a board that was switched on."""
    for _ in range(_STARTS):
        for step in steps(pico):
            yield step
        if step.step in ENDS:
            return
        if story.typed:
            pico.prompt()
            pico.enter(_TYPED.format(story.typed))
            yield from steps(pico)
            return


def tell(pico, story):
    """Let a board that was switched on live through a story.

    returns:  (steps, what it did not tell: text, "" when it told all)
    """
    found, due = [], list(story.tells)
    for step in life(pico, story):
        found.append(step)
        said = f"{step.scene} {step.step} {step.words}"
        if f"{said} ".startswith(due[0] + " "):
            due.pop(0)
        if not due:
            return found, ""
    return found, f"not told: {due[0]}; {step.step}: {step.said[-300:]!r}"
