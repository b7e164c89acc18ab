"""A device of Alibaba's cloud whose first connection is an attacker's; MicroPython.

    micropython .../alibaba_attacked.py PORT PRODUCT_KEY DEVICE_NAME SECRET WAIT_MS

WAIT_MS is what it waits for an answer of the attacker. Prints one line of JSON: the first error
and when it came, the longest call, and of the file that the next connection brings, its size
and digest.
"""

import gc
import json
import socket
import sys
import time
from binascii import hexlify
from hashlib import sha256

from umqtt.simple import MQTTClient

from fwcore.errors import FwError
from ufota.alibaba import link
from ufota.alibaba.login import login
from ufota.sources.alibaba import AlibabaSource

_END_MS = 300000
_REST_MS = 6000  # the longest wait before the second attempt to connect


class Today(MQTTClient):
    """umqtt.simple as micropython-lib has it by now: connect() takes a timeout."""

    _timeout = None

    def connect(self, clean_session=True, timeout=None):
        self._timeout = timeout
        return super().connect(clean_session)

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, sock):
        if self._timeout and isinstance(sock, socket.socket):
            sock.settimeout(self._timeout)
        self._sock = sock


class Later:
    """`time` of a device that has waited long enough to connect again."""

    ticks_diff = staticmethod(time.ticks_diff)
    sleep_ms = staticmethod(time.sleep_ms)

    def ticks_ms(self):
        return time.ticks_add(time.ticks_ms(), _REST_MS)


class Board:
    """No storage: what is fetched here is only looked at."""

    layout = {}
    fed = 0

    def feed(self):
        self.fed += 1

    def log(self, text):
        pass


def attack(cloud, wait_ms):
    """Poll until the first error: {code, ms, longest}."""
    cloud.link.patience_ms = wait_ms
    start = time.ticks_ms()
    found = {"longest": 0}
    while "code" not in found and time.ticks_diff(time.ticks_ms(), start) < _END_MS:
        before = time.ticks_ms()
        try:
            cloud.offer()
        except FwError as error:
            found["code"] = error.code
        found["longest"] = max(found["longest"], time.ticks_diff(time.ticks_ms(), before))
        cloud.wait(20)
    found["ms"] = time.ticks_diff(time.ticks_ms(), start)
    return found


def fetch(cloud):
    """What comes over the next connection: (size, digest)."""
    cloud.link.patience_ms = 30000
    link.time = Later()
    start = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), start) < _END_MS:
        try:
            url = cloud.offer()
        except FwError:  # too soon to connect again
            url = None
        if url:
            return drain(cloud, url)
        cloud.wait(50)
        time.sleep_ms(20)
    return 0, ""


def drain(cloud, url):
    mv = memoryview(bytearray(512))
    digest, size = sha256(), 0
    cloud.open(url)
    while True:
        count = cloud.readinto(mv)
        if count is None:
            cloud.wait(50)
        elif count:
            digest.update(mv[:count])
            size += count
        else:
            return size, hexlify(digest.digest()).decode()


def at_once(bits):
    """`random` of a device that does not wait before it logs in."""
    return 0


def main(port, product_key, device_name, secret, wait_ms):
    gc.threshold(512)  # as firmware does: garbage of imports would end as holes
    board = Board()
    name, user, password = login(product_key, device_name, secret)
    mqtt = Today(name, "127.0.0.1", int(port), user, password, keepalive=60)
    cloud = AlibabaSource(board, mqtt, product_key, device_name, version="1.0.0", random=at_once)
    found = attack(cloud, int(wait_ms))
    found["fed"] = board.fed
    gc.collect()
    found["file"] = fetch(cloud)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
