"""TLS for the HTTP source: a connection that verifies its server, and errors with numbers.

Owns the connection and its handshake. The certificates, and the policy, are in an
SSLContext that the application makes, most simply by context().

tls_errors.py turns exceptions into numbers.
"""

import select
from errno import EAGAIN

from micropython import const

from fwcore.errors import FwError

_CERT_REQUIRED = const(2)  # the same in MicroPython and CPython
_PARTIAL_CHAIN = const(0x80000)  # OpenSSL: a trusted certificate need not be of a CA
_MOST = const(512)  # bytes of one recv(), which allocates them


def context(ca, cert=None, key=None):
    """An SSLContext that trusts these certificates only, and verifies always.

    ca:      bytes, DER of the certificate of a CA, or of the server's own one (pinned, and
             signed by itself: mbedTLS trusts no other one); or a list of such
    cert:    bytes, DER of the certificate this device shows; key: DER of its private key.
             MicroPython only: CPython reads those from files
    raises:  ValueError of what is no certificate
    """
    library = _library()
    made = library.SSLContext(library.PROTOCOL_TLS_CLIENT)
    check(made)
    for each in [ca] if isinstance(ca, bytes) else ca:
        if hasattr(made, "verify_flags"):  # CPython
            made.verify_flags |= _PARTIAL_CHAIN
            made.load_verify_locations(cadata=each)
        else:
            made.load_verify_locations(each)
    if cert:
        made.load_cert_chain(cert, key)
    return made


def _library():
    try:
        import tls

        return tls
    except ImportError:  # CPython
        import ssl

        return ssl


def check(ssl):
    """Refuse a context, or the lack of one, that would accept any server.

    raises:  FwError NOT_VERIFYING
    """
    if getattr(ssl, "verify_mode", 0) != _CERT_REQUIRED or not getattr(ssl, "check_hostname", 1):
        from fwcore import errors_net

        raise FwError(errors_net.NOT_VERIFYING)


class Stream:
    """A socket and its poll object in one, with TLS inside; never blocks.

    stream:  socket, not blocking, not connected yet; closed when check() raises
    source:  HttpSource: its tls, its _poll, and the host of its _url, whose name the
             certificate must have

    The handshake goes on with each send() until it is through; a send() that cannot go on
    returns None. What is raised has become FwError UNTRUSTED | WRONG_HOST | EXPIRED |
    NOT_YET_VALID | CLOCK_NOT_SET | TLS_REFUSED | TLS_FAILED, or is an OSError: EAGAIN, as of a
    socket, and other numbers of the connection.
    """

    def __init__(self, stream, source):
        self._raw = self._stream = stream
        self._poll = source._poll
        self._ssl = source.tls
        self._name = source.split(source._url)[0].strip("[]")
        try:
            check(self._ssl)
        except FwError:
            stream.close()
            raise

    def connect(self, address):
        self._raw.connect(address)

    def poll(self, ms):
        """As of a poll object: what has happened within ms."""
        pending = getattr(self._stream, "pending", None)  # CPython: bytes not asked for yet
        if pending and pending():
            return True
        return self._poll.poll(ms)

    def modify(self, stream, events):
        """Watch for other events."""
        self._poll.modify(self._stream, events)

    def send(self, data):
        """Nothing yet, the first time; from then on it is the TLS socket's own.

        The handshake takes 2 KiB of C stack, and the fewer calls there are below it the better.
        Whoever calls it hands what it raises to judged().
        """
        self._stream = self._ssl.wrap_socket(
            self._raw, server_hostname=self._name, do_handshake_on_connect=False
        )
        self._poll = select.poll()  # MicroPython's TLS socket knows what it waits for
        self._poll.register(self._stream, select.POLLOUT)
        self.send = self._stream.write

    def readinto(self, mv):
        """As a socket's.

        MicroPython's recv_into() reads on until mv is full. When what it meets is the end of
        the stream, it returns the bytes and forgets the end, and no later read tells of it.
        recv() reads once, at the price of a copy.
        """
        try:
            data = self._stream.recv(min(len(mv), _MOST))
        except (OSError, ValueError) as error:
            raise self.judged(error, True)
        if data is None:
            return None
        mv[: len(data)] = data
        return len(data)

    def close(self):
        self._stream.close()
        self._raw.close()

    def judged(self, error, through=False):
        """The exception to raise in place of this one of the TLS socket.

        through: True: the handshake is over, so nobody refused it
        """
        if isinstance(error, OSError) and error.errno == EAGAIN:
            return error
        from ufota.web import tls_errors

        return tls_errors.judged(error, self._raw, self._stream, self._poll, through)
