"""The virtual board on a serial port, driven by the real mpremote and by hand."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fwcore.state import IDLE, TRIAL
from fwtool import paths
from fwtool.virtual import boot, pty_interpreter
from fwtool_cli import fwtool, python_environment
from helpers import PATIENCE_S
from pty_kit import Terminal, console, mpremote, wait_for
from virtual_kit import application, boot_state, make, offer

CAUSE = "import machine; print(machine.reset_cause())"
RAW = b"raw REPL; CTRL-B to exit\r\n>"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A new board that tests share; each leaves it as it likes."""
    with console(tmp_path_factory.mktemp("pty") / "board") as board:
        yield board


def test_code_runs_and_the_heap_lives_until_a_soft_reset(shared):
    assert mpremote(shared, "exec", "x = 5; print('in')") == "in\n"
    assert mpremote(shared, "resume", "exec", "print(x)") == "5\n"
    assert "NameError" in mpremote(shared, "exec", "print(x)", code=1)
    assert mpremote(shared, "eval", "1 + 1") == "2\n"


def test_an_exception_is_told_as_a_board_tells_it(shared):
    said = mpremote(shared, "exec", "def f():\n  1/0\nf()", code=1)
    assert said == (
        "Traceback (most recent call last):\n"
        '  File "<stdin>", line 3, in <module>\n'
        '  File "<stdin>", line 2, in f\n'
        "ZeroDivisionError: divide by zero\n"
    )


def test_files_come_and_go(shared, tmp_path):
    data = bytes(range(256)) * 108
    (tmp_path / "big.bin").write_bytes(data)
    (tmp_path / "tree" / "inner").mkdir(parents=True)
    (tmp_path / "tree" / "inner" / "x.txt").write_text("text\r\nmore\n")
    into = [tmp_path / "big.bin", ":", "+", "fs", "cp", "-r", tmp_path / "tree", ":"]
    out = ["+", "fs", "cp", ":big.bin", tmp_path / "back.bin", "+", "fs", "tree", ":tree"]
    look = [
        "+",
        "fs",
        "sha256sum",
        "big.bin",
        "+",
        "fs",
        "ls",
        "+",
        "fs",
        "cat",
        "tree/inner/x.txt",
    ]
    said = mpremote(shared, "fs", "cp", *into, *out, *look)
    assert (tmp_path / "back.bin").read_bytes() == data
    assert "6e021313f5e4d532d98ad0f94ac29e13054a39513060e62520ae79cac4e39e46" in said
    assert "       27648 big.bin" in said and "└── x.txt" in said and "text" in said
    said = mpremote(shared, "fs", "rm", "big.bin", "+", "fs", "rm", "-r", "tree", "+", "fs", "ls")
    assert said.split()[-1] == "rom/" or "big.bin" not in said.split("ls :")[1]


def test_a_script_runs_and_a_folder_of_the_host_is_mounted(shared, tmp_path):
    (tmp_path / "there.py").write_text("NAME = 'there'\nBYTES = " + repr(bytes(range(256))) + "\n")
    (tmp_path / "script.py").write_text("import there\nprint(there.NAME, len(there.BYTES))\n")
    (tmp_path / "data").write_bytes(b"\x03\x01\x04\x02" * 300)
    read = "print(open('data', 'rb').read() == b'\\x03\\x01\\x04\\x02' * 300)"
    said = mpremote(shared, "mount", tmp_path, "run", tmp_path / "script.py", "+", "exec", read)
    said = said.splitlines()  # mpremote writes the board's lines past the buffer of its own
    said.remove(f"Local directory {tmp_path} is mounted at /remote")
    assert said == ["there 256", "True"]


def test_files_outlive_the_power_and_lib_is_importable(tmp_path):
    with console(tmp_path / "board") as board:
        mpremote(board, "exec", "import os; os.mkdir('/lib')")
        mpremote(board, "exec", "with open('/lib/mine.py', 'w') as f: f.write('A = 7')")
        board.kill()
        board.start()
        assert mpremote(board, "exec", "import mine; print(mine.A)") == "7\n"


