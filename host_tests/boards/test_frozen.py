"""What the boards' manifests freeze: it is whole, it compiles, and a board starts from it.

No MicroPython checkout is at hand: what comes from there are stand-ins (frozen_kit.py).
"""

import shutil
import subprocess

import pytest

from boards_kit import NAMES
from frozen_kit import BOARDS, OURS, ROOT, TARGETS, build, checkout, is_ours, missing, resolve
from fwtool import paths
from helpers import PATIENCE_S, here

FILES = {"manifest_boot.py": "boot", "manifest.py": "all"}
# What a module imports where the layout asks for it, and these boards' layouts do not: the
# selector, signatures in the boot stage, a stage that confirms itself.
ON_DEMAND = {"fwcore.boot_chain", "fwcore.p256", "ufota.trial"}
DRIVERS = {"bdev.spinor", "bdev.sdcard"}
# What the script needs beside the frozen modules, and nothing of the sources.
KIT = (
    "boards/board_start.py",
    "kit/boards_kit.py",
    "kit/helpers.py",
    "simulators/fake_ports.py",
    "vectors/client/manifests.json",
)


@pytest.fixture(scope="module")
def micropython_tree(tmp_path_factory):
    return checkout(tmp_path_factory.mktemp("micropython"))


def frozen(board, name, tree):
    return resolve(BOARDS / board / name, TARGETS[board][0], tree)


