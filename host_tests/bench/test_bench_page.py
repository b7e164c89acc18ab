"""The performance page shows what was measured."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import bench_page
import bench_patches
import bench_plot

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"machine": "a test"}


def row(name, figure, unit, bound=None, note="", values=None, ok=True):
    return dict(name=name, figure=figure, unit=unit, bound=bound, note=note, values=values, ok=ok)


GROUPS = {
    "heap": [
        row("heap of an update", 48, "KiB", 48, "of | all", {"64 KiB": 47.5, "8192 KiB": 48}),
        row("  of it above", 9.25, "KiB", 8, ok=False),
    ],
    "patches": [row("a < b", 10, "B", None, "", {"ours": 10, "other": 30, "full": 100})],
    "decoders": [row("decoder", 4.5, "x"), row("later", 0, "", None, "SKIPPED: no tool")],
}
ABOUT = {"decoders": "Decoders.", "patches": "Patches & more.", "heap": "Heaps.", "gone": "Gone."}


def made(tmp_path, groups=GROUPS):
    bench_page.write(FACTS, groups, ABOUT, tmp_path, {})
    return (tmp_path / "PERFORMANCE.md").read_text()


def test_the_page_has_every_row_in_the_order_of_the_rows(tmp_path):
    page = made(tmp_path)
    assert re.findall("^## (.*)", page, re.M) == ["Bounds", "decoders", "patches", "heap"]
    assert "| machine | a test |" in page
    assert "| decoder | 4.5 x |  |" in page
    assert "| later | - | SKIPPED: no tool |" in page
    assert "| heap of an update | 48 KiB | of \\| all |" in page
    assert "| heap of an update, of it above | 9.25 KiB |  |" in page
    assert "| in KiB | 64 KiB | 8192 KiB |" in page
    assert "| heap of an update | 47.5 | 48 |" in page


def test_a_missed_bound_is_said_so(tmp_path):
    page = made(tmp_path)
    assert "| heap | heap of an update | 48 KiB | 48 KiB | ok |" in page
    assert "| heap | heap of an update, of it above | 9.25 KiB | 8 KiB | MISSED |" in page


def test_plots_are_xml_and_the_page_shows_each(tmp_path):
    page = made(tmp_path)
    plots = sorted(path.name for path in (tmp_path / "performance").iterdir())
    assert plots == ["decoders.svg", "heap.svg", "patches.svg"]
    for name in plots:
        ElementTree.parse(tmp_path / "performance" / name)
        assert f"(performance/{name})" in page


def test_the_same_figures_make_the_same_page(tmp_path):
    pages = made(tmp_path / "a"), made(tmp_path / "b")
    assert pages[0] == pages[1]
    for path in (tmp_path / "a" / "performance").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / "performance" / path.name).read_bytes()


def test_bars_end_where_the_figures_say():
    _, parts = bench_plot.bars("x", [("half", 1, None), ("whole", 2, 1.5)])
    widths = [float(re.search('width="([^"]*)"', part)[1]) for part in parts if "<rect" in part]
    assert widths[1] == 2 * widths[0]
    assert widths[2] == 2  # the line of the bound


def test_a_run_of_some_rows_leaves_the_others(tmp_path):
    path = tmp_path / "build" / "bench.json"
    bench_page.keep(FACTS, GROUPS, path)
    new = {"patches": [row("new", 1, "B")]}
    assert bench_page.keep(FACTS, new, path) == {**GROUPS, **new}
    assert bench_page.keep({"machine": "another"}, new, path) == new


def test_without_the_package_index_there_are_words_and_no_sizes(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_patches, "WHEELS", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    ((name, figure, _, _, note, _),) = bench_patches.patches(quick=True)
    assert (name, figure) == ("patches", 0)
    assert note == "SKIPPED: the package index gives no microdot==2.6.2"


# What README's table of heaps says, and the row of the page that has measured it.
HEAPS = {
    "a whole update over HTTP,": r"heap of an update, PublicKey \| ([\d.]+) KiB",
    "of it buffer and work space,": r"PublicKey, of it above the imports \| ([\d.]+) KiB",
    "the same by a deflated patch,": r"above the image's \| [\d.]+ KiB \| ([\d.]+) KiB",
    "the same over HTTPS;": r"heap of an update over HTTPS \| ([\d.]+) KiB",
    "the same in blocks over MQTT,": r"in MQTT blocks, Client \| ([\d.]+) KiB",
    "that with `FleetClient`,": r"in MQTT blocks, FleetClient, with reports \| ([\d.]+) KiB",
    "a boot that installs,": r"heap of a boot that installs \| ([\d.]+) KiB",
}


@pytest.mark.parametrize("begin", HEAPS)
def test_readme_and_page_tell_the_same_heaps(begin):
    page = (ROOT / "docs" / "PERFORMANCE.md").read_text()
    (told,) = re.findall(
        rf"^\| {re.escape(begin)}.* \| ([\d.]+) KiB \|$", (ROOT / "README.md").read_text(), re.M
    )
    # As much as a heap differs from run to run: `make bench` writes the page anew.
    assert abs(float(told) - float(re.findall(HEAPS[begin], page)[-1])) <= 0.5
