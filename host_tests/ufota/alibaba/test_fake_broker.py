"""The broker that answers scenes and benches speaks MQTT on both interpreters, cut anywhere."""

from fake_broker import Broker, publication

BOTH = True  # runs on CPython and on MicroPython

CONNECT = b"\x10\x02\0\0"
SUBSCRIBE = b"\x82\x06\0\x07\0\x01t\x01"
LARGE = bytes(300)


class Service:
    def __init__(self):
        self.inbox = []
        self.told = []

    def publish(self, topic, msg):
        self.told.append((topic, msg))
        self.inbox.append(("re", b"+" + msg[:3]))


def test_a_device_is_answered_packet_by_packet():
    service = Service()
    broker = Broker(service)
    acknowledged = b"\x32\x08\0\x01q\0\x09one"
    sent = CONNECT + SUBSCRIBE + publication(b"top", LARGE) + acknowledged
    said = b"".join([broker.hear(sent[i : i + 1]) for i in range(len(sent))])
    assert said == b"\x20\x02\0\0" + b"\x90\x03\0\x07\0" + b"\x40\x02\0\x09"
    assert service.told == [(b"top", LARGE), (b"q", b"one")]
    assert broker.asks() == b"\x30\x08\0\x02re+\0\0\0" + b"\x30\x08\0\x02re+one"
    assert broker.asks() == b""


def test_a_long_publication_has_its_length_in_two_bytes():
    assert publication(b"top", LARGE, 0x34) == b"\x34\xb1\x02\0\x03top" + LARGE
