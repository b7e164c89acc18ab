"""The virtual board, on the real interpreter: boot, hand-over, resets, power cuts.

Applications here are a few lines of MicroPython that print what they see.
"""

import copy
import json
import signal
import textwrap
import time
from hashlib import sha256

import pytest

import simple_layout
from fwcore import errors_boot
from fwcore.slot import slots
from fwcore.state import BACK, CONFIRMED, REVERTED
from fwtool import paths
from fwtool.images import combine, factory, image, layouts
from fwtool.signing import statements
from fwtool.virtual import virtual_board
from helpers import PATIENCE_S
from ufota_testkit.noise import noise
from virtual_kit import (
    CLASS,
    KEY,
    POINT,
    SIGN,
    STRANGER,
    VENDOR,
    Board,
    application,
    boot_state,
    forge,
    make,
    offer,
    own_layout,
    program,
    result,
    write_image,
)

HEADER, ACTIVE, USER = 0x10000, 0x11000, 0x100000


def play(state, **options):
    """Run a board to its end: (lines of the application, exit code, VirtualBoard)."""
    lines = []
    with virtual_board.VirtualBoard(state, on_line=lines.append, **options) as board:
        code = board.wait(PATIENCE_S)
    return after_boot(lines), code, board


def after_boot(lines):
    at = len(lines) - lines[::-1].index("booting...") if "booting..." in lines else 0
    return [line for line in lines[at:] if line]


def read_chip(state, start, size):
    with open(state / "flash.bin", "rb") as file:
        file.seek(start)
        return file.read(size)


FORMATS = [("lfs2", 4096), ("fat", 512), ("fat", 4096), ("romfs", 4096)]
MOUNT = """
    import hashlib, os
    import part
    print(__name__, os.getcwd(), part.NAME)
    print(hashlib.sha256(open("data.bin", "rb").read()).digest() == open("sum", "rb").read())
"""
DATA = noise(20000)


@pytest.mark.parametrize("form, block", FORMATS)
def test_an_image_of_each_format_is_mounted_and_started(tmp_path, form, block):
    more = {"lib/part.py": b"NAME = 'part'", "data.bin": DATA, "sum": sha256(DATA).digest()}
    state = make(tmp_path, MOUNT, form, block, **more)
    lines, code, _ = play(state)
    assert lines == ["__main__ /app part", "True"]
    assert code == 0


@pytest.mark.parametrize("form", ["fat", "lfs2", "romfs"])
@pytest.mark.parametrize("program", [1, 4, 8, 16])
def test_an_image_starts_from_flash_of_any_program_size(tmp_path, form, program):
    more = {"lib/part.py": b"NAME = 'part'", "data.bin": DATA, "sum": sha256(DATA).digest()}
    state = make(tmp_path, MOUNT, form, 4096 if form != "fat" else 512, **more)
    layout = json.loads((state / "layout.json").read_text())
    layout["devices"]["flash"]["program"] = program
    (state / "layout.json").write_text(json.dumps(layout))
    # The virtual flash remembers each program unit in a bit of RAM.
    assert play(state, heap="1M")[:2] == (["__main__ /app part", "True"], 0)


MAPPED = """
    import sys
    from board import Board
    from fwboot import handover
    from fwboot.main import run
    class Mapped(Board):
        def mapped(self, name):
            print("mapped", name)
            with open(sys.argv[1] + "/" + name + ".bin", "rb") as file:
                return memoryview(file.read())
    def in_ram(*args):
        raise AssertionError("copied")
    handover._in_ram = in_ram
    board = Mapped()
    handover.mount(board, run(board))
    execfile("main.py", {"__name__": "__main__"})
"""


def test_a_romfs_image_in_mapped_flash_starts_in_place(tmp_path, micropython):
    more = {"lib/part.py": b"NAME = 'part'", "data.bin": DATA, "sum": sha256(DATA).digest()}
    state = make(tmp_path, MOUNT, "romfs", **more)
    done = board_script(tmp_path, micropython, MAPPED, state)
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["mapped flash", "__main__ /app part", "True"]
    assert after_boot(done.stdout.splitlines()) == told


