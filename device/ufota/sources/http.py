"""HTTP source: one GET at a time, streamed into the caller's buffer.

Owns a socket and the header of the answer; knows nothing of manifests or slots. What most
downloads do not need is in files of their own, loaded when it is needed:

    answers.py    ranges and validators, redirects, chunks, every status but 200
              (which uses ranges.py, chunked.py, redirects.py and retry_after.py)
    labels.py     header lines that are written oddly, and answers with 1xx
    tls.py    https://
    service.py   HttpService, the same source with what services need: POST, reused connections

An early end is an error, never a short success; where the server gave no length, the end of
the body is the end of the connection, and only the caller can tell whether it came early.

Only the look-up of a name waits, for as long as the port takes. Connecting, sending and
reading go on from one readinto() to the next, so the caller can feed a watchdog that is
shorter than timeout_ms.
"""

import select
import socket
import time
from errno import EAGAIN, ECONNRESET, EINPROGRESS, ETIMEDOUT

from micropython import const

from fwcore import errors
from fwcore.errors import FwError

_MAX_HEADER = const(8192)  # bytes of the whole response header
_MAX_LINE = const(128)  # bytes of a header line that are looked at
_MAX_URL_LINE = const(3328)  # the same in a redirect, whose address may be long
_PLAIN_LENGTH = const(25)  # bytes of a line: a Content-Length of 10 digits at most
_MAX_TAG = const(80)
_MIN_BYTES = const(256)  # a server that sends fewer within timeout_ms counts as silent
_LIMIT_MS = const(14400000)  # four hours
_REQUEST = const(
    b"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: ufota/0.1.0\r\nConnection: close\r\n"
    b"Accept-Encoding: identity\r\n%s\r\n"
)


