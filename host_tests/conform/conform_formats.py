"""Conformance of header and manifest parsing, for conform.py.

Owns the comparison with the verdicts of Arm's own parsers, and the rules by which a
stricter verdict of ours is right. Everything is derived from the vectors' data.
"""

import json
import os

from conform_boot import equal
from fwcore import errors, header, manifest
from fwcore.errors import FwError
from fwcore.formats import ARM_PATCH, RAW, check
from fwcore.p256 import PublicKey

_FORMATS = (RAW, ARM_PATCH)
_ENCRYPTED = (257, 261, 262)
_TEXTS = (3, 4, 7)  # component, version, URI


# Headers


def headers(folder):
    """One case for each entry of `vectors` in each JSON file of the folder."""
    cases = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(folder + "/" + name) as file:
                vectors = json.load(file)["vectors"]
            for i in range(len(vectors)):
                function = _parse if "result" in vectors[i] else _pack_and_parse
                label = vectors[i].get("what", vectors[i].get("flip_offset", ""))
                label = "{} {} {}".format(name[: -len(".json")], i, label)
                cases.append((label, function, vectors[i]))
    return cases


def _pack_and_parse(vector):
    """A header the other side wrote: ours is the same bytes, and reads back."""
    wanted = bytes.fromhex(vector["header"])
    head = header.Header(
        int(vector["version"]),
        int(vector["size"]),
        bytes.fromhex(vector["hash"]),
        bytes.fromhex(vector["campaign"]),
    )
    if "rot" not in vector:
        equal("header", header.pack_internal(head), wanted)
        equal("parsed", header.unpack_internal(wanted), head)
        return
    key = header.device_key(bytes.fromhex(vector["rot"]))
    equal("device key", key.hex(), vector.get("device_key", key.hex()))
    equal("header", header.pack_external(head, key), wanted)
    equal("parsed", header.unpack_external(wanted, key), head)


def _parse(vector):
    """A header, and whether the other side's parser accepts it (result 0)."""
    packed = bytes.fromhex(vector["header"])
    try:
        if vector["kind"] == "internal":
            header.unpack_internal(packed)
        else:
            key = header.device_key(bytes.fromhex(vector["rot"]))
            header.unpack_external(packed, key)
        accepted = True
    except FwError:
        accepted = False
    equal("accepted", accepted, vector["result"] == 0)


# Manifests


def manifests(folder):
    """Cases of fota_parse.json: hand-made manifests, and the tool's files, in every build."""
    with open(folder + "/fota_parse.json") as file:
        index = json.load(file)
    ids = bytes.fromhex(index["vendor_id"]), bytes.fromhex(index["class_id"])
    cases = []
    for entry in index.get("cases", ()):
        key = folder + "/keys/" + (entry.get("key_file") or "dev.pub.bin").split("/")[-1]
        verdict = dict(entry.get("parsed") or {})
        verdict["result"] = entry["result"]
        data = bytes.fromhex(entry["manifest"])
        cases.append((entry["name"], _verdict, (data, entry["binary"], verdict, key, ids)))
    for entry in index.get("tool_manifests", ()):
        cases += _tool_cases(folder, entry, ids)
    return cases


def _tool_cases(folder, entry, ids):
    name = entry["name"]
    with open("{}/{}.manifest.bin".format(folder, name), "rb") as file:
        data = file.read()
    key = folder + "/keys/dev.pub.bin"
    cases = []
    for binary in sorted(entry):
        if binary != "name":
            case = (data, binary, entry[binary], key, ids)
            cases.append(("{} in {}".format(name, binary), _verdict, case))
    other = folder + "/keys/other.cert.der"
    cases.append((name + " and another key", _refused_for_key, (data, other)))
    return cases


