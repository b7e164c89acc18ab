"""`socket` and `select` for ufota.sources.http: a board without a radio.

What servers have is in the emulator's memory, behind the chip's flash, where a read takes no
more stack than a socket's: u32 length and JSON, {path: [offset, size]}, then the bodies.
"""

import io
import json
import struct
from errno import EAGAIN, ECONNRESET

import uctypes
from machine import mem32
from report import UNWATCHED

SOCK_STREAM = 1
POLLIN = 1
POLLOUT = 4
_WEB = 0x10400000
_SEGMENT = 800  # bytes the port's lwIP takes in one
_READY = (True,)
_PIPE = 2048  # bytes under way
_POLL = 3  # request of ioctl
_RANGE = b"Range: bytes="
_LENGTH = b"Content-Length: "
_pages = {}  # path -> memoryview
socket = None  # class or function that makes one: see plug()
serve = None  # of a service: serve(request) -> parts(); as few calls as can be, of C stack
drops = []  # bytes after which a connection breaks, for each of the next ones
asked = b""  # the last request that answer() has answered


def plug(http, far=None):
    """Let a module that speaks to sockets speak to this one.

    far:  Server at the other end of each connection; None: one that answers at once, without TLS
    """
    global socket
    import net

    http.socket = http.select = net
    socket = far.connect if far else Plain
    _load()


def _load():
    size = struct.unpack("<I", uctypes.bytes_at(_WEB, 4))[0]
    for path, place in json.loads(uctypes.bytes_at(_WEB + 4, size)).items():
        _pages[path] = memoryview(uctypes.bytearray_at(_WEB + place[0], place[1]))


def page(path):
    """memoryview of what is under a path."""
    if not _pages:
        _load()
    return _pages[path]


def read(path):
    """The same as bytes."""
    return bytes(page(path))


def is_whole(request):
    """True when head and body of a request are there."""
    head, end, body = request.partition(b"\r\n\r\n")
    return bool(end) and len(body) == _length(head)


def parts(status, body, lines=""):
    """[head, body], as memoryviews. lines: of the head"""
    text = "HTTP/1.1 {} X\r\n{}Content-Length: {}\r\n\r\n".format(status, lines, len(body))
    return [memoryview(text.encode()), memoryview(body)]


def split(request):
    """(method, path, head, body)"""
    head, _, body = request.partition(b"\r\n\r\n")
    method, path = head.split(None, 2)[:2]
    return method.decode(), path.decode(), head + b"\r\n", body


def answer(request):
    """parts() for a GET; the body from where the range begins."""
    global asked
    asked = request
    lines = request.split(b"\r\n")
    body = _pages.get(lines[0].split()[1].decode(), memoryview(b""))
    status, more = (200 if body else 404), ""
    for line in lines:
        if line.startswith(_RANGE):
            at, size = int(line[len(_RANGE) : -1]), len(body)
            body = body[at:]
            status, more = 206, "Content-Range: bytes {}-{}/{}\r\n".format(at, size - 1, size)
    return parts(status, body, 'ETag: "1"\r\n' + more)


def _length(head):
    at = head.find(_LENGTH)
    return int(head[at + len(_LENGTH) :].split(None, 1)[0]) if at >= 0 else 0


def getaddrinfo(host, port, *_):
    return [(2, 1, 0, "", (host, port))]


class Plain:
    """One connection: a request, an answer. It takes no more calls than a socket in C."""

    _request = b""
    _parts = ()

    def __init__(self, family, kind):
        self._left = drops.pop(0) if drops else -1  # bytes until it breaks; -1: never

    def setblocking(self, flag):
        pass

    def connect(self, address):
        pass

    def close(self):
        pass

    def send(self, data):
        mem32[UNWATCHED] = 1  # what follows is not the device's
        try:
            self._request += data
            if is_whole(self._request):
                self._parts = (serve or answer)(self._request)
                self._request = b""
        finally:
            mem32[UNWATCHED] = 0
        return len(data)

    def readinto(self, mv):
        while self._parts and not self._parts[0]:
            self._parts.pop(0)
        if not self._parts:
            return 0
        count = min(len(mv), len(self._parts[0]), _SEGMENT)
        if self._left >= 0:
            count = min(count, self._left)
            self._left -= count
        if not count:
            raise OSError(ECONNRESET)
        mv[:count] = self._parts[0][:count]
        self._parts[0] = self._parts[0][count:]
        return count


class Pipe(io.IOBase):
    """One end of a connection that is a stream, as TLS wants it; never blocks.

    other:  the far end; None: it comes
    """

    def __init__(self, other=None):
        self.is_open = True
        self._buf = bytearray(_PIPE)
        self._have = 0
        self._other = other
        if other:
            other._other = self

    def setblocking(self, flag):
        pass

    def connect(self, address):
        pass

    def close(self):
        self.is_open = False

    def write(self, data):
        """Bytes the other end had room for; None: none."""
        other = self._other
        count = min(len(data), _PIPE - other._have)
        other._buf[other._have : other._have + count] = memoryview(data)[:count]
        other._have += count
        return count or None

    def readinto(self, mv):
        """Bytes that came; None: none yet."""
        count = min(len(mv), self._have)
        mv[:count] = memoryview(self._buf)[:count]
        self._buf[: self._have - count] = self._buf[count : self._have]
        self._have -= count
        return count or None

    def recv(self, size):
        """What a socket has besides; tls_errors asks for an alert by it. Raises OSError EAGAIN."""
        data = bytearray(size)
        count = self.readinto(data)
        if not count:
            raise OSError(EAGAIN)
        return bytes(data[:count])

    def ioctl(self, request, flags):
        if request != _POLL:
            return 0
        ready = POLLIN if self._have else 0
        return flags & (ready | (POLLOUT if self._other._have < _PIPE else 0))


class poll:
    """Always ready, and as shallow as the one in C."""

    def register(self, stream, events):
        pass

    modify = register

    def poll(self, ms):
        return _READY
