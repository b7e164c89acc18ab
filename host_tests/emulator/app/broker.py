"""`socket` for connect.py: a broker of MQTT, and Alibaba Cloud IoT's OTA right behind it."""

import json
import struct
from binascii import hexlify
from hashlib import sha256

from machine import mem32
from report import UNWATCHED, unwatched

from fake_broker import Broker
from ufota.alibaba.blocks import crc16

KEY, NAME = "a1B2c3D4e5F", "dev001"
_WHERE = KEY + "/" + NAME
_GOT = "/sys/" + _WHERE + "/thing/ota/firmware/get_reply"
_BLOCK = "/sys/" + _WHERE + "/thing/file/download_reply"
_SEGMENT = 800  # bytes the port's lwIP takes in one


class Cloud:
    """Offers one file. steps, informs: steps and versions that the device has told"""

    def __init__(self, file, has_blocks):
        self._file = file
        self._has_blocks = has_blocks
        self.inbox = []
        self.steps = []
        self.informs = []

    def publish(self, topic, msg):
        topic, message = topic.decode(), json.loads(msg)
        if topic.endswith("/thing/ota/firmware/get"):
            self._say(_GOT, {"id": message["id"], "code": 200, "data": self._offer()})
        elif topic.endswith("/thing/file/download"):
            self._block(**message["params"]["fileBlock"])
        elif "/ota/device/progress/" in topic:
            self.steps.append(message["params"]["step"])
        elif "/ota/device/inform/" in topic:
            self.informs.append(message["params"]["version"])

    def _say(self, topic, message):
        self.inbox.append((topic, json.dumps(message).encode()))

    def _offer(self):
        digest = hexlify(sha256(self._file).digest()).decode()
        made = {"size": len(self._file), "version": "2.0.0", "module": "default"}
        made.update(sign=digest, signMethod="SHA256", md5=digest[:32])
        if self._has_blocks:
            made.update(dProtocol="mqtt", streamId=1397345, streamFileId=1)
        else:
            made["url"] = "http://updates.example/app.fw"
        return made

    def _block(self, size, offset):
        data = bytes(self._file[offset : offset + size])
        about = {"fileToken": "default", "fileLength": len(self._file)}
        about.update(bSize=len(data), bOffset=offset)
        head = json.dumps({"id": "1", "code": 200, "msg": "success", "data": about}).encode()
        crc = struct.pack("<H", crc16(data))
        self.inbox.append((_BLOCK, struct.pack(">H", len(head)) + head + data + crc))


class Network:
    """`socket`, for ufota.alibaba.connect."""

    SOCK_STREAM = 1

    def __init__(self, cloud):
        self._cloud = cloud

    def getaddrinfo(self, host, port, *_):
        return [(2, 1, 0, "", (host, port))]

    def socket(self, *_):
        return Socket(self._cloud)


class Socket:
    def __init__(self, cloud):
        self._broker = Broker(cloud)
        self._out = b""

    def setblocking(self, flag):
        pass

    def connect(self, address):
        pass

    def close(self):
        pass

    def write(self, data, size=-1):
        mem32[UNWATCHED] = 1  # what follows is not the device's
        try:
            data = data.encode() if isinstance(data, str) else bytes(data)
            self._out += self._broker.hear(data if size < 0 else data[:size])
        finally:
            mem32[UNWATCHED] = 0
        return len(data) if size < 0 else size

    def read(self, size):
        found, self._out = self._out[:size], self._out[size:]
        return found or None

    def readinto(self, mv):
        if not self._out:
            self._out = unwatched(self._broker.asks)
        count = min(len(mv), len(self._out), _SEGMENT)
        mv[:count] = self._out[:count]
        self._out = self._out[count:]
        return count or None
