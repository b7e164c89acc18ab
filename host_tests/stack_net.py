"""The modules `time`, `select` and `socket` of a board in memory; each call of theirs is noted.

From here on imports find this `time`: it passes only when somebody sleeps or waits.
Servers are functions and objects here: what is
below a socket is not the device's stack. MicroPython only.
"""

import struct
import sys
import time as _real
from errno import ECONNRESET

from fake_spi import Clock
from stack_watch import note


class Time(Clock):
    """stop_after: sleeps of a second or more after which Stop is raised; None: never."""

    stop_after = None

    def sleep_ms(self, ms):
        note("sleep")
        super().sleep_ms(ms)
        if self.stop_after is not None and ms >= 1000:
            self.stop_after -= 1
            if self.stop_after < 0:
                raise Stop

    def sleep(self, seconds):
        self.sleep_ms(int(seconds * 1000))

    def time(self):
        return self.now_ns // 1000000000

    def gmtime(self):
        return _real.gmtime(self.time())


class Stop(Exception):
    """The scene is over."""


time = sys.modules["time"] = Time()


class Net:
    """Plays `socket` and `select`.

    accept:  accept(port) -> a peer: hear(bytes) -> bytes it says; asks(): what it says unasked
    drops:   bytes after which a connection breaks, for each connection in turn
    """

    SOCK_STREAM = POLLIN = 1
    POLLOUT = 4

    def __init__(self, accept):
        self._accept = accept
        self.drops = []

    def getaddrinfo(self, host, port, *_):
        note("socket")
        return [(2, 1, 0, "", (host, int(port)))]

    def socket(self, *_):
        note("socket")
        return Socket(self)

    def poll(self):
        return Poll()

    def plug(self):
        """Let imports find this one."""
        for name in ("socket", "usocket", "select"):
            sys.modules[name] = self
        sys.modules["ustruct"] = struct


class Poll:
    """All is ready always, but for who waits for nothing."""

    _found = ()

    def register(self, stream, events=5):
        self._found = ((stream, events),)

    modify = register

    def unregister(self, stream):
        self._found = ()

    def poll(self, ms=-1):
        note("socket")
        if ms > 0:
            time.now_ns += ms * 1000000
        return list(self._found)

    def ipoll(self, ms=-1):
        """As asyncio does it, which waits for time to pass here."""
        note("socket")
        time.now_ns += max(ms, 1) * 1000000
        return ()


class Socket:
    def __init__(self, net):
        self._net = net
        self._out = b""
        self._left = -1

    def setblocking(self, flag):
        note("socket")

    def connect(self, address):
        note("socket")
        self._peer = self._net._accept(address[1])
        if self._net.drops:
            self._left = self._net.drops.pop(0)

    def send(self, data):
        note("socket")
        self._out += self._peer.hear(bytes(data))
        return len(data)

    def write(self, data, size=-1):
        note("socket")
        data = data.encode() if isinstance(data, str) else bytes(data)
        self._out += self._peer.hear(data if size < 0 else data[:size])
        return len(data) if size < 0 else size

    def readinto(self, mv):
        """Bytes of what was said; None: nothing yet."""
        note("socket")
        if not self._left:
            raise OSError(ECONNRESET)
        self._out += self._peer.asks()
        count = min(len(mv), len(self._out), 800)  # what the port's lwIP takes in one
        if self._left > 0:
            count = min(count, self._left)
            self._left -= count
        mv[:count] = self._out[:count]
        self._out = self._out[count:]
        return count or None

    def read(self, size):
        note("socket")
        self._out += self._peer.asks()
        found, self._out = self._out[:size], self._out[size:]
        return found or None

    def close(self):
        note("socket")


# HTTP


class Web:
    """Answers requests. answer: answer(method, path, head, body) -> (status, lines, body)."""

    def __init__(self, answer):
        self._answer = answer
        self._heard = b""

    def asks(self):
        return b""

    def hear(self, data):
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        size = _number(head, b"Content-Length: ")
        if not end or len(body) < size:
            return b""
        self._heard = body[size:]
        method, path = head.split(None, 2)[:2]
        status, lines, body = self._answer(method.decode(), path.decode(), head, body[:size])
        return b"HTTP/1.1 %d OK\r\n%s\r\n%s" % (status, lines, body)


def _number(head, name):
    _, found, rest = head.partition(name)
    return int(rest.split(b"\r\n")[0].split(b"-")[0]) if found else 0


def pages(bodies, heads, chunked=False, moved=None):
    """answer() of a server of files that knows ranges.

    bodies:  path -> bytes;  moved: path -> address
    heads:   list to which the head of each request goes
    """

    def answer(method, path, head, body):
        heads.append(head)
        if moved and path in moved:
            return 302, b"Content-Length: 0\r\nLocation: %s\r\n" % moved[path].encode(), b""
        found = bodies[path]
        at = _number(head, b"Range: bytes=")
        if chunked:
            whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(found), found)
            return 200, b"Transfer-Encoding: chunked\r\n", whole
        lines = b'ETag: "1"\r\nContent-Length: %d\r\n' % (len(found) - at)
        if at:
            lines += b"Content-Range: bytes %d-%d/%d\r\n" % (at, len(found) - 1, len(found))
        return (206 if at else 200), lines, found[at:]

    return answer


# MQTT


class Broker:
    """A broker with aliyun_kit.Cloud right behind it, for umqtt.simple."""

    def __init__(self, cloud):
        self._cloud = cloud
        self._heard = b""

    def asks(self):
        """What the cloud has to say to who has subscribed to it."""
        said = b""
        while self._cloud.inbox:
            topic, msg = self._cloud.inbox.pop(0)
            body = struct.pack(">H", len(topic)) + topic.encode() + msg
            said += b"\x30" + _length(len(body)) + body
        return said

    def hear(self, data):
        self._heard += data
        said = b""
        while True:
            found = _packet(self._heard)
            if not found:
                return said
            kind, body, self._heard = found
            said += self._reply(kind, body)

    def _reply(self, kind, body):
        if kind == 0x10:
            return b"\x20\x02\0\0"
        if kind == 0x82:
            return b"\x90\x03" + body[:2] + b"\0"
        if kind & 0xF0 != 0x30:
            return b""
        end = 2 + struct.unpack(">H", body)[0]
        topic, said = body[2:end], b""
        if kind & 6:
            said = b"\x40\x02" + body[end : end + 2]
            end += 2
        self._cloud.publish(topic, body[end:])
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
