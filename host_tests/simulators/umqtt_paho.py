"""umqtt.simple's interface on paho-mqtt, so that the device's code runs on CPython too.

CPython only; on MicroPython the tests use umqtt.simple itself.
"""

import queue
import threading

from paho.mqtt import client as paho

_PATIENCE_S = 300


class MQTTClient:
    def __init__(self, client_id, server, port=1883, user=None, password=None, keepalive=0):
        self.keepalive = keepalive
        self._where = server, port
        self._login = client_id, user, password
        self._callback = None
        self._client = None

    def set_callback(self, callback):
        self._callback = callback

    def connect(self, clean_session=True):
        self._close()
        client_id, user, password = self._login
        self._messages = queue.Queue()
        self._lost = False
        self._acked = threading.Event()
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id,
            clean_session,
            reconnect_on_failure=False,
        )
        client.username_pw_set(user, password)
        connected = threading.Event()
        codes = []

        def on_connect(client, userdata, flags, code, properties):
            codes.append(code)
            connected.set()

        def on_disconnect(*_):
            self._lost = True

        client.on_connect, client.on_disconnect = on_connect, on_disconnect
        client.on_message = lambda client, userdata, message: self._messages.put(message)
        client.on_subscribe = lambda *_: self._acked.set()
        client.connect(*self._where, self.keepalive or 60)
        client.loop_start()
        self._client = client
        if not connected.wait(_PATIENCE_S) or codes[0].is_failure:
            self._close()
            raise OSError(codes[0].value if codes else -1)

    def disconnect(self):
        self._close()

    def _close(self):
        if self._client:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def ping(self):
        pass  # paho pings by itself

    def publish(self, topic, msg, retain=False, qos=0):
        info = self._alive().publish(topic.decode(), bytes(msg), qos, retain)
        if qos:
            info.wait_for_publish(_PATIENCE_S)
            if not info.is_published():
                raise OSError(110)

    def subscribe(self, topic, qos=0):
        self._acked.clear()
        self._alive().subscribe(topic.decode(), qos)
        if not self._acked.wait(_PATIENCE_S):
            raise OSError(110)

    def check_msg(self):
        self._alive()
        try:
            message = self._messages.get_nowait()
        except queue.Empty:
            return
        self._callback(message.topic.encode(), message.payload)

    def _alive(self):
        if self._lost or not self._client:
            raise OSError(-1)
        return self._client
