"""A misbehaving HTTP server: raw sockets, one thread a connection.

    with BadServer({"/path": answer}) as server:
        ... server.url("/path") ...

An answer is what to do once the request has been read: bytes to send, or a function
answer(connection, request). The connection is closed afterwards.
"""

import socket
import struct
import threading
import time

_PATIENCE_S = 20  # nothing here outlives a test by more


class BadServer:
    """Listens on a free port of host from creation to close().

    requests: the requests read so far, bytes
    """

    def __init__(self, answers, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._answers = answers
        self._host = f"[{host}]" if ":" in host else host
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.requests = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path):
        return f"http://{self._host}:{self.port}{path}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            connection.settimeout(_PATIENCE_S)
            try:
                self._reply(connection)
            except OSError:  # the client has had enough
                pass

    def _reply(self, connection):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(4096)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        answer = self._answers[request.split(b" ")[1].decode()]
        if callable(answer):
            answer(connection, request)
        else:
            connection.sendall(answer)


def page(body, *headers, status=b"200 OK", length=True):
    """An ordinary answer. headers: bytes lines; length: False leaves Content-Length out."""
    lines = [b"HTTP/1.0 " + status, *headers]
    if length:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def silent(connection, request):
    """Never answers; waits for the client to hang up."""
    connection.recv(1)


def keeps_open(answer):
    def act(connection, request):
        connection.sendall(answer)
        connection.recv(1)

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