def board_script(folder, micropython, source, state):
    """Run MicroPython that finds the modules of the virtual board; its sys.argv[1] is state."""
    script = folder / "script" / "script.py"  # apart: what is beside it can be imported
    script.parent.mkdir()
    script.write_text(textwrap.dedent(source))
    return micropython(script, state, heap="8M", folders=[paths.board()])


def test_a_compiled_main_is_started_too(tmp_path):
    tree = image.compile_all({"app.py": b"print('compiled')"})
    state = make(tmp_path, "print('source')")
    lines, code, _ = play(install(state, {"main.mpy": tree["app.mpy"]}))
    assert (lines, code) == (["compiled"], 0)


def install(state, tree):
    """Put another application into a board, as an installation leaves it."""
    built = image.build(tree, "lfs2", 4096)
    layout = layouts.load(str(state / "layout.json"))
    other = state.with_name("other")
    factory.make(str(other), layout, built, 2, POINT, VENDOR, CLASS, sign=SIGN)
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(HEADER)
        chip.write(read_chip(other, HEADER, USER - HEADER))
    return state


VANDAL = """
    import os
    def attempt(what, *args):
        try:
            what(*args)
            print("done")
        except OSError as error:
            print(error.errno)
        except AttributeError:
            print("no such function")
    attempt(open, "new.txt", "w")
    attempt(open, "main.py", "w")
    attempt(open, "main.py", "a")
    attempt(os.remove, "main.py")
    attempt(os.mkdir, "folder")
    attempt(os.rename, "main.py", "x.py")
"""


@pytest.mark.parametrize("form, block", FORMATS)
def test_an_application_cannot_change_its_image(tmp_path, form, block):
    state = make(tmp_path, VANDAL, form, block)
    play(state)  # the first start records that the signature was verified
    before = read_chip(state, 0, USER)
    lines, code, _ = play(state)
    refused = {"30", "no such function"}  # EROFS; a ROMFS has no remove, mkdir and rename at all
    assert len(lines) == 6 and set(lines) <= refused and code == 0
    assert read_chip(state, 0, USER) == before


COUNTER = """
    import os
    with open("/user/boots", "a") as file:
        file.write("x")
    print(os.stat("/user/boots")[6])
"""


def test_user_files_survive_restart_and_update(tmp_path):
    state = make(tmp_path, COUNTER)
    assert play(state)[0] == ["1"]
    assert play(state)[0] == ["2"]
    install(state, {"main.py": textwrap.dedent(COUNTER).encode(), "new.py": b""})
    assert play(state)[0] == ["3"]


def test_a_user_region_that_is_not_blank_is_never_formatted(tmp_path):
    state = make(tmp_path, "print('runs')")
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(USER + 5000)
        chip.write(b"precious")
    before = read_chip(state, USER, USER)
    lines, code, _ = play(state)
    assert lines[-1] == "runs" and "user files: not mounted" in lines[0] and code == 0
    assert read_chip(state, USER, USER) == before


FAULTY_READS = """
    import stage
    from board import Board
    board = Board()
    flash = board.device("flash")
    read = flash.readblocks
    reads = []
    def faulty(block, buf, offset=0):
        if block >= 0x100:
            reads.append(block)
            if len(reads) == {nth} or len(reads) > {nth} and {lasting}:
                return -5
        return read(block, buf, offset)
    flash.readblocks = faulty
    stage._mount_user(board)
    print(len(reads))
"""


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("nth", [1, 2, 16, 17, 20, 32])
def test_a_read_error_is_no_reason_to_format_user_files(tmp_path, micropython, nth, lasting):
    """16 looks at each of two blocks; what is precious hides behind the one that fails."""
    state = make(tmp_path, "print('runs')")
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(USER + 256 * (nth - 1))
        chip.write(b"precious")
    before = read_chip(state, USER, USER)
    source = FAULTY_READS.format(nth=nth, lasting=lasting)
    done = board_script(tmp_path, micropython, source, state)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("user files: not mounted")
    assert int(done.stdout.split()[-1]) >= nth
    assert read_chip(state, USER, USER) == before


