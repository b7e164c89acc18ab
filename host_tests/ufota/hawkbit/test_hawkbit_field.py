"""hawkBit in the field: a virtual board with real resets, against goosebit and against a fake.

The board is told nothing but the address of its server. goosebit is real, and what the board
did is read in its data base; it knows neither cancel nor consent, so those are the fake's.
"""

import time
from types import SimpleNamespace

import pytest

from fake_hawkbit_net import NetHawkbit
from fwcore import errors, errors_boot, errors_net
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED, REVERTED
from fwtool.images import factory, image
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board
from goosebit_kit import ERROR, FINISHED, REGISTERED, RUNNING, UNKNOWN, Goosebit
from helpers import PATIENCE_S
from ufota_testkit.noise import noise
from virtual_kit import CLASS, VENDOR, own_layout, result

NAME = "dev-1"
TOKEN = "0123456789abcdef"
HEAP = "512k"  # modules are compiled from source in it

# The image says its version and polls; on trial it confirms itself once it is told to.
MAIN = """
import os, sys, time
from board import Board
from ufota import trial
from about import VERSION
from fwcore.errors import FwError
from ufota.fleet_client import FleetClient
from ufota.sources.hawkbit import HawkbitSource
from ufota.sources.poll import Pace
from ufota.web.service import HttpService

def has(name):
    try:
        os.stat(sys.argv[1] + "/" + name)
    except OSError:
        return False
    return True

def consent(name, version):
    print("asked", name, version)
    return True if has("agree") else None

print("runs", VERSION)
board = Board()
hawkbit = HawkbitSource(
    board,
    HttpService(),
    os.getenv("HAWKBIT_URL"),
    "TargetToken " + os.getenv("HAWKBIT_TOKEN"),
    attributes={"hw_boardname": "default", "sw_version": VERSION},
    consent=consent,
    side=HttpService(),
    pace=Pace(1, first_s=0),
)
client = FleetClient(board, hawkbit)

while True:
    try:
        if VERSION == "1.0.0" or has("good"):
            if trial.confirm(board):
                print("confirmed", VERSION)
        if client.poll():
            client.run()
            print("ready", client.manifest.version)
            board.reset()
    except FwError as error:
        print("error", error.code, error.at)
    time.sleep_ms(100)
"""
BROKEN = """
print("runs broken")
raise ValueError
"""


def application(version, main=MAIN, ballast=0):
    about = f'VERSION = "{version}"\n'.encode()
    tree = {"main.py": main.encode(), "about.py": about, "ballast": noise(ballast)}
    return image.build(tree, "lfs2", 4096)


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A board that runs 1.0.0, to be switched on by `with board.power:`."""
    keys.create(str(tmp_path / "maker.pem"))
    key = keys.load_private(str(tmp_path / "maker.pem"))
    point = keys.point(key.public_key())
    folder = tmp_path / "board"
    built = application("1.0.0")
    sign = statements.signer(key, VENDOR, CLASS)
    word = version_word("1.0.0")
    factory.make(str(folder), own_layout(), built, word, point, VENDOR, CLASS, sign=sign)
    monkeypatch.setenv("HAWKBIT_TOKEN", TOKEN)
    lines = []
    power = virtual_board.VirtualBoard(folder, HEAP, on_line=lines.append)
    made = SimpleNamespace(folder=folder, key=key, lines=lines, power=power)
    yield made
    power.kill()


def bundle(board, version, built):
    return manifests.create(board.key, built, VENDOR, CLASS, version) + built


def wait(board, check):
    """Until check() holds; what it returned."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it never happened:\n" + "\n".join(board.lines[-40:]))


def says(board, line):
    wait(board, lambda: line in board.lines)


# Against goosebit


@pytest.fixture(scope="module")
def goosebit(tmp_path_factory):
    with Goosebit(tmp_path_factory.mktemp("goosebit")) as made:
        yield made


class Field:
    """A board that goosebit knows, and one rollout for it."""

    def __init__(self, board, server, monkeypatch):
        self.board = board
        self.server = server
        self.name = f"dev-{board.folder.parent.name}"
        self.rollout_id = None
        monkeypatch.setenv("HAWKBIT_URL", server.url(self.name))

    def register(self, state=REGISTERED):
        self.server.register(self.name, TOKEN, state)

    def roll_out(self, version, data):
        path = self.board.folder.parent / f"{version}.fw"
        path.write_bytes(data)
        self.rollout_id = self.server.roll_out(path, version)

    def device(self):
        return self.server.device(self.name)

    def rollout(self):
        return self.server.rollout(self.rollout_id)

    def reaches(self, state):
        wait(self.board, lambda: self.device().state == state)

    def polls(self):
        """Wait for two polls that begin after this."""
        for _ in range(2):
            seen = self.device().seen
            wait(self.board, lambda seen=seen: self.device().seen != seen)


@pytest.fixture
def field(board, goosebit, monkeypatch):
    made = Field(board, goosebit, monkeypatch)
    yield made
    if made.rollout_id:
        goosebit.pause(made.rollout_id)


