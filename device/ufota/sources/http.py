"""Plain HTTP source: one GET at a time, streamed into the caller's buffer.

Owns a socket and the response header; knows nothing of manifests or slots.
A request is HTTP/1.0, so that no server may answer in chunks. The body ends at
its Content-Length, or at end of file when the server gave none: which of the
two is told by `length`, and an early end is an error, never a short success.

Nothing here waits but the look-up of a name, for as long as the port takes: connecting,
sending and reading go on from one readinto() to the next, so the caller can feed a
watchdog that is shorter than timeout_ms.
"""

import select
import socket
import time
from errno import EAGAIN, EINPROGRESS, ETIMEDOUT

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_MAX_HEADER = const(8192)  # bytes of the whole response header
_MAX_LINE = const(128)  # bytes of a header line that are looked at
_MAX_LENGTH_DIGITS = const(10)
_MIN_BYTES = const(256)  # a server that sends fewer within timeout_ms counts as silent
_ENCODINGS = const((b"transfer-encoding", b"content-encoding"))


class HttpSource:
    """Fetches http:// addresses.

    timeout_ms:  silence of the server that ends a transfer; also the time each of its
                 addresses has to take the connection
    length:      Content-Length, or None; known once readinto() has returned bytes or 0
    header:      bytes, further lines of the request header, each with its line end
    """

    def __init__(self, timeout_ms=15000):
        self._timeout_ms = timeout_ms
        self._line = bytearray(_MAX_LINE)
        self._byte = bytearray(1)
        self._socket = None
        self.length = None
        self.header = b""

    def open(self, url):
        """Look the server up and begin to connect.

        url:     "http://host[:port]/path", printable ASCII
        raises:  FwError BAD_URL | CONNECT
        """
        self.close()
        host, port, path = split(url)
        name = host if port == 80 else host + ":" + str(port)
        request = b"GET %s HTTP/1.0\r\nHost: %s\r\nAccept-Encoding: identity\r\n%s\r\n"
        self._request = request % (path.encode(), name.encode(), self.header)
        self._addresses = _look_up(host, port)
        self._connect_next(0)
        self.length = None
        self._left = None  # body bytes still due; None when the server gave no length
        self._header_bytes = 0
        self._line_bytes = 0
        self._status = 0
        self._in_header = True

    def readinto(self, mv):
        """Read what has arrived of the body.

        mv:       memoryview, not empty
        returns:  bytes read; 0 at the end of the body; None when nothing has arrived yet
        raises:   FwError TIMEOUT | CONNECT | HTTP_STATUS | BAD_RESPONSE | CUT_SHORT
        """
        if self._in_header:
            if self._request and not self._send():
                return None
            if not self._read_header():
                return None
        if self._left is None:
            return self._receive(mv)
        if not self._left:
            return 0
        count = self._receive(mv[: self._left] if self._left < len(mv) else mv)
        if count == 0:
            raise FwError(errors.CUT_SHORT, self.length - self._left)
        if count:
            self._left -= count
        return count

    def wait(self, ms):
        """Sleep until readinto() can go on, for at most ms."""
        self._poll.poll(ms)

    def close(self):
        """Drop the connection, if there is one."""
        if self._socket:
            self._socket.close()
            self._socket = self._stream = None  # CPython closes with the last of the two

    def _connect_next(self, errno):
        """Begin to connect to the next address. errno: why the last one failed."""
        while self._addresses:
            address = self._addresses.pop(0)
            self.close()
            try:
                self._adopt(socket.socket(address[0], socket.SOCK_STREAM))
                self._socket.connect(address[-1])
                return
            except OSError as error:
                errno = error.errno
                if errno == EINPROGRESS:
                    return
        raise FwError(errors.CONNECT, errno)

    def _adopt(self, stream):
        self._socket = stream
        stream.setblocking(False)
        self._poll = select.poll()
        self._poll.register(stream, select.POLLOUT)
        self._mark_ms = time.ticks_ms()  # when the server last did enough
        self._fresh_bytes = 0  # received since then
        self._sent = 0  # bytes of the request
        # CPython's sockets lack readinto(); their raw file has it.
        has_readinto = hasattr(stream, "readinto")
        self._stream = stream if has_readinto else stream.makefile("rb", 0)

    def _send(self):
        """Send what the connection takes of the request; True when all of it is sent."""
        try:
            if not self._poll.poll(0):  # not connected yet
                if self._is_late():
                    self._connect_next(ETIMEDOUT)
                return False
            self._sent += self._socket.send(self._request[self._sent :])
        except OSError as error:
            if error.errno != EAGAIN:
                self._connect_next(error.errno)
            return False
        if self._sent < len(self._request):
            return False
        self._request = b""  # sent; its RAM is wanted when a signature is verified
        self._addresses = None
        self._poll.modify(self._socket, select.POLLIN)
        self._mark_ms = time.ticks_ms()
        return True

    def _is_late(self):
        return time.ticks_diff(time.ticks_ms(), self._mark_ms) > self._timeout_ms

    def _receive(self, mv):
        """Bytes read, 0 at end of file, None when there are none yet."""
        try:
            count = self._stream.readinto(mv)
        except OSError as error:
            if error.errno != EAGAIN:
                raise FwError(errors.CONNECT, error.errno)
            count = None  # so say the ports whose sockets do not return None themselves
        if count:
            self._fresh_bytes += count
            if self._fresh_bytes >= _MIN_BYTES:
                self._fresh_bytes = 0
                self._mark_ms = time.ticks_ms()
        elif count is None and self._is_late():
            raise FwError(errors.TIMEOUT)
        return count

    def _read_header(self):
        """Take in what has arrived of the header; True when it is complete."""
        while True:
            line = self._read_line()
            if line is None:
                return False
            if line or not self._status:
                self._take_line(line)
            elif self._status < 200:  # 100 Continue, 103 Early Hints: the answer is to come
                self._status = 0
                self.length = None
            else:
                break
        if self._status != 200:
            raise FwError(errors.HTTP_STATUS, self._status)
        self._in_header = False
        self._left = self.length
        return True

    def _read_line(self):
        """The next header line, cut to _MAX_LINE bytes; None when it is not complete yet.

        Byte by byte, so that no body byte is swallowed: a few hundred reads a request.
        """
        while True:
            count = self._receive(self._byte)
            if count is None:
                return None
            self._header_bytes += 1
            if not count or self._header_bytes > _MAX_HEADER:
                raise FwError(errors.BAD_RESPONSE, self._header_bytes)
            if self._byte[0] == 0x0A:
                line = bytes(self._line[: self._line_bytes])
                self._line_bytes = 0
                return line.rstrip(b"\r")
            if self._line_bytes < _MAX_LINE:
                self._line[self._line_bytes] = self._byte[0]
                self._line_bytes += 1

    def _take_line(self, line):
        if not self._status:
            self._status = _status(line)
            return
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip()
        if name == b"content-length":
            length = _length(value)
            if self.length not in (None, length):
                raise FwError(errors.BAD_RESPONSE, self._header_bytes)
            self.length = length
        elif name in _ENCODINGS and value.lower() != b"identity":
            raise FwError(errors.BAD_RESPONSE, self._header_bytes)


