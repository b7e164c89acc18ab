"""`make test-pico`: the firmware of RPI_PICO_W, run on an emulated board.

One table: how deep the C stack was in each step of each story, what heap was free, how long it
took; then power cuts. Exit code: 0 all is well, 1 something failed, 2 a file is missing.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STACK = 8192  # bytes of C stack that rp2 has
MINUTES = 8  # that all of it takes
BOUND = 6144  # bytes we may take of it: the rest is for the Wi-Fi driver and lwIP
_ROW = "{:21} {:13} {:9} {:>5} {:>7} {:>6} {:>4}  {}"
_HEAD = "story scene step stack heap ms ops".split()
_MISSING = (
    "make test-pico FIRMWARE=firmware.uf2 BOOTROM=bootrom.bin: {} missing; the firmware is built "
    "as boards/RPI_PICO_W/README.md says, the boot ROM from Raspberry Pi's public source of it "
    "(pico-bootrom-rp2040), or it is read out of a board: the 16 KiB at address 0."
)


class Count:
    passed = failed = 0

    @classmethod
    def of(cls, wrong):
        """Count one result, and return it. wrong: text, "" when all is well"""
        if wrong:
            cls.failed += 1
        else:
            cls.passed += 1
        return wrong


def missing(paths):
    """A sentence about the files that are not there, "" without."""
    names = [name for name, path in paths.items() if not path or not Path(path).is_file()]
    if not names:
        return ""
    return _MISSING.format(" and ".join(names) + (" are" if len(names) > 1 else " is"))


def verdict(step, more=0):
    """What is wrong with the stack of a step. more: bytes that it may take above the bound"""
    if step.stack > STACK:
        return f"{step.stack - STACK} B past the stack's end"
    above = step.stack - BOUND - more
    return f"{above} B above the bound" if above > 0 else ""


def rows(name, steps, wrong, more):
    """Print one story's rows."""
    for step in steps:
        cells = step.scene, step.step, step.stack, step.heap or "", step.ms, step.operations
        said = ", ".join(filter(None, (Count.of(verdict(step, more)), step.words)))
        print(_ROW.format(name, *cells, said))
    if Count.of(wrong):
        print(f"{name}: {wrong}")
    sys.stdout.flush()


def cut_row(story, at, tear, steps, wrong):
    """Print one cut: what came back, and how deep the stack was since."""
    deepest = max((step.stack for step in steps), default=0)
    back = steps[0].words.split(" ")[0] if steps else ""
    wrong = wrong or next(filter(None, map(verdict, steps)), "")
    text = (
        f"{story.name:21} cut at {at:3}, {tear + ' done':12}: back with {back}, stack {deepest:5}"
    )
    text += f", {sum(step.operations for step in steps):3} operations to the end"
    print(", ".join(filter(None, (text, Count.of(wrong)))), flush=True)


def run(firmware, bootrom, only, has_cuts, keep):
    """Returns the exit code. only: names of stories, None for all; keep: a path, or None"""
    import cuts
    import play
    from pico import Pico
    from stories import STORIES
    from unix_names import NAMES, figures

    unknown = set(only or ()) - {story.name for story in STORIES}
    if unknown:
        print(f"no such story: {', '.join(sorted(unknown))}; there are:")
        print("; ".join(story.name for story in STORIES))
        return 1
    chosen = [story for story in STORIES if not only or story.name in only]
    print(_about(firmware, chosen, has_cuts), flush=True)

    from flash_contents import FlashContents  # which makes images, keys and certificates

    contents = FlashContents()

    def live(story):
        with Pico(firmware, bootrom) as pico:
            contents.fill(pico, story)
            pico.power()
            steps, wrong = play.tell(pico, story)
            if pico.overwritten:
                wrong = f"{pico.overwritten} pages programmed where they were not erased"
            return story, steps, wrong, pico.operations

    def cut(job):
        with Pico(firmware, bootrom) as pico:
            return *job, *cuts.survive(pico, contents, *job)

    total, steps_of = 0, {}
    print(_ROW.format(*_HEAD, f"(stack: bound {BOUND} of {STACK} B)"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for story, steps, wrong, operations in pool.map(live, chosen):
            rows(story.name, steps, wrong, story.more)
            steps_of[story.name] = steps
            if story.name == cuts.STORY.name and not wrong:
                total = operations
        if has_cuts and total:
            print(f"power cuts, {total} flash operations")
            for result in pool.map(cut, cuts.jobs(total)):
                cut_row(*result)
    if keep:
        found = figures(steps_of)
        Path(keep).write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        print(f"{len(found)} of {len(NAMES)} figures kept in {keep}")
    print(f"{Count.passed} passed, {Count.failed} failed")
    return 1 if Count.failed else 0


def _about(firmware, chosen, has_cuts):
    """What is run, for who runs it the first time."""
    cuts = ", then power cuts in an update" if has_cuts else ""
    return (
        f"{firmware} on an emulated Raspberry Pi Pico W: {len(chosen)} stories{cuts}; all of it "
        f"takes some {MINUTES} minutes on two cores. Columns: bytes of C stack at the deepest, of "
        "heap free; ms of the board; erased blocks and programmed pages of its flash"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("firmware", help="firmware.uf2")
    parser.add_argument("bootrom", help="bootrom.bin, 16 KiB")
    parser.add_argument("--only", action="append", metavar="STORY", help="may be repeated")
    parser.add_argument("--no-cuts", action="store_true")
    parser.add_argument(
        "--keep", metavar="FILE", help="write the figures that stack_table.py shows too, JSON"
    )
    parser.add_argument("--files-only", action="store_true", help="look for the files, no more")
    given = parser.parse_args()
    absent = missing({"FIRMWARE": given.firmware, "BOOTROM": given.bootrom})
    if absent:
        print(absent, file=sys.stderr)
        return 2
    if given.files_only:
        return 0
    from pico import Dead

    try:
        return run(given.firmware, given.bootrom, given.only, not given.no_cuts, given.keep)
    except (Dead, ValueError) as error:  # ValueError: of a file that is no .uf2
        print(f"the emulated board cannot be used: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
