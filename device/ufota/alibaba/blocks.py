"""A file in blocks over MQTT: a request and a reply for each. Loaded when a job needs it.

    reply   u16 length of the JSON, big-endian | JSON | bytes | u16 CRC of the bytes, little-endian

The CRC is CRC-16/ARC. A reply for another offset, such as the second one to a repeated request,
is ignored; after a damaged reply the request is repeated. source: the documented messages;
vectors in host_tests/vectors/aliyun/
"""

import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota import bounded_json

OVERHEAD = const(516)  # bytes of a reply beyond its block
_MAX_JSON = const(512)
_TIMEOUT_MS = const(10000)
_REPEATS = const(3)
_MAX_SIZE = const((1 << 31) - 1)
_REQUEST = (
    '"version":"1.0","params":{"fileToken":"default","fileInfo":{"streamId":%d,"fileId":%d},'
    '"fileBlock":{"size":%d,"offset":%d}}'
)
# CRC-16/ARC of the values of four bits, u16 big-endian.
_TABLE = (
    b"\x00\x00\xcc\x01\xd8\x01\x14\x00\xf0\x01\x3c\x00\x28\x00\xe4\x01"
    b"\xa0\x01\x6c\x00\x78\x00\xb4\x01\x50\x00\x9c\x01\x88\x01\x44\x00"
)


class Blocks:
    """Byte source of the file of one Job.

    link:  Link, of link.py
    job:   Job with a stream
    size:  bytes of a block
    """

    def __init__(self, link, job, size):
        self._link = link
        self._job = job
        self._size = size
        self.tag = job.sign
        self.length = job.size

    def open(self, url, at, tag):
        """As of every byte source; the job says which file it is, so url is ignored."""
        if tag and tag != self.tag:
            at = 0
        self.at = self._at = at
        self._block = b""  # what is left of the last one
        self._error = None  # of the last reply
        self._tries = 0
        self._mark_ms = None  # when the request was sent

    def readinto(self, mv):
        """As of every byte source. Raises FwError NO_ANSWER | BAD_MESSAGE | CORRUPT | CONNECT."""
        if not self._block:
            if self._at == self.length:
                return 0
            self._exchange()
            if not self._block:
                return None
        count = min(len(mv), len(self._block))
        mv[:count] = self._block[:count]
        self._block = self._block[count:] if count < len(self._block) else b""
        self._at += count
        return count

    def close(self):
        self._link.reply = self._block = None

    def _exchange(self):
        """Ask for the block at self._at, or look whether it has come."""
        link = self._link
        if self._mark_ms is not None:
            link.pump()
            if link.reply is not None and self._take(link.reply):
                return
            late = time.ticks_diff(time.ticks_ms(), self._mark_ms) > _TIMEOUT_MS
            if not late and not self._error:
                return
            if self._tries > _REPEATS:
                raise self._error or FwError(errors_net.NO_ANSWER, self._at)
        self._tries += 1
        self._error = None
        left = self._size if self.length is None else self.length - self._at
        asked = self._job.stream + (min(self._size, left), self._at)
        link.reply = None
        link.publish("/sys/%s/thing/file/download", _REQUEST % asked)
        self._mark_ms = time.ticks_ms()

    def _take(self, reply):
        """True when the reply brought the block that is due."""
        self._link.reply = None
        try:
            block = self._parse(memoryview(reply))
        except FwError as error:
            if error.code == errors.HTTP_STATUS:
                raise
            self._error = error
            return False
        if block is None:
            return False
        self._block = block
        self._tries = 0
        self._mark_ms = None
        return True

    def _parse(self, mv):
        """The bytes of a reply, as a memoryview; None when they are from another offset.

        raises:  FwError BAD_MESSAGE | CORRUPT; HTTP_STATUS when the service refuses
        """
        if len(mv) < 4:
            raise FwError(errors_net.BAD_MESSAGE, len(mv))
        start = 2 + (mv[0] << 8 | mv[1])
        end = len(mv) - 2
        if start > end:
            raise FwError(errors_net.BAD_MESSAGE, start)
        found = bounded_json.loads(mv[2:start], _MAX_JSON)
        code = bounded_json.number(found, "code", 9999)
        if code != 200:
            raise FwError(errors.HTTP_STATUS, code or 0)
        data = bounded_json.table(found, "data")
        if bounded_json.number(data, "bOffset", _MAX_SIZE) != self._at:
            return None
        length = bounded_json.number(data, "fileLength", _MAX_SIZE)
        if self.length is None:
            self.length = length
        if length != self.length:
            raise FwError(errors.CORRUPT, length or 0)
        size = bounded_json.number(data, "bSize", self._size)
        if not size or size != end - start or self._at + size > length:
            raise FwError(errors_net.BAD_MESSAGE, size or 0)
        if crc16(mv[start:end]) != mv[end] | mv[end + 1] << 8:
            raise FwError(errors.CORRUPT, self._at)
        return mv[start:end]


def crc16(mv):
    """CRC-16/ARC of bytes: polynomial 0x8005 reflected, from 0. b"123456789" gives 0xBB3D."""
    crc = 0
    for byte in mv:
        at = (crc ^ byte) << 1 & 30
        crc = crc >> 4 ^ _TABLE[at] << 8 ^ _TABLE[at + 1]
        at = (crc ^ byte >> 4) << 1 & 30
        crc = crc >> 4 ^ _TABLE[at] << 8 ^ _TABLE[at + 1]
    return crc
