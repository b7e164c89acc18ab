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
from ufota.alibaba import job as jobs

_CALL_MS = const(10000)  # what one call of the MQTT client may take
_LEAST_MS = const(5000)
_MOST_S = const(600)  # between two attempts to connect: pushes are missed meanwhile
_NAP_MS = const(20)


class Link:
    """The connection; up once connected() has gone through.

    board:     its watchdog is fed
    mqtt:      umqtt.simple's interface: set_callback(f), connect(), subscribe(topic, qos),
               publish(topic, msg, retain, qos), check_msg(), ping(); any exception of its own
               is taken for a broken connection. One with `sock`, as umqtt has, gets a
               BoundedSocket; with `keepalive` (s) it is pinged
    block:     bytes of the longest reply with a block
    on_other:  on_other(topic, msg), bytes-like, for all other topics; raises nothing
    patience_ms: what one call of the client may take, with a BoundedSocket; and each step
               of connect(), where that takes a timeout, as micropython-lib's does by now
    reply:     bytes of the last reply with a block, until somebody sets it to None
    asker:     module whose firmware/get, sent at asked_ms, is not answered yet
    error:     FwError of the last message that was not as documented
    refused:   (module, FwError) of a job that no module here takes, until that is reported
    """

    def __init__(self, board, mqtt, product_key, device_name, block, on_other):
        self.board = board
        self.mqtt = mqtt
        self.where = product_key + "/" + device_name
        self.limit = max(block, jobs.MAX_MESSAGE)
        self.on_other = on_other
        self.patience_ms = _CALL_MS
        self.modules = {}
        self.up = False
        self.reply = None
        self.asker = None
        self.asked_ms = 0
        self.error = self.refused = None
        self._id = 0
        self._bounded = None
        self._blocks = b""  # topic of the replies, once they were asked for
        self._retry = None  # Retry, once an attempt has failed: heap
        self._tried_ms = self._rest_ms = 0  # the last attempt, and how long to wait after it

    def connect(self):
        """Connect, unless connected, or tried not long ago. Raises FwError CONNECT."""
        if self.up:
            return
        now_ms = time.ticks_ms()
        error = FwError(errors.CONNECT)
        if self._rest_ms and time.ticks_diff(now_ms, self._tried_ms) < self._rest_ms:
            raise error
        self._tried_ms = now_ms
        self._rest_ms = _LEAST_MS
        self._drop()
        self.board.feed()
        try:
            self._call(self._open)
            self.connected()
        except FwError:
            if not self._retry:
                from ufota.sources.retry import Retry

                self._retry = Retry(max_s=_MOST_S)
            self._rest_ms = self._retry.after(error) or _MOST_S * 1000
            raise

    def _open(self):
        try:
            self.mqtt.connect(True, self.patience_ms // 1000)
        except TypeError:  # a client whose connect() has no time limit
            self.mqtt.connect()

    def connected(self):
        """The client has just been connected: subscribe, and let the modules report.

        raises:  FwError CONNECT
        """
        self.up = False
        sock = getattr(self.mqtt, "sock", None)
        if sock and sock is not self._bounded:
            from ufota.alibaba.bounded_socket import BoundedSocket

            self._bounded = BoundedSocket(self.board, sock, self.limit, self.patience_ms)
            self.mqtt.sock = self._bounded
        self.mqtt.set_callback(self._hear)
        self._push = self._topic("/ota/device/upgrade/%s")
        self._got = self._topic("/sys/%s/thing/ota/firmware/get_reply")
        self._call(self.mqtt.subscribe, self._push, 1)
        self._call(self.mqtt.subscribe, self._got, 1)
        self.asker = None
        self._pinged_ms = time.ticks_ms()
        self.up = True
        if self._blocks:
            self._call(self.mqtt.subscribe, self._blocks, 0)
        self._retry = None
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
            self._drop()
            raise FwError(errors.TIMEOUT)
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
        """Call the MQTT client; whatever it raises means that the connection is gone.

        umqtt raises OSError, but also IndexError, AssertionError, MQTTException and, as it
        reads a message in one piece, MemoryError: there is no narrower class.
        """
        if self._bounded:
            self._bounded.start()
        try:
            found = method(*args)
            if self._bounded:
                self._bounded.flush()
            return found
        except FwError:
            self._drop()
            raise
        except Exception as error:
            self._drop()
            number = error.args[0] if error.args else 0
            raise FwError(errors.CONNECT, number if isinstance(number, int) else 0)

    def _drop(self):
        self.up = False
        if self._bounded:
            self._bounded.close()
            self._bounded = None

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