def test_install_reset_confirm_and_only_then_success(board, field):
    field.register(UNKNOWN)
    field.roll_out("2.0.0", bundle(board, "2.0.0", application("2.0.0")))
    with board.power:
        says(board, "runs 2.0.0")
        field.polls()
        assert field.device().state == RUNNING  # on trial
        assert field.rollout() == (0, 0)
        (board.folder / "good").touch()
        field.reaches(FINISHED)
        assert "confirmed 2.0.0" in board.lines
        field.polls()
    device = field.device()
    assert (device.state, device.version, device.log) == (FINISHED, "2.0.0", "")
    assert field.rollout() == (1, 0)
    assert board.lines.count("runs 2.0.0") == 1
    assert result(board.folder) == (CONFIRMED, 0)


def test_an_image_that_crashes_is_a_failure_with_the_reason(board, field):
    field.register()
    field.roll_out("3.0.0", bundle(board, "3.0.0", application("3.0.0", BROKEN)))
    with board.power:
        field.reaches(ERROR)
        field.polls()
    assert board.lines.count("runs broken") == 3 and board.lines.count("runs 1.0.0") == 2
    device = field.device()
    assert device.log == f"error {errors_boot.CRASHED} at 0\n"
    assert device.version != "3.0.0" and field.rollout() == (0, 1)
    assert result(board.folder) == (REVERTED, errors_boot.CRASHED)


def test_a_bundle_that_is_refused_is_a_failure_at_once(board, field):
    field.register()
    spoilt = bytearray(bundle(board, "4.0.0", application("4.0.0")))
    spoilt[len(spoilt) // 2] ^= 1
    field.roll_out("4.0.0", spoilt)
    with board.power:
        field.reaches(ERROR)
        field.polls()  # goosebit keeps the log after the state
    log = field.device().log.splitlines()
    assert log[-1] == f"error {errors.CORRUPT} at 0"
    assert board.lines.count("runs 1.0.0") == 1 and board.power.resets == 0


def test_a_wrong_token_is_an_error_and_no_update(board, field, monkeypatch):
    field.register(UNKNOWN)
    monkeypatch.setenv("HAWKBIT_TOKEN", "wrong")
    field.roll_out("5.0.0", bundle(board, "5.0.0", application("5.0.0")))
    with board.power:
        says(board, f"error {errors.HTTP_STATUS} 401")
    assert field.device().state == UNKNOWN


# Against the fake

CONTENT = "/image.fw"


@pytest.fixture
def fake(board, monkeypatch):
    with NetHawkbit(f"TargetToken {TOKEN}") as made:
        made.sleep = "00:00:01"
        monkeypatch.setenv("HAWKBIT_URL", made.url)
        yield made


def deploy(board, fake, action, version="2.0.0", ballast=0, **more):
    fake.files[CONTENT] = bundle(board, version, application(version, ballast=ballast))
    fake.deploy(action, fake.host + CONTENT, **more)


INSTALLED = [("download", "none"), ("downloaded", "none"), ("proceeding", "none")]
SUCCESS = ("closed", "success")


def stages(fake):
    """What was said, but for the percents, which depend on the time."""
    heard = [each for each in fake.said() if each != ("download", "none")]
    return [("download", "none"), *heard]


def test_consent_cancel_on_trial_and_success(board, fake):
    deploy(board, fake, "5", agreed=False)
    with board.power:
        says(board, "asked app 2.0.0")
        assert not fake.heard
        (board.folder / "agree").touch()
        says(board, "runs 2.0.0")
        fake.cancel("11")
        wait(board, lambda: fake.said("cancelAction"))
        assert fake.said("cancelAction") == [("rejected", "none")]  # it is too late
        assert stages(fake) == INSTALLED
        (board.folder / "good").touch()
        wait(board, lambda: fake.action is None)
    assert stages(fake) == [*INSTALLED, SUCCESS]
    assert fake.attributes["data"]["sw_version"] == "1.0.0"


def test_a_cancel_amid_the_download_then_another_action(board, fake):
    deploy(board, fake, "5", ballast=400000)
    fake.slow_s = 0.1
    with board.power:
        wait(board, lambda: any(url.endswith(CONTENT) for _method, url, _header in fake.asked))
        fake.cancel("11")
        says(board, f"error {errors_net.CANCELED} 0")
        assert fake.said("cancelAction") == [SUCCESS]
        assert stages(fake) == INSTALLED[:1] and board.power.resets == 0
        (board.folder / "good").touch()
        fake.slow_s = 0
        deploy(board, fake, "6", "2.0.1")
        wait(board, lambda: SUCCESS in fake.said())
    assert fake.heard[-1][1] == "6"
    assert "runs 2.0.0" not in board.lines and "runs 2.0.1" in board.lines


def test_a_redirect_to_another_server_takes_no_token_along(board, fake, monkeypatch):
    with NetHawkbit("") as cdn:
        cdn.files["/cdn/x"] = bundle(board, "2.0.0", application("2.0.0"))
        fake.moved[CONTENT] = cdn.host + "/cdn/x"
        fake.deploy("5", fake.host + CONTENT)
        (board.folder / "good").touch()
        with board.power:
            wait(board, lambda: fake.said() and fake.said()[-1] == SUCCESS)
        lines = [header for _method, _url, header in cdn.asked]
        assert len(lines) == 1 and b"uthorization" not in lines[0]
        lines = [header for _method, url, header in fake.asked if url.endswith(CONTENT)]
        assert len(lines) == 1 and TOKEN.encode() in lines[0]
