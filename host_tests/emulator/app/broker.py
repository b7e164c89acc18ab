"""A broker of MQTT with Alibaba Cloud IoT's OTA right behind it, for umqtt.simple."""

import json
import struct
from binascii import hexlify
from hashlib import sha256

from machine import mem32
from report import UNWATCHED, unwatched

from ufota.sources.aliyun_blocks import crc16

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

    def hear(self, topic, data):
        message = json.loads(data)
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
    """`socket`, for umqtt."""

    def __init__(self, cloud):
        self._cloud = cloud

    def getaddrinfo(self, host, port):
        return [(2, 1, 0, "", (host, port))]

    def socket(self):
        return Socket(self._cloud)


class Socket:
    def __init__(self, cloud):
        self._cloud = cloud
        self._heard = b""
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
            self._hear(data, size)
        finally:
            mem32[UNWATCHED] = 0
        return len(data) if size < 0 else size

    def read(self, size):
        found, self._out = self._out[:size], self._out[size:]
        return found or None

    def readinto(self, mv):
        if not self._out and self._cloud.inbox:
            unwatched(self._fetch)
        count = min(len(mv), len(self._out), _SEGMENT)
        mv[:count] = self._out[:count]
        self._out = self._out[count:]
        return count or None

    def _fetch(self):
        topic, msg = self._cloud.inbox.pop(0)
        size = 2 + len(topic) + len(msg)
        self._out = b"\x30" + _length(size) + struct.pack(">H", len(topic)) + topic.encode() + msg

    def _hear(self, data, size):
        data = data.encode() if isinstance(data, str) else bytes(data)
        self._heard += data if size < 0 else data[:size]
        while True:
            found = _packet(self._heard)
            if not found:
                return
            kind, body, self._heard = found
            self._out += self._reply(kind, body)

    def _reply(self, kind, body):
        if kind == 0x10:
            return b"\x20\x02\0\0"
        if kind == 0x82:
            return b"\x90\x03" + body[:2] + b"\0"
        if kind & 0xF0 != 0x30:
            return b""
        end = 2 + struct.unpack(">H", body)[0]
        topic, said = body[2:end].decode(), b""
        if kind & 6:
            said = b"\x40\x02" + body[end : end + 2]
            end += 2
        self._cloud.hear(topic, body[end:])
        return said


def _packet(data):
    """(first byte, rest, what follows) of an MQTT packet; None while it is not whole."""
    size = shift = 0
    for at in range(1, len(data)):
        size |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            end = at + 1 + size
            return (data[0], data[at + 1 : end], data[end:]) if end <= len(data) else None
    return None


def _length(size):
    out = b""
    while size > 127:
        out += bytes((size & 127 | 128,))
        size >>= 7
    return out + bytes((size,))
