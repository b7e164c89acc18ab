"""The login: one deadline, a fed watchdog, a fleet that is spread, knobs. No network."""

from errno import EINPROGRESS, ETIMEDOUT

from alibaba_kit import KEY, WHERE, Cloud, Device, set_clock
from fake_broker import Broker
from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from ufota.alibaba import bounded_socket, connect
from ufota.alibaba.link import Link
from ufota.sources.alibaba import AlibabaSource
from ufota_testkit import virtual_clock

BOTH = True  # runs on CPython and on MicroPython


# How long a login takes, and how long the watchdog waits


class Watched:
    """A board. longest: ms between two calls of feed()"""

    layout = {}

    def __init__(self, clock):
        self._clock = clock
        self._last = clock.now_ms
        self.longest = 0

    def feed(self):
        self.longest = max(self.longest, self._clock.now_ms - self._last)
        self._last = self._clock.now_ms

    def log(self, text):
        pass


class Net:
    """`socket` and `select` with one server, in the time of a clock.

    reach_ms:  until a connection is there
    drip_ms:   between two bytes that the server says
    hears:     False: it says nothing to what it hears
    """

    SOCK_STREAM = POLLIN = 1
    POLLOUT = 4

    def __init__(self, clock, service, reach_ms=0, drip_ms=0, hears=True, lost=()):
        self.clock = clock
        self.broker = Broker(service)
        self.reach_ms = reach_ms
        self.drip_ms = drip_ms
        self.hears = hears
        self.lost = lost  # kinds of packets that are not answered
        self.closed = 0
        self.said = b""
        self.next_ms = 0

    def getaddrinfo(self, host, port, *_):
        return [(2, 1, 0, "", (host, port))]

    def socket(self, *_):
        self.begun_ms = self.clock.now_ms
        return self

    def setblocking(self, flag):
        pass

    def connect(self, address):
        raise OSError(EINPROGRESS, "")

    def poll(self, ms=None):
        if ms is None:
            return self
        if self._watched == self.POLLOUT and self.clock.now_ms - self.begun_ms >= self.reach_ms:
            return (1,)
        self.clock.sleep_ms(ms)
        return ()

    def register(self, stream, events):
        self._watched = events

    def write(self, data):
        data = bytes(data)
        if self.hears and data[0] not in self.lost:
            self.said += self.broker.hear(data)
        return len(data)

    def readinto(self, mv):
        if not self.said or self.clock.now_ms < self.next_ms:
            return None
        self.next_ms = self.clock.now_ms + self.drip_ms
        count = min(len(mv), 1 if self.drip_ms else len(mv), len(self.said))
        mv[:count] = self.said[:count]
        self.said = self.said[count:]
        return count

    def close(self):
        self.closed += 1


class Mqtt:
    """What Link sees of umqtt.simple, and as much of its work as a login takes."""

    client_id, server, port, user, pswd = "id", "host", 1883, "user", "secret"
    keepalive, ssl, sock = 60, None, None
    lw_topic = lw_msg = None
    lw_qos, lw_retain = 0, False

    def connect(self, clean_session=True, timeout=None):
        raise AssertionError("it waits in one piece")

    def set_callback(self, callback):
        pass

    def subscribe(self, topic, qos=0):
        self.sock.setblocking(True)
        self.sock.write(b"\x82" + bytes((5 + len(topic), 0, 1, 0, len(topic))) + topic + b"\1")
        assert self.sock.read(1) == b"\x90"
        assert self.sock.read(4)[3] != 0x80


def login(mqtt=None, patience_ms=10000, **net):
    """(error or None, ms it took, longest time without feed(), Net) of one login."""
    clock = set_clock()
    made = Net(clock, Cloud(), **net)
    board = Watched(clock)
    more = {"patience_ms": patience_ms, "random": virtual_clock.low}
    link = Link(board, mqtt or Mqtt(), *WHERE.split("/"), 2564, None, **more)
    plugged = (connect, "socket"), (connect, "select"), (bounded_socket, "select")
    before = [getattr(module, name) for module, name in plugged]
    for module, name in plugged:
        setattr(module, name, made)
    try:
        link.connect()
        error = None
    except FwError as found:
        error = found
    finally:
        for (module, name), was in zip(plugged, before):
            setattr(module, name, was)
    board.feed()
    assert link.up == (error is None) and made.closed == (error is not None)
    return error, clock.now_ms, board.longest, made


def test_a_login_goes_through():
    error, took_ms, longest_ms, _ = login()
    assert error is None and took_ms < 1000 and longest_ms < 1000


def test_no_login_takes_longer_than_its_deadline_or_starves_the_watchdog():
    for name, most_ms, net in (
        ("no connection", 5500, {"reach_ms": 60000}),
        ("silent", 10500, {"hears": False}),
        ("a byte each 9 s", 10500, {"drip_ms": 9000}),
        ("a byte each 3 s", 10500, {"drip_ms": 3000}),
        ("slow, then silent", 10500, {"reach_ms": 4000, "hears": False}),
        ("no SUBACK", 10500, {"lost": (0x82,)}),
    ):
        error, took_ms, longest_ms, _ = login(**net)
        assert (error.code, error.at) == (errors.CONNECT, ETIMEDOUT), name
        assert most_ms - 1000 < took_ms < most_ms and longest_ms <= 1000, (name, took_ms)


def test_the_deadline_is_the_patience():
    error, took_ms, _, _ = login(patience_ms=2000, hears=False)
    assert error.at == ETIMEDOUT and 2000 < took_ms < 2500


