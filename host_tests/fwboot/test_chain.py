"""The chain on the virtual board: selector, updatable boot stages, application.

Real interpreter, real images, real updates: signed bundles from an HTTP server.
"""

import copy
import functools
import json
import sys
import textwrap
import time
import uuid
from hashlib import sha256

import pytest

import simple_layout
from fwcore import errors, errors_boot, errors_net, layout
from fwcore.boot_chain import StageBoard
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.manifest import version_word
from fwcore.slot_writer import Writer
from fwcore.state import CONFIRMED, IDLE, REVERTED, State
from fwtool import paths
from fwtool.demos import demo
from fwtool.images import factory, image, stage
from fwtool.signing import keys, manifests
from fwtool.virtual import virtual_board
from fwtool_cli import FOR_LAMP, application, fwtool
from helpers import PATIENCE_S, here

sys.path.append(here("../boards/virtual"))

from board import Board  # noqa: E402

VENDOR = uuid.UUID(int=1)
CLASS = uuid.UUID(int=2)
SIZE = 0x30000  # of a stage slot


def chain_layout(form="lfs2", **more):
    """The virtual board with two stages on its SPI chip. more: keys of the outer layout."""
    made = copy.deepcopy(simple_layout.LAYOUT)
    made["stages"] = {
        "active": {
            "device": "spi",
            "header": 0,
            "start": 256,
            "size": SIZE - 256,
            "format": form,
        },
        "candidates": {
            "device": "spi",
            "start": SIZE,
            "size": SIZE,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "spi", "start": 2 * SIZE, "size": 0x6000},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
    }
    made.update(more)
    layout.check(made)
    return made


@functools.cache
def stage_image(entry=None, form="lfs2", spoilt=None):
    """Image of a stage.

    entry:   source of its `stage` module instead of the board's
    spoilt:  file in it that cannot be imported
    """
    tree = stage.collect(paths.board())
    if spoilt:
        tree[spoilt] = b"raise ValueError(__name__)"
    if entry is not None:
        tree["stage.py"] = textwrap.dedent(entry).encode()
    return image.build(image.compile_all(tree), form, 4096)


def make(folder, main, stages=(), key=None, **options):
    """A new board in folder/board.

    main:     application, version 1
    stages:   images for slot 1, 2; their versions are 1.0.0, 2.0.0
    options:  of chain_layout()
    """
    built = image.build({"main.py": textwrap.dedent(main).encode()}, "lfs2", 4096)
    point = keys.point(key.public_key()) if key else b"\4" + bytes(64)
    state = folder / "board"
    first = (stages[0], version_word("1.0.0")) if stages else None
    made = chain_layout(**options)
    factory.make(str(state), made, built, 1, point, VENDOR, CLASS, stage=first)
    for data in stages[1:]:
        put_second(state, "2.0.0", data)
    return state


def put_second(state, version, data):
    """Put a stage into the second slot, where else only updates put one."""
    view = StageBoard(Board(str(state)))
    slot, _ = State(view).runnable(view, 1)
    writer = Writer(slot, len(data))
    writer.begin()
    writer.write(memoryview(data))
    head = Header(version_word(version), len(data), sha256(data).digest(), NO_CAMPAIGN)
    slot.write_header(slot.pack(head))


def play(state, **options):
    """Run a board to its end: (lines, exit code, resets)."""
    lines = []
    with virtual_board.VirtualBoard(state, on_line=lines.append, **options) as board:
        code = board.wait(PATIENCE_S)
    return lines, code, board.resets


def indexes(lines):
    """Which stages ran, in order."""
    words = "This is boot stage "
    return [int(line[len(words) :]) for line in lines if line.startswith(words)]


def state_of(state):
    return State(StageBoard(Board(str(state))))


def result(state):
    found = state_of(state)
    return found.phase, found.result, found.reason


OURS = (paths.board() / "stage.py").read_text()
CRASHES = """
    def enter(board, index):
        board.log("This is boot stage {}".format(index))
        raise ValueError("no good")
"""
CRASHED = (IDLE, REVERTED, errors_boot.CRASHED)


# Who runs, and with whose modules