RESET = """
    import builtins, asyncio, machine, sys
    print("boot", machine.reset_cause(), hasattr(builtins, "left"), len(machine.unique_id()))
    builtins.left = bytearray(100)
    if machine.reset_cause() == machine.PWRON_RESET:
        {}
    print("end")
"""
RESETS = {
    "plain": "machine.reset()",
    "soft": "machine.soft_reset()",
    "board": "from board import Board; Board().reset()",
    "bare except": """
        try:
            machine.reset()
        except:
            print("swallowed")
        finally:
            print("finally")""",
    "asyncio": """
        async def task():
            try:
                machine.reset()
            except:
                print("swallowed")
        async def both():
            done = asyncio.create_task(task())
            try:
                await done
            except:
                print("swallowed")
            print("went on")
        asyncio.run(both())""",
    "thread": """
        import _thread, time
        _thread.start_new_thread(machine.reset, ())
        time.sleep(5)
        print("went on")""",
}


@pytest.mark.parametrize("how", RESETS)
def test_a_reset_is_a_restart_with_nothing_left(tmp_path, how):
    seen = []
    source = textwrap.dedent(RESET).format(textwrap.indent(textwrap.dedent(RESETS[how]), "    "))
    with virtual_board.VirtualBoard(make(tmp_path, source), on_line=seen.append) as board:
        assert board.wait(PATIENCE_S) == 0
    words = ("boot ", "swallowed", "finally", "went on", "end")
    told = [line for line in seen if line.startswith(words)]
    assert told == ["boot 1 False 8", "boot 2 False 8", "end"]
    assert board.resets == 1


def test_the_watchdog_bites_when_nobody_feeds(tmp_path):
    source = """
        import machine, time
        if machine.reset_cause() == machine.WDT_RESET:
            print("bitten")
        else:
            dog = machine.WDT(timeout=1500)
            for _ in range(20):
                time.sleep_ms(100)
                dog.feed()
            print("fed")
            while True:
                pass
    """
    seen = []
    with virtual_board.VirtualBoard(make(tmp_path, source), on_line=seen.append) as board:
        assert board.wait(PATIENCE_S) == 0
    assert seen.index("fed") < seen.index("bitten") and board.resets == 1


def test_a_storm_of_resets_ends(tmp_path):
    state = make(tmp_path, "import machine; machine.reset()")
    _, code, board = play(state, max_resets=3)
    assert (code, board.resets) == (virtual_board.RESET, 3)


def spoil(state):
    """A flipped bit of the active image."""
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(ACTIVE)
        first = chip.read(1)
        chip.seek(ACTIVE)
        chip.write(bytes([first[0] ^ 1]))


def test_a_board_with_nothing_to_start_tries_again_until_the_storm_ends(tmp_path):
    state = make(tmp_path, "print('runs')")
    spoil(state)
    before = read_chip(state, 0, 0x400000)
    seen = []
    with virtual_board.VirtualBoard(state, on_line=seen.append, max_resets=3) as board:
        assert board.wait(PATIENCE_S) == virtual_board.RESET
    assert board.resets == 3
    assert seen.count("Failed to jump to application!") == 4 and "runs" not in seen
    assert read_chip(state, 0, 0x400000) == before


# What is missing at first -> what the boot stage says about it
MISSING = {
    "sd.bin": "Failed to jump to application!",
    "flash.bin": "[ERR ] Active firmware unreadable, error 2",
}


@pytest.mark.parametrize("name", MISSING)
def test_a_board_recovers_when_what_it_needs_comes_back(tmp_path, name):
    """The active image is bad: the candidate on the card has to replace it."""
    state = make(tmp_path, "print('old')", layout=simple_layout.LAYOUT)
    spoil(state)
    stage(state, simple_layout.LAYOUT, application("print('new')"))
    (state / name).rename(tmp_path / name)
    seen = []

    def hear(line):
        seen.append(line)
        if line == MISSING[name] and seen.count(line) == 3:
            (tmp_path / name).rename(state / name)

    with virtual_board.VirtualBoard(state, on_line=hear) as board:
        assert board.wait(PATIENCE_S) == 0
    assert seen[-1] == "new" and board.resets >= 3
    assert play(state)[:2] == (["new"], 0)


