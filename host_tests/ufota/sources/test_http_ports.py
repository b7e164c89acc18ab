"""The HTTP source on sockets as the ports of MicroPython have them, and on URLs of any kind.

A fake `socket` module plays the port, so what only an ESP32 or an RP2 does is tried here.
"""

import time

import micropython  # noqa: F401  (gives CPython's time its sleep_ms)

from fwcore import errors
from fwcore.errors import FwError
from helpers import raises
from ufota.sources import http

BOTH = True  # runs on CPython and on MicroPython

EAGAIN = 11
EINPROGRESS = 115
REQUEST = (
    b"GET /path HTTP/1.1\r\nHost: host\r\nUser-Agent: ufota/0.1.0\r\n"
    b"Connection: close\r\nAccept-Encoding: identity\r\n\r\n"
)
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Port:
    """Plays the modules `socket` and `select`, and every socket.

    answer:   bytes the server sends
    again:    what a read does that finds nothing: None (return it) or an OSError to raise
    sends:    bytes a send() takes at most
    fail:     {call: OSError} with call one of getaddrinfo, socket, connect, send, readinto;
              for the sockets a list, one entry a socket
    hosts:    addresses the name resolves to
    reset_at: offset in answer from which on reads report a reset
    slow:     polls of the first socket that find it still connecting
    busy:     sends that find no room and raise EAGAIN
    dies_at:  bytes of the request after which the first socket reports a reset
    """

    SOCK_STREAM = 1
    POLLIN = 1

    def __init__(self, answer=ANSWER, again=None, sends=9999, fail=None, hosts=1, **more):
        self.answer = answer
        self.again = again
        self.sends = sends
        self.fail = fail or {}
        self.hosts = hosts
        self.reset_at = more.get("reset_at", 9999)
        self.slow = more.get("slow", 0)
        self.busy = more.get("busy", 0)
        self.waited_for = []  # events of every poll that may sleep
        self.dies_at = more.get("dies_at", 9999)
        self.open = 0
        self.made = []

    def getaddrinfo(self, host, port, family=0, kind=0):
        if "getaddrinfo" in self.fail:
            raise self.fail["getaddrinfo"]
        self.asked = host, port
        return [(2, 1, 6, "", ("10.0.0.%d" % i, port)) for i in range(self.hosts)]

    def socket(self, family, kind):
        index = len(self.made)
        self.made.append(None)
        error = self._planned("socket", index)
        if error:
            raise error
        self.made[index] = Socket(self, index)
        self.open += 1
        return self.made[index]

    def _planned(self, call, index):
        plan = self.fail.get(call, [])
        return plan[index] if index < len(plan) else None


class Select:
    """Plays the module `select`, and its poll object."""

    POLLIN = 1
    POLLOUT = 4

    def __init__(self, port):
        self._port = port

    def poll(self, ms=None):
        if ms is None:
            return Select(self._port)
        if ms:
            self._port.waited_for.append(self._events)
        time.sleep_ms(ms)
        busy = self._events == self.POLLOUT and self._socket.connecting()
        return [] if busy else [(self._socket, self._events)]

    def register(self, connection, events):
        self._socket, self._events = connection, events

    modify = register


class Socket:
    def __init__(self, port, index):
        self._port = port
        self._index = index
        self._at = 0
        self._odd = False
        self._closed = False
        self.sent = b""
        self.address = None

    def _may_fail(self, call):
        error = self._port._planned(call, self._index)
        if error:
            raise error

    def connecting(self):
        if self._index:
            return False
        self._port.slow -= 1
        return self._port.slow >= 0

    def setblocking(self, flag):
        assert flag is False

    def connect(self, address):
        self._may_fail("connect")
        self.address = address
        if self._port.slow:
            raise OSError(EINPROGRESS, "in progress")

    def send(self, data):
        self._may_fail("send")
        if self._port.busy:
            self._port.busy -= 1
            raise OSError(EAGAIN, "again")
        if not self._index and len(self.sent) >= self._port.dies_at:
            raise OSError(104, "reset")
        count = min(len(data), self._port.sends)
        self.sent += bytes(data[:count])
        return count

    def readinto(self, mv):
        self._may_fail("readinto")
        self._odd = not self._odd
        if self._odd:
            if self._port.again:
                raise self._port.again
            return None
        if self._at == self._port.reset_at:
            raise OSError(104, "reset")
        end = min(len(self._port.answer), self._port.reset_at)
        count = min(len(mv), end - self._at)
        mv[:count] = self._port.answer[self._at : self._at + count]
        self._at += count
        return count

    def close(self):
        self._port.open -= 0 if self._closed else 1
        self._closed = True


def fetch(port, url="http://host/path", timeout_ms=30000):
    """Body and source; the fake modules are in place while it runs."""
    kept = http.socket, http.select
    http.socket = port
    http.select = Select(port)
    source = http.HttpSource(timeout_ms)
    try:
        source.open(url)
        body = b""
        buf = bytearray(64)
        for _ in range(1000):
            count = source.readinto(memoryview(buf))
            if count == 0:
                return body, source
            if count:
                body += bytes(buf[:count])
            else:
                source.wait(1)
        raise AssertionError("no end")
    finally:
        source.close()
        http.socket, http.select = kept


