"""A kept connection is for the next request only while nothing has come that nobody asked for.

The sockets are fakes, so that bytes come exactly between two calls; with real ones: K03 to K17
of host_tests/vectors/http.
"""

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from test_http_ports import Select, drain
from ufota.sources import http
from ufota.web.service import HttpService

BOTH = True  # runs on CPython and on MicroPython

ONE = b"HTTP/1.1 200 O\r\nContent-Length: 3\r\n\r\none"
TWO = ONE.replace(b"one", b"two")
FORGED = ONE.replace(b"one", b"bad")
EAGAIN = 11


class Wire:
    """Plays the modules `socket` and `select`, and a server that answers each request it reads.

    answers:  bytes for each request, over all connections
    unasked:  what each socket has to read while no answer is due: bytes, b"" for the end, or an
              exception; None: nothing yet
    sends:    bytes that a send() takes
    """

    SOCK_STREAM = 1

    def __init__(self, *answers, sends=9999):
        self.answers = list(answers)
        self.unasked = None
        self.sends = sends
        self.made = []
        self.waited_for = []  # as Select wants it

    def getaddrinfo(self, host, port, family=0, kind=0):
        return [(2, 1, 6, "", (host, port))]

    def socket(self, family, kind):
        self.made.append(Socket(self))
        return self.made[-1]


class Socket:
    def __init__(self, wire):
        self._wire = wire
        self._due = b""
        self._now = b""
        self.requests = []

    def connecting(self):
        return False

    def setblocking(self, flag):
        pass

    def connect(self, address):
        pass

    def close(self):
        pass

    def send(self, data):
        self._now += data[: self._wire.sends]
        if self._now.endswith(b"\r\n\r\n"):
            self.requests.append(self._now)
            self._now = b""
            self._due += self._wire.answers.pop(0)
        return min(len(data), self._wire.sends)

    def readinto(self, mv):
        wire = self._wire
        if not self._due and self is wire.made[0] and wire.unasked is not None:
            if isinstance(wire.unasked, Exception):
                raise wire.unasked
            self._due = wire.unasked
            if not self._due:
                return 0
        count = min(len(mv), len(self._due))
        mv[:count] = self._due[:count]
        self._due = self._due[count:]
        return count or None


def with_wire(wire, act):
    """act(service) with the fakes in place."""
    kept = http.socket, http.select
    http.socket, http.select = wire, Select(wire)
    service = HttpService(2000)
    try:
        act(service)
    finally:
        service.close()
        http.socket, http.select = kept


def get(service, url="http://host/x"):
    buf = memoryview(bytearray(64))
    return bytes(buf[: service.call("GET", url, buf)])


def asked(wire):
    return [len(each.requests) for each in wire.made]


def test_what_comes_unasked_is_never_the_next_answer():
    """The server is asked once for each call, and not on the connection that was given up."""
    gone = b"HTTP/1.1 410 G\r\nContent-Length: 0\r\n\r\n"
    for unasked in (
        FORGED,
        gone,
        gone.replace(b"410", b"408"),
        b"\r\n",
        b"",
        OSError(104, "reset"),
        FwError(errors_net.TLS_FAILED, 5),
        FwError(errors_net.TLS_REFUSED, 40),
    ):
        wire = Wire(ONE, TWO)

        def act(service, wire=wire, unasked=unasked):
            assert get(service) == b"one"
            wire.unasked = unasked
            assert get(service) == b"two", unasked

        with_wire(wire, act)
        assert asked(wire) == [1, 1], unasked


def test_bytes_that_lie_behind_an_answer_are_not_the_next_one():
    wire = Wire(ONE + FORGED, TWO)

    def act(service):
        assert [get(service), get(service)] == [b"one", b"two"]

    with_wire(wire, act)
    assert asked(wire) == [1, 1]


def test_what_comes_while_the_caller_does_something_else_is_seen():
    """The caller may open a request long before it reads the answer."""
    wire = Wire(ONE, TWO)

    def act(service):
        assert get(service) == b"one"
        service.open("http://host/x")
        wire.unasked = FORGED
        assert drain(service, memoryview(bytearray(64))) == b"two"

    with_wire(wire, act)
    assert asked(wire) == [1, 1]


def test_a_silent_connection_is_used_on():
    for silence in (None, OSError(EAGAIN, "again")):
        for sends in (1, 7, 9999):
            wire = Wire(ONE, TWO, sends=sends)

            def act(service, wire=wire, silence=silence):
                assert get(service) == b"one"
                wire.unasked = silence
                assert get(service) == b"two"

            with_wire(wire, act)
            assert asked(wire) == [2], (silence, sends)


def test_408_on_a_connection_that_was_idle_is_asked_once_more():
    late = b"HTTP/1.1 408 R\r\nContent-Length: 0\r\n\r\n"
    wire = Wire(ONE, late, TWO, late)

    def act(service):
        assert [get(service), get(service)] == [b"one", b"two"]
        service.close()
        assert raises(errors.HTTP_STATUS, get, service).at == 408

    with_wire(wire, act)
    assert asked(wire) == [2, 1, 1]


def test_an_answer_that_was_not_read_to_its_end_leaves_no_connection():
    chunks = b"HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
    both = b"HTTP/1.1 503 U\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
    for first in (
        ONE,
        chunks,
        both,
        both.replace(b"503 U", b"204 N"),
        ONE.replace(b"200", b"204"),
        ONE[:-3].replace(b"200", b"204"),  # the body may come later
        ONE.replace(b"200", b"404"),
        ONE.replace(b"Content-Length: 3\r\n", b""),
        b"HTTP/1.1 101 S\r\nContent-Length: 0\r\n\r\n",
    ):
        wire = Wire(first, TWO)

        def act(service):
            buf = memoryview(bytearray(2))
            service.open("http://host/x")
            try:
                while service.readinto(buf) is None:
                    pass
            except FwError as error:
                assert error.code in (errors.HTTP_STATUS, errors.BAD_RESPONSE)
            assert get(service) == b"two"

        with_wire(wire, act)
        assert asked(wire) == [1, 1], first


def test_chunks_from_an_old_server_end_the_connection():
    """RFC 9112 section 6.1: such framing is a fault. A length is good, with keep-alive."""
    keeps = b"HTTP/1.0 200 O\r\nConnection: keep-alive\r\n"
    chunks = keeps + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n"
    for first, due in ((chunks, [1, 1]), (keeps + b"Content-Length: 3\r\n\r\none", [2])):
        wire = Wire(first, TWO)

        def act(service):
            assert [get(service), get(service)] == [b"one", b"two"]

        with_wire(wire, act)
        assert asked(wire) == due, first


def test_close_wins_over_keep_alive():
    for lines in (
        b"Connection: close\r\nConnection: keep-alive",
        b"Connection: keep-alive\r\nConnection : close",
        b"connection: Keep-Alive, CLOSE",
    ):
        wire = Wire(ONE.replace(b"\r\n\r\n", b"\r\n%s\r\n\r\n" % lines), TWO)

        def act(service):
            assert [get(service), get(service)] == [b"one", b"two"]

        with_wire(wire, act)
        assert asked(wire) == [1, 1], lines
