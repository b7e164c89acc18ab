"""What every command shares: bounded reads, whole writes, `-`, `--json`, rows of text."""

import contextlib
import functools
import json
import os
import shlex
import sys
import tempfile

import rich_click as click

from fwtool.exits import REFUSED, Failure

STDIO = "-"
MAX_IMAGE = 256 << 20  # bytes; larger than any device this serves, small enough to hold

_MAX_KEY = 64 << 10  # bytes that are looked at of a file that may be a key

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def read(path, limit=MAX_IMAGE):
    """Bytes of a file, or of stdin for "-". Raises Failure when unreadable or over `limit`."""
    try:
        if path == STDIO:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Failure(f"cannot read {path}: {reason(error)}") from None
    if len(data) > limit:
        raise Failure(f"{path} is larger than {limit} bytes")
    return data


@functools.cache
def warn_of_readers(path):
    """Say once, on stderr, that others can read a file of secrets."""
    with contextlib.suppress(OSError, ValueError):
        if os.name == "posix" and os.path.isfile(path) and os.stat(path).st_mode & 0o077:
            text = f"warning: others can read {path}: chmod 600 {shlex.quote(str(path))}"
            click.echo(text, err=True)


def write(path, data, inputs=()):
    """Put a whole file in place, or nothing; "-" is stdout.

    inputs:  files the command read (None: an option not given); none is ever overwritten, and
             no private key and no identity is, whether it was read or not
    raises:  Failure
    """
    for name in inputs:
        if name is not None and _are_same(path, name):
            raise Failure(f"{path} is an input of this command: not overwritten", REFUSED)
    if path == STDIO:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        keep_secret(path)
        _replace(path, data)
    except (OSError, ValueError) as error:
        raise Failure(f"cannot write {path}: {reason(error)}") from None


def _are_same(path, other):
    """True when both names are of one file; a terminal may be read and written."""
    try:
        return os.path.isfile(path) and os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them does not exist
        return False


def keep_secret(path):
    """Refuse to write to a file with a secret: without its key a maker updates nothing any more.

    raises:  Failure; OSError, ValueError
    """
    from fwtool.signing import secret_scan

    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        found = secret_scan.find(file.read(_MAX_KEY))
    if found:
        raise Failure(f"{path} has {found[0]} in it: not overwritten", REFUSED)


def _replace(path, data):
    """Through a file beside it, so that a full disk leaves the old one."""
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout, a pipe
        with open(path, "wb") as file:
            file.write(data)
        return
    folder = os.path.dirname(os.path.abspath(path))
    handle, scratch = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(scratch, 0o666 & ~mask)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def reason(error):
    """OSError -> "No such file or directory", without number and path."""
    return getattr(error, "strerror", None) or str(error)


def plain(text):
    """Text with a name or a line from outside in it, and nothing that a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def note(text, output):
    """Print a line about a result on stdout, unless the result itself goes there."""
    click.echo(text, err=output == STDIO)


def print_json(value):
    click.echo(json.dumps(value, indent=2, sort_keys=True))


def print_rows(rows):
    """Dict -> one aligned "name  value" line each."""
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {value}")


def show(rows, as_json):
    (print_json if as_json else print_rows)(rows)


class Size(click.ParamType):
    """A number of bytes: decimal, 0x..., or with k or M behind it."""

    name = "bytes"

    def __init__(self, least=0):
        self.least = least

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        text, unit = value, 1
        for suffix, factor in (("k", 1 << 10), ("m", 1 << 20)):
            if value.lower().endswith(suffix):
                text, unit = value[:-1], factor
        try:
            number = int(text, 0) * unit
        except ValueError:
            self.fail(f"{value!r} is not a number of bytes", param, ctx)
        if number < self.least:
            self.fail(f"{value!r} is less than {self.least}", param, ctx)
        return number


SIZE = Size()