def test_ports_that_return_none_and_ports_that_raise_eagain_read_the_same():
    for again in (None, OSError(EAGAIN, "again")):
        port = Port(again=again)
        body, source = fetch(port)
        assert body == b"hello" and source.length == 5
        assert port.open == 0


def test_send_that_takes_a_few_bytes_is_repeated():
    for sends in (1, 7, 9999):
        port = Port(sends=sends)
        fetch(port)
        assert port.made[0].sent == REQUEST


def test_send_that_finds_no_room_is_repeated_on_the_same_connection():
    port = Port(busy=3, hosts=2)
    body, _ = fetch(port)
    assert body == b"hello" and port.made[0].sent == REQUEST and len(port.made) == 1


def test_wait_sleeps_until_there_is_something_to_read():
    port = Port(slow=2)
    fetch(port)
    first = port.waited_for.index(Select.POLLIN)
    assert set(port.waited_for[:first]) == {Select.POLLOUT}
    assert set(port.waited_for[first:]) == {Select.POLLIN}


def test_connection_may_take_a_while():
    port = Port(slow=5)
    body, _ = fetch(port)
    assert body == b"hello" and port.made[0].sent == REQUEST and len(port.made) == 1


def test_address_that_never_connects_gives_way_to_the_next():
    port = Port(slow=9999, hosts=2)
    body, _ = fetch(port, timeout_ms=500)
    assert body == b"hello" and port.made[1].sent == REQUEST
    assert port.open == 0
    port = Port(slow=9999)
    raises(errors.CONNECT, fetch, port, "http://host/path", 500)
    assert port.open == 0


def test_request_cut_in_the_middle_is_sent_whole_to_the_next_address():
    port = Port(sends=7, dies_at=14, hosts=2)
    body, _ = fetch(port)
    assert body == b"hello"
    assert port.made[0].sent == REQUEST[:14] and port.made[1].sent == REQUEST


def test_header_of_the_caller_goes_out_with_every_request():
    port = Port(sends=7)
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    try:
        source = http.HttpSource()
        for header in (b"", b"Ufota-Result: x\r\n", b""):
            source.header = header
            source.open("http://host/path")
            assert drain(source, memoryview(bytearray(64))) == b"hello"
            assert port.made[-1].sent == REQUEST[:-2] + header + b"\r\n"
        source.close()
    finally:
        http.socket, http.select = kept


def test_next_address_is_tried_when_one_is_dead():
    error = OSError(111, "refused")
    for call in ("socket", "connect", "send"):
        port = Port(hosts=3, fail={call: [error, error]})
        body, _ = fetch(port)
        assert body == b"hello" and port.made[2].address == ("10.0.0.2", 80)
        assert port.open == 0


def test_every_failing_call_is_a_numbered_error_and_leaks_no_socket():
    error = OSError(113, "no route")
    for call in ("getaddrinfo", "socket", "connect", "send", "readinto"):
        port = Port(hosts=2, fail={call: error if call == "getaddrinfo" else [error, error]})
        assert raises(errors.CONNECT, fetch, port).at == 113
        assert port.open == 0, call
    assert raises(errors.CONNECT, fetch, Port(hosts=0)).at == 0
    raises(errors.CONNECT, fetch, Port(fail={"getaddrinfo": OSError(-2)}))
    raises(errors.BAD_URL, fetch, Port(fail={"getaddrinfo": ValueError()}))


def test_error_with_text_or_nothing_in_place_of_its_number_has_a_number():
    """A look-up on MicroPython's unix port says OSError("[addrinfo error -2]")."""
    for error in (OSError("[addrinfo error -2]"), OSError()):
        for call in ("getaddrinfo", "socket", "connect", "send", "readinto"):
            port = Port(hosts=2, fail={call: error if call == "getaddrinfo" else [error, error]})
            at = raises(errors.CONNECT, fetch, port).at
            assert at == (104 if call == "send" else 0), (call, at)
            assert port.open == 0, call


def test_a_name_that_nobody_has_is_a_number():
    source = http.HttpSource()
    assert isinstance(raises(errors.CONNECT, source.open, "http://no-such-host.invalid/").at, int)


def test_reset_in_the_body_is_no_end_of_the_body():
    for answer in (ANSWER, ANSWER.replace(b"Content-Length: 5\r\n", b"")):
        port = Port(answer, reset_at=len(answer) - 2)
        assert raises(errors.CONNECT, fetch, port).at == 104
        assert port.open == 0


def test_a_second_open_closes_the_first_connection():
    port = Port()
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    try:
        source = http.HttpSource()
        for _ in range(3):
            source.open("http://host/")
            assert port.open == 1
        source.close()
        source.close()
        assert port.open == 0
    finally:
        http.socket, http.select = kept


