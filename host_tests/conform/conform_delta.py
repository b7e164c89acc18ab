"""Conformance of Arm's patches, for conform.py: the image that Arm's bspatch made of them.

A folder has index.json, and for each row of it NAME/old.bin and NAME/delta.bin; or both packed,
as host_tests/vectors/delta has them.
"""

import json
from binascii import unhexlify
from hashlib import sha256

from conform_boot import equal
from decoders_kit import Old, arm, made, unpack
from fwcore.errors import FwError


def patches(folder):
    """One case for each row of index.json."""
    with open(folder + "/index.json") as file:
        return [(row["name"], _patch, (folder, row)) for row in json.load(file)]


def _patch(case):
    folder, row = case
    old, patch = _inputs(folder, row)
    equal("old image", sha256(old).digest(), unhexlify(row["old_sha256"]))
    size = row["new_size"] if "new_size" in row else row["new_len"]
    frame = row["frame"] if "frame" in row else row["block_size"]
    make = arm(Old(old), size, frame)
    if row.get("arm_bspatch_ok", True):
        new = made(make, patch, size)
        equal("new image", sha256(new).digest(), unhexlify(row["new_sha256"]))
    else:
        _refused(make, patch, size)
    _refused(make, patch[:-1], size)
    return None


def _refused(make, patch, size):
    try:
        made(make, patch, size)
    except FwError:
        return
    raise AssertionError("a patch that makes no image was taken")


def _inputs(folder, row):
    """(image before, Arm's patch)"""
    name = folder + "/" + row["name"]
    if "old" in row:
        return unpack(_read(folder + "/" + row["old"]), row["old_size"]), _read(name + ".arm")
    return _read(name + "/old.bin"), _read(name + "/delta.bin")


def _read(path):
    with open(path, "rb") as file:
        return file.read()