def test_an_oserror_of_the_application_is_no_reason_to_reset(tmp_path):
    _, code, board = play(make(tmp_path, "raise OSError(5)"))
    assert (code, board.resets) == (1, 0)


WRITER = """
    import os
    try:
        print("found", os.stat("/user/log")[6])
    except OSError:
        pass
    with open("/user/log", "a") as file:
        while True:
            file.write("0123456789")
            file.flush()
            print("wrote", file.tell())
"""


def test_a_power_cut_loses_nothing_that_was_flushed(tmp_path):
    state = make(tmp_path, WRITER)
    flushed = 0
    for more in (50, 300, 1234):
        lines = write_and_cut(state, flushed + more)
        found = [number(line) for line in lines if line.startswith("found ")]
        assert bool(found) == bool(flushed) and all(size >= flushed for size in found)
        flushed = number([line for line in lines if line.startswith("wrote ")][-1])


def number(line):
    return int(line.split()[1])


def write_and_cut(state, size):
    """Cut the power of a board when it says that it wrote `size` bytes: its lines so far."""
    lines = []

    def hear(line):
        lines.append(line)
        if line.startswith("wrote ") and number(line) >= size:
            board.kill()

    board = virtual_board.VirtualBoard(state, on_line=hear)
    board.start()
    assert board.wait(PATIENCE_S) == -signal.SIGKILL
    return lines


CANDIDATES = {
    "sd": {"device": "sd", "start": 0x100000, "size": 0x1000000, "locations": 2},
    "spi": {"device": "spi", "start": 0, "size": 0x400000, "locations": 2},
    "internal": {
        "device": "flash",
        "start": 0x180000,
        "size": 0x80000,
        "locations": 1,
        "internal": True,
    },
}


@pytest.mark.parametrize("where", CANDIDATES)
def test_a_candidate_is_installed_from_wherever_the_layout_says(tmp_path, where):
    layout = copy.deepcopy(simple_layout.LAYOUT)
    layout["candidates"] = CANDIDATES[where]
    layout["regions"]["user"]["size"] = 0x80000
    state = make(tmp_path, "print('old')", layout=layout)
    stage(state, layout, application("print('new')"))
    assert play(state)[:2] == (["new"], 0)
    assert play(state)[:2] == (["new"], 0)


def stage(state, layout, built):
    """Write an image of version 2 into the first candidate slot, as the client does."""
    board = Board(str(state))
    slot = slots(layout, board.device(layout["candidates"]["device"]))[0]
    write_image(board, slot, 2, built)


def test_an_application_meets_frozen_modules_first_and_no_boot_stage(tmp_path):
    source = """
        import asyncio, sys
        print(hasattr(asyncio, "run"), sys.path[:3])
        print([name for name in sys.modules if name.startswith("fwboot")])
    """
    lines, _, _ = play(make(tmp_path, source, **{"asyncio.py": b"print('shadow')"}))
    assert lines == ["True ['.frozen', '/app', '/app/lib']", "[]"]


def test_an_application_gets_the_collector_as_it_is_by_default(tmp_path):
    assert play(make(tmp_path, "import gc; print(gc.threshold())"))[0] == ["-1"]


def test_an_exception_of_the_application_is_told(tmp_path):
    lines, code, _ = play(make(tmp_path, "raise ValueError('oops')"))
    assert code == 1 and lines[-1] == "ValueError: oops"


def test_a_pulled_card_is_no_candidate(tmp_path):
    state = make(tmp_path, "print('runs')", layout=simple_layout.LAYOUT)
    (state / "sd.bin").unlink()
    seen = []
    with virtual_board.VirtualBoard(state, on_line=seen.append) as board:
        assert board.wait(PATIENCE_S) == 0
    assert seen.count("No Update image") == 2 and seen[-1] == "runs"


