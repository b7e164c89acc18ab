"""The scenes of stack_scenes.py from outside: each in a MicroPython of its own, and its figures.

    python host_tests/stack/stack_table.py [SCENE ...]

prints how deep each gets, the deepest first, with what the same takes on a board. CPython only.
"""

import functools
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "stack_scenes.py"
PICO = HERE / "stack_pico.json"  # {scene: bytes} of the emulated board (host_tests/emulator)
# 6,144 B of a board's 8,192 are 11,112 here; what is left is for what is not measured here.
BOUND = 11000
HEAP = "64M"  # a NOR chip of 8 MiB
STORAGE = ("read", "write", "erase", "spi")  # kinds of calls


@functools.cache
def scenes():
    """Names of all scenes."""
    return json.loads(_run())


def measure(name, frames=0):
    """How deep a scene gets.

    frames:  Python calls planted in each read of a Storage
    returns: {"scene", "bytes", "kind", "counts"}
    raises:  RuntimeError when the scene fails
    """
    return json.loads(_run(name, str(frames)).splitlines()[-1])


def measure_all(names=None):
    """measure() of these scenes, or all, the deepest first."""
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(measure, names or scenes()))
    return sorted(found, key=lambda each: -each["bytes"])


def pico():
    """{scene: bytes} of the emulated board, as far as it was measured."""
    return json.loads(PICO.read_text()) if PICO.exists() else {}


def _run(*words):
    from conftest import run_micropython  # which is pytest's, too

    folders = []
    if words and words[0].startswith("Alibaba"):
        folders.append(fetch(paths.device().parent / "build" / "umqtt"))
    done = run_micropython(SCRIPT, *words, heap=HEAP, folders=folders)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{words}: {done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def main(names):
    beside = pico()
    for found in measure_all(names):
        name = found["scene"]
        print(f"{found['bytes']:6} {beside.get(name, ''):>6}  {name:32} {found['kind']}")


if __name__ == "__main__":
    main(sys.argv[1:])
