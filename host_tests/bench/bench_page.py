"""docs/PERFORMANCE.md and its plots, out of what bench.py measured.

Owns how the page looks, and build/bench.json, which keeps the results: a run of some rows
replaces these and leaves the others, unless machine or versions are other ones now.
"""

import json
import shutil
from pathlib import Path

import bench_plot

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "bench.json"
DOCS = ROOT / "docs"
SIZE = " KiB"  # ends names of values that are for an image of that size
SKIPPED = "SKIPPED"  # begins the note of what was not measured
PICTURES = {"fleet": ROOT / "build" / "fleet.svg"}  # plots that rows draw themselves
HEAD = """\
# Performance

Written by `make bench`; `python host_tests/bench/bench.py ROW --page` measures one row anew. Times
are ratios within one run of one process, the floor and the measured in turns, the fastest of each;
the notes say what the middle half of the rounds gave. Another processor or other work moves them,
so they have no bounds: `instructions` counts the same works, and does not move. Heaps are bisected
to a quarter of a KiB; what the collector takes for an address is chance. The interpreter is
MicroPython's unix port, 64 bit; nothing here was measured on silicon.

"""


def spread(low, high):
    """What the middle half of the rounds gave."""
    return f"half of the rounds {low:.2f} to {high:.2f}"


def keep(facts, found, path=KEPT):
    """Add the rows found to those kept of the same machine and versions.

    found:    {group: [row]}
    returns:  {group: [row]}, all
    """
    groups = {}
    if path.exists():
        kept = json.loads(path.read_text())
        if kept["facts"] == facts:
            groups = kept["groups"]
    groups |= found
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"facts": facts, "groups": groups}, indent=1))
    return groups


def write(facts, groups, about, docs=DOCS, pictures=PICTURES):
    """Write the page and a plot for each group.

    facts:   {name: value} of machine and versions
    groups:  {group: [row]}, as bench.row makes them
    about:   {group: what it measures}, in the order of the page; groups beyond it are left out
    """
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    shown = {group: list(_whole(groups[group])) for group in about if group in groups}
    parts = [HEAD, _facts(facts), _bounds(shown)]
    for group, rows in shown.items():
        parts += [
            f"## {group}\n\n{about[group]}\n\n    python host_tests/bench/bench.py {group}\n\n"
        ]
        parts += [_table(rows)]
        panels = _panels(rows)
        if panels:
            (folder / f"{group}.svg").write_text(
                bench_plot.document(about[group].splitlines()[0], panels)
            )
            parts += [f"![{group}](performance/{group}.svg)\n\n"]
        if group in pictures and pictures[group].exists():
            shutil.copyfile(pictures[group], folder / f"{group}-curves.svg")
            parts += [f"![{group}, over time](performance/{group}-curves.svg)\n\n"]
    (docs / "PERFORMANCE.md").write_text("".join(parts).rstrip() + "\n")


def _whole(rows):
    """The rows, with whole names where one that begins with blanks goes on from one before."""
    before = ""
    for row in rows:
        if row["name"].startswith(" "):
            row = {**row, "name": f"{before}, {row['name'].strip()}"}
        else:
            before = row["name"]
        yield row


def _facts(facts):
    return _lines(["", ""], ([name, value] for name, value in facts.items()))


def _bounds(groups):
    """What must hold: all rows with a bound."""
    held = [
        [group, _plain(row["name"]), _figure(row), _figure(row, "bound"), _verdict(row)]
        for group, rows in groups.items()
        for row in rows
        if row["bound"] is not None
        and (row is rows[0] or "beside" not in row)  # of a stack the deepest
    ]
    return "## Bounds\n\nWhat must not be more, or `make bench` fails.\n\n" + _lines(
        ["row", "what", "figure", "bound", ""], held
    )


def _verdict(row):
    return "ok" if row["ok"] else "MISSED"


def _table(rows):
    beside = rows[0].get("beside", {})  # {column: what others have found, or ""}
    cells = [
        [
            _plain(row["name"]),
            _figure(row),
            *(str(row["beside"][name]) for name in beside),
            _plain(row["note"]),
        ]
        for row in rows
    ]
    return _lines(["what", "figure", *beside, "notes"], cells) + _values(rows)


def _values(rows):
    """What the figures are out of, a column for each name."""
    wide = [row for row in rows if row["values"]]
    names = dict.fromkeys(name for row in wide for name in row["values"])
    cells = [
        [_plain(row["name"]), *(str(row["values"].get(name, "")) for name in names)]
        for row in wide
    ]
    return _lines([f"in {wide[0]['unit']}", *names], cells) if wide else ""


def _figure(row, which="figure"):
    if row["note"].startswith(SKIPPED):
        return "-"
    return f"{_number(row[which])} {row['unit']}".strip()


def _number(value):
    return f"{round(value, 2):.12g}"


def _plain(words):
    return words.replace("|", "\\|")


def _lines(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines) + "\n"


def _panels(rows):
    """Panels of the plot: by unit, what has values and then the bars of the rest."""
    by_unit = {}
    for row in rows:
        if not row["note"].startswith(SKIPPED):
            by_unit.setdefault(row["unit"], []).append(row)
    panels = []
    for unit, each in by_unit.items():
        wide = [(row["name"], row["values"]) for row in each if row["values"]]
        rest = [(row["name"], row["figure"], row["bound"]) for row in each if not row["values"]]
        panels += [_wide(unit, wide)] if wide else []
        panels += [bench_plot.bars(unit, rest)] if rest else []
    return panels


def _wide(unit, rows):
    """Lines over the size of the image where the values are for sizes, else groups of bars."""
    if all(name.endswith(SIZE) for _, values in rows for name in values):
        curves = [
            (name, {int(size.removesuffix(SIZE)): value for size, value in values.items()})
            for name, values in rows
        ]
        return bench_plot.lines(unit, curves)
    return bench_plot.groups(rows)
