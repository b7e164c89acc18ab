"""A server of HTTPS in the same interpreter: it shows a certificate, and asks for one."""

import net
import tls

_PIECE = 1024  # bytes in a record


class Server:
    """Does a little each time it is asked to go on.

    kind:  folder of its certificates among the pages: rsa, p256
    """

    def __init__(self, kind):
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(net.read(kind + "/server"), net.read(kind + "/server-key"))
        context.verify_mode = tls.CERT_REQUIRED
        context.load_verify_locations(net.read(kind + "/ca"))
        self._context = context
        self._raw = net.Pipe()
        self._near = net.Pipe(self._raw)
        self._stream = None
        self._request = b""
        self._parts = []

    def connect(self, family, kind):
        """The near end of the one connection there is, in place of a socket."""
        return self._near

    def go_on(self):
        """Shake hands, read, write: as far as it goes without waiting."""
        if not self._stream:
            self._stream = self._context.wrap_socket(
                self._raw, server_side=True, do_handshake_on_connect=False
            )
        if not self._parts:
            data = self._stream.read(256)
            if data:
                self._request += data
            if self._request.endswith(b"\r\n\r\n"):
                self._parts = net.answer(self._request)
        while self._parts:
            if not self._parts[0]:
                self._parts.pop(0)
                continue
            count = self._stream.write(self._parts[0][:_PIECE])
            if not count:
                return
            self._parts[0] = self._parts[0][count:]