def test_nothing_of_the_host_can_be_reached(shared):
    def fails(code, name):
        assert name in mpremote(shared, "exec", code, code=1)

    assert "etc" not in mpremote(shared, "exec", "import os; print(os.listdir('/'))")
    fails("open('/etc/passwd')", "ENOENT")
    fails("open('/rom/../../../../etc/passwd')", "ENOENT")
    fails("open('/rom/machine.py', 'w')", "OSError: 30")
    fails("import os; os.remove('/rom/machine.py')", "OSError: 30")
    fails("import os; os.mkdir('/rom/new')", "OSError: 30")
    fails("import board", "ImportError")


def test_an_endless_loop_is_interrupted(shared):
    mpremote(shared, "exec", "--no-follow", "while True: pass")
    assert mpremote(shared, "resume", "exec", "print('again')") == "again\n"
    mpremote(shared, "exec", "--no-follow", "import time\nwhile True: time.sleep(10)")
    assert mpremote(shared, "exec", "print('again')") == "again\n"


COUNT = b"""
import time
count, going = 0, True
while going:
    try:
        if not count:
            print("go")
        time.sleep_ms(400)
        going = False
    except KeyboardInterrupt:
        count += 1
print(count)
"""


def test_ctrl_c_is_never_lost_and_never_ends_the_interpreter(shared):
    """It overtakes the code it is for, meets its end, or comes when nothing runs."""
    started = shared.resets
    with Terminal(shared) as terminal:
        terminal.ask(b"\r\x03\r\x01", RAW)
        for spin in (0, 1, 10, 100, 1000) * 4:
            said = terminal.ask(b"while True: pass\x04\x03", b"\x04>")
            assert said.startswith(b"OK\x04") and b"KeyboardInterrupt" in said, said
            terminal.send(b"for i in range(%d): pass\x04" % spin)
            terminal.send(b"\x03\x03")
            terminal.read_until(b"\x04>")
            assert terminal.ask(b"print(%d)\x04" % spin, b"\x04>") == b"OK%d\r\n\x04\x04>" % spin
        terminal.ask(COUNT + b"\x04", b"go\r\n")
        for _ in range(3):  # a key that is held: one interrupt, as more end some builds
            terminal.send(b"\x03")
            time.sleep(0.005)
        assert terminal.read_until(b"\x04>") == b"1\r\n\x04\x04>"
        terminal.ask(b"\x02", b">>> ")
    assert shared.resets == started


COLLECTS = b"""
import gc
kept = [[] for _ in range(1000)]
print("go")
while True:
    gc.collect()
"""


@pytest.mark.skipif(
    not pty_interpreter.runs(paths.micropython()),
    reason="a program of its own obeys SIGINT, where that finds it",
)
def test_ctrl_c_in_a_collection_of_garbage_is_as_good(shared):
    started = shared.resets
    with Terminal(shared) as terminal:
        terminal.ask(b"\r\x03\r\x01", RAW)
        for _ in range(8):
            terminal.ask(COLLECTS + b"\x04", b"go\r\n")
            said = terminal.ask(b"\x03", b"\x04>")
            assert b"KeyboardInterrupt" in said, said
        terminal.ask(b"\x02", b">>> ")
    assert shared.resets == started


def test_a_micropython_beside_that_is_a_program_of_its_own_gets_sigint(tmp_path, monkeypatch):
    """As in /usr/bin, where a distribution has it and Python."""
    monkeypatch.setattr(pty_interpreter, "find_spec", lambda name: None)
    assert not pty_interpreter.runs(paths.micropython())
    with console(tmp_path / "board") as board:
        mpremote(board, "exec", "--no-follow", "while True: pass")
        assert mpremote(board, "resume", "exec", "print('again')") == "again\n"


def test_raw_repl_by_hand(shared):
    with Terminal(shared) as terminal:
        terminal.ask(b"\r\x03\r\x01", RAW)
        assert terminal.ask(b"junk\x03print(2)\x04", b"\x04>") == b"OK2\r\n\x04\x04>"
        head = terminal.ask(b"\x05A\x01", b"\x01\x00\x04\x01")
        assert head == b"R\x01\x00\x04\x01"
        assert terminal.ask(b"print(3)\x04", b"\x04>") == b"\x043\r\n\x04\x04>"
        terminal.ask(b"\x05A\x01", b"\x01\x00\x04\x01")
        assert terminal.ask(b"half\x03", b">") == b"\x04>"  # the host gave up
        assert b"SyntaxError" in terminal.ask(b"1 +\x04", b"\x04>")
        assert b"UnicodeError" in terminal.ask(b"'\xff'\x04", b"\x04>")
        said = terminal.ask(b"\x04", RAW)
        assert said.startswith(b"OK\r\nMPY: soft reboot\r\n")
        assert b"MicroPython" in terminal.ask(b"\x02", b">>> ")


