"""The server of fake_hawkbit.py behind a socket, for devices that are processes. CPython only."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fake_hawkbit import FakeHawkbit

_PATIENCE_S = 300
_PIECE = 4096


class NetHawkbit(FakeHawkbit):
    """Listens on a free port of 127.0.0.1; `with` starts and ends it.

    moved:  path -> address, a redirect
    slow_s: seconds between pieces of 4 KiB of an artifact
    """

    def __init__(self, token):
        self.moved = {}
        self.slow_s = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hawkbit = self
        super().__init__(f"http://127.0.0.1:{self._server.server_port}", token)
        self._lock = threading.Lock()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, *request):
        with self._lock:
            return super().answer(*request)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # the board was switched off, amid a request maybe


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    timeout = _PATIENCE_S

    def do_GET(self):
        hawkbit = self.server.hawkbit
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path in hawkbit.moved:
            hawkbit.asked.append((self.command, self._url(), self._lines()))
            self._start(302, 0, Location=hawkbit.moved[self.path])
            return
        status, answer = hawkbit.answer(self.command, self._url(), self._lines(), body)
        self._start(status, len(answer))
        for at in range(0, len(answer), _PIECE):
            self.wfile.write(answer[at : at + _PIECE])
            if self.path in hawkbit.files:
                time.sleep(hawkbit.slow_s)

    do_POST = do_PUT = do_GET

    def _start(self, status, length, **header):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in header.items():
            self.send_header(name, value)
        self.end_headers()

    def _url(self):
        return f"http://{self.headers['Host']}{self.path}"

    def _lines(self):
        return b"".join(f"{name}: {value}\r\n".encode() for name, value in self.headers.items())

    def log_message(self, *_):
        pass
