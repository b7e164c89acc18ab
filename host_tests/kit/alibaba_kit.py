"""What tests of the Alibaba source share: its cloud and an MQTT client in one, without a network.

Runs on CPython and on MicroPython. The cloud on a real broker is fwtool/demos/demo_mqtt_cloud.py.
"""

import json
import time
from binascii import hexlify
from hashlib import md5, sha256

from fwcore.errors import FwError
from helpers import vectors
from ufota import client as states
from ufota.alibaba import blocks, bounded_socket, connect, link
from ufota.fleet_client import FleetClient
from ufota.sources import alibaba
from ufota.sources.alibaba import AlibabaSource
from ufota_testkit import simboard, virtual_clock
from update_kit import Key, staged

KEY, NAME = "a1B2c3D4e5F", "dev001"
WHERE = KEY + "/" + NAME
UPGRADE = "/ota/device/upgrade/" + WHERE
GET_REPLY = "/sys/" + WHERE + "/thing/ota/firmware/get_reply"
BLOCK_REPLY = "/sys/" + WHERE + "/thing/file/download_reply"
OLD = (1 << 55) | 1 << 40  # 1.0.0
MESSAGES = vectors("aliyun/alibaba_ota.json")
_PERIOD = 1 << 30  # of ticks
_START = 3 << 28  # where the difference to 0 is negative


