"""An MQTT broker for `fwtool demo-mqtt` and the tests: amqtt, in a thread, on this machine only.

It lets devices in by the HMAC of their triple, as Alibaba's does. Needs amqtt from PyPI.
"""

import asyncio
import hmac
import logging
import re
import socket
import threading
import time
from dataclasses import dataclass

from amqtt.broker import Broker as Amqtt
from amqtt.plugins.base import BaseAuthPlugin

from fwtool.demos.demo_mqtt_cloud import HOST, LOGIN
from fwtool.exits import Failure

_PATIENCE_S = 60


class Broker:
    """amqtt in a thread; `with Broker(devices) as broker`.

    devices:  {(product key, device name): secret}; the cloud may log in too, nobody else
    port:     where it listens, on HOST
    """

    def __init__(self, devices):
        self.port = free_port()
        self._devices = devices
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._error = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._started.wait(_PATIENCE_S):
            raise Failure("the broker does not start")
        if self._error:
            raise self._error
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE_S)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # into the thread that waits
            self._error = error
            self._started.set()

    async def _serve(self):
        logging.getLogger("amqtt").setLevel(logging.ERROR)  # a PUBACK that comes late is none
        self._stop = asyncio.Event()
        Login.devices[self.port] = self._devices
        config = {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
            "plugins": {f"{__name__}.Login": {"port": self.port}},
        }
        broker = Amqtt(config, loop=self._loop)
        await broker.start()
        self._started.set()
        await self._stop.wait()
        await broker.shutdown()


class Login(BaseAuthPlugin):
    """Who may log in; amqtt finds this class by its name."""

    devices = {}  # port -> devices of a Broker

    @dataclass
    class Config:
        port: int = 0

    async def authenticate(self, *, session):
        user, given = session.username or "", session.password or ""
        if (user, given) == LOGIN:
            return True
        name, _, key = user.partition("&")
        secret = self.devices[self.config.port].get((key, name))
        due = secret and password(key, secret, session.client_id or "", user)
        return bool(due) and hmac.compare_digest(due, given.upper())


def password(product_key, secret, client_id, user):
    """The password due for a CONNECT, upper case; None when the client id is not as documented."""
    found = re.fullmatch(r"([^|]{1,64})\|(.*)\|", client_id)
    if not found:
        return None
    options = dict(pair.split("=", 1) for pair in found[2].split(",") if "=" in pair)
    method = options.get("signmethod", "hmacmd5")
    if method not in ("hmacsha256", "hmacsha1", "hmacmd5"):
        return None
    content = {
        "clientId": found[1],
        "deviceName": user.split("&")[0],
        "productKey": product_key,
    }
    if "timestamp" in options:
        content["timestamp"] = options["timestamp"]
    text = "".join(key + content[key] for key in sorted(content))
    return hmac.new(secret.encode(), text.encode(), method[4:]).hexdigest().upper()


def free_port():
    with socket.create_server((HOST, 0)) as probe:
        return probe.getsockname()[1]


def wait_for_port(port, timeout_s=_PATIENCE_S):
    """Until somebody listens. Raises Failure."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection((HOST, port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failure(f"nobody listens on port {port}")
