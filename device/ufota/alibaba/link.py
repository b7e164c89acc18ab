"""One MQTT connection to Alibaba Cloud IoT, for all modules of a device.

Owns the topics, the connection and what the MQTT client lacks: deadlines, pings, a longest
message, and one kind of error. job.py parses the messages; the modules of the device
(sources/alibaba.py) act on them.

Messages are only received in pump(), and while the MQTT client waits for an acknowledgement;
nothing is published from there.
"""

import json
import time

from micropython import const

from fwcore import errors, errors_net
from fwcore.errors import FwError
from fwcore.modules import load
from ufota.alibaba import job as jobs

_CONNECT_S = const(5)  # for each step of a connect() that takes a timeout
_MOST_MS = const(600000)  # the longest step between two logins: pushes are missed meanwhile
_NAP_MS = const(20)


class Link:
    """The connection; up once connected() has gone through.

    board:     its watchdog is fed
    mqtt:      umqtt.simple's client, or one with its interface: set_callback(f), connect(),
               subscribe(topic, qos), publish(topic, msg, retain, qos), check_msg(), ping(); any
               exception of its own is taken for a broken connection. connect.py connects
               umqtt.simple's. One with `sock`, as umqtt has, gets a BoundedSocket; with
               `keepalive` (s) it is pinged
    block:     bytes of the longest reply with a block
    on_other:  on_other(topic, msg), bytes-like, for all other topics; raises nothing
    random:    function(bits) -> 0..2**bits - 1; None: what the port has
    reply:     bytes of the last reply with a block, until somebody sets it to None
    asker:     module whose firmware/get, sent at asked_ms, is not answered yet
    error:     FwError of the last message that was not as documented
    refused:   (module, FwError) of a job that no module here takes, until that is reported

    The knobs, whole numbers:
    reconnect_s: the first login, and one after a break, waits for a random part of it; after a
               login that failed the part is of twice as much, up to 600 s. So a fleet comes back
               spread over these seconds; 1..600
    patience_ms: what one call of the client may take, and all of a login; 100..60000
    block_ms:  what the service may take to answer for a block, or for a job; 100..600000
    repeats:   how often it is asked again; 0..100
    raises:    ValueError for a knob out of bounds, TypeError for one that is no number, and
               for what is no MQTT client
    """

    def __init__(
        self,
        board,
        mqtt,
        product_key,
        device_name,
        block,
        on_other,
        reconnect_s=60,
        patience_ms=10000,
        block_ms=10000,
        repeats=3,
        random=None,
    ):
        for value, least, most in (
            (reconnect_s, 1, 600),
            (patience_ms, 100, 60000),
            (block_ms, 100, 600000),
            (repeats, 0, 100),
        ):
            if not least <= value <= most or value != int(value):
                raise ValueError
        if not hasattr(mqtt, "set_callback") or on_other and not callable(on_other):
            raise TypeError  # which would be taken for a broken connection, for ever
        if not getattr(mqtt, "ssl", True):
            board.log("[WARN] The MQTT login goes without TLS: give the client ssl=")
        self.board = board
        self.mqtt = mqtt
        self.where = "/".join((product_key, device_name))  # + takes bytes on MicroPython
        self.limit = max(block, jobs.MAX_MESSAGE)
        self.on_other = on_other
        self.reconnect_s = int(reconnect_s)
        self.patience_ms = int(patience_ms)
        self.block_ms = int(block_ms)
        self.repeats = int(repeats)
        self.random = random
        self.modules = {}
        self.up = False
        self.reply = None
        self.asker = None
        self.asked_ms = 0
        self.error = self.refused = None
        self._id = 0
        self._bounded = None
        self._blocks = b""  # topic of the replies, once they were asked for
        self._failed = 0  # logins in a row
        self._rest_ms = -1  # how long to wait with the next one, from _mark_ms on; -1: unknown

    def connect(self):
        """Log in, unless that is done, or it is not time yet.

        raises:  FwError CONNECT, also before it is time; TIMEOUT | LOGIN | NO_MEMORY | 101..107
        """
        if self.up:
            return
        if self._rest_ms < 0:
            self._rest()
        if time.ticks_diff(time.ticks_ms(), self._mark_ms) < self._rest_ms:
            raise FwError(errors.CONNECT)
        self._failed += 1
        self.board.feed()
        mqtt = self.mqtt
        try:
            if hasattr(mqtt, "pswd") and mqtt.ssl is not True:  # with umqtt.simple's fields
                load("ufota.alibaba", "bounded_socket connect")
                from ufota.alibaba import connect

                mqtt.sock = self._bounded = connect.log_in(self)
                self._subscribe()
            else:
                self._open()
                self.connected()
            return
        except Exception as error:
            failed = self._lost(error)
        raise failed

    def _open(self):
        try:
            self.mqtt.connect(True, _CONNECT_S)
        except TypeError:  # a client whose connect() has no time limit
            self.mqtt.connect()

    def connected(self):
        """The application has connected the client: subscribe, and let the modules report.

        raises:  FwError CONNECT | ...
        """
        self.up = False
        sock = getattr(self.mqtt, "sock", None)
        if sock and sock is not self._bounded:
            from ufota.alibaba.bounded_socket import BoundedSocket

            self._bounded = BoundedSocket(self.board, sock, self.limit, self.patience_ms)
            self.mqtt.sock = self._bounded
        elif self._bounded:
            self._bounded.start(time.ticks_ms())
        self._subscribe()

    def _subscribe(self):
        """The end of a login: within its deadline, so no call here begins anew."""
        self.mqtt.set_callback(self._hear)
        self._push = self._topic("/ota/device/upgrade/%s")
        self._got = self._topic("/sys/%s/thing/ota/firmware/get_reply")
        self._call(self.mqtt.subscribe, self._push, 1)
        self._call(self.mqtt.subscribe, self._got, 1)
        if self._blocks:
            self._call(self.mqtt.subscribe, self._blocks, 0)
        self.asker = None
        self._pinged_ms = time.ticks_ms()
        self._failed = 0
        self.up = True
        for module in self.modules.values():
            module.connected()

    def hear_blocks(self):
        """Replies with blocks are wanted from now on. Raises FwError CONNECT."""
        if not self.up:
            raise FwError(errors.CONNECT)
        if not self._blocks:
            topic = self._topic("/sys/%s/thing/file/download_reply")
            self._call(self.mqtt.subscribe, topic, 0)
            self._blocks = topic

    def pump(self):
        """Take in one message, if one has come, and keep the connection alive.

        raises:  FwError CONNECT when the connection is, or gets, broken
        """
        if not self.up:
            raise FwError(errors.CONNECT)
        self._call(self.mqtt.check_msg)
        patience_ms = getattr(self.mqtt, "keepalive", 0) * 500
        if not patience_ms:
            return
        now_ms = time.ticks_ms()
        if self._bounded and time.ticks_diff(now_ms, self._bounded.heard_ms) > 3 * patience_ms:
            raise self._lost(FwError(errors.TIMEOUT))
        if time.ticks_diff(now_ms, self._pinged_ms) > patience_ms:
            self._pinged_ms = now_ms
            self._call(self.mqtt.ping)

    def publish(self, topic, rest, qos=0):
        """Send {"id": the next one, rest} to a topic with the device in place of its %s.

        returns:  the id, text
        raises:   FwError CONNECT
        """
        if not self.up:
            raise FwError(errors.CONNECT)
        self._id = self._id % 0xFFFF + 1
        name = str(self._id)
        msg = '{"id":"' + name + '",' + rest + "}"
        self._call(self.mqtt.publish, self._topic(topic), msg.encode(), False, qos)
        return name

    def wait(self, ms):
        """Sleep until something comes, for at most ms."""
        if self._bounded:
            self._bounded.wait(ms)
        else:
            time.sleep_ms(min(ms, _NAP_MS))

    def _topic(self, pattern):
        return (pattern % self.where).encode()

    def _call(self, method, *args):
        """Call the MQTT client; whatever it raises means that the connection is gone."""
        bounded = self._bounded
        if bounded and self.up:
            bounded.start(time.ticks_ms())
        try:
            found = method(*args)
            if bounded:
                bounded.flush()
            return found
        except Exception as error:
            failed = self._lost(error)
        raise failed

    def _lost(self, error):
        """The connection is gone, or was not made. Returns the FwError for an exception.

        umqtt raises OSError, but also IndexError, AssertionError, MQTTException and, as it
        reads a message in one piece, MemoryError: there is no narrower class.
        """
        self._drop()
        self._rest()
        if isinstance(error, FwError):
            return error
        if isinstance(error, MemoryError):
            return FwError(errors.NO_MEMORY)
        number = error.args[0] if error.args else 0
        return FwError(errors.CONNECT, number if isinstance(number, int) else 0)

    def _drop(self):
        self.up = False
        if self._bounded:
            self._bounded.close()
            self._bounded = None

    def _rest(self):
        """Wait with the next login for a random part of a step, which each failure doubles."""
        if not self.random:
            from ufota.sources.retry import noise

            self.random = noise()
        step_ms = min(self.reconnect_s * 1000 << min(self._failed, 10), _MOST_MS)
        self._rest_ms = step_ms * self.random(12) >> 12
        self._mark_ms = time.ticks_ms()

    def _hear(self, topic, msg):
        """Callback of the MQTT client. Raises nothing: it may be inside of publish()."""
        topic = bytes(topic)
        if topic == self._push or topic == self._got:
            try:
                self._offered(msg, topic == self._got)
            except FwError as error:
                self.error = error
        elif self._blocks and topic == self._blocks:
            if self.reply is None and len(msg) <= self.limit:
                self.reply = msg
        elif self.on_other:
            self.on_other(topic, msg)

    def _offered(self, msg, asked):
        """An offer, or the answer to a request. Raises FwError."""
        try:
            name, job = jobs.read(msg)
        except FwError as error:
            if error.code == errors.UNSUPPORTED:
                self.refused = error.at, error
            raise
        asker = self.asker if asked else None
        if asker and name != asker.asked:  # late: there is a newer question
            asker = None
        if asker:
            self.asker = None
        module = self.modules.get(job.module) if job else None
        if asker and (not job or not job.module):  # what is left out is as it was asked for
            module = asker
        if asker and module is not asker:
            asker.offered(None, True)
        if module:
            module.offered(job, asked)  # a late answer is no push either
        elif job:
            self.refused = job.module, FwError(errors_net.WRONG_COMPONENT)


def quoted(value):
    """Text as a JSON string."""
    return json.dumps(value)
