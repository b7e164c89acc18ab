"""The modules `time`, `select` and `socket` of a board in memory; each call of theirs is recorded.

From here on imports find this `time`: it passes only when somebody sleeps or waits.
Servers are functions and objects here: what is
below a socket is not the device's stack. MicroPython only.
"""

import struct
import sys
import time as _real
from errno import ECONNRESET

from stack_watch import note
from ufota_testkit.chips.fake_spi import Clock


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
