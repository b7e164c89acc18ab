"""A file in blocks over MQTT: a request and a reply for each. Loaded when a job needs it.

    reply   u16 length of the JSON, big-endian | JSON | bytes | u16 CRC of the bytes, little-endian

The CRC is CRC-16/ARC.

    message                                  what follows
    the block that is due, damaged           the request is repeated at once
    anything else: no reply, another offset  passed over, within the time of the request
    nothing in time                          the request is repeated

source: the documented messages; vectors in host_tests/vectors/aliyun/
"""

import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from ufota import bounded_json

_MAX_JSON = const(512)
_MOST_FOREIGN = const(64)  # messages that are passed over, for each request
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

    header = b""  # of HTTP

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
        self._is_damaged = False  # the last reply
        self._foreign = 0  # messages passed over since the request
        self._tries = 0
        self._mark_ms = None  # when the request was sent

    def readinto(self, mv):
        """As of every byte source.

        raises:  FwError NO_ANSWER | BAD_RANGE, at = offset; BAD_MESSAGE when what comes is not for
                 us; HTTP_STATUS when the service refuses; CONNECT
        """
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
            late = time.ticks_diff(time.ticks_ms(), self._mark_ms) > link.block_ms
            if not late and not self._is_damaged:
                return
            if self._tries > link.repeats:
                code = errors_net.BAD_RANGE if self._is_damaged else errors_net.NO_ANSWER
                raise FwError(code, self._at)
        self._tries += 1
        self._is_damaged = False
        self._foreign = 0
        left = self._size if self.length is None else self.length - self._at
        asked = self._job.stream + (min(self._size, left), self._at)
        link.reply = None
        link.publish("/sys/%s/thing/file/download", _REQUEST % asked)
        self._mark_ms = time.ticks_ms()

    def _take(self, reply):
        """True when the reply brought the block that is due."""
        self._link.reply = None
        mv = memoryview(reply)
        data = self._data(mv)
        if data is None:
            self._foreign += 1
            if self._foreign > _MOST_FOREIGN:
                raise FwError(errors_net.BAD_MESSAGE, self._foreign)
            return False
        self._block = self._checked(mv, data)
        if not self._block:
            self._is_damaged = True
            return False
        self._tries = 0
        self._mark_ms = None
        return True

    def _data(self, mv):
        """`data` of the reply's JSON; None for what is no reply for this block.

        raises:  FwError HTTP_STATUS when the service refuses
        """
        if len(mv) < 4 or _start(mv) > len(mv) - 2:
            return None
        try:
            found = bounded_json.loads(mv[2 : _start(mv)], _MAX_JSON)
            code = bounded_json.number(found, "code", 9999)
            data = bounded_json.table(found, "data")
            offset = bounded_json.number(data, "bOffset", _MAX_SIZE) if data else None
        except FwError:
            return None
        if code is not None and code != 200 and offset in (None, self._at):
            raise FwError(errors.HTTP_STATUS, code)
        return data if code == 200 and offset == self._at else None

    def _checked(self, mv, data):
        """The bytes of a reply, as a memoryview; b"" when it is damaged."""
        block = mv[_start(mv) : len(mv) - 2]
        try:
            length = bounded_json.number(data, "fileLength", _MAX_SIZE)
            size = bounded_json.number(data, "bSize", self._size)
        except FwError:
            return b""
        if length is None or self.length not in (None, length):
            return b""
        if not size or size != len(block) or self._at + size > length:
            return b""
        if crc16(block) != mv[len(mv) - 2] | mv[len(mv) - 1] << 8:
            return b""
        self.length = length
        return block


def _start(mv):
    """Where the bytes of a reply begin."""
    return 2 + (mv[0] << 8 | mv[1])


def crc16(mv):
    """CRC-16/ARC of bytes: polynomial 0x8005 reflected, from 0. b"123456789" gives 0xBB3D."""
    crc = 0
    for byte in mv:
        at = (crc ^ byte) << 1 & 30
        crc = crc >> 4 ^ _TABLE[at] << 8 ^ _TABLE[at + 1]
        at = (crc ^ byte >> 4) << 1 & 30
        crc = crc >> 4 ^ _TABLE[at] << 8 ^ _TABLE[at + 1]
    return crc
