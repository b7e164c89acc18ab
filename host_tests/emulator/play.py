"""One scene on an emulated board: what it said, step by step, and what each step took."""

import re
from dataclasses import dataclass

# What report.py prints. A traceback may stand before it.
_LINE = re.compile(r"scene (\S+) (\S+) (\d+) ?(.*?) ?~")
_END = "~\r\n"
ENDS = ("dark", "time", "wall")  # of a run in which nothing was said


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


def steps(pico, ms=60000):
    """Yield each Step of a scene; the last one is_last, and names what ended it.

    ms:  simulated, for each step
    """
    while True:
        began_ms, began = pico.ms, pico.operations
        pico.stack_low()
        why, said = pico.run(_END, ms)
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