def test_the_friendly_repl_takes_what_people_type(shared):
    with Terminal(shared) as terminal:
        terminal.ask(b"\r\x03\x02print('sy' + 'nc')\r", b"\nsync\r\n>>> ")
        assert terminal.ask(b"1+2\r", b">>> ") == b"1+2\r\n3\r\n>>> "
        terminal.ask(b"for i in (1,\r", b"... ")
        terminal.ask(b"2):\r", b"... ")
        terminal.ask(b"    print(i * 9)\r", b"... ")
        assert terminal.ask(b"\r", b">>> ") == b"\r\n9\r\n18\r\n>>> "
        assert b"NameError" in terminal.ask(b"nameX\x7fless\r", b">>> ")
        terminal.ask(b"never\x03", b"\r\n>>> ")
        terminal.ask(b"\x05", b"=== ")
        assert terminal.ask(b"a = 1\rprint(a + 40)\r\x04", b">>> ").endswith(b"41\r\n>>> ")
        assert terminal.ask(b"\x1b[A\t\x7f5\r", b">>> ").endswith(b"5\r\n>>> ")
        assert b"soft reboot" in terminal.ask(b"\x04", b">>> ")
        assert b"NameError" in terminal.ask(b"a\r", b">>> ")


def test_each_reset_is_a_new_process_with_its_cause(shared):
    mpremote(shared, "reset")
    wait_for(shared, b">>> ")
    assert mpremote(shared, "resume", "exec", CAUSE) == "2\n"
    mpremote(shared, "soft-reset")
    assert mpremote(shared, "resume", "exec", CAUSE) == "5\n"
    assert mpremote(shared, "exec", "x = 1; import machine; machine.soft_reset()") == ""
    for _ in range(20):  # mpremote may come while the next interpreter starts
        found = mpremote(shared, "resume", "exec", "x", code=1)
        if "could not" not in found:
            break
    assert "NameError" in found
    with Terminal(shared) as terminal:  # mpremote never gives up on a board that was reset
        terminal.ask(b"\r\x03\r\x01", RAW)
        terminal.send(b"import machine\nmachine.WDT(timeout=100)\nwhile True: pass\x04")
        terminal.read_until(b">>> ")
    assert mpremote(shared, "resume", "exec", CAUSE) == "3\n"


def test_an_interpreter_that_crashed_is_started_again(tmp_path):
    said = []
    with console(tmp_path / "board", on_line=said.append) as board:
        assert mpremote(board, "exec", "print(1)") == "1\n"
        board._process.send_signal(signal.SIGABRT)
        wait_for(board, b">>> ")
        assert mpremote(board, "resume", "exec", CAUSE) == "1\n"
    assert said == ["the interpreter ended with code -6: power on again"]


def test_boot_py_and_main_py_run_as_on_any_board(tmp_path):
    code = "for n in ('boot', 'main'):\n  with open(n + '.py', 'w') as f:\n"
    code += "    f.write('print(\"%s ran\")' % n)"
    with console(tmp_path / "board") as board:
        mpremote(board, "exec", code)
        mpremote(board, "reset")
        assert b"boot ran\r\nmain ran\r\n" in wait_for(board, b">>> ")
        with Terminal(board) as terminal:
            terminal.ask(b"\r\x03\r\x01", RAW)
            said = terminal.ask(b"\x04", RAW)  # no main.py after this
            assert b"boot ran\r\n" in said and b"main ran" not in said


