"""HttpService: the HTTP source with what a service needs besides downloads.

Owns requests with a body, small answers, requests for changed objects only, and connections
that stay open for the next request. It is an HttpSource, so a Client downloads with it as well.

    service = HttpService(tls=context)
    service.header = b"Authorization: TargetToken x\r\n"
    size = service.call("GET", url, mv, feed=board.feed)
    service.call("POST", url + "/feedback", mv, body=b"{...}")
"""

import select
import time
from errno import EAGAIN

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from ufota.sources.http import HttpSource
from ufota.web.origin import origin

_KEEP_MS = const(20000)  # longest idle time: middleboxes drop a connection without notice
_WAIT_MS = const(50)  # between looks at the watchdog
_JSON = const(b"Content-Type: application/json\r\n")  # unless .header says otherwise
_TIMED_OUT = const(408)
_LONELY = (errors.CONNECT, errors.BAD_RESPONSE)  # what a connection that is dead looks like


class HttpService(HttpSource):
    """As HttpSource, with its arguments, and:

    keep:    False: a connection for each request

    A status from 200 to 205 is a success; others are FwError HTTP_STATUS, at = status, and
    .retry_after_s is known. Only a GET follows redirects. An open connection that turns out
    dead is replaced once, whatever the request: a service may see a POST twice.
    close() drops an open connection too: do not call it between requests.
    """

    def __init__(self, *args, keep=True, **more):
        super().__init__(*args, **more)
        self._keep = keep
        self._kept = None  # socket, while a new request begins on it
        self._server = None  # whom the connection is with: scheme, host, port
        self._lasts = False  # the server will take another request on it; None: it will not
        self._is_old = False  # it speaks HTTP/1.0
        self._in_header = True
        self.method = b"GET"
        self._body = self._unless = b""

    def open(self, url, at=0, tag=b"", method="GET", body=b""):
        """As HttpSource's; with a method and a body, JSON unless .header has a type."""
        self.method = method.encode()
        self._body = body
        self._unless = b""
        super().open(url, at, tag)

    def call(self, method, url, mv, body=b"", tag=b"", feed=None):
        """One whole request, with its answer.

        method:  "GET", "POST", "PUT"
        mv:      memoryview, not empty, takes the answer
        body:    bytes to send with a POST or PUT
        tag:     for a GET: what .tag was; send the object only if it is another by now
        feed:    called while waiting, at least 20 times a second
        returns: bytes of the answer, all of it. 0 with .status 304: it is still that object
        raises:  FwError TOO_LONG for more than mv takes; as open() and readinto(). The
                 connection is closed then
        """
        self.begin(method, url, mv, body, tag)
        while self.more() is None:
            self.wait(_WAIT_MS)
            if feed:
                feed()
        return self.size

    def begin(self, method, url, mv, body=b"", tag=b""):
        """Begin what call() does at once; more() goes on with it."""
        self._answer = mv
        self.size = 0
        self._unless = tag
        self.method = method.encode()
        self._body = body
        try:
            super().open(url)
        except FwError:
            self.close()
            raise

    def more(self):
        """Take in what has arrived of an answer, without waiting.

        returns:  .size, bytes of the answer, when all of it is here; None before that
        raises:   as call(); also CONNECT after close()
        """
        mv = self._answer
        try:
            while self._socket:
                size = self.size
                rest = mv[size:] if size < len(mv) else memoryview(bytearray(1))
                count = self.readinto(rest)
                if count is None:
                    return None
                if not count:
                    return size
                if size == len(mv):
                    raise FwError(errors.TOO_LONG, size)
                self.size += count
            raise FwError(errors.CONNECT)
        except FwError:
            self.close()
            raise

    # Connections

    def _begin(self, url, lines):
        whom = origin(self, url)
        if self._is_free() and whom == self._server:
            self._kept = self._socket
            self._socket = None  # or it would be closed
        self._server = whom
        if self._unless:
            hops = self._asked[3] if self._asked else 0
            self._asked = 0, self._unless, False, hops
        where = super()._begin(url, lines)
        head = self._request
        if self._keep:
            head = head.replace(b"Connection: close\r\n", b"", 1)
        if self.method != b"GET":
            kind = b"" if b"content-type:" in self._header.lower() else _JSON
            size = b"%sContent-Length: %d\r\n\r\n" % (kind, len(self._body))
            head = self.method + head[3:-2] + size + self._body
        self._request = head
        self._lasts = False
        return where

    def _is_free(self):
        """True when the connection has nothing left of the last request, and may be used on."""
        if not (self._socket and self._keep and self._lasts) or self._in_header:
            return False
        # 206, 416: _left is of the range: a body may be longer, or unread; 101: no HTTP any more
        if self.status in (101, 206, 416):
            return False
        if time.ticks_diff(time.ticks_ms(), self._mark_ms) > _KEEP_MS:
            return False
        if hasattr(self._stream, "is_done"):  # Chunks; from HTTP/1.0 they are a fault
            return self._stream.is_done() and not self._is_old
        return self._left == 0 and b"transfer-encoding" not in self._found

    def _reuse(self):
        self._reused = bool(self._kept)
        if not self._kept:
            return False
        self._addresses = []
        self._socket, self._kept = self._kept, None
        if hasattr(self._stream, "is_done"):
            self._stream = self._stream.stream
        self._mark_ms = time.ticks_ms()
        self._fresh_bytes = self._sent = 0
        self._poll.modify(self._socket, select.POLLOUT)
        return True

    def _expect_silence(self):
        """Nothing may come before the request (RFC 9112 section 6.3).

        raises:  FwError BAD_RESPONSE, after which _renew() takes another connection
        """
        if not self._reused or self._sent:
            return
        try:
            silent = self._stream.readinto(self._byte) is None
        except OSError as error:
            silent = error.errno == EAGAIN
        except FwError:  # of TLS
            silent = False
        if not silent:
            raise FwError(errors.BAD_RESPONSE)

    def _renew(self, error):
        """True when an open connection turned out dead; then the request has begun anew.

        408 says that it was given up before the request arrived (RFC 9110 section 15.5.9).
        """
        silent = self._in_header and self._header_bytes <= 1 and error.code in _LONELY
        if not self._reused or not (silent or self.status == _TIMED_OUT):
            return False
        self.close()
        self._restart(self._url, self._header)
        return True

    def _take_line(self, line):
        opens = not self.status
        super()._take_line(line)
        name, _, value = line.lower().partition(b":")
        if opens:
            self._is_old = line[:8] != b"HTTP/1.1"
            self._lasts = not self._is_old
        elif name.rstrip() == b"connection":
            if b"close" in value:
                self._lasts = None
            elif b"keep-alive" in value and self._lasts is not None:
                self._lasts = True
