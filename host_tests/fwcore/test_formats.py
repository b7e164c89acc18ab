"""The tables of bytes in docstrings agree with the struct strings beside them.

A table begins with a line `offset size field ...`; its rows are `offset size name ...`.
Each table of a module that has struct strings must be met by one of them: field for
field, except that one `s` field may take two rows (magic and format number), up to the
end of the table or to the row that is computed over the rest, `crc` or `mac`.
"""

import ast
import re
import struct
from pathlib import Path

import pytest

DEVICE = Path(__file__).resolve().parents[2] / "device"

HEAD = re.compile(r"^\s*offset\s+size\s+field\b")
ROW = re.compile(r"^\s*(\d+)\s+(\d+)\s+(\w+)\b")
STRUCT = re.compile(r"^[<>](\d*[bBhHiIlLqQsx])+$")
ADDED = ("crc", "mac")


def tables(docstring):
    """Rows (offset, size, field) of each table in a docstring."""
    rows = None
    for line in docstring.splitlines():
        if HEAD.match(line):
            rows = []
        elif rows is not None and ROW.match(line):
            offset, size, field = ROW.match(line).groups()
            rows.append((int(offset), int(size), field))
        elif rows:
            yield rows
            rows = None
    if rows:
        yield rows


def struct_strings(tree):
    """Struct strings among the text constants of a module."""
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and STRUCT.match(node.value)
        and len(spans(node.value)) > 1
    ]


def spans(form):
    """(offset, size) of each field of a struct string."""
    at, out = 0, []
    for count, code in re.findall(r"(\d*)([a-zA-Z])", form):
        size = struct.calcsize(f"<{count}{code}")
        pieces = 1 if code in "sx" else int(count or 1)
        out += [(at + i * size // pieces, size // pieces) for i in range(pieces)]
        at += size
    return out


def matches(rows, form):
    """True when the struct string describes these rows."""
    fields = spans(form)
    end = sum(fields[-1])
    if end not in [offset for offset, _, field in rows if field in ADDED] + [sum(rows[-1][:2])]:
        return False
    whole = [(offset, size) for offset, size, _ in rows if offset < end]
    merged = [(whole[0][0], whole[0][1] + whole[1][1])] + whole[2:]
    return fields in (whole, merged)


def gaps(rows):
    """Rows that do not begin where the one before ended."""
    ends = [0] + [offset + size for offset, size, _ in rows]
    return [row for row, end in zip(rows, ends) if row[0] != end]


def modules():
    """One parameter set a module that has tables: its tree and the tables."""
    out = []
    for path in sorted(DEVICE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        found = list(tables(ast.get_docstring(tree) or ""))
        if found:
            out.append(pytest.param(tree, found, id=path.stem))
    return out


@pytest.mark.parametrize(("tree", "found"), modules())
def test_tables_have_no_gaps_and_agree_with_a_struct_string(tree, found):
    forms = struct_strings(tree)
    for rows in found:
        assert not gaps(rows), rows
        assert not forms or any(matches(rows, form) for form in forms), (rows, forms)


def test_there_is_a_table_to_compare():
    assert "header" in [parameter.id for parameter in modules()]


DOC = """A header.

    offset size field   meaning
    0      4    magic   abcd
    4      8    version of the image
    12     4    crc     CRC-32 of bytes 0..11
"""


def test_wrong_table_is_found():
    (rows,) = tables(DOC)
    assert not gaps(rows)
    assert gaps(rows[:1] + rows[2:])
    for form in (">4sQ", "<IQ", "<IQI", "<12s", "<12sI"):
        assert matches(rows, form), form
    for form in (">4sI", ">8sI", ">IIQ", "<16s", ">2s2sQ", ">4sQQ", ">4sQH"):
        assert not matches(rows, form), form
