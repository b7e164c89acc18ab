"""A fleet after an outage: with jitter its requests are spread, without they come at once."""

import xml.etree.ElementTree as xml

import fleet_plot
from fleet_outage import DOWN_S, END_S, INTERVAL_S, peak, simulate

DEVICES = 5000
STEADY = DEVICES / INTERVAL_S  # requests per second, when nothing happens


def hours(found, start, end):
    return sum(found.requests[start:end]) / (end - start)


def test_with_jitter_the_peak_is_a_small_multiple_of_the_steady_rate():
    found = simulate(DEVICES, jitter=True)
    assert 0.9 * STEADY < hours(found, 1800, DOWN_S[0]) < 1.2 * STEADY
    assert sum(found.requests[DOWN_S[1] : DOWN_S[1] + 60]) / 60 < 10 * STEADY
    assert peak(found) < 20 * STEADY  # of one second, and chance has more room in a small fleet
    assert hours(found, END_S - 3600, END_S) < 1.2 * STEADY
    assert not any(found.left)


def test_without_jitter_all_come_in_the_same_second():
    found = simulate(DEVICES, jitter=False)
    assert peak(found) == DEVICES
    assert not any(found.left)


def test_with_jitter_a_server_of_four_times_the_steady_rate_reaches_all():
    """Without, each wave is turned away but for its first few, and backs off in step."""
    capacity = int(4 * STEADY)
    assert not any(simulate(DEVICES, True, None, capacity).left)
    assert sum(simulate(DEVICES, False, None, capacity).left) > 0.9 * DEVICES


def test_a_push_can_be_told_to_spread_its_devices():
    at_once = simulate(DEVICES, True, push_within_s=0)
    spread = simulate(DEVICES, True, push_within_s=600)
    assert max(at_once.requests) == DEVICES
    assert max(spread.requests) < DEVICES / 50
    assert peak(at_once) < 30 * STEADY  # back-off has spread them meanwhile


def test_the_text_shows_each_busiest_second_in_its_decade():
    requests = [0] * 1000
    requests[0:10] = [1] * 10
    requests[15] = 10
    requests[25] = 31
    requests[35] = 32
    requests[999] = 100_000
    lines = fleet_plot.text("title", requests, (500, 600))
    columns = ["".join(line[11:].ljust(100)[at] for line in lines[1:12]) for at in range(100)]
    assert [columns[at].count("#") for at in (0, 1, 2, 3, 4, 98, 99)] == [1, 3, 3, 4, 0, 0, 11]
    assert all("# " not in column for column in columns)  # they stand on the axis
    assert lines[0] == "title" and lines[1].startswith(" 100000/s |")
    assert lines[12][11:] == "-" * 50 + "x" * 10 + "-" * 40


def test_the_svg_is_one_and_has_both_curves():
    requests = [0] * 900 + [1] * 900 + [10] * 900 + [100_000] * 900
    curves = [("a", "red", requests), ("b", "blue", requests[::-1])]
    root = xml.fromstring(fleet_plot.svg("title", curves, (600, 1200)))
    lines = [each.attrib for each in root if each.tag.endswith("polyline")]
    colours = [each["stroke"] for each in lines]
    assert colours.count("red") == colours.count("blue") == 1
    for each in lines:
        for place in each["points"].split():
            x, y = map(float, place.split(","))
            assert 70 <= x <= 970 and 40 <= y <= 400  # within the axes
