"""`fwtool explain`: texts for error numbers.

The texts are the comments in errors.py, errors_boot.py and errors_net.py of device/fwcore, and
in errors.py of device/bdev and device/ufota/decoders; the device does not have them.
"""

import ast
import functools
import io
import re
import tokenize

import rich_click as click

from fwtool import files, paths
from fwtool.exits import Failure

_FILES = (
    "fwcore/errors.py",
    "fwcore/errors_boot.py",
    "fwcore/errors_net.py",
    "bdev/errors.py",
    "ufota/decoders/errors.py",
)
_HEADING = re.compile(r"^# (.+)$")


@functools.cache
def table():
    """Every error, in the order of the numbers: list of dicts code, name, words, group."""
    rows = [row for name in _FILES for row in _table((paths.device() / name).read_text())]
    return sorted(rows, key=lambda row: row["code"])


def _table(source):
    names = _constants(source)
    found, group = [], ""
    for line, text, alone in _comments(source):
        if line in names:
            name, code = names[line]
            found.append({"code": code, "name": name, "words": text, "group": group})
        elif alone:
            group = text
    return found


def _constants(source):
    """{line number: (name, code)} of the NAME = const(number) lines."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            found[node.lineno] = (node.targets[0].id, node.value.args[0].value)
    return found


def _comments(source):
    """(line number, text without the hash, True when the line holds nothing else)"""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = _HEADING.match(token.line.strip()) is not None
            yield token.start[0], token.string.lstrip("# "), alone


def sentence(error):
    """FwError -> "not signed by the key this device trusts (at 12)"."""
    words = [row["words"] for row in table() if row["code"] == error.code]
    text = words[0] if words else "unknown error"
    if isinstance(error.at, tuple | list):
        return f"{text} ({', '.join(str(part) for part in error.at)})"
    return f"{text} (at {error.at})" if error.at else text


def find(text):
    """Row of an error given as "23", "-23" (Arm's sign) or "BAD_SIGNATURE". Raises Failure."""
    wanted = text.strip().upper()
    for row in table():
        if wanted.lstrip("-") == str(row["code"]) or wanted == row["name"]:
            return row
    raise Failure(f"no error has the number or name {text!r}")


# Arm's logs show the numbers with a minus sign: "-23" must not be taken for an option.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("code", required=False)
@files.json_option
def explain(code, as_json):
    """Say what error CODE means; without CODE, list them all.

    CODE is a number, with or without Arm's minus sign, or a name like BAD_SIGNATURE.
    """
    rows = [find(code)] if code else table()
    if as_json:
        files.print_json(rows[0] if code else rows)
        return
    group = None
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        if not code and row["group"] != group:
            group = row["group"]
            click.echo(f"\n{group}")
        click.echo(f"{row['code']:>4}  {row['name']:<{width}}  {row['words']}")
