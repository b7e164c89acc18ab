"""A misbehaving HTTP server: raw sockets, one thread a connection.

    with BadServer({"/path": answer}) as server:
        ... server.url("/path") ...

An answer is what to do once the request has been read: bytes to send, or a function
answer(connection, request). The connection is closed afterwards.
"""

import socket
import struct
import time

from ufota_testkit.server.listener import Listener

_PATIENCE_S = 20  # nothing here outlives a test by more


class BadServer(Listener):
    """Listens on a free port of host from creation to the end of `with`.

    answers:  path -> answer; what is not there is 404
    tls:      ssl.SSLContext of a server; https:// then
    requests: the requests read so far, bytes
    """

    def __init__(self, answers, host="127.0.0.1", tls=None):
        self._tls = tls
        self._answers = answers
        self._host = f"[{host}]" if ":" in host else host
        self.requests = []
        super().__init__(host)

    def url(self, path):
        return f"http{'s' if self._tls else ''}://{self._host}:{self.port}{path}"

    def serve(self, connection, number):
        connection.settimeout(_PATIENCE_S)
        if self._tls:
            with self._secure(connection) as connection:
                self._reply(connection)
        else:
            self._reply(connection)

    def _secure(self, connection):
        made = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        try:
            made.do_handshake()
        except OSError:
            # Closing with bytes unread would be a reset, and that may overtake the alert.
            socket.socket.shutdown(made, socket.SHUT_WR)
            while socket.socket.recv(made, 4096):
                pass
            raise
        return made

    def _reply(self, connection):
        request = read_request(connection)
        if not request:
            return
        self.requests.append(request)
        answer = self._answers.get(request.split(b" ")[1].decode(), NOT_FOUND)
        if callable(answer):
            answer(connection, request)
        else:
            connection.sendall(answer)

    def next_request(self, connection):
        """For answers that keep the connection: the request that follows, b"" for none."""
        request = read_request(connection)
        if request:
            self.requests.append(request)
        return request


def read_request(connection):
    """Header and body of a request; b"" when the client hung up."""
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(4096)
        if not piece:
            return b""
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    missing = int(header(head, b"content-length") or 0) - len(body)
    while missing > 0:
        piece = connection.recv(missing)
        if not piece:
            return b""
        request += piece
        missing -= len(piece)
    return request


def header(request, name):
    """Value of a header line of a request, b"" when it is not there."""
    for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        found, _, value = line.partition(b":")
        if found.strip().lower() == name.lower():
            return value.strip()
    return b""


def page(body, *headers, status=b"200 OK", length=True):
    """An ordinary answer. headers: bytes lines; length: False leaves Content-Length out."""
    lines = [b"HTTP/1.0 " + status, *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


NOT_FOUND = page(b"", status=b"404 Not Found")


def lines(*headers, body=b"", start=b"HTTP/1.1 200 OK"):
    """An answer with these header lines and no others."""
    return b"\r\n".join((start, *headers)) + b"\r\n\r\n" + body


def part(body, first, last, *headers, total=None):
    """206 with body[first..last], told as such."""
    size = len(body) if total is None else total
    return lines(
        b"Content-Range: bytes %d-%d/%s" % (first, last, b"%d" % size if size else b"*"),
        *headers,
        body=body[first : last + 1],
        start=b"HTTP/1.1 206 Partial Content",
    )


def ranged(body, tag=b'"1"', most=None, drop=None, total=None):
    """Answers as a server does that knows ranges; tag: its ETag or Last-Modified line's value.

    most:  bytes of the longest part it gives
    drop:  bytes of a body after which the connection breaks
    total: what it says the whole is, if it is not that
    """
    line = (b"ETag: " if tag[:1] == b'"' else b"Last-Modified: ") + tag
    validators = [line] if tag else []

    def act(connection, request):
        asked = header(request, b"range")
        if not asked or header(request, b"if-range") not in (b"", tag):
            answer = lines(b"Content-Length: %d" % len(body), *validators, body=body)
        else:
            first = int(asked[6:].rstrip(b"-"))
            last = min(len(body), first + (most or len(body))) - 1
            if first >= len(body):
                answer = lines(b"Content-Range: bytes */%d" % len(body), start=b"HTTP/1.1 416 No")
            else:
                answer = part(body, first, last, *validators, total=total)
        if drop is not None:
            answer = answer[: answer.index(b"\r\n\r\n") + 4 + drop]
        connection.sendall(answer)

    return act


def in_turn(*answers):
    """One answer after the other, for one path; the last one for ever."""
    left = list(answers)

    def act(connection, request):
        answer = left.pop(0) if len(left) > 1 else left[0]
        if callable(answer):
            answer(connection, request)
        else:
            connection.sendall(answer)

    return act


def chunked(body, size, extension=b"", trailers=b""):
    """body in chunks of that size."""
    out = [
        b"%x%s\r\n%s\r\n" % (len(body[at : at + size]), extension, body[at : at + size])
        for at in range(0, len(body), size)
    ]
    return b"".join(out) + b"0\r\n" + trailers + b"\r\n"


def silent(connection, request):
    """Never answers; waits for the client to hang up."""
    connection.recv(1)


def keeps_open(answer):
    def act(connection, request):
        connection.sendall(answer)
        connection.recv(1)

    return act


def takes_leave(answer):
    """Over TLS: answer and close_notify in one packet, and the connection stays open.

    So do servers on asyncio, which wait for the client to take leave as well.
    """

    def act(connection, request):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # for 0.2 s at most
        connection.sendall(answer)
        connection.unwrap()

    return act


def resets(answer):
    """Sends answer, then ends the connection with RST."""

    def act(connection, request):
        connection.sendall(answer)
        time.sleep(0.05)  # or the answer is thrown away with the connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return act


def in_pieces(answer, size, pause_s):
    def act(connection, request):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(answer), size):
            connection.sendall(answer[at : at + size])
            time.sleep(pause_s)

    return act


def endless(start, again):
    def act(connection, request):
        connection.sendall(start)
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            connection.sendall(again)

    return act


class FullServer:
    """A port whose queue is full: connecting to it never completes (Linux drops the SYN)."""

    def __enter__(self):
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=0)]
        self.port = self._sockets[0].getsockname()[1]
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", self.port))
            self._sockets.append(waiting)
        time.sleep(0.1)
        return self

    def __exit__(self, *_):
        for each in self._sockets:
            each.close()
