"""MQTT over TLS with umqtt.simple on MicroPython: verified, bounded, and fed meanwhile."""

import json
import socket
import threading
from errno import ETIMEDOUT

import pytest

import brokers
from alibaba_driver import KEY, NAME
from conftest import run_micropython
from fwcore import errors, errors_net
from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Cloud, Package
from helpers import PATIENCE_S, here
from test_alibaba_hostile import pipe
from tls_kit import Certificates
from ufota_testkit.server.listener import Listener
from update_kit import bundle

PATIENT_MS = 60000


class Secure(Listener):
    """TLS in front of a broker. context: None for a server that says nothing"""

    def __init__(self, context, port=0):
        self._context = context
        self._port = port
        super().__init__()

    def serve(self, device, number):
        if not self._context:
            while device.recv(4096):
                pass
            return
        with self._context.wrap_socket(device, server_side=True) as secure:
            with socket.create_connection(("127.0.0.1", self._port)) as broker:
                threading.Thread(target=pipe, args=(broker, secure), daemon=True).start()
                pipe(secure, broker)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


def run(port, ca, patience_ms, monkeypatch):
    monkeypatch.setenv("CA", ca + ".der")
    monkeypatch.setenv("PATIENCE_MS", str(patience_ms))
    umqtt = fetch(paths.device().parent / "build" / "umqtt")
    command = here("kit/alibaba_driver.py"), port, "secure", PATIENCE_S
    done = run_micropython(*command, heap="512k", folders=[umqtt])
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    return json.loads(done.stdout)


def test_an_update_comes_in_blocks_over_tls(certificates, monkeypatch):
    with brokers.make("amqtt") as broker, Cloud(broker.port) as cloud:
        with Secure(certificates.server_context(), broker.port) as front:

            def push():
                cloud.wait_for(lambda event: event[0] == "inform", PATIENCE_S)
                cloud.push(f"{KEY}/{NAME}", Package("2.0.0", bundle("small")))

            threading.Thread(target=push, daemon=True).start()
            found = run(front.port, certificates.path("ca"), PATIENT_MS, monkeypatch)
    assert found["ready"] and found["staged"] == "2.0.0", found


@pytest.mark.parametrize("name", ["strange", "elsewhere", "expired"])
def test_a_server_that_is_another_is_told_by_its_number(name, certificates, monkeypatch):
    with Secure(certificates.server_context(name)) as front:
        found = run(front.port, certificates.path("ca"), PATIENT_MS, monkeypatch)
    due = {"strange": "UNTRUSTED", "elsewhere": "WRONG_HOST", "expired": "EXPIRED"}[name]
    assert found["code"] == getattr(errors_net, due), found


def test_a_server_that_does_not_shake_hands_is_left_and_the_watchdog_is_fed(
    certificates, monkeypatch
):
    with Secure(None) as front:
        found = run(front.port, certificates.path("ca"), 1000, monkeypatch)
    assert (found["code"], found["at"]) == (errors.CONNECT, ETIMEDOUT), found
    assert found["fed"] > 10, found  # a look each 50 ms at most
