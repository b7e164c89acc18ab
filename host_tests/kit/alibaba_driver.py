"""A device of Alibaba's cloud, on a simulated board; runs on both interpreters.

    MICROPYPATH=... micropython host_tests/kit/alibaba_driver.py PORT SCENE [TIMEOUT_S]

Prints one line of JSON, what the scene found. Any exception but FwError escapes.
A scene is a function below, scene(device).
"""

import json
import os
import sys
import time

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwboot import main as boot_stage
from fwcore.errors import FwError
from fwcore.manifest import version_text
from ufota import client as states
from ufota import trial
from ufota.alibaba.login import login
from ufota.fleet_client import FleetClient
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.http import HttpSource
from ufota.sources.retry import Retry
from ufota_testkit import simboard, virtual_clock
from update_kit import Key, staged, tired

HOST = "127.0.0.1"
KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "0123456789abcdef0123456789abcdef"
OLD = (1 << 55) | 1 << 40  # 1.0.0


def client_class():
    if sys.implementation.name == "micropython":
        from umqtt.simple import MQTTClient
    else:
        from umqtt_paho import MQTTClient
    return MQTTClient


class Device:
    """One device of KEY/NAME.

    port:       of the broker
    layout:     of its board; a small one with a state region when None
    http:       True: files come over HTTP where the cloud says so
    more:       for AlibabaSource
    """

    def __init__(self, port, timeout_s=300, layout=None, http=False, retry=None, **more):
        self.port = port
        self.timeout_ms = int(timeout_s) * 1000
        layout = layout or with_client_store(simboard.trial_layout("swap", "spi", 4))
        self.board = simboard.Board(layout, simboard.ROT, Key())
        simboard.put(self.board, simboard.active_slot(self.board), OLD, b"old" * 300)
        self.http = http
        self.retry = retry
        self.more = more
        self.start()

    def start(self):
        """What an application does after a reset: everything new but the board."""
        if hasattr(self.board, "client_store"):
            del self.board.client_store
        names = login(KEY, NAME, SECRET, timestamp="")  # mosquitto knows one password
        self.mqtt = client_class()(names[0], HOST, self.port, names[1], names[2], keepalive=60)
        http = HttpSource(3000) if self.http else None
        self.more["random"] = virtual_clock.low  # it logs in at once
        self.cloud = AlibabaSource(self.board, self.mqtt, KEY, NAME, http, **self.more)
        self.client = FleetClient(self.board, self.cloud, self.retry)

    def update(self):
        """Poll until an update has come to its end; {ready: ...} or {code, at}."""
        deadline = time.ticks_add(time.ticks_ms(), self.timeout_ms)
        found = {}
        try:
            while not self.client.poll():
                self.cloud.wait(50)
                if time.ticks_diff(time.ticks_ms(), deadline) > 0:
                    return {"ready": False, "why": "nothing was offered"}
            while self.client.state != states.READY:
                if not self.client.step():
                    self.cloud.wait(50)
                if time.ticks_diff(time.ticks_ms(), deadline) > 0:
                    return {"ready": False, "why": "no end"}
            found["ready"] = True
        except FwError as error:
            found = {"code": error.code, "at": error.at}
        self.serve(300)
        found["staged"] = version_text(staged(self.board)[0][0])
        found["lines"] = self.board.lines
        return found

    def serve(self, ms):
        """Poll, without anything to come of it; returns the code of the error, or 0."""
        end = time.ticks_add(time.ticks_ms(), ms)
        code = 0
        while time.ticks_diff(end, time.ticks_ms()) > 0:
            try:
                self.cloud.offer()
            except FwError as error:
                code = error.code
            self.cloud.wait(20)
        return code

    def reset(self):
        """The board restarts: the boot stage, then the application. Returns the version."""
        self.mqtt.disconnect()
        found = boot_stage.run(self.board)
        self.start()
        return version_text(found.head.version)


def with_client_store(layout):
    """The layout with a region `client`, on a device of its own."""
    layout["devices"]["store"] = {"size": 0x6000, "erase": 4096, "program": 256}
    layout["client"] = {"device": "store", "start": 0, "size": 0x6000}
    return layout


def blocks(device):
    """One update, in blocks."""
    return device.update()


def http(device):
    """One update, over HTTP."""
    device.http = True
    device.start()
    return device.update()


def secure(device):
    """One update in blocks over TLS, of the CA in the environment; how the watchdog fared."""
    from ufota.web import tls

    device.more["patience_ms"] = int(os.getenv("PATIENCE_MS"))
    device.start()
    with open(os.getenv("CA"), "rb") as file:
        device.mqtt.ssl = tls.context(file.read())
    board, last, gaps = device.board, time.ticks_ms(), []

    def feed():
        nonlocal last
        gaps.append(time.ticks_diff(time.ticks_ms(), last))
        last = time.ticks_ms()

    board.feed = feed
    try:
        device.cloud.offer()
    except FwError as error:
        return {"code": error.code, "at": error.at, "fed": len(gaps), "longest": max(gaps)}
    found = {"fed": len(gaps), "longest": max(gaps)}
    found.update(device.update())
    return found


def patient(device):
    """One update, over HTTP or in blocks, over links that break."""
    device.retry = Retry(1, give_up_s=20)
    return http(device)


def bare(device):
    """One update on a device that takes bare images, and the reset."""
    device.board.layout["unsigned"] = True
    found = device.update()
    found["booted"] = device.reset()
    return found


def refused(device):
    """An update that fails, and the next one, which does not."""
    first = device.update()
    found = device.update()
    found["first"] = first["code"]
    return found


def modules(device):
    """Two modules of one device; the update is the second one's."""
    names = {"module": "radio", "version": "5", "link": device.cloud.link}
    radio = AlibabaSource(device.board, None, None, None, **names)
    device.serve(200)
    device.cloud, first = radio, device.cloud
    device.client.source = radio
    found = device.update()
    device.cloud = first
    device.serve(200)
    return found


def confirmed(device):
    """An update, a reset, and a confirmation: the service hears of the new version after it."""
    found = device.update()
    found["booted"] = device.reset()
    found["on trial"] = device.serve(400)
    trial.confirm(device.board)
    device.serve(400)
    return found


def reverted(device):
    """The last of the updates with an image that is never confirmed."""
    tired(device.board, "small")
    found = device.update()
    found["booted"] = []
    for _ in range(4):
        found["booted"].append(device.reset())
        device.serve(300)
    end = time.ticks_add(time.ticks_ms(), device.timeout_ms)
    while device.cloud._late and time.ticks_diff(end, time.ticks_ms()) > 0:
        device.serve(100)
    return found


def main(port, scene, timeout_s=300):
    found = globals()[scene](Device(int(port), timeout_s))
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
