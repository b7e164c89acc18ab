"""Plots of requests per second over hours, as text and as SVG; their axis is in decades."""

from math import log10

TOP = 5  # decades: 100,000
_WIDTH = 100  # columns of the text
_STEPS = 2  # rows of the text for a decade
_LEFT, _RIGHT, _ABOVE, _BELOW = 70, 20, 40, 50  # margins of the SVG, in pixels
_PLOT = 900, 360


def busiest(requests, count):
    """The busiest second of each of so many equal parts."""
    part = len(requests) // count
    return [max(requests[at : at + part]) for at in range(0, part * count, part)]


def text(title, requests, down_s):
    """Lines of a plot, 100 columns wide: each shows the busiest second of its time.

    requests:  per second
    down_s:    (from, to): when the server was down
    """
    heights = [_height(value) * _STEPS for value in busiest(requests, _WIDTH)]
    lines = [title]
    for level in range(TOP * _STEPS, -1, -1):
        label = f"{10 ** (level // _STEPS)}/s" if level % _STEPS == 0 else ""
        bars = "".join("#" if height >= level else " " for height in heights)
        lines.append(f"{label:>9} |{bars}".rstrip())
    seconds = len(requests) // _WIDTH
    down = range(down_s[0] // seconds, down_s[1] // seconds)
    axis = "".join("x" if column in down else "-" for column in range(_WIDTH))
    lines.append(f"{'':>9} +{axis}")
    hours = "".join(f"{at * seconds / 3600:<20.3g}" for at in range(0, _WIDTH, 20))
    return [*lines, f"{'hours':>9}  {hours}  x: server down", ""]


def _height(value):
    """Decades above 1; below 0 for none."""
    return log10(value) if value else -1


def svg(title, curves, down_s):
    """An SVG document.

    curves:  (name, colour, requests per second) each; the first is drawn at the back
    down_s:  (from, to): when the server was down
    """
    width, height = _PLOT
    seconds = len(curves[0][2])

    def x(second):
        return _LEFT + width * second / seconds

    def y(value):
        return _ABOVE + height * (1 - max(_height(value), 0) / TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + width + _RIGHT}" '
        f'height="{_ABOVE + height + _BELOW}" font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        _box(x(down_s[0]), _ABOVE, x(down_s[1]) - x(down_s[0]), height, "#eeeeee"),
        _label(_LEFT, 18, title),
        _label((x(down_s[0]) + x(down_s[1])) / 2, _ABOVE + 15, "server down", "middle"),
    ]
    for decade in range(TOP + 1):
        at = y(10**decade)
        parts.append(_line([(_LEFT, at), (_LEFT + width, at)], "#cccccc"))
        parts.append(_label(_LEFT - 6, at + 4, f"{10**decade:,}/s", "end"))
    for hour in range(seconds // 3600 + 1):
        parts.append(_label(x(hour * 3600), _ABOVE + height + 18, f"{hour} h", "middle"))
    for place, (name, colour, requests) in enumerate(curves):
        values = busiest(requests, width)
        step = seconds / width
        parts.append(_line([(x(at * step), y(each)) for at, each in enumerate(values)], colour))
        parts.append(_label(_LEFT + 450 * place, _ABOVE + height + 40, name, fill=colour))
    return "\n".join([*parts, "</svg>", ""])


def _box(x, y, width, height, fill):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'


def _line(points, colour):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}"/>'


def _label(x, y, words, anchor="start", fill="black"):
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{fill}">{words}</text>'