def test_every_board_has_a_target_and_both_manifests():
    assert set(TARGETS) == set(NAMES)
    for board in NAMES:
        assert {path.name for path in (BOARDS / board).glob("manifest*.py")} == set(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("board", NAMES)
def test_a_manifest_names_each_file_once(board, name, micropython_tree):
    targets = [file.target_path for file in frozen(board, name, micropython_tree)]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize("board", NAMES)
def test_the_boot_manifest_has_no_client_and_nothing_of_the_port(board, micropython_tree):
    files = frozen(board, "manifest_boot.py", micropython_tree)
    assert not [file.target_path for file in files if file.target_path.startswith("ufota")]
    assert all(is_ours(file) for file in files)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("board", NAMES)
def test_what_a_frozen_module_imports_is_frozen(board, name, micropython_tree):
    found = missing(frozen(board, name, micropython_tree))
    found = {(who, module) for who, module in found if module not in DRIVERS}
    if name == "manifest_boot.py":
        found = {(who, module) for who, module in found if module not in ON_DEMAND}
        found -= {("stage.py", "ufota")}
        found -= {
            ("board_esp32.py", "ufota.firmware.esp32"),
            ("board_esp32.py", "fwcore.manifest"),
        }
    assert not found


@pytest.mark.parametrize("board", NAMES)
def test_drivers_are_frozen_where_the_layout_has_a_chip(board, micropython_tree):
    layout = {}
    exec((BOARDS / board / "layout.py").read_text(), layout)
    chips = {"spi": "bdev/spinor.py", "sd": "bdev/sdcard.py"}
    wanted = {chips[name] for name in layout["LAYOUT"]["devices"] if name in chips}
    for name in FILES:
        there = {file.target_path for file in frozen(board, name, micropython_tree)}
        assert wanted <= there


@pytest.mark.parametrize("board", NAMES)
def test_the_boot_stage_is_the_first_that_runs(board, micropython_tree):
    for name in FILES:
        files = frozen(board, name, micropython_tree)
        for target in ("_boot.py", "boot.py", "main.py"):
            (file,) = [file for file in files if file.target_path == target]
            assert file.full_path == str(BOARDS / "common" / target)


@pytest.mark.parametrize("board", NAMES)
def test_the_whole_manifest_has_all_of_ours_and_the_ports_own(board, micropython_tree):
    files = {file.target_path for file in frozen(board, "manifest.py", micropython_tree)}
    for package in OURS[1:]:
        place = ROOT / ("bootloader" if package == "fwboot" else "device")
        for path in (place / package).rglob("*.py"):
            assert path.relative_to(place).as_posix() in files
    port = {"rp2": "rp2.py", "esp32": "inisetup.py"}.get(TARGETS[board][0], "asyncio/__init__.py")
    assert {port, "asyncio/__init__.py", "onewire.py"} <= files


@pytest.mark.parametrize(
    "chosen, there",
    [
        ((), ""),
        (("inflate",), "inflate"),
        (("inflate", "delta"), "add add_native add_wide delta inflate precursor"),
        (("delta_arm", "decrypt"), "add add_native add_wide decrypt delta_arm lz4 precursor"),
    ],
)
def test_a_board_chooses_its_filters(chosen, there, micropython_tree, tmp_path):
    """What is left out is asked for by name in payload.py alone, which refuses then."""
    path = tmp_path / "manifest.py"
    library = ROOT / "device" / "manifests"
    path.write_text(
        f"add_library('ufota', {str(library)!r})\n"
        f"require('ufota-client', library='ufota', decoders={chosen})\n"
    )
    files = resolve(path, "rp2", micropython_tree)
    prefix = "ufota/decoders/"
    names = {f.target_path[len(prefix) : -3] for f in files if f.target_path.startswith(prefix)}
    assert names == {"__init__", "chain", "errors", *there.split()}
    left = {(who, name) for who, name in missing(files) if name.startswith("ufota")}
    assert {who for who, _ in left} <= {"ufota/update/payload.py", "ufota/decoders/chain.py"}


def test_the_virtual_boards_manifest_is_whole_too(micropython_tree):
    """Its _boot.py stands in sys.argv's stead on no real board, but it can be frozen."""
    files = resolve(BOARDS / "virtual" / "manifest_boot.py", "stm32", micropython_tree)
    assert {module for _, module in missing(files)} <= ON_DEMAND | {"ufota"}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("board", NAMES)
def test_every_file_compiles_for_its_chip(board, name, micropython_tree, tmp_path):
    files = [file for file in frozen(board, name, micropython_tree) if is_ours(file)]
    sizes = build(files, TARGETS[board][1], tmp_path)
    print(f"{board} {FILES[name]}: {len(sizes)} files, {sum(sizes.values())} B of .mpy")
    assert len(sizes) == len(files) and all(sizes.values())


# A board that has nothing but what was frozen


@pytest.fixture
def start(micropython_tree, tmp_path):
    """start(board, application, *options) -> what a board prints that has its boot manifest."""

    def run(board, application, *options):
        files = frozen(board, "manifest_boot.py", micropython_tree)
        build(files, "x64", tmp_path)
        for name in KIT:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here(name), tmp_path / name)
        shutil.copytree(ROOT / "tools/ufota_testkit", tmp_path / "ufota_testkit")
        shutil.copy(BOARDS / "common/main.py", tmp_path)
        program = paths.micropython(), "-X", "heapsize=256M"
        done = subprocess.run(
            [*program, "boards/board_start.py", application, *options],
            env=paths.environment(tmp_path, tmp_path / "kit", tmp_path / "simulators"),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("board", NAMES)
def test_a_board_starts_its_application(board, start):
    text = """import os
with open("/user/kept", "w") as file:
    file.write("mine")
print("application in", os.getcwd(), os.listdir("/user"))
"""
    out = start(board, text)
    assert "path .frozen False\n" in out
    assert "application in /app ['kept']\n" in out
    assert "reset" not in out and "raised" not in out


def test_the_watchdog_runs_before_anything_is_opened_or_loaded(start):
    out = start("ESP32_GENERIC", "", "--blank")
    assert "loaded before the watchdog: False\n" in out
    assert "watchdog 30000 30000\n" in out


def test_without_an_image_a_board_resets_and_tries_again(start):
    out = start("RPI_PICO_W", "", "--blank")
    assert "Failed to jump to application!\n" in out
    assert "reset in 3 s\n" in out and out.count("reset\n") == 1


def test_an_application_that_raises_shows_why(start):
    out = start("RPI_PICO_W", "1 / 0\n")
    assert "raised ZeroDivisionError" in out


def test_an_application_without_a_source_main_does_not_start_the_boot_stage_again(start):
    """There __import__("main") finds the frozen one."""
    out = start("RPI_PICO_W", "print('never')", "--named", "other.py")
    assert "raised ImportError" in out and out.count("Mbed Bootloader") == 1
