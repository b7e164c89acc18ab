"""maker_key.py: whose images a board starts whose layout says signed: "start".

Owns the text of that module: TABLES, the 1092 bytes of `fwtool tables`, VENDOR_ID and CLASS_ID.
It lies beside the layout and is frozen into the firmware; on the virtual board maker_key.json,
with the same names and the bytes in hex, stands for it.
"""

import ast
import json
from pathlib import Path

from fwcore import p256
from fwcore.errors import FwError
from fwtool import files
from fwtool.exits import Failure

NAME = "maker_key"  # of the module
JSON = NAME + ".json"
_MAX_FILE = 64 << 10  # bytes


def module(tables, vendor, class_):
    """Text of the module. tables: bytes; vendor, class_: uuid.UUID"""
    rows = [f"    {tables[at : at + 16]!r}\n" for at in range(0, len(tables), 16)]
    ids = f"VENDOR_ID = {vendor.bytes!r}\nCLASS_ID = {class_.bytes!r}\n"
    return "# Made by `fwtool tables`.\nTABLES = (\n" + "".join(rows) + ")\n" + ids


def as_json(tables, vendor, class_):
    """The same, as the virtual board reads it."""
    found = {"TABLES": tables, "VENDOR_ID": vendor.bytes, "CLASS_ID": class_.bytes}
    return json.dumps({name: value.hex() for name, value in found.items()})


def is_needed(layout):
    """True when the boot stage of this layout, or of its stages, asks for a frozen key."""
    return "start" in (layout.get("signed"), layout.get("stages", {}).get("signed"))


def check_beside(path, layout):
    """Refuse a layout that needs a maker_key.py, and has none that is good beside it.

    path:     of the layout file; a layout.json has a maker_key.json beside it
    returns:  the public key, 65 bytes; None for a layout that needs none
    raises:   Failure
    """
    if not is_needed(layout):
        return None
    found = Path(path).with_name(JSON if path.endswith(".json") else NAME + ".py")
    if not found.is_file():
        text = f'the layout says signed: "start", and there is no {found}: fwtool tables makes it'
        raise Failure(text)
    data = files.read(str(found), _MAX_FILE)
    try:
        values = _values(data.decode(), found.suffix)
        tables = values["TABLES"]
        p256.FixedKey(tables)
        if {len(values[name]) for name in ("VENDOR_ID", "CLASS_ID")} == {16}:
            return b"\4" + tables[4:68]
    except (FwError, ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        pass  # said below
    raise Failure(f"{found} is not as fwtool tables makes it")


def _values(text, suffix):
    """{name: bytes}"""
    if suffix == ".json":
        return {name: bytes.fromhex(value) for name, value in json.loads(text).items()}
    found = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in found}
