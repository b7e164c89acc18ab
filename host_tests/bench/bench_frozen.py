"""What the boards' manifests freeze, in bytes of .mpy, compiled for each board's chip.

A frozen module takes about as much flash as its .mpy, and no RAM for code. MicroPython's own
modules are stand-ins here (frozen_kit.py), so only ours are counted.
"""

import tempfile
from pathlib import Path

from frozen_kit import BOARDS, TARGETS, build, checkout, is_ours, resolve

MANIFESTS = {"manifest_boot.py": "boot stage", "manifest.py": "boot stage and client"}


def frozen():
    """Rows (name, figure, unit, note) of each board and manifest."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tree = checkout(Path(folder, "micropython"))
        for board, (port, arch) in TARGETS.items():
            for name, what in MANIFESTS.items():
                files = [
                    file for file in resolve(BOARDS / board / name, port, tree) if is_ours(file)
                ]
                sizes = build(files, arch, Path(folder, board, what))
                note = f"{len(sizes)} files, -march={arch}; " + _packages(sizes)
                rows.append((f"frozen in {board}, {what}", sum(sizes.values()), "B", note))
    return rows


def _packages(sizes):
    """Bytes of each package, the board's own files together."""
    sums = {}
    for target, size in sizes.items():
        package = target.split("/")[0] if "/" in target else "board"
        sums[package] = sums.get(package, 0) + size
    return ", ".join(f"{name} {size}" for name, size in sorted(sums.items()))
