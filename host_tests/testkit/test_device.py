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


def test_an_application_that_never_says_it_is_told_so(board, application, monkeypatch):  # noqa: F811
    board.program(application(ENDLESS))
    monkeypatch.setattr("ufota_testkit.device.TIMEOUT_S", 1)
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
    with pytest.raises(AssertionError, match="cannot write /user/folder/x"):
        board.write("/user/folder/x", "")


def test_an_exception_of_the_application_is_shown(board, application):  # noqa: F811
    board.program(application("1 // 0"))
    with pytest.raises(AssertionError, match="ended by an exception") as failure:
        board.start()
    assert "ZeroDivisionError" in str(failure.value)
