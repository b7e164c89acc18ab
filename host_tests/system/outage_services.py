"""Update services that are down for a day, for one device each and in this process; CPython only.

Owns the device's clock and network, and the three services: plain HTTP, hawkBit, Alibaba Cloud.
The sources are the device's own: HTTP goes through its HttpSource down to the socket, MQTT
through its Link. A link brings 50 bytes a second, so a download takes minutes. Time passes only
when the device waits.
"""

from errno import ECONNREFUSED, ECONNRESET, ETIMEDOUT

import fake_hawkbit
from alibaba_kit import KEY, NAME, Cloud
from fake_hawkbit import FakeHawkbit
from ufota.fleet_client import FleetClient
from ufota.sources.alibaba import AlibabaSource
from ufota.sources.hawkbit import HawkbitSource
from ufota.sources.http import HttpSource
from ufota.sources.poll import Poll
from ufota.sources.retry import Retry
from ufota.web.service import HttpService
from ufota_testkit import virtual_clock

RATE = 50  # bytes per second of each link
INTERVAL_S = 3600  # between two polls over plain HTTP; hawkBit's server says 300
REFUSES, SILENT, BUSY = "refuses", "silent", "busy"
_WAYS = REFUSES, SILENT, BUSY  # how a service is down: a third of its outage each
_FILE = "/image.fw"
_BLOCK = 256  # bytes, over MQTT
_PATIENCE_MS = 10000  # of a login that nobody answers


class Clock(virtual_clock.Clock):
    """The module `time` of a device.

    alarms:  (ms, function) in order: called when their time has come, in the middle of a wait
    """

    def __init__(self, now):
        super().__init__(now)
        self.alarms = []

    def sleep_ms(self, ms):
        end = self.now + ms
        while self.alarms and self.alarms[0][0] <= end:
            self.now, function = self.alarms.pop(0)
            function()
        self.now = end


