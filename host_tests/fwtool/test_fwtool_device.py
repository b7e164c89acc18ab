"""fwtool device on a board from the factory whose image is on trial, and on others."""

import json

import pytest

import simple_layout
from fwcore.state import BACK, CONFIRMED, REVERTED
from fwtool_cli import fwtool
from pty_kit import APPLICATION, console, mpremote, wait_for
from virtual_kit import application, boot_state, forge, make, offer, result


@pytest.fixture
def trial(tmp_path):
    """A board that runs a new image, version 2, on trial."""
    state = make(tmp_path, APPLICATION.replace("{}", "old"))
    offer(state, application(APPLICATION.replace("{}", "new")))
    with console(state) as board:
        wait_for(board, b"this is new\r\n")
        board.folder = state
        yield board


def device(board, command, *more, code=0):
    return fwtool("device", command, "--port", board.port, *more, code=code)


def status(board):
    return json.loads(device(board, "status", "--json").stdout)


def test_a_trial_is_seen_confirmed_and_told(trial):
    told = status(trial)
    assert (told["phase"], told["tries"], told["last"]) == ("TRIAL", 2, None)
    assert told["provisioned"] and told["floor"] == "0" and told["active"]["version"] == "2"
    assert (told["trust"], told["errors"]) == ("recorded", [])
    assert device(trial, "confirm").stdout == "confirmed\n"
    assert device(trial, "confirm").stdout == "was confirmed before\n"
    assert json.loads(device(trial, "confirm", "--json").stdout) == {
        "confirmed": True,
        "written": False,
    }
    assert result(trial.folder) == (CONFIRMED, 0)
    rows = device(trial, "status").stdout
    assert "phase             IDLE\n" in rows and "2 CONFIRMED\n" in rows
    assert "signature         recorded\n" in rows and "errors at start" not in rows
    assert "error 86" in device(trial, "reject", code=5).stderr
    assert "error 86" in device(trial, "rollback", code=5).stderr


def test_a_rejected_image_goes_with_the_next_reset(trial):
    device(trial, "reject", "--reason", "300")
    assert boot_state(trial.folder).phase == BACK
    assert status(trial)["phase"] == "BACK"
    assert "error 86" in device(trial, "confirm", code=1).stderr
    mpremote(trial, "reset")
    wait_for(trial, b"this is old\r\n")
    assert result(trial.folder) == (REVERTED, 300)
    told = status(trial)["last"]
    assert (told["result"], told["reason"]) == ("REVERTED", 300)
    assert "reason 300: the application's own" in device(trial, "status").stdout


def test_what_failed_is_allowed_again(trial):
    assert device(trial, "allow").stdout == "no such image has failed here\n"
    device(trial, "rollback")
    wait_for(trial, b"this is old\r\n")
    image = boot_state(trial.folder).new
    assert boot_state(trial.folder).is_bad(image.digest)
    assert "no such image" in device(trial, "allow", "--version", "3").stdout
    told = json.loads(device(trial, "allow", "--version", "2", "--json").stdout)
    assert told == {"allowed": True} and boot_state(trial.folder).find(image.digest) < 0
    assert "error 41" in device(trial, "allow", "--version", "2.x", code=1).stderr


def test_rollback_rejects_and_resets(trial):
    told = json.loads(device(trial, "rollback", "--json").stdout)
    assert told == {"rejected": True, "reason": 256, "reset": True}
    wait_for(trial, b"this is old\r\n")
    assert result(trial.folder) == (REVERTED, 256)


def test_the_log_is_that_of_the_last_start(trial):
    log = device(trial, "log").stdout
    assert "Mbed Bootloader\n" in log and "Trial boot, 2 left" in log
    assert json.loads(device(trial, "log", "--json").stdout)["log"][-2:] == ["booting...", ""]
    mpremote(trial, "soft-reset")  # the boot stage did not run, so there is none
    assert "keeps no boot log" in device(trial, "log", code=4).stderr


def test_a_layout_without_a_state_has_nothing_to_confirm(tmp_path):
    with console(make(tmp_path, "print('runs')", layout=simple_layout.LAYOUT)) as board:
        wait_for(board, b">>> ")
        told = status(board)
        assert "phase" not in told and told["last"] is None and told["active"]["version"] == "1"
        assert device(board, "confirm").stdout == "was confirmed before\n"
        assert "error 86" in device(board, "rollback", code=5).stderr


def test_why_an_image_did_not_start_is_told(tmp_path):
    state = make(tmp_path, "print('runs')")
    forge(state, "print('forged')", lambda *_: bytes(64))
    with console(state) as board:
        wait_for(board, b">>> ")
        told = status(board)
        assert told["trust"] == "not recorded" and "Signature check failed" in told["errors"]
        rows = device(board, "status").stdout
        assert "signature         not recorded: verified at the next start\n" in rows
        assert "errors at start   Signature check failed; " in rows


def test_what_no_record_is_kept_of_is_verified_at_each_start(tmp_path):
    for folder, more, trust in (("a", {"signed": True}, "each start"), ("b", {}, "not asked")):
        (tmp_path / folder).mkdir()
        layout = {**simple_layout.LAYOUT, **more}
        with console(make(tmp_path / folder, "print('runs')", layout=layout)) as board:
            wait_for(board, b">>> ")
            assert status(board)["trust"] == trust


def test_a_board_without_its_key_is_unprovisioned(tmp_path):
    state = make(tmp_path, "print('runs')")
    identity = json.loads((state / "identity.json").read_text())
    (state / "identity.json").write_text(json.dumps({**identity, "key": ""}))
    with console(state) as board:
        wait_for(board, b">>> ")
        assert status(board)["trust"] == "unprovisioned"


def test_boards_that_cannot_answer(tmp_path):
    class Missing:
        port = "/dev/none"

    assert "no board on /dev/none" in device(Missing, "status", code=4).stderr
    with console(tmp_path / "new") as board:
        for command in ("status", "confirm", "reject", "rollback", "allow"):
            assert "has no ufota: fwtool deploy" in device(board, command, code=4).stderr
        device(board, "reject", "--reason", "5", code=2)
        mpremote(board, "exec", "import os; os.mkdir('/lib')")
        mpremote(board, "exec", "with open('/lib/board.py', 'w') as f: f.write('class Board: x')")
        assert "board on" in device(board, "log", code=4).stderr


def test_chips_that_fail_are_told_as_such(tmp_path):
    state = make(tmp_path, "print('runs')")
    with console(state) as board:
        wait_for(board, b">>> ")
        (state / "flash.bin").rename(state / "gone.bin")
        assert "storage failed: No such file" in device(board, "status", code=4).stderr
