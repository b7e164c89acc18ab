"""Messages from outside, given to what parses them; runs on CPython and on MicroPython.

outcome(parse, data) is the number of the error that the bytes end in, or 0. Anything else that
comes out is a failure, and so is a place that is no number, or what does not come to an end.
"""

from alibaba_kit import real_clock, set_clock
from fwcore.errors import FwError
from helpers import NAMED
from ufota import bounded_json
from ufota.alibaba import job as jobs
from ufota.alibaba.blocks import Blocks
from ufota.hawkbit import messages as ddi
from ufota.sources import http
from ufota.web import service

URL = "http://host/update"
_TURNS = 20000  # reads of an answer, or of a reply, that are enough for 4 KiB


def hawkbit(data):
    found = bounded_json.loads(data, 2048)
    ddi.sleep_s(found)
    for name in ("configData", "deploymentBase", "confirmationBase", "cancelAction"):
        ddi.link(found, name)
    for key in ("deployment", "confirmation"):
        if bounded_json.table(found, key):
            ddi.job(found, key, True)
    cancel = bounded_json.table(found, "cancelAction")
    if cancel:
        ddi.identity(cancel, "stopId")


def alibaba(data):
    jobs.read(data)


class Link:
    """One that brings the same reply to every request, twice."""

    block_ms = 0
    repeats = 3
    reply = None

    def __init__(self, data):
        self._data = data
        self._due = 0

    def pump(self):
        if self._due:
            self._due -= 1
            self.reply = self._data

    def publish(self, topic, rest):
        self._due = 2


def block(data):
    job = jobs.Job("", "2.0.0")
    job.size, job.stream = 300, (1, 2)
    source = Blocks(Link(data), job, 256)
    source.open("", 0, b"")
    mv = memoryview(bytearray(64))
    set_clock()
    try:
        for _ in range(_TURNS):
            if source.readinto(mv) == 0:
                return
    finally:
        real_clock()
    raise AssertionError("no end")


class Net:
    """In place of `socket` and `select`: every server answers with the same bytes."""

    SOCK_STREAM = POLLIN = 1
    POLLOUT = 4

    def __init__(self, data):
        self._data = data
        self.turns = 0

    def getaddrinfo(self, host, port, *_):
        return [(2, 1, 6, "", (host, port))]

    def socket(self, *_):
        return Connection(self, self._data)

    def poll(self, ms=0):
        return self

    def register(self, *_):
        pass

    modify = register


class Connection:
    def __init__(self, net, data):
        self._net = net
        self._data = data
        self._at = 0

    def setblocking(self, flag):
        pass

    def connect(self, address):
        pass

    def send(self, data):
        return len(data)

    def readinto(self, mv):
        self._net.turns += 1
        assert self._net.turns < _TURNS
        count = min(len(mv), len(self._data) - self._at)
        mv[:count] = self._data[self._at : self._at + count]
        self._at += count
        return count

    def close(self):
        pass


def _over(data, act):
    """act() with a Net in the place of the network."""
    net = Net(data)
    kept = http.socket, http.select
    http.socket = http.select = net
    try:
        act()
    finally:
        http.socket, http.select = kept


def _fetch(at, tag):
    source = http.HttpSource()
    source.open(URL, at, tag)
    mv = memoryview(bytearray(64))
    for _ in range(_TURNS):
        if source.readinto(mv) == 0:
            return
    raise AssertionError("no end")


def get(data):
    _over(data, lambda: _fetch(0, b""))


def rest(data):
    _over(data, lambda: _fetch(7, b'"a"'))


def call(data):
    """Two requests, the second one on the same connection, if it lasts."""

    def act():
        made = service.HttpService()
        mv = memoryview(bytearray(256))
        for method in ("GET", "POST"):
            made.call(method, URL, mv, b"{}" if method == "POST" else b"")

    _over(data, act)


MESSAGES = {
    "hawkbit": hawkbit,
    "alibaba": alibaba,
    "block": block,
    "get": get,
    "rest": rest,
    "call": call,
}


def outcome(parse, data):
    try:
        parse(data)
    except FwError as error:
        assert isinstance(error.at, int) or error.code in NAMED, error.args
        return error.code
    return 0