def split(url):
    """ "http://host[:port]/path" -> (host, port, path). Raises FwError BAD_URL."""
    for byte in url.encode():
        if not 0x21 <= byte <= 0x7E:
            raise FwError(errors.BAD_URL)  # a blank or line end would forge the request
    if not url.startswith("http://"):
        raise FwError(errors.BAD_URL)
    host, _slash, path = url[7:].partition("/")
    port = "80"
    colon = host.rfind(":")
    if colon > host.rfind("]"):
        host, port = host[:colon], host[colon + 1 :]
    if not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        raise FwError(errors.BAD_URL)
    if not host or "@" in host or "?" in host or "\\" in host:  # others read those differently
        raise FwError(errors.BAD_URL)
    return host, int(port), "/" + path.partition("#")[0]


def _look_up(host, port):
    """Addresses of a server, as a list. Raises FwError CONNECT | BAD_URL."""
    try:
        return list(socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM))
    except OSError as error:
        raise FwError(errors.CONNECT, error.errno)
    except ValueError:  # CPython, of names that cannot be
        raise FwError(errors.BAD_URL)


def _status(line):
    parts = line.split(None, 2)
    if len(parts) < 2 or parts[0][:7] != b"HTTP/1." or len(parts[1]) != 3:
        raise FwError(errors.BAD_RESPONSE)
    if not parts[1].isdigit():
        raise FwError(errors.BAD_RESPONSE)
    return int(parts[1])


def _length(value):
    if not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
        raise FwError(errors.BAD_RESPONSE)
    return int(value)
