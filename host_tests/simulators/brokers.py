"""Real MQTT brokers for the tests: amqtt from PyPI, which is always there, and mosquitto."""

import subprocess
import tempfile
from pathlib import Path

import servers
from alibaba_driver import KEY, NAME, SECRET
from fwtool.demos import demo_mqtt_cloud as cloud
from fwtool.demos.demo_mqtt_broker import Broker, free_port, wait_for_port
from helpers import PATIENCE_S
from ufota.alibaba.login import login

KINDS = ("amqtt", "mosquitto")
DEVICES = {(KEY, NAME): SECRET}


def make(kind):
    """A broker as a context manager with `port`. Skips loudly when mosquitto is missing."""
    return Broker(DEVICES) if kind == "amqtt" else Mosquitto()


class Mosquitto:
    """mosquitto with a password file: one user as Alibaba names them, and the cloud.

    certificate:  bytes of a PEM with key and chain: it has a `tls_port` then, beside `port`
    """

    def __init__(self, certificate=None):
        self._certificate = certificate

    def __enter__(self):
        program = servers.needs("mosquitto")
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        users = folder / "users"
        users.touch(mode=0o600)
        for user, password in (login(KEY, NAME, SECRET, timestamp="")[1:], cloud.LOGIN):
            command = ["mosquitto_passwd", "-b", users, user, password]
            subprocess.run(command, check=True, capture_output=True)
        users.chmod(0o644)  # mosquitto drops root
        folder.chmod(0o755)
        config = folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} {cloud.HOST}\nallow_anonymous false\npassword_file {users}\n"
            f"log_type none\npersistence false\n{self._secure(folder)}"
        )
        self._process = subprocess.Popen([program, "-c", config], stderr=subprocess.DEVNULL)
        wait_for_port(self.port)
        return self

    def _secure(self, folder):
        """Lines of the configuration for the port with TLS."""
        if not self._certificate:
            return ""
        self.tls_port = free_port()
        path = folder / "chain.pem"
        path.write_bytes(self._certificate)
        path.chmod(0o644)
        return f"listener {self.tls_port} {cloud.HOST}\ncertfile {path}\nkeyfile {path}\n"

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._folder.cleanup()