def test_a_stage_runs_and_starts_the_application(tmp_path):
    state = make(tmp_path, "print('hello')", [stage_image()])
    lines, code, resets = play(state)
    assert lines[0] == "Boot selector"
    assert f"Boot stage 1, version {version_word('1.0.0')}" in lines
    assert indexes(lines) == [1] and lines[-1] == "hello"
    assert (code, resets) == (0, 0)


def test_the_newer_stage_is_told_index_2_and_confirms_itself(tmp_path):
    state = make(tmp_path, "print('hello')", [stage_image(), stage_image()])
    for _ in range(2):
        lines, code, _ = play(state)
        assert indexes(lines) == [2] and lines[-1] == "hello" and code == 0
    assert result(state) == (IDLE, CONFIRMED, 0)
    assert state_of(state).floor == version_word("2.0.0")


def test_without_a_stage_the_frozen_one_starts_the_application(tmp_path):
    lines, code, _ = play(make(tmp_path, "print('hello')"))
    assert indexes(lines) == [0] and lines[-1] == "hello" and code == 0


WHERE = """
    import sys
    def enter(board, index):
        import fwboot.main, fwcore.slot, fwcore.p256, ufota.trial
        for module in (fwboot.main, fwcore.slot, fwcore.p256, ufota.trial):
            print("stage has", module.__file__)
        from fwboot.handover import start
        from fwboot.main import run
        from fwboot.modules import of_firmware
        image = run(board)
        of_firmware()
        return lambda: start(board, image)
"""
SHOWS = """
    import sys
    loaded = [name for name in sys.modules if name.split(".")[0] in ("fwboot", "fwcore", "ufota")]
    print("left", loaded, "stage" in sys.modules, "/stage" in sys.path)
    import fwcore.slot, ufota.client
    print("application has", fwcore.slot.__file__)
    print("application has", ufota.client.__file__)
"""


@pytest.mark.parametrize("form", ["lfs2", "romfs"])
def test_a_stage_imports_its_own_modules_and_the_application_the_firmwares(tmp_path, form):
    state = make(tmp_path, SHOWS, [stage_image(WHERE, form)], form=form)
    lines, code, _ = play(state, heap="512k")
    assert code == 0, lines
    files = [line.split()[-1] for line in lines if line.startswith("stage has")]
    assert files == [f"/stage/{name}.mpy" for name in OWN]
    assert "left [] False False" in lines
    shown = [line.split()[-1] for line in lines if line.startswith("application has")]
    assert shown == [f"{paths.device()}/fwcore/slot.py", f"{paths.device()}/ufota/client.py"]


OWN = ("fwboot/main", "fwcore/slot", "fwcore/p256", "ufota/trial")


def test_a_stage_and_its_application_take_152_kib(tmp_path):
    virtual_board.compile_modules(tmp_path / "mpy")
    state = make(tmp_path, "print('hello')", [stage_image()])
    lines, code, _ = play(state, heap="152k", mpy_dir=tmp_path / "mpy")
    assert indexes(lines) == [1] and (lines[-1], code) == ("hello", 0)


def test_what_the_application_raises_is_its_own(tmp_path):
    state = make(tmp_path, "raise ValueError('mine')", [stage_image(), stage_image()])
    lines, code, resets = play(state)
    assert indexes(lines) == [2] and lines[-1] == "ValueError: mine"
    assert (code, resets) == (1, 0)
    assert result(state)[1] == CONFIRMED


@pytest.mark.parametrize("stages, index", [(0, 0), (1, 1)])
def test_boot_only_stops_before_the_application(tmp_path, micropython, stages, index):
    state = make(tmp_path, "print('hello')", [stage_image()] * stages)
    folders = [paths.board()]
    done = micropython("-m", "_boot", state, "--boot-only", folders=folders)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and indexes(lines) == [index] and "hello" not in lines
    with open(state / "flash.bin", "r+b") as file:
        file.seek(0x11000)
        file.write(b"spoilt")
    assert micropython("-m", "_boot", state, "--boot-only", folders=folders).returncode == 1


# Stages that fail

FAILURES = {
    "crashes": CRASHES,
    "is no file system": "",
    "has no entry": "def other(): pass",
    "cannot be imported": "import nothing_of_this_name",
    "ends": "import sys\ndef enter(board, index): raise MemoryError",
    "finds nothing": "def enter(board, index): board.reset()",
    "has a broken module": "",
}


