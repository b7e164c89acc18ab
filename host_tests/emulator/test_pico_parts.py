"""The parts of `make test-pico` that need no firmware: what the emulated board starts from."""

import struct

import pytest

import compose
import cuts
import pico_run
import play
import stack_table
import unix_names
from boards_kit import World, read
from flash_contents import FlashContents
from fwboot import main
from fwcore.manifest import version_word
from fwtool.images import layouts, stage
from pico import uf2
from stories import NEW, OLD, STORIES
from ufota import trial


def block(address, data, magic=0x0A324655):
    """One block of a .uf2."""
    head = struct.pack("<8I", magic, 0x9E5D5157, 0x2000, address, len(data), 0, 1, 0xE48BFF56)
    return (head + data).ljust(508, b"\0") + struct.pack("<I", 0x0AB16F30)


def test_uf2_gives_what_goes_into_the_flash():
    data = block(0x10000000, b"a" * 256) + block(0x10000200, b"b" * 256)
    assert uf2(data) == b"a" * 256 + b"\xff" * 256 + b"b" * 256


def test_uf2_that_is_none_or_goes_elsewhere_is_refused():
    for data in (block(0x10000000, b"a", magic=1), block(0x20000000, b"a"), b"no uf2"):
        with pytest.raises(ValueError):
            uf2(data)


def test_composed_flash_is_a_board_that_starts_its_application():
    image = compose.release(OLD)
    blank, area = compose.area(OLD, image)
    world = World(compose.NAME)
    disk = world.disks["flash"]
    with world.ports():
        disk.load(0, bytes(blank))
        assert world.start().rot() is None
        disk.load(0, bytes(area))
        board = world.start()
        assert read(main.run(board)) == (version_word(OLD), image)
        assert len(board.rot()) == 16
        assert (board.vendor_id, board.class_id) == (compose.VENDOR.bytes, compose.CLASS.bytes)
        assert trial.last_result(board) is None


def test_a_scene_that_a_story_asks_for_is_there():
    for story in STORIES:
        asked = ", ".join((*story.scenes.values(), story.typed)).split(", ")
        for name in filter(None, asked):
            topic, function = name.split()[0].split(".")
            text = (compose.HERE / "app" / f"scenes_{topic}.py").read_text()
            assert f"\ndef {function}(" in text
        assert set(story.scenes) <= {OLD, NEW} and story.tells
    assert len({story.name for story in STORIES}) == len(STORIES)


def test_a_boot_stage_fits_the_map_of_the_scene_of_the_selector():
    layout = layouts.load(str(compose.HERE / "app" / "select_layout.py"))
    stage.check_fits(layout, "a stage", compose.fixed_pages()["/stage"])
    of_board = "devices", "active", "state", "client"  # what the board starts from is in its place
    assert [layout[name] for name in of_board] == [compose.LAYOUT[name] for name in of_board]


def test_figures_that_are_kept_are_of_scenes_that_both_have():
    assert set(unix_names.NAMES) <= set(stack_table.scenes())
    assert {place[0] for place in unix_names.NAMES.values()} <= {story.name for story in STORIES}


def test_the_deepest_of_the_steps_that_are_meant_is_kept():
    def step(scene, word, stack):
        return play.Step(scene, word, stack, 0, 0, 0, "", "")

    told = [("mode", "idle", 7), ("mode", "installed", 9)]
    update = [("update", "start", 9), ("update", "made", 5), ("update", "done", 6)]
    found = unix_names.figures(
        {
            "swap": [step(*each) for each in told],
            "update": [step(*each) for each in update],
        }
    )
    assert found == {"boot, swap": 7, "install, swap": 9, "run": 6}


def test_a_release_is_as_large_as_an_update_is_to_be():
    contents = FlashContents()
    for image in (contents.old, contents.new, contents.broken):
        assert len(image) == compose.IMAGE_SIZE >= 102400
    assert len({contents.old, contents.new, contents.broken}) == 3


def test_what_servers_have_is_where_the_application_looks():
    data = compose.web({"/a": b"one", "/b": b"three"})
    size = struct.unpack_from("<I", data)[0]
    assert data[4 : 4 + size] == b'{"/a": [4096, 3], "/b": [4099, 5]}'
    assert data[4096:] == b"onethree"


def test_every_fiftieth_operation_is_cut_and_each_of_the_last_ones():
    found = cuts.numbers(486)
    assert found[:10] == [50, 100, 150, 200, 250, 300, 350, 400, 450, 473]
    assert found[-1] == 486 and len(found) == 9 + 14


def test_without_the_two_files_a_sentence_says_so(tmp_path):
    there = tmp_path / "firmware.uf2"
    there.write_bytes(b"x")
    assert pico_run.missing({"FIRMWARE": there, "BOOTROM": there}) == ""
    assert "BOOTROM is missing" in pico_run.missing({"FIRMWARE": there, "BOOTROM": ""})
    assert "FIRMWARE and BOOTROM are" in pico_run.missing({"FIRMWARE": "", "BOOTROM": "nowhere"})


def test_a_stack_above_the_bound_is_told():
    def step(stack):
        return play.Step("s", "done", stack, 0, 0, 0, "", "")

    assert pico_run.verdict(step(6144)) == ""
    assert pico_run.verdict(step(6148)) == "4 B above the bound"
    assert pico_run.verdict(step(8200)) == "8 B past the stack's end"
