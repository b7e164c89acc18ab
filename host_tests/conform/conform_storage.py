"""Conformance of the candidate writer, for conform.py.

Owns the comparison with storage images written by Arm's update client.
"""

import json
from hashlib import sha256

from conform_boot import equal, layout_of, rot_of
from fwboot import main
from fwcore import header
from fwcore.storage import up
from images import stream
from ufota_testkit.simboard import Board, candidate_slots


def storages(folder):
    """One case for each storage image in index.json; image.bin is the image it holds."""
    with open(folder + "/index.json") as file:
        index = json.load(file)
    with open(folder + "/image.bin", "rb") as file:
        image = file.read()
    return [(entry["file"], _storage, (folder, entry, image)) for entry in index]


def _storage(case):
    folder, entry, image = case
    with open(folder + "/" + entry["file"], "rb") as file:
        wanted = bytearray(file.read())
    equal("image", sha256(image).digest().hex(), entry["image_sha256"])
    board = Board(layout_of(entry["layout"], {}), rot_of(entry))
    disk = _Recorder(board)
    slot = candidate_slots(board)[entry["slot"]]
    equal("slot_addr", slot.header_at, entry["slot_addr"])
    equal("slot_size", slot.end - slot.header_at, entry["slot_size"])
    equal("header_size", slot.header_size(), entry["header_size"])
    _write(slot, entry, image)
    _blank_leaks(wanted, slot, len(image), disk.program_size)
    equal("storage bytes", _differences(disk.data, wanted), [])
    _compare_order(disk, slot, entry["trace"])
    main_result = main.run(board)
    equal("boots", main_result is not None, entry["boots"])
    if entry["boots"]:
        equal("version", main_result.head.version, entry["version"])


def _write(slot, entry, image):
    writer = stream(slot, image, 1000)  # no multiple of any unit
    campaign = bytes.fromhex(entry["campaign"])
    head = header.Header(entry["version"], len(image), writer.digest(), campaign)
    slot.write_header(header.pack_external(head, header.device_key(rot_of(entry))))


def _blank_leaks(wanted, slot, size, unit):
    """Arm's client writes what lay behind its buffers into the two tails; ours writes FF."""
    for start in (slot.header_at + header.EXTERNAL_SIZE, slot.body_at + size):
        for at in range(start, up(start, unit)):
            wanted[at] = 0xFF


def _differences(data, wanted):
    """Offsets at which two images differ, the first few."""
    if data == wanted:
        return []
    return [at for at in range(len(wanted)) if data[at] != wanted[at]][:5]


def _compare_order(disk, slot, trace):
    """The same bytes erased and programmed as by Arm's client, and the header last."""
    erased, programmed = [], []
    for line in trace.split("\n"):
        words = line.split()
        if words:
            span = int(words[3], 16), int(words[4])
            (erased if words[2] == "bderase" else programmed).append(span)
    equal("last program", disk.programmed[-1], programmed[-1])
    equal("body", _merge(disk.programmed[:-1]), _merge(programmed[:-1]))
    if disk.overwrite:  # nothing to erase: the old header is overwritten instead
        equal("blanked header", disk.blanked, [(slot.header_at, slot.header_size())])
    else:
        equal("erased", _merge(disk.erased), _merge(erased))


def _merge(spans):
    """Adjoining (address, size) in order, as few as possible."""
    merged = []
    for at, size in spans:
        if merged and merged[-1][0] + merged[-1][1] == at:
            at, size = merged[-1][0], merged.pop()[1] + size
        merged.append((at, size))
    return merged


class _Recorder:
    """Stands before a board's storage disk and records what is asked of it."""

    def __init__(self, board):
        self._disk = board.disks["sto"]
        board.disks["sto"] = self
        self.overwrite = self._disk.overwrite
        self.program_size = self._disk.program_size
        self.data = self._disk.data
        self.erased, self.programmed, self.blanked = [], [], []

    def readblocks(self, *args):
        return self._disk.readblocks(*args)

    def writeblocks(self, block, buf, offset=0):
        span = block * self._disk.erase_size + offset, len(buf)
        blank = bytes(buf).count(b"\xff") == len(buf)
        (self.blanked if blank else self.programmed).append(span)
        return self._disk.writeblocks(block, buf, *(() if self.overwrite else (offset,)))

    def ioctl(self, request, argument):
        if request == 6:
            self.erased.append((argument * self._disk.erase_size, self._disk.erase_size))
        return self._disk.ioctl(request, argument)