class Service:
    """One device's side of a service.

    clock:        Clock
    down_ms:      (from, to)
    published_ms: since when the new release is offered
    old, new:     bundles
    asked_ms:     when it was asked: each request that was answered or not, each try to connect
    """

    def __init__(self, clock, down_ms, published_ms, old, new):
        self.clock = clock
        self.down_ms = down_ms
        self.published_ms = published_ms
        self.old = old
        self.new = new
        self.asked_ms = []

    def way(self):
        """How it is down now; None when it is not."""
        begin, end = self.down_ms
        if not begin <= self.clock.now < end:
            return None
        return _WAYS[(self.clock.now - begin) * len(_WAYS) // (end - begin)]

    def count(self):
        self.asked_ms.append(self.clock.now)

    def has_news(self):
        return self.clock.now >= self.published_ms

    def failures(self):
        """What it was told of updates that failed, for its dashboard."""
        return []


# Plain HTTP, and what hawkBit shares with it


class Http(Service):
    """A file at an address, which is another one since published_ms."""

    def client(self, board, is_first):
        source = Poll(HttpSource(), "http://host" + _FILE, INTERVAL_S)
        return _client(board, source, is_first)

    def answer(self, method, path, head, body):
        """(status, header lines, body) of a request."""
        tag = b'"2"' if self.has_news() else b'"1"'
        if b"If-None-Match: " + tag in head:
            return 304, b"", b""
        found = self.new if self.has_news() else self.old
        lines = b"ETag: %s\r\n" % tag
        _, ranged, rest = head.partition(b"Range: bytes=")
        if not ranged or b"If-Range: " + tag not in head:
            return 200, lines, found
        at = int(rest.split(b"-")[0])
        lines += b"Content-Range: bytes %d-%d/%d\r\n" % (at, len(found) - 1, len(found))
        return 206, lines, found[at:]


class Hawkbit(Service):
    """hawkBit: an action since published_ms."""

    def __init__(self, *args):
        super().__init__(*args)
        self._server = FakeHawkbit()
        self._server.files[_FILE] = self.new
        self._is_deployed = False

    def client(self, board, is_first):
        server = self._server
        source = HawkbitSource(board, HttpService(), server.url, fake_hawkbit.TOKEN)
        return _client(board, source, is_first, approve_install=source.approve)

    def answer(self, method, path, head, body):
        if self.has_news() and not self._is_deployed:
            self._server.deploy("5", fake_hawkbit.HOST + _FILE)
            self._is_deployed = True
        status, said = self._server.answer(method, fake_hawkbit.HOST + path, head + b"\r\n", body)
        return status, b"", said

    def failures(self):
        return [said for said in self._server.said() if said[1] == "failure"]


def _client(board, source, is_first, **more):
    if is_first:
        source.pace.notify()  # somebody has just switched it on, and wants to see it work
    return FleetClient(board, source, retry=Retry(), **more)


class Net:
    """Plays the modules `socket` and `select` of a device; at the other end is its service."""

    SOCK_STREAM = POLLIN = 1
    POLLOUT = 4

    def __init__(self, service):
        self.service = service

    def getaddrinfo(self, host, port, *_):
        return [(2, 1, 0, "", (host, port))]

    def socket(self, *_):
        return _Socket(self.service)

    def poll(self):
        return _Poll(self.service.clock)


class _Poll:
    def __init__(self, clock):
        self._clock = clock

    def register(self, stream, events):
        self._found = stream, events

    modify = register

    def poll(self, ms):
        stream, events = self._found
        if stream.is_ready(events):
            return [self._found]
        self._clock.sleep_ms(ms)
        return []


class _Socket:
    """A connection to the service, whose answers come at RATE."""

    def __init__(self, service):
        self._service = service
        self._heard = self._said = b""
        self._taken = 0  # bytes of what was said
        self._begun_ms = 0  # when it was
        self._is_reached = False

    def setblocking(self, flag):
        pass

    def connect(self, address):
        way = self._service.way()
        if way in (REFUSES, SILENT):
            self._service.count()
        if way == REFUSES:
            raise OSError(ECONNREFUSED)
        self._is_reached = way != SILENT

    def is_ready(self, events):
        if events == Net.POLLOUT:
            return self._is_reached
        return self._count() > 0 or self._service.way() == REFUSES

    def send(self, data):
        self._check()
        self._heard += data
        head, end, body = self._heard.partition(b"\r\n\r\n")
        size = int((head + b"\r\nContent-Length: 0").split(b"Content-Length: ")[1].split()[0])
        if end and len(body) >= size:
            self._heard = b""
            self._service.count()
            self._answer(head, body)
        return len(data)

    def _answer(self, head, body):
        way = self._service.way()
        if way == SILENT:
            return
        method, path = head.decode().split(None, 2)[:2]
        if way == BUSY:
            status, lines, body = 503, b"", b""
        else:
            status, lines, body = self._service.answer(method, path, head, body)
        lines += b"Content-Length: %d\r\n" % len(body)
        self._said = b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, lines, body)
        self._taken, self._begun_ms = 0, self._service.clock.now

    def readinto(self, mv):
        """Bytes that have come; None: none have."""
        self._check()
        count = min(len(mv), self._count())
        mv[:count] = self._said[self._taken : self._taken + count]
        self._taken += count
        return count or None

    def _count(self):
        """Bytes that have come, and were not read."""
        if self._service.way():
            return 0 if self._service.way() == SILENT else len(self._said) - self._taken
        since_ms = self._service.clock.now - self._begun_ms
        return min(since_ms * RATE // 1000, len(self._said)) - self._taken

    def _check(self):
        if self._service.way() == REFUSES:
            raise OSError(ECONNRESET)

    def close(self):
        pass


# Alibaba Cloud


class Alibaba(Service):
    """A broker, with the cloud behind it; the file comes in blocks over MQTT."""

    def __init__(self, *args):
        super().__init__(*args)
        self._cloud = _Cloud(self)

    def client(self, board, is_first):
        self._cloud.inbox.clear()
        source = AlibabaSource(board, self._cloud, KEY, NAME, block=_BLOCK)
        return FleetClient(board, source, retry=Retry())

    def failures(self):
        return [step for step in self._cloud.steps() if step[0][0] == "-"]


class _Cloud(Cloud):
    """An offer since published_ms, until the device says that it runs the new release."""

    keepalive = 60

    def __init__(self, service):
        super().__init__(service.new, "2.0.0")
        self._service = service
        self._free_ms = 0  # the link has something on it until then

    def offer(self):
        is_due = self._service.has_news() and self.version not in self.informs()
        return super().offer() if is_due else {}

    def connect(self):
        self._service.count()
        if self._service.way() == SILENT:
            self._service.clock.sleep_ms(_PATIENCE_MS)
        self.inbox.clear()
        super().connect()

    def publish(self, *args):
        self._service.count()
        super().publish(*args)

    def check_msg(self):
        self._check()
        if self.inbox and self._service.clock.now >= self._free_ms:
            self._free_ms = self._service.clock.now + len(self.inbox[0][1]) * 1000 // RATE
            super().check_msg()

    def _check(self):
        way = self._service.way()
        if way:
            raise OSError(ETIMEDOUT if way == SILENT else ECONNRESET)


SERVICES = {"plain HTTP": Http, "hawkBit": Hawkbit, "Alibaba Cloud": Alibaba}