def test_boot_only_tells_by_its_exit_code(tmp_path, micropython):
    state = make(tmp_path, "print('runs')")
    command = (paths.board() / "_boot.py", state, "--boot-only")
    good = micropython(*command, folders=[paths.board()])
    assert good.returncode == 0 and "runs" not in good.stdout
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(ACTIVE)
        chip.write(b"garbage")
    bad = micropython(*command, folders=[paths.board()])
    assert bad.returncode == 1
    assert bad.stdout.endswith("Failed to jump to application!\n")
    (state / "flash.bin").unlink()
    assert micropython(*command, folders=[paths.board()]).returncode == 1


def test_compiled_modules_boot_in_72_kib_and_verify_in_80(tmp_path):
    virtual_board.compile_modules(tmp_path / "mpy")
    assert not list((tmp_path / "mpy").rglob("manifest_boot.mpy"))
    for signed, heap in ((False, "72k"), (True, "80k")):
        layout = {**simple_layout.LAYOUT, "signed": signed}
        folder = tmp_path / heap
        folder.mkdir()
        state = make(folder, "print('runs')", layout=layout)
        lines, code, _ = play(state, heap=heap, mpy_dir=tmp_path / "mpy")
        assert (lines, code) == (["runs"], 0)


def test_compiled_modules_go_forward_and_back_in_116_kib(tmp_path):
    state = make(tmp_path, "print('old')")
    offer(state, application("print('new'); raise MemoryError"))
    virtual_board.compile_modules(tmp_path / "mpy")
    lines, code, board = play(state, heap="116k", mpy_dir=tmp_path / "mpy")
    assert (lines, code, board.resets) == (["old"], 0, 3)
    assert result(state) == (REVERTED, errors_boot.CRASHED)


def test_a_board_can_be_switched_off_and_on(tmp_path):
    seen = []
    state = make(tmp_path, "print('up')\nwhile True: pass")
    board = virtual_board.VirtualBoard(state, on_line=seen.append)
    for times in (1, 2):
        board.start()
        deadline = time.monotonic() + PATIENCE_S
        while seen.count("up") < times and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(TimeoutError):
            board.wait(0.01)
        board.kill()
        assert board.wait(PATIENCE_S) == -signal.SIGKILL
    assert seen.count("up") == 2


# Updates on trial


def run_to_end(state, **options):
    """All lines of a board that must end well, and the VirtualBoard."""
    lines = []
    with virtual_board.VirtualBoard(state, on_line=lines.append, **options) as board:
        assert board.wait(PATIENCE_S) == 0, lines
    return lines, board


BAD_ENDS = {
    "raises": ("raise ValueError('oops')", "ValueError: oops"),
    "ends": ("print('done')", "done"),
    "exits": ("import sys; sys.exit()", "SystemExit: "),
    "is no Python": ("this is no Python", "SyntaxError: invalid syntax"),
}


@pytest.mark.parametrize("how", BAD_ENDS)
def test_an_application_that_ends_on_trial_is_tried_three_times_and_goes_back(tmp_path, how):
    main, told = BAD_ENDS[how]
    state = make(tmp_path, "print('old')")
    offer(state, application(main))
    lines, board = run_to_end(state)
    assert lines.count(told) == 3 and board.resets == 3
    assert lines[-1] == "old"
    assert result(state) == (REVERTED, errors_boot.CRASHED)
    made = boot_state(state)
    assert made.is_bad(made.new.digest)
    assert play(state)[:2] == (["old"], 0)


def test_an_image_that_does_not_mount_on_trial_goes_back(tmp_path):
    state = make(tmp_path, "print('old')")
    offer(state, noise(9000), tries=2)
    lines, board = run_to_end(state)
    assert lines[-1] == "old" and board.resets == 2
    assert result(state) == (REVERTED, errors_boot.CRASHED)


CONFIRMING = """
    from board import Board
    from ufota.trial import confirm
    print("confirmed", confirm(Board()))
"""


def test_an_application_that_confirms_may_end_and_stays(tmp_path):
    state = make(tmp_path, "print('old')")
    offer(state, application(CONFIRMING))
    assert play(state)[0] == ["confirmed True"]
    assert result(state) == (CONFIRMED, 0)
    lines, board = run_to_end(state)
    assert lines[-1] == "confirmed False" and board.resets == 0