def bad_stage(how):
    if how == "is no file system":
        return bytes(range(256)) * 64
    if how == "has a broken module":
        return stage_image(spoilt="fwboot/main.py")
    return stage_image(FAILURES[how])


@pytest.mark.parametrize("how", FAILURES)
def test_a_newer_stage_that_fails_three_times_gives_way_for_good(tmp_path, how):
    state = make(tmp_path, "print('hello')", [stage_image(), bad_stage(how)])
    lines, code, resets = play(state)
    assert sum(line.startswith("Boot stage 2") for line in lines) == resets == 3
    assert indexes(lines)[-1] == 1 and (lines[-1], code) == ("hello", 0)
    reason = errors_boot.NOT_CONFIRMED if how == "finds nothing" else errors_boot.CRASHED
    assert result(state) == (IDLE, REVERTED, reason)
    lines, _, resets = play(state)
    assert indexes(lines) == [1] and resets == 0


def test_a_newer_stage_that_never_finds_an_application_gives_way(tmp_path):
    state = make(tmp_path, "print('hello')", [stage_image(), stage_image("# 2\n" + OURS)])
    with open(state / "flash.bin", "r+b") as file:
        file.seek(0x11000)
        file.write(b"spoilt")
    lines, code, _ = play(state, max_resets=5)
    assert indexes(lines) == [2, 2, 2, 1, 1, 1] and code == virtual_board.RESET
    assert result(state) == (IDLE, REVERTED, errors_boot.NOT_CONFIRMED)


def test_a_newer_stage_that_hangs_gives_way(tmp_path):
    hangs = stage_image("def enter(board, index):\n    while True: pass")
    state = make(tmp_path, "print('hello')", [stage_image(), hangs], watchdog_ms=1000)
    lines, code, resets = play(state)
    assert (indexes(lines), lines[-1], code, resets) == ([1], "hello", 0, 3)
    assert result(state) == (IDLE, REVERTED, errors_boot.HUNG)


@pytest.mark.parametrize("how", [how for how in FAILURES if how != "finds nothing"])
def test_when_the_only_stage_fails_the_frozen_one_runs_in_the_same_boot(tmp_path, how):
    state = make(tmp_path, SHOWS + "    print('hello')\n", [bad_stage(how)])
    lines, code, resets = play(state)
    assert "[ERR ] Boot stage 1 failed" in lines
    assert indexes(lines)[-1] == 0 and lines[-1] == "hello"
    assert "left [] False False" in lines
    assert (code, resets) == (0, 0)


def test_a_crash_shows_its_traceback(tmp_path):
    lines, _, _ = play(make(tmp_path, "print('hello')", [stage_image(CRASHES)]))
    assert "ValueError: no good" in lines
    assert any('File "stage.py", line 4' in line for line in lines)


# Updates of a stage

UPDATES = """
    from board import Board
    from fwcore.boot_chain import StageBoard
    from fwcore.errors import FwError
    from ufota.client import Client
    from ufota.sources.http import HttpSource
    from ufota.trial import last_result
    board = Board()
    view = StageBoard(board)
    with open("/user/times", "a+") as file:
        file.write("x")
        file.seek(0)
        times = len(file.read())
    urls = {urls}
    print("result", last_result(view) and last_result(view)[:2])
    if times > len(urls):
        print("done")
    else:
        client = Client(view, HttpSource())
        try:
            client.start(urls[times - 1])
            client.run()
            print("ready", client.manifest.component)
        except FwError as error:
            print("refused", error.code)
        board.reset()
"""


class World:
    """A key, a server, and bundles on it."""

    def __init__(self, folder):
        self.folder = folder
        keys.create(str(folder / "key.pem"))
        self.key = keys.load_private(str(folder / "key.pem"))
        (folder / "server").mkdir()

    def publish(self, server, name, data, version, component="BOOT", key=None):
        made = manifests.create(key or self.key, data, VENDOR, CLASS, version, component=component)
        path = self.folder / "server" / name
        path.write_bytes(made + data)
        path.chmod(0o644)
        return server.url + name

    def board(self, urls, **options):
        main = textwrap.dedent(UPDATES).format(urls=urls)
        return make(self.folder, main, [stage_image()], self.key, **options)


