"""Conformance of the boot stage, for conform.py.

Owns the comparison with recorded runs of mbed-bootloader. Everything is derived
from the vectors' data: no case is known by its name.
"""

import io
import json
import struct
from binascii import crc32
from hashlib import sha256

from fwboot import main
from fwcore.errors import FwError
from ufota_testkit.simboard import Board, candidate_slots
from ufota_testkit.simdisk import Disk

_MAGIC_V2 = b"\x5a\x51\xb3\xd4\x00\x00\x00\x02"


def scenarios(folder):
    """One case for each entry of index.json; see the README of the vectors."""
    with open(folder + "/index.json") as file:
        index = json.load(file)
    return [(entry["name"], _scenario, (folder, entry)) for entry in index]


def _scenario(case):
    folder, entry = case
    board = _board(entry)
    before = _load(board, folder, entry)
    slots = [[slot.header_at, slot.end - slot.header_at] for slot in candidate_slots(board)]
    board.power.reset()
    if "fail_op" in entry.get("extra", {}):
        board.power.fail_at(entry["extra"]["fail_op"])
    found = _boot(board)
    found["storage_unchanged"] = _unchanged(board, before, "sto")
    if "ours" in entry:
        return _compare_ours(entry, found, _unchanged(board, before, "flash"))
    found["slots"] = slots
    for field in found:
        equal(field, found[field], entry[field] if field != "log" else _log_of(entry["log"]))
    return None


def _compare_ours(entry, found, flash_unchanged):
    """Arm's run shows a defect: only what `ours` says, and that no image was lost."""
    equal("storage_unchanged", found["storage_unchanged"], True)
    found["flash_unchanged"] = flash_unchanged
    for field, value in entry["ours"].items():
        if field != "why" and value != "any":
            equal(field, found[field], value)
    good = found["booted"] and found["active_image_valid_after"]
    equal("image kept or replaced by a good one", bool(good or flash_unchanged), True)
    return "ours: " + entry["ours"].get("why", "differs from Arm on purpose")


def _boot(board):
    """Run the boot stage; returns what the vectors record, under their names."""
    try:
        booted = main.run(board) is not None
    except FwError:
        booted = False
    found = _active(board.disks["flash"].data, board.layout["active"])
    found["booted"] = booted
    found["log"] = board.lines
    return found


def _active(flash, active):
    """What is in the active region, judged without the code under test."""
    head = bytes(flash[active["header"] : active["header"] + 112])
    found = {"header112_after": head.hex(), "active_header_valid_after": False}
    found["active_version_after"] = found["active_image_sha256_after"] = None
    found["active_image_valid_after"] = False
    crc = struct.unpack_from(">I", head, 108)[0]
    if head[:8] != _MAGIC_V2 or crc32(head[:108]) & 0xFFFFFFFF != crc:
        return found
    version, size = struct.unpack_from(">QQ", head, 8)
    digest = sha256(flash[active["start"] :][: min(size, len(flash))]).digest()
    found["active_header_valid_after"] = True
    found["active_version_after"] = str(version)
    found["active_image_sha256_after"] = digest.hex()
    found["active_image_valid_after"] = digest == head[24:56]
    return found


def _log_of(text):
    """The recorded log as lines, without what the harness that recorded it added."""
    return [line for line in text.split("\r\n") if not line.startswith("<")]


def _load(board, folder, entry):
    """Put the recorded images onto the disks; returns name -> contents."""
    parts = [("flash", "flash_before", "flash_before_sha256")]
    if "sto" in board.disks:
        parts.append(("sto", "storage", "storage_sha256"))
    before = {}
    for name, part, digest in parts:
        data = _inflate("{}/{}.{}.bin.z".format(folder, entry["name"], part))
        equal(digest, sha256(data).digest().hex(), entry[digest])
        board.disks[name].load(0, data)
        before[name] = bytes(board.disks[name].data)
    return before


def _unchanged(board, before, name):
    return name not in before or bytes(board.disks[name].data) == before[name]


def _board(entry):
    """The recorded device as a simulated one."""
    spec, extra = entry["layout"], entry.get("extra", {})
    board = Board(layout_of(spec, extra), rot_of(entry))
    board.layout["copy_retries"] = _tries(entry)
    sectors = _sectors(spec)
    if min(sectors) != max(sectors):
        board.disks["flash"] = _UnevenDisk(sectors, spec["page"], board.power)
    return board


def rot_of(entry):
    """Root of trust of a recorded device, or None."""
    return None if entry.get("extra", {}).get("no_rot") else bytes.fromhex(entry["rot"])


def _tries(entry):
    """copy_retries of the recorded build: stated, or as many as its log shows."""
    for place in (entry.get("extra", {}), entry["layout"]):
        if "copy_retries" in place:
            return place["copy_retries"]
    return max(1, entry.get("log", "").count("[DBG ] Update active firmware"))


def layout_of(spec, extra):
    """LAYOUT dict of a recorded device."""
    base = spec["base"]
    devices = {
        "flash": {
            "size": spec["flash_size"],
            "erase": min(_sectors(spec)),
            "program": spec["page"],
        }
    }
    area = {"device": "flash", "start": spec["sto_addr"] - base, "internal": True}
    if extra.get("binary") != "bootloader-fi":
        erase, program = spec["bd_erase"], spec["bd_prog"]
        devices["sto"] = {"size": spec["sto_len"], "erase": erase, "program": program}
        devices["sto"]["overwrite"] = erase == program
        area = {"device": "sto", "start": spec["sto_addr"]}
    area["size"] = spec["sto_size"]
    area["locations"] = spec["locations"]
    active = {"device": "flash", "header": spec["hdr"] - base, "start": spec["app"] - base}
    active["size"] = spec["maxapp"]
    active["format"] = "lfs2"
    return {"devices": devices, "active": active, "candidates": area}


def _sectors(spec):
    """ "16384x4,65536x1" or "4096" -> list of sector sizes that fill the flash."""
    sizes = []
    for part in spec["sector"].split(","):
        size, _, count = part.partition("x")
        sizes += [int(size)] * (int(count) if count else spec["flash_size"] // int(size))
    return sizes


class _UnevenDisk(Disk):
    """Flash whose sectors differ, seen as blocks of the smallest: a run of blocks erases each
    sector it meets once, as a driver for such a chip does."""

    def __init__(self, sectors, program, power):
        Disk.__init__(self, sum(sectors), min(sectors), program, False, power, "flash")
        self._sector_of = []
        self._starts = []
        for size in sectors:
            self._starts.append((len(self._sector_of) * self.erase_size, size))
            self._sector_of += [len(self._starts) - 1] * (size // self.erase_size)
        self._previous = None

    def _erase(self, block):
        sector = self._sector_of[block]
        again = self._previous == block - 1 and self._sector_of[block - 1] == sector
        self._previous = block
        if again:
            return 0
        tear, failed = self.power.begin("erase sector {}".format(sector))
        start, size = self._starts[sector]
        if not failed:
            self._put(start, b"\xff" * size, tear, 0)
        return -5 if failed else 0


def equal(what, found, wanted):
    """Fail the case, naming what differs, unless both are equal."""
    if found != wanted:
        raise ValueError("{}: {}, not {}".format(what, found, wanted))


def _inflate(path):
    with open(path, "rb") as file:
        packed = file.read()
    try:
        import zlib

        return zlib.decompress(packed)
    except ImportError:
        import deflate

        return deflate.DeflateIO(io.BytesIO(packed), deflate.ZLIB).read()