class Clock:
    """`time` for the modules under test: passes when somebody sleeps, or looks often."""

    def __init__(self):
        self.now_ms = 0  # since the start

    def ticks_ms(self):
        self.now_ms += 1
        return self.now_ms + _START & _PERIOD - 1

    def ticks_diff(self, a, b):
        return (a - b + _PERIOD // 2 & _PERIOD - 1) - _PERIOD // 2

    def ticks_add(self, a, b):
        return a + b & _PERIOD - 1

    def sleep_ms(self, ms):
        self.now_ms += ms


def set_clock():
    """A Clock in place of time, for the modules of the source."""
    clock = Clock()
    _put_time(clock)
    return clock


def real_clock():
    """The real one again: for tests that come later in this process, and have a network."""
    _put_time(time)


def _put_time(clock):
    for module in (alibaba, blocks, bounded_socket, connect, link):
        module.time = clock


def crc16(data):
    """CRC-16/ARC, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def reply(offset, data, length, crc=None, code=200, **more):
    """A reply with a block. more: fields of `data` that are other than they should be."""
    about = {"fileToken": "default", "fileLength": length, "bSize": len(data), "bOffset": offset}
    about.update(more)
    head = json.dumps({"id": "1", "code": code, "msg": "success", "data": about}).encode()
    crc = crc16(data) if crc is None else crc
    return len(head).to_bytes(2, "big") + head + data + crc.to_bytes(2, "little")


class Cloud:
    """umqtt.simple's interface, with the service right behind it.

    file:     bytes of the package offered; None: nothing is
    fields:   of the offer, that are other than they should be; None leaves one out
    mangle:   mangle(offset, reply) -> list of messages to send in place of a reply
    broken:   exception that every call raises from now on
    answers:  False: firmware/get stays unanswered
    sent:     (topic, dict, qos) of all that the device published
    inbox:    (topic, bytes) that check_msg() will hand over
    """

    keepalive = 0

    def __init__(self, file=None, version="2.0.0", **fields):
        self.file = file
        self.version = version
        self.fields = fields
        self.mangle = None
        self.broken = None
        self.answers = True
        self.sent = []
        self.inbox = []
        self.topics = []
        self.connects = 0
        self.pings = 0

    def set_callback(self, callback):
        self.callback = callback

    def connect(self):
        self._check()
        self.connects += 1
        self.topics = []

    def disconnect(self):
        pass

    def subscribe(self, topic, qos=0):
        self._check()
        self.topics.append((topic.decode(), qos))

    def ping(self):
        self._check()
        self.pings += 1

    def publish(self, topic, msg, retain=False, qos=0):
        self._check()
        topic, message = topic.decode(), json.loads(msg)
        assert not retain
        self.sent.append((topic, message, qos))
        if topic.endswith("/thing/ota/firmware/get") and self.answers:
            self.say(GET_REPLY, {"id": message["id"], "code": 200, "data": self.offer()})
        elif topic.endswith("/thing/file/download"):
            block = message["params"]["fileBlock"]
            at = block["offset"]
            made = reply(at, self.file[at : at + block["size"]], len(self.file))
            for each in self.mangle(at, made) if self.mangle else [made]:
                self.inbox.append((BLOCK_REPLY, each))

    def check_msg(self):
        self._check()
        if self.inbox:
            topic, msg = self.inbox.pop(0)
            if topic in [name for name, _ in self.topics]:
                self.callback(topic.encode(), msg)

    def _check(self):
        if self.broken:
            raise self.broken

    def say(self, topic, message):
        self.inbox.append((topic, json.dumps(message).encode()))

    def offer(self):
        """`data` of an offer of self.file."""
        if self.file is None:
            return {}
        made = {
            "size": len(self.file),
            "version": self.version,
            "md5": hexlify(md5(self.file).digest()).decode(),
            "sign": hexlify(sha256(self.file).digest()).decode(),
            "signMethod": "SHA256",
            "dProtocol": "mqtt",
            "streamId": 1397345,
            "streamFileId": 1,
            "module": "default",
        }
        made.update(self.fields)
        return {key: made[key] for key in made if made[key] is not None}

    def push(self, **more):
        offer = self.offer()
        offer.update(more)
        self.say(UPGRADE, {"code": "1000", "id": 1, "message": "success", "data": offer})

    def steps(self, module=None):
        """(step, description) of every progress, in order."""
        return [
            (message["params"]["step"], message["params"]["desc"])
            for topic, message, _ in self.sent
            if topic == "/ota/device/progress/" + WHERE
            and (module is None or message["params"].get("module") == module)
        ]

    def informs(self):
        return [
            message["params"]["version"]
            for topic, message, _ in self.sent
            if topic == "/ota/device/inform/" + WHERE
        ]

    def gets(self):
        return [each for each in self.sent if each[0].endswith("/thing/ota/firmware/get")]


class Web:
    """A byte source for addresses: what HttpSource promises, without a network.

    pages:   url -> bytes, or a status
    ranges:  False: every answer begins at 0
    length:  what it announces; -1: the truth
    """

    def __init__(self, pages, ranges=True, length=-1):
        self.pages = pages
        self.ranges = ranges
        self._length = length
        self.header = b""
        self.opened = []
        self.lines = []  # the header lines that went there
        self.is_open = False

    def open(self, url, at=0, tag=b""):
        self.opened.append((url, at, tag))
        self.lines.append(self.header)
        self._page = self.pages[url]
        self._at = at if self.ranges else 0
        self.is_open = True

    def readinto(self, mv):
        assert self.is_open
        if isinstance(self._page, int):
            raise FwError(73, self._page)
        self.at = self._at
        self.tag = b'"etag"'
        self.length = len(self._page) if self._length == -1 else self._length
        mine = self._page[self._at : self._at + len(mv)]
        mv[: len(mine)] = mine
        self._at += len(mine)
        return len(mine)

    def wait(self, ms):
        pass

    def close(self):
        self.is_open = False


class Device:
    """Board, source and client, on a Cloud.

    layout:  dict; a small one with a state region and a client store when None
    retry:   for the client
    more:    for AlibabaSource
    """

    def __init__(self, cloud, layout=None, retry=None, **more):
        self.cloud = cloud
        self.clock = set_clock()
        layout = layout or with_client_store(simboard.trial_layout("swap", "spi", 4))
        self.board = simboard.Board(layout, simboard.ROT, Key())
        simboard.put(self.board, simboard.active_slot(self.board), OLD, b"old" * 300)
        more.setdefault("random", virtual_clock.low)  # it logs in at once
        self.source = AlibabaSource(self.board, cloud, KEY, NAME, **more)
        self.client = FleetClient(self.board, self.source, retry)

    def update(self, most=20000):
        """Poll and step to the end: True, the FwError, or None when nothing comes of it."""
        try:
            for _ in range(20):
                if self.client.poll():
                    break
            for _ in range(most):
                if self.client.state in (states.READY, states.IDLE):
                    break
                if not self.client.step():
                    self.clock.sleep_ms(20)
        except FwError as error:
            return error
        return True if self.client.state == states.READY else None

    def staged(self):
        return staged(self.board)[0][0]


def with_client_store(layout):
    """The layout with a region `client`, on a device of its own."""
    layout["devices"]["store"] = {"size": 0x6000, "erase": 4096, "program": 256}
    layout["client"] = {"device": "store", "start": 0, "size": 0x6000}
    return layout
