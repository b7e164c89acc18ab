"""A broker of MQTT for one device, without a network: bytes in, bytes out. For umqtt.simple.

Runs on CPython, on MicroPython, and in the application of the emulated board. Real brokers are in
brokers.py.
"""

import struct


class Broker:
    """A broker with a service right behind it.

    service:  publish(topic, msg), bytes both, is told what the device publishes; inbox, a list of
              (topic, msg), str and bytes, is what the device is to be told
    """

    def __init__(self, service):
        self._service = service
        self._heard = b""

    def asks(self):
        """What the service has to say by now: bytes."""
        said = b""
        while self._service.inbox:
            topic, msg = self._service.inbox.pop(0)
            said += publication(topic.encode(), msg)
        return said

    def hear(self, data):
        """Take what the device sends, cut anywhere. Returns what the broker says to it: bytes."""
        self._heard += data
        said = b""
        while True:
            found = _packet(self._heard)
            if not found:
                return said
            kind, body, self._heard = found
            said += self._reply(kind, body)

    def _reply(self, kind, body):
        if kind == 0x10:
            return b"\x20\x02\0\0"
        if kind == 0x82:
            return b"\x90\x03" + body[:2] + b"\0"
        if kind & 0xF0 != 0x30:
            return b""
        end = 2 + struct.unpack_from(">H", body)[0]
        topic, said = body[2:end], b""
        if kind & 6:
            said = b"\x40\x02" + body[end : end + 2]
            end += 2
        self._service.publish(topic, body[end:])
        return said


def publication(topic, msg, kind=0x30):
    """The packet of a message. kind: its first byte, which holds the QoS"""
    size = 2 + len(topic) + len(msg)
    head = bytes((kind,))
    while size > 127:
        head += bytes((size & 127 | 128,))
        size >>= 7
    return head + bytes((size,)) + struct.pack(">H", len(topic)) + topic + msg


def _packet(data):
    """(first byte, rest, what follows) of a packet; None while it is not whole."""
    size = shift = 0
    for at in range(1, len(data)):
        size |= (data[at] & 0x7F) << shift
        shift += 7
        if not data[at] & 0x80:
            end = at + 1 + size
            return (data[0], data[at + 1 : end], data[end:]) if end <= len(data) else None
    return None
