"""A board under test: what starts, what is told of one that does not, and its user files."""

import pytest

from test_cuts import application  # noqa: F401  (a fixture)

READY = """
from board import Board
from ufota.trial import confirm
{}
confirm(Board())
print("ready")
"""
ENDLESS = READY + "while True:\n    Board().feed()\n"


def test_an_endless_application_is_stopped_when_it_is_ready(board, application):  # noqa: F811
    board.program(application(ENDLESS))
    board.assert_boots("1.0.0", says="ready")
    assert board.lines[-1] == "ready"


def test_an_application_that_never_says_it_is_told_so(board, application):  # noqa: F811
    board.program(application(ENDLESS))
    board.timeout_s = 1
    with pytest.raises(AssertionError, match="in 1 s the application has not printed 'up'"):
        board.start(says="up")
    with pytest.raises(AssertionError, match="in 1 s the application has not ended"):
        board.start()


def test_an_update_arrives_over_a_broken_link(board, application, server):  # noqa: F811
    board.program(application(READY))
    address = server(application(READY + "pass\n", "2.0.0"), faults=["cut:900x2", "status:503x1"])
    board.update(address)
    board.assert_boots("2.0.0")
    assert board.version == "2.0.0"


def test_an_update_that_crashes_is_told_with_its_traceback(board, application, server):  # noqa: F811
    board.program(application(READY))
    board.update(server(application(READY.format("import nonsense"), "2.0.0")))
    with pytest.raises(AssertionError) as failure:
        board.assert_boots("2.0.0")
    said = str(failure.value)
    assert said.startswith(
        "1.0.0 runs, not 2.0.0\nphase IDLE, last update: 2.0.0 REVERTED, reason 81"
    )
    assert "nonsense" in said


def test_an_update_that_never_confirms_is_told_so(board, application, server):  # noqa: F811
    board.program(application(READY))
    board.update(server(application("print('ready')\nwhile True: pass", "2.0.0")))
    with pytest.raises(AssertionError, match="2.0.0 runs on trial: nothing has confirmed it"):
        board.assert_boots("2.0.0", says="ready")


def test_an_update_that_the_device_refuses_is_told_by_number(board, application, server):  # noqa: F811
    board.program(application(READY))
    with pytest.raises(AssertionError, match="refuses the update: error 27"):
        board.update(server(application(READY)))
    with pytest.raises(AssertionError, match="refuses the update: error 26"):
        bundle = server(application(READY, "2.0.0"), faults=["corrupt:2000"])
        board.update(bundle)


def test_user_files_go_in_and_out(board, application):  # noqa: F811
    board.program(application("print(open('/user/in').read())"))
    board.write("/user/in", "text")
    board.start()
    assert board.lines[-1] == "text"
    board.write("/user/in", bytes(range(256)))
    assert board.read("/user/in") == bytes(range(256))
    assert board.read("/user/nothing") is None
    with pytest.raises(AssertionError, match="cannot write /user/folder/x: ENOENT"):
        board.write("/user/folder/x", "")


def test_an_exception_of_the_application_is_shown(board, application):  # noqa: F811
    board.program(application("1 // 0"))
    with pytest.raises(AssertionError, match="ended by an exception") as failure:
        board.start()
    assert "ZeroDivisionError" in str(failure.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda board: board.start(), "board.program"),
        (lambda board: board.read("/user/x"), "board.program"),
        (lambda board: board.write("/user/x", ""), "board.program"),
        (lambda board: board.cut_at(1).__enter__(), "board.program"),
    ],
)
def test_a_board_that_is_blank_is_told_so(board, wrong, sentence):
    with pytest.raises(AssertionError, match=sentence):
        wrong(board)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda board: board.read("/etc/passwd"), "user files are below /user/"),
        (lambda board: board.write("x", ""), "user files are below /user/"),
        (lambda board: board.write("/user/x", {}), "text or bytes, not dict"),
        (lambda board: board.read("/user/"), "cannot read /user/: "),
        (lambda board: board.cut_at(0).__enter__(), "the first operation has the number 1"),
        (lambda board: board.cut_at(1, "hlaf").__enter__(), "tears are some of"),
        (lambda board: board.cut_at(1, "moody").__enter__(), "tears are some of"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence(board, application, wrong, sentence):  # noqa: F811
    board.program(application("pass"))
    with pytest.raises(AssertionError, match=sentence):
        wrong(board)


def test_an_update_that_went_back_is_not_waited_for(board, application, server):  # noqa: F811
    board.program(application(ENDLESS))
    board.update(server(application("import nonsense", "2.0.0")))
    with pytest.raises(AssertionError, match="1.0.0 runs, not 2.0.0\n.*REVERTED"):
        board.assert_boots("2.0.0", says="up")  # the old one never says so
    board.assert_boots("1.0.0", says="ready")


@pytest.fixture
def stand_ins(request, tmp_path):
    """A folder with a module, and what there is besides in `machine`."""
    (tmp_path / "network.py").write_text("here = True\n")
    (tmp_path / "machine.py").write_text("def Pin(number):\n    return 'pin', number\n")
    request.node.add_marker(pytest.mark.board("virtual", stand_ins=tmp_path))


def test_stand_ins_are_found_and_add_to_machine(stand_ins, board, application):  # noqa: F811
    text = "import machine, network\nprint(machine.Pin(7), network.here, machine.reset_cause())"
    board.program(application(text))
    board.start()
    assert board.lines[-1] == "('pin', 7) True 1"


def test_an_image_that_rejects_itself_does_not_boot(board, application, server):  # noqa: F811
    text = """
from board import Board
from ufota.trial import reject
reject(Board(), 300)
print("ready")
while True:
    pass
"""
    board.program(application(READY))
    board.update(server(application(text, "2.0.0")))
    with pytest.raises(AssertionError, match="2.0.0 runs, and the next start takes it back"):
        board.assert_boots("2.0.0", says="ready")


def test_the_text_of_an_exception_says_nothing(board, application):  # noqa: F811
    board.program(application("raise RuntimeError('not ready')"))
    with pytest.raises(AssertionError, match="ended by an exception"):
        board.start(says="ready")
    for says in ("", b"ready"):
        with pytest.raises(AssertionError, match="says is a text"):
            board.start(says=says)


def test_a_file_that_the_collector_closes_is_written(board, application):  # noqa: F811
    text = """
import gc
def store():
    open("/user/left", "w").write("x")
store()
gc.collect()
print(len(open("/user/left").read()))
"""
    board.program(application(text))
    board.start()
    assert board.lines[-1] == "1", board.lines


def test_modules_of_an_application_have_any_name(board, release, tmp_path):
    for name in ("supply", "records", "noise", "download"):
        (tmp_path / f"{name}.py").write_text("mine = True\n")
    (tmp_path / "main.py").write_text(
        "import supply, records, noise, download\nprint(supply.mine, records.mine, noise.mine)"
    )
    board.program(release(tmp_path, "1.0.0"))
    board.start()
    assert board.lines[-1] == "True True True"


def test_a_killed_interpreter_is_no_power_cut(board, application, cut_at):  # noqa: F811
    board.program(application("import os\nos.system('kill -KILL $PPID')"))
    with pytest.raises(AssertionError, match="the interpreter was killed"), cut_at(1):
        board.start()
