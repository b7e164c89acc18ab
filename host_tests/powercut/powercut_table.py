"""All jobs of powercut.py and powercut_faults.py on both interpreters, and what came of them.

Two at a time; a table at the end.

CPython only; `make powercut` runs it.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import powercut
import powercut_faults
from conftest import FOLDERS, TOOLS
from fwtool import paths

HERE = Path(__file__).parent
COLUMNS = ("single", "pairs", "storms", "moody", "wrong")
HEAP = "8M"  # the larger the slower
CHIPS_HEAP = "64M"  # with models of chips 8 MB are in pieces at the end, and the device runs out
TIMEOUT_S = 6 * 3600  # a job takes minutes; on a busy machine more


def command(interpreter, job):
    """(argv, environment) of one job on one interpreter."""
    script = HERE / ("powercut_faults.py" if job.startswith("faults:") else "powercut.py")
    if interpreter == "CPython":
        return [sys.executable, str(script), job], None
    places = paths.device(), paths.bootloader(), TOOLS, *FOLDERS
    heap = CHIPS_HEAP if "chip" in job or "SD card:" in job else HEAP
    argv = [paths.micropython(), "-X", f"heapsize={heap}", str(script), job]
    return argv, paths.environment(*places)


def one(task):
    """Run one (interpreter, job); returns (interpreter, seconds, {row: figures}, texts)."""
    interpreter, job = task
    argv, env = command(interpreter, job)
    start = monotonic()
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=TIMEOUT_S)
    rows, texts = {}, []
    for line in done.stdout.splitlines():
        name, *rest = line.split("\t")
        if name == "WRONG":
            texts.append(f"{interpreter}: {rest[0]}")
        else:
            rows[name] = [int(figure) for figure in rest]
    if done.returncode or (not rows and not job.startswith("faults:")):
        texts.append(f"{interpreter}: {job} ended with {done.returncode}: {done.stderr[-800:]}")
    return interpreter, monotonic() - start, rows, texts


def run(jobs):
    """Run everything, print the table; returns the exit code, 1 when anything is wrong."""
    start = monotonic()
    tasks = [(interpreter, job) for interpreter in ("CPython", "MicroPython") for job in jobs]
    sums, seconds, wrong = {}, {}, []
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for interpreter, took, rows, texts in pool.map(one, tasks):
            wrong += texts
            for row, figures in rows.items():
                print(interpreter, row, *figures, f"{took:.0f} s", flush=True)
            for text in texts:
                print(text, flush=True)
            for row, figures in rows.items():
                key = interpreter, row
                old = sums.get(key, [0] * len(COLUMNS))
                sums[key] = [a + b for a, b in zip(old, figures)]
                seconds[key] = seconds.get(key, 0) + took / len(rows)
    _print_table(sums, seconds)
    for text in wrong:
        print(text)
    print(f"{monotonic() - start:.0f} s in all")
    return 1 if wrong else 0


def _print_table(sums, seconds):
    line = "{:13}{:13}{:>8}{:>9}{:>9}{:>9}{:>9}{:>11}{:>8}"
    print(line.format("", "mode", *COLUMNS[:4], "cases", "violations", "s"))
    total = [0] * len(COLUMNS)
    for (interpreter, row), figures in sums.items():
        took = f"{seconds[interpreter, row]:.0f}"
        cases = sum(figures[:3])
        print(line.format(interpreter, row, *figures[:4], cases, figures[4], took))
        total = [a + b for a, b in zip(total, figures)]
    took = f"{sum(seconds.values()):.0f}"
    print(line.format("both", "all", *total[:4], sum(total[:3]), total[4], took))


if __name__ == "__main__":
    sys.exit(run(powercut.jobs() + powercut_faults.jobs()))