def _verdict(case):
    """Compare with the parser called `binary`; returns why a verdict of ours differs."""
    data, binary, wanted, key, ids = case
    found, code = None, 0
    try:
        found = _read(data, binary, key, ids)
    except FwError as error:
        code = error.code
    if "_v1_" in binary and _fields(data):
        equal("result", wanted["result"], -errors.MALFORMED)
        return "no verdict: schema 3 is unknown to that parser, schema 1 to ours"
    if code and code != -wanted["result"]:
        rule = _rule(code, data, binary)
        if rule:
            return "stricter: {} {}".format(code, rule)
    equal("result", -code, wanted["result"])
    if found:
        _compare_fields(found, wanted)
    return None


def _refused_for_key(case):
    data, key = case
    try:
        _read(data, "", key, None)
    except FwError as error:
        codes = (errors.BAD_SIGNATURE, errors.MALFORMED)  # schema 1 does not get that far
        equal("refused", error.code, codes[0 if _fields(data) else 1])
        return
    raise ValueError("accepted")


def _read(data, binary, key, ids):
    """Read as the build called `binary` does, with the client's checks of vendor and class."""
    formats = _FORMATS[:1] if "_nodelta" in binary else _FORMATS
    verify = _key(key).verify
    found = manifest.read(data, verify)
    check(found, formats)
    if (
        "_signed" in binary and not found.image_signature
    ):  # a device asks in ufota/update/acceptance.py
        raise FwError(errors.MALFORMED)
    if ids and found.vendor_id != ids[0]:
        raise FwError(errors.WRONG_VENDOR)
    if ids and found.class_id != ids[1]:
        raise FwError(errors.WRONG_CLASS)
    return found


def _key(path):
    """The key of a file: a raw point, or the point inside a certificate."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".der"):
        at = data.index(b"\x03\x42\x00\x04")  # BIT STRING of 65 bytes and its padding count
        data = data[at + 3 : at + 68]
    return PublicKey(data)


def _compare_fields(found, wanted):
    ours = {
        "version": str(found.version),
        "priority": found.priority,
        "payload_format": found.format,
        "payload_size": found.size,
        "installed_size": found.installed_size,
        "component": found.component,
        "uri": found.uri,
        "payload_digest": found.digest.hex(),
        "installed_digest": found.installed_digest.hex(),
        "precursor_digest": (found.precursor or bytes(32)).hex(),
        "vendor_data": (found.vendor_data + bytes(64 - len(found.vendor_data))).hex(),
        "installed_signature": found.image_signature.hex(),
    }
    for field in wanted:
        if field != "result":
            equal(field, ours[field], wanted[field])


def _rule(code, data, binary):
    """Why refusing these bytes with `code` is right though Arm's verdict is another; or None.

    Judged by the bytes, so that a good manifest that is refused never passes as "stricter".
    """
    fields = _fields(data)
    if code == errors.MALFORMED and not fields and "_v1_" in binary:
        return "manifests of schema 1 are not read"
    if code == errors.BAD_VERSION and not _is_semver(fields[4]):
        return "the version is not a.b.c"
    if code == errors.BAD_DIGEST and len(fields[5]) != 32:
        return "the digest is not 32 bytes"
    if code == errors.UNSUPPORTED and int.from_bytes(fields[8], "big") in _ENCRYPTED:
        return "encrypted payloads are not read"
    if code == errors.MALFORMED and not all(_is_printable(fields[i]) for i in _TEXTS):
        return "a text is not printable ASCII"
    return None


def _is_printable(text):
    return all(0x20 <= byte < 0x7F for byte in text)


def _is_semver(text):
    parts = text.split(b".")
    return len(parts) == 3 and all(part.isdigit() and len(part) < 4 for part in parts)


def _fields(data):
    """Contents of the fields of a schema 3 manifest, in order; [] when it is not one.

    A reader of its own, looser than the one under test: it only has to split.
    """
    frame = _split(data)[0]
    parts = _split(frame)
    return _split(parts[1]) if parts[0] == b"\x03" else []


def _split(data):
    """Contents of the DER elements that follow each other in data."""
    parts = []
    at = 0
    while at + 2 <= len(data):
        size = data[at + 1]
        at += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        parts.append(data[at : at + size])
        at += size
    return parts