def test_an_application_that_rejects_itself_goes_back_at_once(tmp_path):
    state = make(tmp_path, "print('old')")
    main = "from board import Board; from ufota.trial import reject; reject(Board(), 1234)"
    offer(state, application(main))
    lines, board = run_to_end(state)
    assert lines[-1] == "old" and board.resets == 1
    assert result(state) == (REVERTED, 1234)


def test_a_crash_that_cannot_be_noted_still_restarts(tmp_path):
    state = make(tmp_path, "print('old')")
    main = """
        import board
        def gone(*args):
            raise OSError(19)
        board.Board.device = gone
        raise ValueError
    """
    offer(state, application(main))
    lines, _ = run_to_end(state)
    assert lines.count("[ERR ] State not written, error 19") == 3
    assert lines[-1] == "old"
    assert result(state) == (REVERTED, errors_boot.NOT_CONFIRMED)


HANGING = """
    import machine
    machine.WDT(timeout=500)
    while True:
        pass
"""


def test_an_application_that_hangs_on_trial_goes_back(tmp_path):
    state = make(tmp_path, "print('old')")
    offer(state, application(HANGING), tries=2)
    lines, board = run_to_end(state)
    assert lines[-1] == "old" and board.resets == 2
    assert result(state) == (REVERTED, errors_boot.HUNG)


def test_the_watchdog_of_the_boot_stage_is_fed_by_any_board_object(tmp_path):
    main = """
        import sys
        from board import Board
        path = sys.argv[1] + "/watchdog"
        open(path, "w").close()
        Board().feed()
        print(open(path).read().strip())
    """
    state = make(tmp_path, main, layout={**own_layout(), "watchdog_ms": 60000})
    assert play(state)[0] == ["60000"]


def test_the_shorter_of_two_watchdogs_can_be_told_from_the_longer(tmp_path):
    main = """
        import machine
        if machine.reset_cause() == machine.PWRON_RESET:
            long, short = machine.WDT(timeout=900000), machine.WDT(timeout=1500)
            long.feed()
            short.feed()
            while True:
                pass
    """
    assert play(make(tmp_path, main))[2].resets == 1


def put_recovery(state, main):
    """Program the recovery region, as a factory does: version 7."""
    layout = own_layout()
    program(state, layout["recovery"], combine.recovery_parts(layout, application(main), 7, SIGN))


def test_the_recovery_key_starts_the_recovery_image_and_ends_the_trial(tmp_path):
    state = make(tmp_path, "print('old')")
    put_recovery(state, "print('recovery')")
    offer(state, application("import machine; machine.reset()"))
    seen = []

    def hear(line):
        seen.append(line)
        if line == "[DBG ] Trial boot, 1 left":
            (state / "recovery").touch()

    with virtual_board.VirtualBoard(state, on_line=hear) as board:
        assert board.wait(PATIENCE_S) == 0
    assert seen[-1] == "recovery" and "[DBG ] Recovery asked for" in seen
    made = boot_state(state)
    assert (made.phase, made.reason) == (BACK, errors_boot.NOT_CONFIRMED)
    (state / "recovery").unlink()
    assert run_to_end(state)[0][-1] == "old"
    assert result(state) == (REVERTED, errors_boot.NOT_CONFIRMED)


def test_without_a_whole_image_the_recovery_image_runs(tmp_path):
    state = make(tmp_path, "print('old')")
    put_recovery(state, "print('recovery')")
    spoil(state)
    assert play(state)[:2] == (["recovery"], 0)


# Signatures


def all_lines(state, **options):
    lines = []
    with virtual_board.VirtualBoard(state, on_line=lines.append, **options) as board:
        board.wait(PATIENCE_S)
    return lines


def test_a_signature_is_verified_once_and_then_recorded(tmp_path):
    state = make(tmp_path, "print('runs')")
    said = [run_to_end(state)[0] for _ in range(3)]
    assert ["[DBG ] Signature verified" in lines for lines in said] == [True, False, False]
    assert ["[DBG ] Signature recorded" in lines for lines in said] == [False, True, True]


