"""Plots of the performance page, as SVG: bars, bars in groups, and lines. Deterministic.

A panel is (height, parts): what a function below draws. `document` puts panels below each other.
"""

from math import floor, log10

_WIDTH = 960
_NAMES = 380  # columns of the names, left of the bars
_FIGURES = 140  # and of the figures, right of the longest
_BAR = 18  # pixels from bar to bar
_THIN = 9  # the same within a group
_LINES = 300  # height of a panel of lines
_COLOURS = "#2060b0 #c03020 #20903a #c08000 #7040a0 #208890 #606060 #a05070 #304060".split()


def document(title, panels):
    """An SVG document.

    panels:  [(height, parts)] as the functions below return them
    """
    parts, y = [], 34
    for height, drawn in panels:
        parts.append(f'<g transform="translate(0,{y})">')
        parts += [*drawn, "</g>"]
        y += height + 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}" '
            'font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            _label(10, 20, title, weight="bold"),
            *parts,
            "</svg>",
            "",
        ]
    )


def bars(unit, rows):
    """A bar for each row, from 0.

    rows:  [(name, figure, bound)]; a bound is a red line, None for none
    """
    bounded = any(bound is not None for *_, bound in rows)
    most = max(max(figure, bound or 0) for _, figure, bound in rows) or 1
    scale = (_WIDTH - _NAMES - _FIGURES) / most
    parts = []
    for at, (name, figure, bound) in enumerate(rows):
        y = at * _BAR
        parts.append(_label(_NAMES - 8, y + 12, name, "end"))
        parts.append(_box(_NAMES, y + 2, figure * scale, _BAR - 5, _COLOURS[0]))
        if bound is not None:
            parts.append(_box(_NAMES + bound * scale - 1, y, 2, _BAR - 1, _COLOURS[1]))
        end = _NAMES + max(figure, bound or 0) * scale + 6
        parts.append(_label(end, y + 12, f"{figure:g} {unit}"))
    if bounded:
        parts.append(_label(_NAMES, len(rows) * _BAR + 12, "| must not be more", fill=_COLOURS[1]))
    return (len(rows) + bounded) * _BAR, parts


def groups(rows):
    """A group of bars for each row, as parts of its longest, which is not drawn.

    rows:  [(name, {what: figure})]
    """
    drawn = [(name, max(values.values()), values) for name, values in rows]
    longest = max(rows[0][1], key=rows[0][1].get)
    whats = [what for what in rows[0][1] if what != longest]
    scale = (_WIDTH - _NAMES - _FIGURES) / max(
        values[what] / most for _, most, values in drawn for what in whats if what in values
    )
    parts, y = _legend(whats), 24
    parts.append(_label(_WIDTH - 10, 11, f"100 %: {longest}", "end"))
    for name, most, values in drawn:
        parts.append(_label(_NAMES - 8, y + len(whats) * _THIN / 2 + 4, name, "end"))
        for colour, what in zip(_COLOURS, whats, strict=False):
            part = values.get(what, 0) / most
            parts.append(_box(_NAMES, y, part * scale, _THIN - 2, colour))
            said = f"{100 * part:.1f} %"
            parts.append(_label(_NAMES + part * scale + 4, y + _THIN - 2, said, size=9))
            y += _THIN
        y += 6
    return y, parts


def lines(unit, curves):
    """Figures by size of the image, two or more; both axes in decades.

    curves:  [(name, {KiB: figure})]
    """
    xs = [log10(x) for _, values in curves for x in values]
    ys = [log10(y) for _, values in curves for y in values.values()]
    low, high = floor(min(ys)), floor(max(ys)) + 1
    left, wide = 70, _WIDTH - 70 - 40

    def x_of(x):
        return left + wide * (log10(x) - min(xs)) / (max(xs) - min(xs))

    def y_of(y):
        return 30 + (_LINES - 60) * (high - log10(y)) / (high - low)

    parts = _legend([name for name, _ in curves])
    for decade in range(low, high + 1):
        y = y_of(10**decade)
        parts.append(_line([(left, y), (left + wide, y)], "#cccccc"))
        parts.append(_label(left - 6, y + 4, f"{10.0**decade:g} {unit}", "end"))
    for x in sorted({x for _, values in curves for x in values}):
        parts.append(_label(x_of(x), _LINES - 10, f"{x:g} KiB", "middle"))
    for colour, (_, values) in zip(_COLOURS, curves, strict=False):
        points = [(x_of(x), y_of(y)) for x, y in values.items()]
        parts.append(_line(points, colour))
        parts += [
            _label(x, y - 4, f"{values[k]:g}", "middle", colour, 9)
            for (x, y), k in zip(points, values, strict=True)
        ]
    return _LINES, parts


def _legend(names):
    parts, x = [], 10
    for colour, name in zip(_COLOURS, names, strict=False):
        parts.append(_box(x, 2, 10, 10, colour))
        parts.append(_label(x + 14, 11, name))
        x += 30 + 7 * len(name)
    return parts


def _box(x, y, width, height, fill):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" fill="{fill}"/>'


def _line(points, colour):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _label(x, y, words, anchor="start", fill="black", size=12, weight="normal"):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" '
        f'font-size="{size}" font-weight="{weight}">{words}</text>'
    )
