"""The table of verdicts has a row for each error number, with its name and a reason."""

import ast
import re

from fwtool import explain, paths
from ufota.sources import verdicts

ROW = re.compile(r'^    "([FDsrpc])"  # (\d+) ([A-Z_]+): (.{5,})$')
GAP = re.compile(r'^    "(-+)"$')


def rows():
    """[(code, letter, name)] as the source file has them, in the order of its lines."""
    source = (paths.device() / "ufota/sources/verdicts.py").read_text()
    table = next(
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "_TABLE"
    )
    found, at = [], 21
    for line in source.splitlines()[table.lineno : table.end_lineno - 1]:
        gap, row = GAP.match(line), ROW.match(line)
        assert gap or row, line
        if gap:
            at += len(gap[1])
            continue
        assert int(row[2]) == at, line
        found.append((at, row[1], row[3]))
        at += 1
    return found


def test_each_number_of_an_update_has_its_row():
    drivers = range(130, 150)  # of an OSError, which becomes WRITE_FAILED or READ_FAILED
    known = {row["code"]: row["name"] for row in explain.table() if row["code"] not in drivers}
    assert {code: name for code, _, name in rows()} == known


def test_what_the_lines_say_is_what_is_looked_up():
    for code, letter, _ in rows():
        assert verdicts.row(code) == letter, code