def test_the_client_updates_the_stage_by_the_signed_path(tmp_path):
    world = World(tmp_path)
    with demo.server_of(tmp_path / "server") as server:
        urls = [
            world.publish(server, "two", stage_image(), "2.0.0"),
            world.publish(server, "three", stage_image(), "3.0.0"),
        ]
        state = world.board(urls)
        lines, code, _ = play(state)
    assert [line for line in lines if line.startswith("ready")] == ["ready BOOT"] * 2
    assert indexes(lines) == [1, 2, 1]
    assert (lines[-1], code) == ("done", 0)
    assert f"Boot stage 1, version {version_word('3.0.0')}" in lines
    assert result(state) == (IDLE, CONFIRMED, 0)


def test_a_board_by_the_commands_alone_boots_its_stage_and_updates_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout_file(tmp_path, chain_layout())
    fwtool("keygen", "key.pem")
    fwtool("stage", "-o", "stage.img", "--layout", "layout.json")
    (tmp_path / "server").mkdir()
    bundle = ("--component", "BOOT", "--version", "2.0.0", "--layout", "layout.json")
    signed = ("--key", "key.pem", *FOR_LAMP)
    fwtool("bundle", "stage.img", "-o", "server/two.fw", *bundle, *signed)
    (tmp_path / "app").mkdir()
    with demo.server_of(tmp_path / "server") as server:
        main = textwrap.dedent(UPDATES).format(urls=[server.url + "two.fw"])
        (tmp_path / "app" / "main.py").write_text(main)
        fwtool("image", "app", "-o", "app.img")
        app = ("--layout", "layout.json", "--app", "app.img", "--version", "1.0.0")
        first = ("--stage", "stage.img", "--stage-version", "1.0.0")
        fwtool("factory", "board", *app, *first, "--key", "key.pub", *FOR_LAMP)
        lines, code, _ = play(tmp_path / "board")
    assert f"Boot stage 1, version {version_word('1.0.0')}" in lines
    assert indexes(lines) == [1, 2] and "ready BOOT" in lines
    assert (lines[-1], code) == ("done", 0)
    assert result(tmp_path / "board") == (IDLE, CONFIRMED, 0)


def test_the_client_refuses_what_is_no_stage_for_this_board(tmp_path):
    world = World(tmp_path)
    keys.create(str(tmp_path / "other.pem"))
    other = keys.load_private(str(tmp_path / "other.pem"))
    data = stage_image()
    with demo.server_of(tmp_path / "server") as server:
        urls = [
            world.publish(server, "application", data, "2.0.0", "MAIN"),
            world.publish(server, "other", data, "2.0.0", key=other),
            world.publish(server, "same", data, "1.0.0"),
            world.publish(server, "large", bytes(SIZE - 255), "2.0.0"),
        ]
        lines, code, _ = play(world.board(urls))
    refused = [int(line.split()[1]) for line in lines if line.startswith("refused")]
    assert refused == [
        errors_net.WRONG_COMPONENT,
        errors.BAD_SIGNATURE,
        errors.NOT_NEWER,
        errors.TOO_BIG,
    ]
    assert indexes(lines) == [1] * 5 and (lines[-1], code) == ("done", 0)


def test_a_stage_that_crashed_is_not_installed_again(tmp_path):
    world = World(tmp_path)
    with demo.server_of(tmp_path / "server") as server:
        bad = world.publish(server, "bad", stage_image(CRASHES), "2.0.0")
        good = world.publish(server, "good", stage_image(), "2.0.1")
        state = world.board([bad, bad, good])
        lines, code, _ = play(state)
    said = [line for line in lines if line.split(" ")[0] in ("result", "ready", "refused", "done")]
    assert said == [
        "result None",
        "ready BOOT",
        f"result ({REVERTED}, {errors_boot.CRASHED})",
        f"refused {errors_boot.BLACK_LISTED}",
        f"result ({REVERTED}, {errors_boot.CRASHED})",
        "ready BOOT",
        f"result ({CONFIRMED}, 0)",
        "done",
    ]
    assert indexes(lines) == [1, 2, 2, 2, 1, 1, 2] and code == 0


