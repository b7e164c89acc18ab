"""The cloud of fwtool/demos/demo_mqtt_cloud.py with faults, and a store whose addresses expire.

CPython only.
"""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fwtool.demos.demo_mqtt_cloud import Cloud, reply


class FaultyCloud(Cloud):
    """mangle: mangle(nth, offset, message) -> messages in place of the nth reply, from 1."""

    mangle = None
    replies = 0

    def send_block(self, where, name, package, offset, size):
        data = package.data[offset : offset + size]
        made = reply(name, len(package.data), offset, data)
        self.replies += 1
        for each in self.mangle(self.replies, offset, made) if self.mangle else [made]:
            self.send_reply(where, each)


class Store:
    """An HTTP server for one file, with ranges; `with Store(data) as store`.

    expires:   requests after which an address is answered with 403; 0: never
    refuse:    requests that are answered with 403 first
    cut_after: bytes of a body after which the connection is cut, while cuts are left
    cuts:      how often
    requests:  (address number, Range header or None) of every request
    """

    def __init__(self, data, expires=0, refuse=0, cut_after=0, cuts=0, length=0):
        self.data = data
        self.expires = expires
        self.refuse = refuse
        self.cut_after = cut_after
        self.cuts = cuts
        self.length = length
        self.requests = []
        self.used = {}
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                store.answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._numbers = 0

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def sign(self):
        """A new address, as long as self.length where that is set."""
        self._numbers += 1
        url = f"http://127.0.0.1:{self.port}/fw.bin?Expires=1&n={self._numbers}&Signature="
        return url + "s" * max(1, self.length - len(url))

    def answer(self, request):
        number = int(request.path.split("n=")[1].split("&")[0])
        wanted = request.headers.get("Range")
        self.requests.append((number, wanted))
        self.used[number] = self.used.get(number, 0) + 1
        if len(self.requests) <= self.refuse or 0 < self.expires < self.used[number]:
            request.send_error(403)
            return
        start = int(wanted.split("=")[1].split("-")[0]) if wanted else 0
        body = self.data[start:]
        request.send_response(206 if wanted else 200)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("ETag", '"one"')
        if wanted:
            end = len(self.data) - 1
            request.send_header("Content-Range", f"bytes {start}-{end}/{len(self.data)}")
        request.end_headers()
        if self.cuts and len(body) > self.cut_after:
            self.cuts -= 1
            request.wfile.write(body[: self.cut_after])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
        else:
            request.wfile.write(body)