def test_nothing_stays_open_when_the_next_address_cannot_be_used():
    """Nor while its name is looked up, which may take a while: a port has few sockets."""
    port = Port()
    during = []
    look_up = port.getaddrinfo

    def getaddrinfo(*args):
        during.append(port.open)
        return look_up(*args)

    port.getaddrinfo = getaddrinfo
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    try:
        source = http.HttpSource()
        for url, error, code in (
            ("http://user@host/", None, errors.BAD_URL),
            ("http://host/", OSError(-2), errors.CONNECT),
            ("http://host/", ValueError(), errors.BAD_URL),
        ):
            port.fail = {}
            source.open("http://host/")
            assert port.open == 1
            if error:
                port.fail = {"getaddrinfo": error}
            raises(code, source.open, url)
            assert port.open == 0, url
        assert during == [0] * 5
    finally:
        http.socket, http.select = kept


class Clock:
    """Plays the module `time` of the source: it stands still until a test moves it."""

    def __init__(self):
        self.now = 0

    def ticks_ms(self):
        return self.now

    def ticks_add(self, ticks, delta):
        return ticks + delta

    def ticks_diff(self, later, earlier):
        return later - earlier


def test_server_has_the_whole_timeout_from_the_last_byte_sent():
    """Not from the begin of the connection, which may have taken long itself."""
    for late, code in ((1000, 0), (1001, errors.TIMEOUT)):
        clock = Clock()
        port = Port(slow=1)
        kept = http.socket, http.select, http.time
        http.socket, http.select, http.time = port, Select(port), clock
        try:
            source = http.HttpSource(1000)
            source.open("http://host/path")
            buf = memoryview(bytearray(64))
            clock.now = 900
            assert source.readinto(buf) is None and not port.made[0].sent  # still connecting
            assert source.readinto(buf) is None and port.made[0].sent == REQUEST
            clock.now += late
            if code:
                raises(code, drain, source, buf)
            else:
                assert drain(source, buf) == b"hello"
            source.close()
        finally:
            http.socket, http.select, http.time = kept


def drain(source, buf):
    body = b""
    for _ in range(1000):
        count = source.readinto(buf)
        if count == 0:
            return body
        body += bytes(buf[: count or 0])
    raise AssertionError("no end")


def test_url_is_split():
    for url, parts in (
        ("http://host", ("host", 80, "/")),
        ("http://host/", ("host", 80, "/")),
        ("http://host:8080/a/b?c=d", ("host", 8080, "/a/b?c=d")),
        ("http://host/a#b", ("host", 80, "/a")),
        ("http://10.0.0.1:65535/x", ("10.0.0.1", 65535, "/x")),
        ("http://[::1]/x", ("[::1]", 80, "/x")),
        ("http://[fe80::1]:81/x", ("[fe80::1]", 81, "/x")),
        ("http://host//two", ("host", 80, "//two")),
        ("http://host/http://other/", ("host", 80, "/http://other/")),
        ("HTTP://Host/A", ("Host", 80, "/A")),
        ("hTTpS://host/", ("host", 443, "/")),
    ):
        assert http.HttpSource.split(url) == parts, url


def test_url_that_is_no_plain_http_address_is_refused():
    for url in (
        "",
        "http://",
        "http:///path",
        "http://:80/",
        "https://",
        "httpx://host/",
        "http:/host/",
        "HTTPX://host/",
        "ftp://host/",
        "file:///etc/passwd",
        "host/path",
        "//host/path",
        "http://host:/",
        "http://host:0/",
        "http://host:65536/",
        "http://host:-1/",
        "http://host:+8/",
        "http://host:8o/",
        "http://host:" + "9" * 5000 + "/",
        "http://user@host/",
        "http://user:password@host/",
        "http://a@b@c/",
        "http://@host/",
        "http://host\\@evil/",
        "http://host?x=/y",
        "http://host/a b",
        "http://host/a\r\nX: y",
        "http://host/a\nX: y",
        "http://host\r\nX: y/",
        "http://host/\t",
        "http://host/\x00",
        "http://host/\x7f",
        "http://host/\xe4",
    ):
        raises(errors.BAD_URL, http.HttpSource.split, url)
        source = http.HttpSource()
        raises(errors.BAD_URL, source.open, url)
        source.close()


def test_error_leaves_the_source_ready_for_the_next_address():
    port = Port(b"garbage\r\n\r\n")
    raises(errors.BAD_RESPONSE, fetch, port)
    assert port.open == 0
    port = Port()
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    try:
        source = http.HttpSource()
        buf = memoryview(bytearray(64))
        for answer, code in (
            (b"HTTP/1.0 404 No\r\nContent-Length: 9\r\n\r\n", errors.HTTP_STATUS),
            (b"HTTP/1.0 200 OK\r\nX", errors.BAD_RESPONSE),
            (ANSWER, 0),
        ):
            port.answer = answer
            source.open("http://host/")
            try:
                while source.readinto(buf) != 0:
                    pass
                assert code == 0 and source.length == 5
            except FwError as error:
                assert error.code == code
        source.close()
    finally:
        http.socket, http.select = kept
