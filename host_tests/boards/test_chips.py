"""Layouts of real boards fit their chips; planted mistakes are refused, with both names."""

import ast
import csv

import pytest

from boards_kit import NAMES
from frozen_kit import BOARDS
from fwcore import errors, errors_boot
from fwtool.exits import Failure
from fwtool.images import chips, layouts
from fwtool_cli import fwtool


def literals(board):
    """(CHIPS, LAYOUT) of a board, to be changed at will."""
    found = {}
    for node in ast.parse((BOARDS / board / "layout.py").read_text()).body:
        if isinstance(node, ast.Assign):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found["CHIPS"], found["LAYOUT"]


def refusal(tmp_path, chips_, layout):
    """What `fwtool layout check` says of them."""
    path = tmp_path / "layout.py"
    path.write_text(f"CHIPS = {chips_!r}\nLAYOUT = {layout!r}\n")
    return fwtool("layout", "check", path, code=1).stderr


@pytest.mark.parametrize("board", NAMES)
def test_a_boards_layout_is_good(board):
    assert "good" in fwtool("layout", "check", BOARDS / board / "layout.py").stdout


# In the layout, for each board


@pytest.mark.parametrize("board", NAMES)
def test_a_planted_overlap_names_both(board, tmp_path):
    real, layout = literals(board)
    layout["client"] = dict(layout["state"])
    out = refusal(tmp_path, real, layout)
    assert f"{errors_boot.OVERLAP}" in out and "state" in out and "client" in out


@pytest.mark.parametrize("board", NAMES)
def test_a_planted_misalignment_names_region_and_field(board, tmp_path):
    real, layout = literals(board)
    layout["state"]["start"] += 512
    out = refusal(tmp_path, real, layout)
    assert f"{errors.MISALIGNED}" in out and "state" in out and "start" in out


@pytest.mark.parametrize("board", NAMES)
def test_a_planted_overflow_names_region_and_device(board, tmp_path):
    real, layout = literals(board)
    user = layout["regions"]["user"]
    user["size"] += 4096
    out = refusal(tmp_path, real, layout)
    assert f"{errors.OUT_OF_DEVICE}" in out and "user" in out and user["device"] in out


# Between layout and chip, for each board


@pytest.mark.parametrize("board", NAMES)
def test_a_device_behind_the_end_of_the_chip_is_refused(board, tmp_path):
    real, layout = literals(board)
    for chip in real.values():
        for device in chip["devices"]:
            before = chip["size"]
            chip["size"] = chip["devices"][device] + layout["devices"][device]["size"] - 1
            out = refusal(tmp_path, real, layout)
            assert f"error {errors.OUT_OF_DEVICE}" in out and device in out
            chip["size"] = before


@pytest.mark.parametrize("board", NAMES)
def test_a_device_that_begins_inside_of_a_unit_is_refused(board, tmp_path):
    real, layout = literals(board)
    for chip in real.values():
        for device in chip["devices"]:
            chip["devices"][device] += 256
            chip["size"] += 1 << 20
            out = refusal(tmp_path, real, layout)
            assert f"error {errors.MISALIGNED}" in out and device in out
            chip["devices"][device] -= 256
            chip["size"] -= 1 << 20


@pytest.mark.parametrize("board", [name for name in NAMES if "firmware" in str(literals(name)[0])])
def test_a_device_over_the_firmware_is_refused(board, tmp_path):
    real, layout = literals(board)
    (chip,) = [chip for chip in real.values() if "firmware" in chip.get("used", {})]
    chip["used"]["firmware"] = (chip["devices"]["flash"] + chip["erase"], chip["size"])
    out = refusal(tmp_path, real, layout)
    assert f"error {errors_boot.OVERLAP}" in out and "firmware" in out and "flash" in out


@pytest.mark.parametrize("board", NAMES)
def test_a_chip_that_erases_more_than_the_layout_says_is_refused(board, tmp_path):
    real, layout = literals(board)
    for name, chip in real.items():
        told = [layout["devices"][device] for device in chip["devices"]]
        if any(device.get("overwrite") for device in told):
            continue
        for field, number in (("erase", errors.MISALIGNED), ("program", errors.MISALIGNED)):
            before = chip[field]
            chip[field] *= 1 << 21 if field == "erase" else 2
            out = refusal(tmp_path, real, layout)
            assert f"error {number}" in out and name in out
            chip[field] = before


def test_a_neighbour_behind_the_end_of_the_chip_is_refused(tmp_path):
    real, layout = literals("PYBV11")
    real["internal"]["used"]["firmware"] = (0x20000, 0x100001)
    out = refusal(tmp_path, real, layout)
    assert f"error {errors.OUT_OF_DEVICE}: firmware ends behind internal" in out


