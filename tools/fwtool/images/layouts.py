"""`fwtool layout`: check a board's layout, and draw its flash and storage map.

A layout file is Python with one literal LAYOUT dict, or JSON. It is never executed. A
literal CHIPS beside it says where the devices are on real chips (chips.py).
"""

import ast
import json
import os
import re

import rich_click as click

from fwcore import errors, regions, storage
from fwcore import layout as rules
from fwtool import files, paths
from fwtool.exits import Failure
from fwtool.images import chips
from fwtool.signing import maker_key

MAX_LAYOUT = 64 << 10  # bytes of a layout file
BAR_WIDTH = 64  # characters a whole device is drawn in
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_-]*")  # of a device (and its file) or region
# The fields of docs/FORMATS.md section 6, and of what kind their values are.
_LAYOUT = {
    "devices": dict,
    "active": dict,
    "candidates": dict,
    "regions": dict,
    "copy_retries": int,
    "client": dict,
    "unsigned": bool,
    "state": dict,
    "mode": str,
    "trials": int,
    "watchdog_ms": int,
    "signed": (bool, str),  # of texts only "start", by the device's own rules
    "arm_signature": bool,
    "downgrade": bool,
    "recovery": dict,
    "headers": str,
    "component": str,
    "stages": dict,
}
_OF_TRIALS = ("trials", "downgrade")  # mean nothing without a state region
_DEVICE = {"size": int, "erase": int, "program": int, "overwrite": bool}
_SPAN = {"device": str, "start": int, "size": int}
_STATE = {**_SPAN, "external": bool}
_IMAGE = {**_SPAN, "header": int, "format": str}
_CANDIDATES = {**_SPAN, "locations": int, "internal": bool}
_REGION = {**_SPAN, "format": str}
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red", "bright_cyan", "bright_green")


def load(path):
    """LAYOUT of a file, checked by the device's own rules and more strictly still.

    path:    of the file, or the name of a board that comes with ufota
    raises:  Failure, FwError
    """
    if not os.path.isfile(path):
        path = str(paths.layouts().get(path, path))
    data = files.read(path, MAX_LAYOUT)
    layout = _literal(path, data, "LAYOUT")
    if layout is None:
        raise Failure(f"{path} has no LAYOUT")
    rules.check(layout)
    _check_fields(layout)
    real = _literal(path, data, "CHIPS")
    if real is not None:
        chips.check(real, layout)
    return layout


def _check_fields(layout):
    """Checks that would take too much memory on a device: misspelt fields, unreadable names."""
    for name, spec in layout["devices"].items():
        _check_name("devices", name)
        _check_kinds(name, spec, _DEVICE)
    for prefix, part in _layers(layout):
        _check_layer(part, prefix)


def _layers(layout):
    """(prefix of its names, layout): the layout itself, and its boot stages."""
    yield "", layout
    if "stages" in layout:
        yield "stages ", {**layout["stages"], "devices": layout["devices"]}


def _check_layer(layout, prefix):
    _check_kinds(prefix + "layout", layout, _LAYOUT)
    for field in _OF_TRIALS:
        if field in layout and "state" not in layout:
            raise Failure(f"{prefix}layout: {field} does nothing without a state region")
    if layout.get("arm_signature") and not layout.get("signed"):
        raise Failure(f"{prefix}layout: arm_signature does nothing without signed")
    if layout.get("unsigned") and layout.get("signed") == "start":
        text = 'unsigned images have no signature, and signed: "start" asks for it'
        raise Failure(f"{prefix}layout: {text}")
    for name in ("active", "recovery"):
        _check_kinds(prefix + name, layout.get(name, {}), _IMAGE)
    _check_kinds(prefix + "candidates", layout.get("candidates", {}), _CANDIDATES)
    _check_kinds(prefix + "state", layout.get("state", {}), _STATE)
    _check_kinds(prefix + "client", layout.get("client", {}), _SPAN)
    for name, region in layout.get("regions", {}).items():
        _check_name(prefix + "regions", name)
        _check_kinds(prefix + name, region, _REGION)


