"""Alibaba's side of its OTA, for `fwtool demo-mqtt` and the tests.

A client of any broker on this machine that sends the documented messages. It is not for
devices in the field. Needs paho-mqtt from PyPI.
"""

import json
import re
import struct
import threading
from dataclasses import dataclass, field
from hashlib import md5, sha256

from paho.mqtt import client as paho

from fwtool.exits import Failure

HOST = "127.0.0.1"
LOGIN = ("cloud", "of clouds")  # user and password
MAX_REQUEST = 131072  # bytes of a block, in the service's documentation
_PATIENCE_S = 60


@dataclass
class Package:
    """One update for one module of a device.

    data:     the file: a bundle, or a bare image
    url:      a function that returns an address for it; None: in blocks over MQTT
    method:   MD5 or SHA256, in whatever case
    changes:  fields of the offer that are other than they should be; None leaves one out
    status:   pushed, succeeded or failed
    """

    version: str
    data: bytes
    url: object = None
    module: str = "default"
    method: str = "SHA256"
    changes: dict = field(default_factory=dict)
    stream: int = 1397345
    status: str = "pushed"

    def offer(self):
        """`data` of upgrade and firmware/get_reply."""
        digest = (md5 if self.method.lower() == "md5" else sha256)(self.data)
        made = {
            "size": len(self.data),
            "version": self.version,
            "isDiff": 0,
            "md5": md5(self.data).hexdigest(),
            "sign": digest.hexdigest(),
            "signMethod": self.method,
            "digestsign": "BASE64",
            "module": self.module,
            "extData": {"key1": "v1", "_package_udi": '{"ota_notice":"text"}'},
        }
        if self.url:
            made["url"] = self.url()
        else:
            made.update(dProtocol="mqtt", streamId=self.stream, streamFileId=1)
        made.update(self.changes)
        return {key: value for key, value in made.items() if value is not None}


class Cloud:
    """The service. Runs in paho's thread.

    on_event:  called with each event, a tuple: ("inform", module, version),
               ("progress", module, step, description), ("get", module), ("block", offset, size)
    events:    all of them
    """

    def __init__(self, port, on_event=None, user=LOGIN):
        self.on_event = on_event
        self.events = []
        self.fault = None  # the first exception, which a message that is not as documented brings
        self._heard = threading.Condition()
        self._packages = {}  # (where, module) -> Package
        self.versions = {}  # (where, module) -> text
        self._id = 1626969597470
        self._port = port
        self._ready = threading.Event()
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, "cloud")
        self.client.username_pw_set(*user)
        self.client.on_connect = self._subscribe
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._take

    def __enter__(self):
        self.client.connect(HOST, self._port)
        self.client.loop_start()
        if not self._ready.wait(_PATIENCE_S):
            raise Failure("the cloud cannot reach its broker")
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def _subscribe(self, client, *_):
        client.subscribe(
            [
                ("/ota/device/inform/+/+", 1),
                ("/ota/device/progress/+/+", 1),
                ("/sys/+/+/thing/ota/firmware/get", 1),
                ("/sys/+/+/thing/file/download", 1),
            ]
        )

    def push(self, where, package):
        """Offer a package to "product key/device name". Raises Failure before its first inform."""
        if (where, package.module) not in self.versions:
            raise Failure(f"{where} has not said which version of {package.module} it runs")
        self._packages[where, package.module] = package
        self.send_offer(where, package.offer())

    def send_offer(self, where, data):
        self._id += 1
        offer = {"code": "1000", "id": self._id, "message": "success", "data": data}
        self.client.publish(f"/ota/device/upgrade/{where}", json.dumps(offer), 1)

    def wait_for(self, wanted, timeout_s=_PATIENCE_S, start=0):
        """Wait until an event satisfies wanted(event).

        start:    the first one that is looked at
        returns:  (its place in events, the event)
        raises:   Failure; what a message that is not as documented has raised
        """
        with self._heard:

            def found():
                for place in range(start, len(self.events)):
                    if wanted(self.events[place]):
                        return place, self.events[place]
                return self.fault

            self._heard.wait_for(found, timeout_s)
            if self.fault:
                raise self.fault
            if not found():
                raise Failure(f"the device does not report what is due: {self.events[-5:]}")
            return found()

    def _note(self, *event):
        with self._heard:
            self.events.append(event)
            self._heard.notify_all()
        if self.on_event:
            self.on_event(event)

    def _take(self, client, _, message):
        try:
            self._sort(message)
        except Exception as error:  # paho's thread would end without a message
            with self._heard:
                self.fault = self.fault or error
                self._heard.notify_all()

    def _sort(self, message):
        parts = message.topic.split("/")
        if parts[1] == "ota":
            where, kind = "/".join(parts[4:6]), parts[3]
        else:
            where, kind = "/".join(parts[2:4]), parts[-1]
        body = json.loads(re.sub(rb",\s*([}\]])", rb"\1", message.payload))  # as the C SDK sends
        getattr(self, "_take_" + kind)(where, body)

    def _take_inform(self, where, body):
        params = body["params"]
        module, version = params.get("module", "default"), params["version"]
        self.versions[where, module] = version
        package = self._packages.get((where, module))
        if package and package.status == "pushed" and package.version == version:
            package.status = "succeeded"
        self._note("inform", module, version)

    def _take_progress(self, where, body):
        params = body["params"]
        module, step = params.get("module", "default"), params["step"]
        assert isinstance(step, str) and -4 <= int(step) <= 100, step
        package = self._packages.get((where, module))
        if package and package.status == "pushed" and int(step) < 0:
            package.status = "failed"
        self._note("progress", module, step, params["desc"])

    def _take_get(self, where, body):
        assert body["method"] == "thing.ota.firmware.get" and body["version"] == "1.0"
        module = body["params"].get("module", "default")
        package = self._packages.get((where, module))
        wanted = package and package.status == "pushed"
        self.answer(where, body["id"], package.offer() if wanted else {})
        self._note("get", module)

    def answer(self, where, name, data):
        reply = json.dumps({"id": name, "code": 200, "data": data})
        self.client.publish(f"/sys/{where}/thing/ota/firmware/get_reply", reply, 1)

    def _take_download(self, where, body):
        params = body["params"]
        block, stream = params["fileBlock"], params["fileInfo"]["streamId"]
        assert 0 < block["size"] <= MAX_REQUEST
        for (place, _), package in self._packages.items():
            if place == where and package.stream == stream and not package.url:
                self.send_block(where, body["id"], package, block["offset"], block["size"])
        self._note("block", block["offset"], block["size"])

    def send_block(self, where, name, package, offset, size):
        data = package.data[offset : offset + size]
        self.send_reply(where, reply(name, len(package.data), offset, data))

    def send_reply(self, where, made):
        self.client.publish(f"/sys/{where}/thing/file/download_reply", made, 0)


def reply(name, length, offset, data, code=200, crc=None):
    """A reply with a block, as documented. crc: another one than is right."""
    about = {"fileToken": "default", "fileLength": length, "bSize": len(data), "bOffset": offset}
    head = json.dumps({"id": name, "code": code, "msg": "success", "data": about}).encode()
    crc = crc16(data) if crc is None else crc
    return struct.pack(">H", len(head)) + head + data + struct.pack("<H", crc)


def crc16(data):
    """CRC-16/ARC."""
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ _CRCS[(crc ^ byte) & 0xFF]
    return crc


def _crc_of(value):
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_CRCS = [_crc_of(value) for value in range(256)]