FORGERS = {
    "no signature": lambda component, version, built: b"\xff" * 64,
    "zeros": lambda component, version, built: bytes(64),
    "another version": lambda component, version, built: SIGN(component, 8, built),
    "a recovery image": lambda component, version, built: SIGN("RECOVERY", version, built),
    "another key": statements.signer(STRANGER, VENDOR, CLASS),
    "another class": statements.signer(KEY, VENDOR, VENDOR),
}


@pytest.mark.parametrize("how", FORGERS)
def test_what_somebody_writes_to_the_active_slot_does_not_start(tmp_path, how):
    state = make(tmp_path, "print('genuine')")
    run_to_end(state)
    genuine = (state / "flash.bin").read_bytes()
    forge(state, "print('forged')", FORGERS[how])
    lines = all_lines(state, max_resets=2)
    assert lines.count("[ERR ] Signature check failed") >= 3 and "forged" not in lines
    assert lines.count("Failed to jump to application!") == 3
    (state / "flash.bin").write_bytes(genuine)
    assert run_to_end(state)[0][-1] == "genuine"


def test_what_the_maker_signed_starts_from_the_active_slot(tmp_path):
    state = make(tmp_path, "print('genuine')")
    forge(state, "print('newer')", SIGN)
    assert run_to_end(state)[0][-1] == "newer"


def test_a_signature_may_be_verified_at_each_start_by_a_frozen_key(tmp_path):
    layout = {**own_layout(), "signed": "start"}
    state = make(tmp_path, "print('runs')", layout=layout)
    for _ in range(2):
        lines = run_to_end(state)[0]
        assert "[DBG ] Signature verified" in lines and lines[-1] == "runs"
    identity = json.loads((state / "identity.json").read_text())
    (state / "identity.json").write_text(json.dumps({**identity, "key": "04" + "00" * 64}))
    assert run_to_end(state)[0][-1] == "runs"  # what the store says is not asked
    (state / "maker_key.json").unlink()
    lines = all_lines(state, max_resets=1)
    assert f"error {errors_boot.NO_VERIFIER}" in " ".join(lines) and "runs" not in lines


def test_before_a_board_has_its_key_the_digest_is_all(tmp_path):
    state = make(tmp_path, "print('runs')")
    (state / "identity.json").unlink()
    lines = run_to_end(state)[0]
    assert "[WARN] Signature not checked, no key yet" in lines and lines[-1] == "runs"


def test_a_layout_that_cannot_work_is_told_and_tried_again(tmp_path):
    state = make(tmp_path, "print('runs')", layout={**own_layout(), "mode": "sideways"})
    seen = []
    with virtual_board.VirtualBoard(state, on_line=seen.append, max_resets=2) as board:
        assert board.wait(PATIENCE_S) == virtual_board.RESET
    assert seen.count("[ERR ] Boot stage failed, error 60") == 3 and "runs" not in seen


def test_a_swap_whose_power_is_cut_again_and_again_is_finished(tmp_path):
    main = textwrap.dedent(CONFIRMING) + (
        "file = open('data.bin', 'rb')\nprint(sum(len(file.read(4096)) for _ in range(20)))"
    )
    tree = {"main.py": main.encode(), "data.bin": DATA * 4}
    state = make(tmp_path, "print('old')")
    offer(state, image.build(tree, "lfs2", 4096))
    for wait_ms in range(0, 40, 2):
        cut_after(state, "[DBG ] Update active firmware", wait_ms)
    lines, _ = run_to_end(state)
    assert lines[-1] == "80000"
    assert result(state) == (CONFIRMED, 0)


def cut_after(state, words, wait_ms):
    """Cut the power of a board a moment after it says these words, if it does."""

    def hear(line):
        if line == words:
            time.sleep(wait_ms / 1000)
            board.kill()

    board = virtual_board.VirtualBoard(state, on_line=hear)
    board.start()
    board.wait(PATIENCE_S)