class HttpSource:
    """Fetches http:// addresses, and https:// ones when it is given a TLS context.

    timeout_ms:  silence of the server that ends a transfer; also the time each of its
                 addresses has to take connection, TLS handshake and request
    tls:         ssl.SSLContext that verifies the server (tls.context() makes one), or None
    limit_ms:    longest a transfer may take from open() on, redirects included, however
                 lively the server is
                Both below 2**29
    raises:      ValueError, TypeError

    header:      bytes, further lines of the request header, each with its line end. They
                 go to the server of open()'s address; of them only Ufota-Result follows a
                 redirect to another host or port
    Known once readinto() has returned bytes or 0:
    at:          where in the object the bytes began: what open() asked for, or 0
    length:      bytes of the whole object, None when the server did not say
    tag:         bytes, what names this version of the object for a later open(): its
                 strong ETag, else its Last-Modified, else b""
    Known as soon as the server answered, after an error too:
    status:      of the last answer, redirects left out: 200, 206, 304, 404; 0 before it
    retry_after_s:  seconds the server asked to wait, at most an hour; 0: it did not ask
    """

    def __init__(self, timeout_ms=15000, tls=None, limit_ms=_LIMIT_MS):
        if not (0 < timeout_ms < 1 << 29 and 1 <= limit_ms < 1 << 29):
            raise ValueError
        self._timeout_ms = timeout_ms
        self.tls = tls
        self.limit_ms = int(limit_ms)
        self._byte = bytearray(1)
        self._socket = None
        self.length = None
        self.header = b""

    def open(self, url, at=0, tag=b""):
        """Look the server up and begin to connect.

        url:     "http[s]://host[:port]/path", printable ASCII
        at:      byte of the object to begin with
        tag:     b"", or what .tag was when the bytes before `at` came: when the object is
                 another by now, it comes from its beginning, and .at is 0
        raises:  FwError BAD_URL | CONNECT | NOT_VERIFYING (tls is needed, but not given, or
                 accepts any server)
        """
        # True: the caller has bytes of this very open(); then the number of redirects so far
        self._asked = (at, tag, False, 0) if at else None
        self.at = 0
        self.length = None
        self.tag = tag
        self._until_ms = time.ticks_add(time.ticks_ms(), self.limit_ms)
        where = self._begin(url, self.header)  # not by _restart(): 240 B of C stack on the board
        if not self._reuse():
            self._addresses = self._look_up(*where)
            self._connect_next(0)

    def readinto(self, mv):  # noqa: C901 (what is in it is not in a call of its own: C stack)
        """Read what has arrived of the body.

        mv:       memoryview, not empty
        returns:  bytes read; 0 at the end of the body; None when nothing has arrived yet
        raises:   FwError TIMEOUT | TOO_SLOW | CONNECT | HTTP_STATUS | BAD_RESPONSE |
                  CUT_SHORT (at = bytes that came) | BAD_RANGE; with redirects also
                  TOO_MANY_REDIRECTS | BAD_REDIRECT | INSECURE_REDIRECT and what open()
                  raises; with TLS 101..107 of errors_net
        """
        if self._in_header:
            try:
                if self._request:
                    count = failed = None
                    try:
                        if self._poll.poll(0):  # connected, or refused
                            self._expect_silence()
                            # Not a call deeper: for TLS it shakes hands, on 2 KiB of C stack.
                            count = self._socket.send(self._request[self._sent :])
                    except (OSError, ValueError) as error:
                        failed = error
                    if not self._is_sent(count, failed):
                        return None
                if not self._read_header():
                    return None
            except FwError as error:
                if not self._renew(error):
                    raise
                return None
        left = self._left
        if left is None:
            return self._receive(mv)
        if not left:
            if self._end == self.length:
                return 0
            from ufota.web import answers

            return answers.open(self)  # the server had more than it gave at once
        count = self._receive(mv[:left] if left < len(mv) else mv)
        if count == 0:
            raise FwError(errors.CUT_SHORT, self._end - left)
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

    def _begin(self, url, lines):
        """Prepare a request. Returns (host, port) of its server. lines: of the header"""
        self.close()
        self._url = url = url[:5].lower() + url[5:]  # a scheme has no case
        self._header = lines
        self._left = None  # body bytes still due; None when the server gave no length
        self._tag = b""
        self.status = self.retry_after_s = 0
        self._found = {}  # header lines for answers.py
        self._line = bytearray(_MAX_LINE)  # it may have grown
        self._header_bytes = self._line_bytes = self._interim = 0
        self._in_header = True
        host, port, path = self.split(url)
        if self._asked:
            from ufota.web import answers

            lines = answers.header(*self._asked[:2]) + lines
        if port != (443 if url[4] == "s" else 80):
            name = host + ":" + str(port)
        else:
            name = host
        self._request = _REQUEST % (path.encode(), name.encode(), lines)
        return host, port

    def _restart(self, url, lines):
        """As open(), of what the answer to its request led to."""
        where = self._begin(url, lines)
        if not self._reuse():
            self._addresses = self._look_up(*where)
            self._connect_next(0)

    def _reuse(self):
        """True when there is a connection already: see service.py."""
        return False

    def _expect_silence(self):
        """Refuse a connection that has bytes before it is asked: see service.py."""

    def _renew(self, error):
        """Begin anew after this error, where that may help: see service.py. True when it has."""
        return False

    def _look_up(self, host, port):
        """Addresses of a server, as a list. Raises FwError CONNECT | BAD_URL."""
        try:
            return list(socket.getaddrinfo(host.strip("[]"), port, 0, socket.SOCK_STREAM))
        except OSError as error:
            raise FwError(errors.CONNECT, errors.errno_of(error))
        except ValueError:  # CPython, of names that cannot be
            raise FwError(errors.BAD_URL)

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
                errno = errors.errno_of(error)
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
        if self._url[4] == "s":
            from ufota.web import tls

            stream = self._socket = self._poll = tls.Stream(stream, self)
        # CPython's sockets lack readinto(); their raw file has it.
        has_readinto = hasattr(stream, "readinto")
        self._stream = stream if has_readinto else stream.makefile("rb", 0)

    def _is_sent(self, count, error):
        """True when all of the request is sent.

        count:   bytes that send() took just now; None: the connection takes none yet
        error:   what it raised, or None
        """
        errno = EAGAIN if count is None else 0
        if error:
            if hasattr(self._socket, "judged"):
                error = self._socket.judged(error)
            if isinstance(error, FwError):
                raise error
            errno = errors.errno_of(error) or ECONNRESET
        if errno == EAGAIN and self._is_late():
            errno = ETIMEDOUT
        if errno:
            if errno != EAGAIN:
                self._connect_next(errno)
            return False
        self._sent += count
        if self._sent < len(self._request):
            return False
        self._request = b""  # sent; its RAM is wanted when a signature is verified
        self._addresses = None
        self._poll.modify(self._socket, select.POLLIN)
        self._mark_ms = time.ticks_ms()
        return True

    def _is_late(self):
        now = time.ticks_ms()
        if time.ticks_diff(now, self._until_ms) > 0:
            from ufota.web import retry_after

            retry_after.late()
        return time.ticks_diff(now, self._mark_ms) > self._timeout_ms

    def _receive(self, mv):
        """Bytes read, 0 at end of file, None when there are none yet."""
        try:
            count = self._stream.readinto(mv)
        except OSError as error:
            if error.errno != EAGAIN:
                raise FwError(errors.CONNECT, errors.errno_of(error))
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
        """Take in what has arrived of the header; True when the body is next."""
        while True:
            line = self._read_line()
            if line is None:
                return False
            if line or not self.status:
                self._take_line(line)
            elif self.status < 200 and self.status != 101:  # the answer is to come
                from ufota.web import labels

                labels.interim(self)
            else:
                break
        self._in_header = False
        if self.status != 200 or self._found or self._asked:
            from ufota.web import answers

            answers.answer(self)
        else:
            self.tag = self._tag
            self.length = self._end = self._left
        return not self._in_header

    def _read_line(self):
        """The next header line, cut to len(_line) bytes; None when it is not complete yet.

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
            if self._line_bytes == _MAX_LINE and 300 <= self.status < 400:
                self._line.extend(bytes(_MAX_URL_LINE - len(self._line)))
            if self._line_bytes < len(self._line):
                self._line[self._line_bytes] = self._byte[0]
                self._line_bytes += 1

    def _take_line(self, line):
        if not self.status:
            parts = line.split(None, 2)
            if (
                len(parts) < 2
                or parts[0][:7] != b"HTTP/1."
                or not (len(parts[1]) == 3 and parts[1].isdigit())
            ):
                raise FwError(errors.BAD_RESPONSE)
            self.status = int(parts[1])
            self._last = b""
            return
        name, _, value = line.partition(b":")
        name = name.rstrip().lower()
        value = value.strip()
        if (
            name == b"content-length"
            and self._left is None
            and len(line) <= _PLAIN_LENGTH
            and value.isdigit()
        ):
            self._left = int(value)
        elif line[0] in b" \t" or name in (b"content-length", b"content-encoding"):
            from ufota.web import labels

            labels.take(self, line, name, value)
        elif name == b"etag":
            # W/"..." is weak: it does not prove that a part is of the same object
            if value[:1] == value[-1:] == b'"' and 1 < len(value) <= _MAX_TAG:
                self._tag = value
        elif name == b"last-modified":
            if not self._tag and len(value) <= _MAX_TAG:
                self._tag = value
        elif name == b"transfer-encoding" or self.status > 200:
            from ufota.web import answers

            answers.add(self._found, name, value, len(line))
        self._last = name

    @staticmethod
    def split(url):
        """ "http[s]://host[:port]/path" -> (host, port, path). Raises FwError BAD_URL."""
        for byte in url.encode():
            if not 0x21 <= byte <= 0x7E:
                raise FwError(errors.BAD_URL)  # a blank or line end would forge the request
        scheme, _slash, path = url.partition("://")
        if scheme.lower() not in ("http", "https"):
            raise FwError(errors.BAD_URL)
        host, _slash, path = path.partition("/")
        port = "443" if scheme[4:] else "80"
        colon = host.rfind(":")
        if colon > host.rfind("]"):
            host, port = host[:colon], host[colon + 1 :]
        if not (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            raise FwError(errors.BAD_URL)
        if not host or "@" in host or "?" in host or "\\" in host:  # others read those differently
            raise FwError(errors.BAD_URL)
        return host, int(port), "/" + path.partition("#")[0]