def _check_name(place, name):
    if not _NAME.fullmatch(name):
        raise Failure(f"{place}: {name!r} is no name of letters, digits, _ and -")


def _check_kinds(place, table, kinds):
    for field, value in table.items():
        if field not in kinds:
            raise Failure(f"{place}: {field!r} is no field of it")
        kind = kinds[field] if isinstance(kinds[field], tuple) else (kinds[field],)
        if type(value) not in kind:  # isinstance takes True for a number
            names = " or ".join(each.__name__ for each in kind)
            raise Failure(f"{place}: {field} is no {names}")


def _literal(path, data, name):
    """The value of the literal `name`, None when there is none. A file of JSON is the LAYOUT."""
    try:
        text = data.decode()
        if path.endswith(".json") or text.lstrip().startswith("{"):
            return json.loads(text) if name == "LAYOUT" else None
        for node in ast.parse(text).body:
            if isinstance(node, ast.Assign) and _names(node) == [name]:
                # What JSON cannot say (keys that are no text) is no layout either.
                return json.loads(json.dumps(ast.literal_eval(node.value)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise Failure(f"{path} is not a layout of pure literals: {_first_line(error)}") from None
    return None


def _names(node):
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _first_line(error):
    return (str(error) or type(error).__name__).splitlines()[0]


def check_fits(layout, name, image, which="active"):
    """Raises Failure naming both, when an image is larger than its region takes.

    which:  active or recovery
    """
    if not _fixed_slot(layout, which).fits(len(image)):
        size = layout[which]["size"]
        text = f"{name} of {len(image)} bytes does not fit the {which} region of {size}"
        raise Failure(f"error {errors.TOO_BIG}: {text}")


def all_regions(layout):
    """Everything the layout places: list of (device, start, end, name), sorted."""
    found = []
    for prefix, part in _layers(layout):
        rows = [*_images(part), *_candidates(part), *_others(part)]
        found += [(device, start, end, prefix + name) for device, start, end, name in rows]
    return sorted(found)


def _images(layout):
    for which in ("active", "recovery"):
        if which in layout:
            yield from _image(layout, which)


def _image(layout, which):
    """Rows of an image and its header. The header takes its erase blocks with it."""
    place, device = _fixed_slot(layout, which), layout[which]["device"]
    end = storage.up(place.header_at + place.header_size(), place.storage.erase_size)
    if place.header_at < place.body_at:
        together = which == "active" and layout.get("mode") in ("swap", "direct")
        end = place.body_at if together else min(end, place.body_at)
    yield device, place.header_at, end, f"{which} header"
    yield device, place.body_at, place.end, f"{which} image"


def _candidates(layout):
    """Rows of the slots, by the device's own arithmetic."""
    if "candidates" not in layout:
        return
    device = layout["candidates"]["device"]
    found = regions.slots(layout, _blank(layout, device))
    if layout.get("mode") == "swap":
        inner = getattr(found[0], "inner_at", None)
        yield device, found[0].header_at, inner, "spare block"
        yield device, inner, found[0].end, "candidate 0"
        return
    for i, each in enumerate(found):
        name = "second slot" if layout.get("mode") == "direct" else f"candidate {i}"
        yield device, each.header_at, each.end, name


def _others(layout):
    found = list(layout.get("regions", {}).items())
    for name, words in (("state", "boot state"), ("client", "client store")):
        if name in layout:
            found.append((words, layout[name]))
    for name, region in found:
        yield region["device"], region["start"], region["start"] + region["size"], name


def _fixed_slot(layout, which):
    return regions.fixed_slot(layout, layout[which], _blank(layout, layout[which]["device"]))


def _blank(layout, device):
    return _Blank(layout["devices"][device]["size"])


class _Blank:
    """A block device with nothing but a size, for the slot arithmetic."""

    def __init__(self, size):
        self._size = size

    def ioctl(self, op, arg):
        return self._size if op == 4 else 1  # blocks of one byte


def rows(layout):
    """Every device's regions and gaps in order: list of dicts."""
    found = []
    placed = all_regions(layout)
    for device, spec in layout["devices"].items():
        at = 0
        for _, start, end, name in [row for row in placed if row[0] == device]:
            if start > at:
                found.append(_row(device, "free", at, start))
            found.append(_row(device, name, start, end))
            at = max(at, end)
        if at < spec["size"]:
            found.append(_row(device, "free", at, spec["size"]))
    return found


def _row(device, name, start, end):
    return {"device": device, "name": name, "start": start, "end": end, "size": end - start}


def draw(layout, marks=("\u2588", "\u2591")):
    """Rich renderables: a bar and a table for each device.

    marks:  characters for what is used and what is free
    """
    from rich.table import Table
    from rich.text import Text

    parts = []
    found = rows(layout)
    for device, spec in layout["devices"].items():
        mine = [row for row in found if row["device"] == device]
        colours = _colours(mine)
        kind = "overwrites" if spec.get("overwrite") else f"erase {spec['erase']}"
        parts.append(
            Text(f"{device}  {amount(spec['size'])}, {kind}, program {spec['program']}", "bold")
        )
        parts.append(_bar(mine, spec["size"], colours, marks))
        table = Table("start", "end", "size", "region", box=None, padding=(0, 2, 0, 0))
        for row in mine:
            start, end = f"{row['start']:#010x}", f"{row['end']:#010x}"
            label = Text(f"{marks[0]} {row['name']}", colours[row["name"]])
            table.add_row(start, end, amount(row["size"]), label)
        parts += [table, Text()]
    return parts


def _colours(mine):
    names = [row["name"] for row in mine if row["name"] != "free"]
    found = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    return {**found, "free": "bright_black"}


def _bar(mine, size, colours, marks):
    """One line to scale, where every region gets at least one character."""
    from rich.text import Text

    line = Text()
    for row in mine:
        width = max(1, round(row["size"] * BAR_WIDTH / size))
        line.append(marks[row["name"] == "free"] * width, colours[row["name"]])
    return line


def amount(size):
    """4096 -> "4 KiB"; sizes that are no whole KiB stay bytes."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"


@click.group()
def layout():
    """Check a board's layout, and draw it."""


@layout.command("check")
@click.argument("path", metavar="FILE")
@files.json_option
def check_command(path, as_json):
    """Check that everything in the layout FILE fits, aligned and without overlap.

    With signed: "start" the frozen key, maker_key.py, has to be beside it.
    """
    found = load(path)
    maker_key.check_beside(path, found)
    size = len(all_regions(found))
    risks = _risks(found)
    if as_json:
        files.print_json({"layout": path, "good": True, "regions": size, "warnings": risks})
        return
    click.echo(f"{path}: {size} regions on {len(found['devices'])} devices, good")
    for text in risks:
        click.echo(f"warning: {text}", err=True)


def _risks(layout):
    """What works, and may still lose an image: list of texts."""
    if "state" in layout or layout.get("candidates", {}).get("locations") != 1:
        return []
    return [
        "candidates: one location, and no state. Where power was cut in the last write of an"
        " installation, the image may read right for some starts, and then not. If the next"
        " download has erased the candidate by then, no good copy is left. Two locations are safe."
    ]


@layout.command("show")
@click.argument("path", metavar="FILE")
@click.option("--svg", metavar="OUT", help="Also write the drawing as an SVG file.")
@files.json_option
def show_command(path, svg, as_json):
    """Draw the flash and storage map of the layout FILE."""
    from rich.console import Console

    found = load(path)
    if svg is not None:
        files.write(svg, _svg(draw(found), path).encode(), (path,))
    if as_json:
        files.print_json(rows(found))
    elif svg != files.STDIO:
        console = Console(highlight=False)
        parts = draw(found, "#.") if console.options.ascii_only else draw(found)
        console.print(*parts, sep="\n")


def _svg(parts, title):
    import io

    from rich.console import Console

    console = Console(record=True, width=80, file=io.StringIO(), force_terminal=True)
    console.print(*parts, sep="\n")
    return console.export_svg(title=title)