def test_output_nobody_reads_does_not_stop_the_board(tmp_path, monkeypatch):
    monkeypatch.setattr("fwtool.virtual.pty_board._DEAF_S", 0.2)
    with console(tmp_path / "board") as board:
        code = "import machine\nfor i in range(2000): print('x' * 60)\nmachine.reset()"
        mpremote(board, "exec", "--no-follow", code)
        deadline = time.monotonic() + PATIENCE_S
        while not board.resets > 1:  # mpremote's soft reset was the first
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert mpremote(board, "exec", "print('heard')") == "heard\n"


ENDLESS = "import time\nprint('application runs')\nwhile True: time.sleep(1)\n"


def test_a_board_from_the_factory_boots_and_its_application_can_be_stopped(tmp_path):
    with console(make(tmp_path, ENDLESS)) as board:
        said = wait_for(board, b"application runs\r\n")
        assert b"Mbed Bootloader\r\n" in said
        used = mpremote(
            board, "resume", "exec", "import os, ufota; print(os.getcwd(), os.listdir('/app'))"
        )
        assert used == "/ ['main.py']\n"
        code = "open('/rom/../../../../../../../../etc/passwd')"
        assert "ENOENT" in mpremote(board, "resume", "exec", code, code=1)
        with Terminal(board) as terminal:
            assert b"application runs" in terminal.ask(b"\x04", b"runs\r\n")


def test_user_files_are_those_of_the_console(tmp_path):
    main = "with open('/user/note', 'w') as file: file.write('kept')\nprint('written')\n"
    with console(make(tmp_path, main)) as board:
        wait_for(board, b">>> ")
        assert mpremote(board, "fs", "cat", "note") == "kept"


def test_a_session_of_mpremote_and_ctrl_c_cost_no_image_its_trial(tmp_path):
    state = make(tmp_path, "print('old runs')\n")
    offer(state, application(ENDLESS))
    with console(state) as board:
        wait_for(board, b"application runs\r\n")
        for _ in range(4):
            mpremote(board, "exec", "print(1)")
        assert (boot_state(state).phase, boot_state(state).tries) == (TRIAL, 2)
        code = "from board import Board; from ufota.trial import confirm; confirm(Board())"
        mpremote(board, "exec", code)
        assert boot_state(state).phase == IDLE


def test_an_image_on_trial_that_ends_goes_back(tmp_path):
    state = make(tmp_path, "print('old runs')\n")
    offer(state, application("print('new ends')\n"), tries=1)
    with console(state) as board:
        assert b"new ends" in wait_for(board, b"old runs\r\n")
        wait_for(board, b">>> ")


def test_a_board_without_an_image_has_a_console(tmp_path):
    state = make(tmp_path, ENDLESS)
    with open(state / "flash.bin", "r+b") as chip:
        chip.seek(0x11000)
        chip.write(bytes(4096))
    with console(state) as board:
        assert b"Failed to jump to application!" in wait_for(board, b">>> ")


def test_the_port_is_for_one_program_at_a_time(shared):
    with open(shared.port, "rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "in use" in mpremote(shared, "exec", "1", code=1)
    assert mpremote(shared, "exec", "print(1)") == "1\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_tells_the_port_and_ends_the_board(tmp_path, number):
    command = [sys.executable, "-Pu", "-m", "fwtool.cli", "run", "--pty", str(tmp_path / "board")]
    environment = python_environment()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        words = process.stdout.readline().split()
        assert words[:2] == ["mpremote", "connect"] and os.path.exists(words[2])

        class Found:
            port = words[2]

        mpremote(Found, "exec", "--no-follow", "while True: pass")
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    deadline = time.monotonic() + PATIENCE_S
    while os.path.exists(words[2]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    layout = boot.check_files(tmp_path / "board")
    assert set(layout["devices"]) == {"flash", "spi", "sd"}


def test_files_that_are_no_board_get_no_port(tmp_path):
    (tmp_path / "file").write_text("")
    fwtool("run", "--pty", tmp_path / "file", code=1)
    state = make(tmp_path, ENDLESS)
    layout = json.loads((state / "layout.json").read_text())
    del layout["regions"]["user"]
    (state / "layout.json").write_text(json.dumps(layout))
    assert "region user" in fwtool("run", "--pty", state, code=1).stderr
    fwtool("run", "--pty", tmp_path / "new", "--interpreter", "/none", code=4)