def test_the_application_and_its_way_back_are_the_stages_work(tmp_path):
    """A new application that crashes goes back, under a stage that stays confirmed."""
    world = World(tmp_path)
    broken = image.build({"main.py": b"raise ValueError('broken')"}, "lfs2", 4096)
    main = textwrap.dedent(UPDATES).replace("Client(view", "Client(board")
    own = {
        "active": {
            "device": "flash",
            "header": 0x10000,
            "start": 0x11000,
            "size": 0x6F000,
            "format": "lfs2",
        },
        "candidates": {
            "device": "flash",
            "start": 0x80000,
            "size": 0x70000,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "flash", "start": 0xF0000, "size": 0x6000},
        "mode": "direct",
    }
    with demo.server_of(tmp_path / "server") as server:
        url = world.publish(server, "app", broken, "2.0.0", "MAIN")
        main = main.format(urls=[url])
        state = make(tmp_path, main, [stage_image(), stage_image()], world.key, **own)
        lines, code, resets = play(state)
    assert indexes(lines) == [2] * 5
    assert lines.count("ValueError: broken") == 3
    assert (lines[-1], code, resets) == ("done", 0, 4)
    board = Board(str(state))
    assert (State(board).result, State(board).reason) == (REVERTED, errors_boot.CRASHED)
    assert result(state) == (IDLE, CONFIRMED, 0)


# Power off


def kill_at(state, text, times=1):
    """Run a board and pull the plug when a line with this text comes for the n-th time."""
    seen = []

    def hear(line):
        if text in line:
            seen.append(line)
            if len(seen) == times:
                board.kill()

    board = virtual_board.VirtualBoard(state, on_line=hear)
    with board:
        board.wait(PATIENCE_S)
    assert len(seen) >= times, f"{text!r} never came {times} times"


@pytest.mark.parametrize(
    "text",
    ["Boot selector", "Trial boot", "Boot stage 2", "This is boot stage", "booting", "hello"],
)
def test_power_lost_in_the_trial_of_a_good_stage_is_made_up_for(tmp_path, text):
    state = make(tmp_path, "print('hello')", [stage_image(), stage_image()])
    kill_at(state, text)
    lines, code, _ = play(state)
    assert indexes(lines) == [2] and (lines[-1], code) == ("hello", 0)
    assert result(state) == (IDLE, CONFIRMED, 0)


@pytest.mark.parametrize("text, times", [("Trial boot", 2), ("no good", 1), ("Going back", 1)])
def test_power_lost_in_the_trial_of_a_bad_stage_is_made_up_for(tmp_path, text, times):
    state = make(tmp_path, "print('hello')", [stage_image(), stage_image(CRASHES)])
    kill_at(state, text, times)
    lines, code, _ = play(state)
    assert indexes(lines)[-1] == 1 and (lines[-1], code) == ("hello", 0)
    assert result(state) == CRASHED


def test_power_lost_in_the_download_leaves_the_stage_that_runs(tmp_path):
    world = World(tmp_path)
    with demo.server_of(tmp_path / "server") as server:
        url = world.publish(server, "two", stage_image(), "2.0.0")
        state = world.board([url] * 9)
        for pause_s in (0.05, 0.1, 0.2, 0.3):
            heard = []
            board = virtual_board.VirtualBoard(state, on_line=heard.append)
            with board:
                deadline = time.monotonic() + PATIENCE_S
                while not any(line.startswith("result") for line in heard):
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                time.sleep(pause_s)
        lines, code, _ = play(state)
    assert indexes(lines)[-1] == 2 and (lines[-1], code) == ("done", 0)
    assert 0 not in indexes(lines)


# The tool


def test_the_image_of_a_stage_is_the_same_each_time(tmp_path):
    for name in ("a.img", "b.img"):
        fwtool("stage", "-o", tmp_path / name)
    assert (tmp_path / "a.img").read_bytes() == (tmp_path / "b.img").read_bytes()
    assert (tmp_path / "a.img").read_bytes() == stage_image()


def test_a_stage_has_what_it_imports_and_neither_selector_nor_network():
    names = set(stage.collect(paths.board()))
    modes = {f"fwboot/mode_{name}.py" for name in ("swap", "overwrite", "direct")}
    needed = {"stage.py", "fwboot/__init__.py", "fwboot/trial.py", "ufota/__init__.py"}
    assert names >= modes | needed | {"fwcore/state.py", "fwcore/p256.py", "fwcore/stage.py"}
    assert not names & {"fwboot/select.py", "ufota/client.py", "fwcore/manifest.py", "board.py"}
    assert not any(name.startswith("ufota/sources") for name in names)
    assert list(stage.collect(paths.board())) == sorted(names)