def test_a_broker_that_takes_its_time_is_waited_for():
    error, took_ms, longest_ms, _ = login(reach_ms=4000, drip_ms=200)
    assert error is None and 6000 < took_ms < 9000 and longest_ms <= 1000


def test_a_refused_login_has_its_number():
    for said, code, at in (
        (b"\x20\x02\0\5", errors_net.LOGIN, 5),
        (b"\x20\x02\0\4", errors_net.LOGIN, 4),
        (b"\x20\x02\0\3", errors.CONNECT, 3),  # unavailable
        (b"HTTP/1.1 400", errors_net.BAD_MESSAGE, 0x48),
    ):
        clock = set_clock()
        net = Net(clock, Cloud())
        net.broker.hear = lambda data, said=said: said
        more = {"random": virtual_clock.low}
        link = Link(Watched(clock), Mqtt(), *WHERE.split("/"), 2564, None, **more)
        connect.socket, sockets = net, connect.socket
        connect.select, bounded_socket.select, selects = net, net, connect.select
        try:
            error = raises(code, link.connect)
        finally:
            connect.socket = sockets
            connect.select = bounded_socket.select = selects
        assert error.at == at and net.closed == 1 and not link.up


def test_the_packet_is_what_umqtt_sends():
    plain = connect.packet(Mqtt())
    assert plain == b"\x10\x1c\0\x04MQTT\x04\xc2\0\x3c\0\x02id\0\x04user\0\x06secret"
    mqtt = Mqtt()
    mqtt.lw_topic, mqtt.lw_msg, mqtt.lw_qos, mqtt.lw_retain = b"t", b"gone", 1, True
    mqtt.user, mqtt.keepalive = None, 300
    assert connect.packet(mqtt) == b"\x10\x17\0\x04MQTT\x04\x2e\x01\x2c\0\x02id\0\x01t\0\x04gone"
    mqtt = Mqtt()
    mqtt.client_id = "i" * 200
    assert connect.packet(mqtt)[:3] == b"\x10\xe2\x01" and len(connect.packet(mqtt)) == 229


# When it is tried


def test_connecting_again_is_not_tried_all_the_time():
    cloud = Cloud()
    device = Device(cloud, random=virtual_clock.high)
    cloud.broken = OSError(111)
    tried = []
    cloud._check = lambda: tried.append(1) or _raise(cloud.broken)
    steps = [60, 120, 240, 480] + 300 * [600]  # even after seven days
    for step_s in steps:
        raises(errors.CONNECT, device.source.offer)
        count = len(tried)
        device.clock.sleep_ms(step_s * 990)
        raises(errors.CONNECT, device.source.offer)
        assert len(tried) == count, step_s
        device.clock.sleep_ms(step_s * 10)
    assert len(tried) == 303
    del cloud._check
    cloud.broken = None
    device.source.offer()
    cloud.broken = OSError(104)
    raises(errors.CONNECT, device.source.offer)
    cloud.broken = None
    device.clock.sleep_ms(59000)
    raises(errors.CONNECT, device.source.offer)
    device.clock.sleep_ms(1000)
    device.source.offer()
    assert cloud.connects == 2, "it begins with the least step again"


def test_a_fleet_logs_in_spread_at_power_up_and_after_a_restart_of_the_broker():
    clock = set_clock()
    fleet = [Link(Quiet(), Cloud(), KEY, str(i), 512, None) for i in range(200)]
    for _ in range(2):
        seconds = {}
        begun_ms = clock.now_ms
        while not all(link.up for link in fleet):
            for link in fleet:
                if not link.up:
                    rest(link.connect)
                    if link.up:
                        second = (clock.now_ms - begun_ms) // 1000
                        seconds[second] = seconds.get(second, 0) + 1
            clock.sleep_ms(100)
        # 3.3 on average. Chance brings more than 20 once in 10^9 seconds.
        assert max(seconds.values()) <= 20 and 30 < max(seconds) <= 61, seconds
        for link in fleet:
            link.mqtt.broken = OSError(104)
            raises(errors.CONNECT, link.pump)
            link.mqtt.broken = None


class Quiet:
    """A board without anything."""

    layout = {}

    def feed(self):
        pass


def rest(connect):
    """Call connect(); it may not be time yet."""
    try:
        connect()
    except FwError as error:
        assert (error.code, error.at) == (errors.CONNECT, 0)


def test_knobs_are_checked_when_they_are_turned():
    for knobs in (
        {"reconnect_s": 0},
        {"reconnect_s": 601},
        {"reconnect_s": 0.5},
        {"reconnect_s": 1.5},
        {"patience_ms": 99},
        {"patience_ms": 60001},
        {"block_ms": 0},
        {"block_ms": -1},
        {"repeats": -1},
        {"repeats": 101},
        {"repeats": "3"},
        {"repeats": None},
        {"repetitions": 3},
    ):
        try:
            Device(Cloud(), **knobs)
        except (ValueError, TypeError):
            continue
        raise AssertionError(knobs)
    link = Device(Cloud(), reconnect_s=2.0, block_ms=500, repeats=0).source.link
    assert (link.reconnect_s, link.patience_ms, link.block_ms, link.repeats) == (2, 10000, 500, 0)
    try:
        AlibabaSource(Quiet(), None, None, None, link=link, repeats=1)
    except ValueError:
        return
    raise AssertionError("they are the other module's")


def test_connecting_has_a_deadline_where_the_client_knows_one():
    class Today(Cloud):
        def connect(self, clean_session=True, timeout=None):
            asked.append((clean_session, timeout))
            super().connect()

    asked = []
    cloud = Today()
    Device(cloud).source.offer()
    assert asked == [(True, 5)] and cloud.connects == 1


def _raise(error):
    raise error


def _raise(error):
    raise error
