"""A server of HTTPS in the same interpreter: it shows a certificate, and asks for one."""

import gc

import net
import tls
from report import unwatched

_PIECE = 1024  # bytes in a record
_ROOM = (17500, 6000, 8000)  # bytes: both ends are in one heap, and it has holes


class Server:
    """Does a little each time it is asked to go on, for the connection that came last.

    kind:  folder of its certificates among the pages: rsa, p256
    """

    def __init__(self, kind):
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(net.read(kind + "/server"), net.read(kind + "/server-key"))
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(net.read(kind + "/ca"))
        self._context = context
        self._link = None
        self._room = None

    def connect(self, family, kind):
        """The near end of a connection, in place of a socket."""
        self._tidy()
        raw = net.Pipe()
        near = net.Pipe(raw)
        self._link = _Link(self._context, raw, near)
        return near

    def _tidy(self):
        """Give back what a connection took that is over, and keep room for the next one."""
        if self._link and not self._link.near.is_open:
            self._link.close()
            self._link = None
            gc.collect()
            self._room = [bytearray(size) for size in _ROOM]

    def beside(self):
        """A Board: each feed of its watchdog lets the server go on."""
        from board import Board

        board = Board()
        feed = board.feed

        def fed():
            feed()
            unwatched(self.go_on)

        board.feed = fed
        return board

    def go_on(self):
        """Shake hands, read, write: as far as it goes without waiting."""
        self._tidy()
        if self._link:
            if self._room:
                self._room = None
                gc.collect()
            self._link.go_on()


class _Link:
    def __init__(self, context, raw, near):
        self.near = near
        self._context = context
        self._raw = raw
        self._stream = None
        self._request = b""
        self._parts = []

    def close(self):
        if self._stream:
            self._stream.close()

    def go_on(self):
        if not self._stream:
            self._stream = self._context.wrap_socket(
                self._raw, server_side=True, do_handshake_on_connect=False
            )
        if not self._parts:
            data = self._stream.read(256)
            if data:
                self._request += data
            if net.is_whole(self._request):
                self._parts = (net.serve or net.answer)(self._request)
                self._request = b""
        while self._parts:
            if not self._parts[0]:
                self._parts.pop(0)
                continue
            count = self._stream.write(self._parts[0][:_PIECE])
            if not count:
                return
            self._parts[0] = self._parts[0][count:]