def layout_file(folder, made):
    path = folder / "layout.json"
    path.write_text(json.dumps(made))
    return path


def test_the_tool_takes_format_and_block_from_the_layout(tmp_path):
    for form in ("romfs", "lfs2"):
        made = chain_layout(form)
        made["devices"]["spi"]["erase"] = 2048
        path = layout_file(tmp_path, made)
        fwtool("stage", "-o", tmp_path / "a.img", "--layout", path)
        fwtool("stage", "-o", tmp_path / "b.img", "--format", form, "--block", "2048")
        assert (tmp_path / "a.img").read_bytes() == (tmp_path / "b.img").read_bytes()
    fwtool("stage", "-o", "x", "--layout", path, "--format", "fat", code=2)
    fwtool("stage", "-o", "x", "--layout", path, "--block", "512", code=2)


def test_the_tool_refuses_a_stage_that_one_of_the_slots_has_no_room_for(tmp_path):
    for region in ("active", "candidates"):
        made = chain_layout()
        made["stages"][region]["size"] = 0x8000
        path = layout_file(tmp_path, made)
        said = fwtool("stage", "-o", tmp_path / "a.img", "--layout", path, code=1).stderr
        assert "does not fit a stage slot" in said
        assert not (tmp_path / "a.img").exists()


def test_the_tool_refuses_what_is_no_stage(tmp_path):
    assert "no stage.py" in fwtool("stage", "-o", "x", "--board", tmp_path, code=1).stderr
    (tmp_path / "stage.py").write_text("def enter(:")
    assert "is no Python" in fwtool("stage", "-o", "x", "--board", tmp_path, code=1).stderr
    fwtool("stage", "-o", "x", "--block", "0", code=1)
    path = layout_file(tmp_path, simple_layout.LAYOUT)
    assert "no stages" in fwtool("stage", "-o", "x", "--layout", path, code=1).stderr


def test_a_board_of_ones_own_has_its_own_entry(tmp_path):
    (tmp_path / "stage.py").write_text("from fwcore import errors\nimport fwboot.main, time\n")
    found = stage.collect(tmp_path)
    assert found["stage.py"].startswith(b"from fwcore")
    assert {"fwcore/errors.py", "fwboot/main.py", "fwcore/__init__.py"} <= set(found)
    assert "ufota/trial.py" not in found
    (tmp_path / "stage.py").write_text("import fwboot.decide\n")
    assert "fwboot/__init__.py" in stage.collect(tmp_path)


def test_a_bundle_of_a_stage_names_its_component(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fwtool("keygen", "key.pem")
    fwtool("stage", "-o", "stage.img")
    common = ("--key", "key.pem", "--version", "2.0.0", *FOR_LAMP)
    fwtool("bundle", "stage.img", "-o", "stage.fw", "--component", "BOOT", *common)
    verify = ("manifest", "verify", "stage.fw", "--key", "key.pub")
    fwtool(*verify, code=5)
    assert "BOOT" in fwtool(*verify, "--component", "BOOT").stdout
    fwtool("header", "create", "stage.img", "-o", "h", "--kind", "stage", "--version", "2.0.0")
    assert "stage" in fwtool("header", "show", "h").stdout


def test_a_bundle_is_checked_against_the_slot_of_its_component(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fwtool("keygen", "key.pem")
    fwtool("stage", "-o", "stage.img")
    fwtool("image", application(tmp_path), "-o", "app.img", "--size", "0x60000")
    path = layout_file(tmp_path, chain_layout())
    common = ("-o", "x.fw", "--key", "key.pem", "--version", "2.0.0", *FOR_LAMP, "--layout", path)
    fwtool("bundle", "stage.img", "--component", "BOOT", *common)
    fwtool("bundle", "stage.img", *common, code=1)  # it has no main.py
    fwtool("bundle", "app.img", *common)
    said = fwtool("bundle", "app.img", "--component", "BOOT", *common, code=1).stderr
    assert "does not fit a stage slot" in said