def test_a_device_on_no_chip_or_on_two_is_refused(tmp_path):
    real, layout = literals("ESP32_GENERIC")
    real["flash"]["devices"].pop("vfs")
    assert "vfs is on 0 chips" in refusal(tmp_path, real, layout)
    real, layout = literals("ESP32_GENERIC")
    real["other"] = {"size": 1 << 22, "erase": 4096, "program": 256, "devices": {"vfs": 0}}
    assert "vfs is on 2 chips" in refusal(tmp_path, real, layout)
    real["other"]["devices"] = {"nobody": 0}
    assert "nobody" in refusal(tmp_path, real, layout)


# Flash behind a port's RAM


@pytest.mark.parametrize("name", ["state", "client", "active", "candidates"])
def test_no_image_and_no_marks_where_a_port_hides_its_sectors(name):
    real, layout = literals("PYBV11")
    layout[name]["device"] = "flash"
    words = f"error {errors.MISALIGNED}: {name}: internal erases more"
    with pytest.raises(Failure, match=words):
        chips.check(real, layout)


@pytest.mark.parametrize(("start", "size"), [(0, 0x8000), (0x2000, 0x6000), (0, 0x6000)])
def test_a_journal_that_shares_a_sector_between_banks_is_refused(start, size, tmp_path):
    real, layout = literals("PYBV11")
    layout["regions"]["identity"] = {"device": "flash", "start": start, "size": size}
    assert "identity is not three banks of internal" in refusal(tmp_path, real, layout)


# What is no table of chips at all


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        [],
        {"flash": 1},
        {"flash": {}},
        {"flash": {"devices": 3}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "colour": 1}},
        {"flash": {"size": 1, "erase": 0, "program": 1, "devices": {}}},
        {"flash": {"size": 1, "erase": 1, "program": 0, "devices": {}}},
        {"flash": {"size": -1, "erase": 1, "program": 1, "devices": {}}},
        {"flash": {"size": True, "erase": 1, "program": 1, "devices": {}}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {"flash": "0"}}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "used": 3}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "used": {"a": 1}}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "used": {"a": [1]}}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "used": {"a": [2, 2]}}},
        {"flash": {"size": 1, "erase": 1, "program": 1, "devices": {}, "used": {"a": [0, "b"]}}},
        {"flash": {"size": 9, "erase": 1, "program": 1, "devices": {}, "used": {"a": [3, 2]}}},
    ],
)
def test_nonsense_is_refused_without_a_traceback(wrong, tmp_path):
    layout = literals("RPI_PICO_W")[1]
    refusal(tmp_path, wrong, layout)
    layout["devices"] = {}  # so that none is missing
    with pytest.raises(Failure):
        chips.check(wrong, layout)


# The same facts in another place


@pytest.mark.parametrize("board", ["ESP32_GENERIC", "ESP32_GENERIC_S3"])
def test_the_partition_table_is_the_one_of_the_layout(board):
    real = literals(board)[0]["flash"]
    layout = layouts.load(str(BOARDS / board / "layout.py"))
    want = {name: tuple(span) for name, span in real["used"].items() if name != "loader"}
    for name, start in real["devices"].items():
        want[name] = (start, start + layout["devices"][name]["size"])
    lines = (BOARDS / board / "partitions.csv").read_text().splitlines()
    rows = csv.reader(line for line in lines if not line.startswith("#"))
    found = {}
    for name, _, _, start, size in rows:
        found[name] = (int(start, 0), int(start, 0) + int(size, 0))
    assert found == want


@pytest.mark.parametrize("board", NAMES)
def test_the_readme_shows_the_map_that_fwtool_draws(board):
    shown = fwtool("layout", "show", BOARDS / board / "layout.py").stdout
    lines = [line.rstrip() for line in shown.rstrip().splitlines()]
    text = (BOARDS / board / "README.md").read_text()
    assert "\n".join("    " + line if line else "" for line in lines) in text


@pytest.mark.parametrize("board", NAMES)
def test_the_readme_writes_the_first_image_to_where_its_header_is(board):
    real, layout = literals(board)
    (active,) = [
        chip["devices"][layout["active"]["device"]] + layout["active"]["header"]
        for chip in real.values()
        if layout["active"]["device"] in chip["devices"]
    ]
    mapped = {"RPI": 0x10000000, "MIM": 0x60000000}.get(board[:3], 0)
    text = (BOARDS / board / "README.md").read_text()
    assert f"{mapped + active:#x}" in text.lower()
    assert f"fwtool combine --layout boards/{board}/layout.py --app app.img" in text
