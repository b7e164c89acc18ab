"""The HTTP source and the client against real servers: nginx, and Python's http.server.

nginx does what a maker's server does: ranges, a rate, a gzip that it would rather send, TLS of
one version only, client certificates. Certificates are trustme's.
"""

import os
import socket
import subprocess
import sys
import time
from hashlib import sha256

import pytest

import servers
import tls_kit
from fwcore import errors, errors_net
from helpers import PATIENCE_S
from http_lab import PATIENT_MS, Lab, Trial, bundle, eq, signed
from ufota_testkit.noise import noise

BODY = noise(40_000, 21)
TEXT = b"all the same " * 4000  # worth compressing
IMAGE = noise(30_000, 22)

CONFIG = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    root {folder}/www;
    gzip_types *;
    server {{
        listen 127.0.0.1:{plain};
        location /gzip/ {{ alias {folder}/www/; gzip on; }}
        location /whole/ {{ alias {folder}/www/; max_ranges 0; }}
        location /slow/ {{ alias {folder}/www/; limit_rate 20k; }}
        location /moved {{ return 302 /body; }}
        location /away {{ return 307 http://127.0.0.1:{other}/body; }}
        location /insecure {{ return 301 http://127.0.0.1:{plain}/body; }}
        location /busy {{ add_header Retry-After 11 always; return 503; }}
        location /gone {{ return 410; }}
        location /nothing {{ return 204; }}
        location /bare/ {{ alias {folder}/www/; etag off; add_header Last-Modified ""; }}
    }}
    server {{ listen 127.0.0.1:{other}; }}
    ssl_certificate {folder}/good.pem;
    ssl_certificate_key {folder}/good.pem;
    server {{
        listen 127.0.0.1:{tls} ssl;
        location /x {{ return 301 http://127.0.0.1:{plain}/; }}
    }}
    server {{ listen 127.0.0.1:{tls12} ssl; ssl_protocols TLSv1.2; }}
    server {{ listen 127.0.0.1:{tls13} ssl; ssl_protocols TLSv1.3; }}
    server {{
        listen 127.0.0.1:{mutual} ssl;
        ssl_client_certificate {folder}/ca.pem;
        ssl_verify_client on;
    }}
}}
"""
PORTS = ("plain", "other", "tls", "tls12", "tls13", "mutual")


def free_ports(count):
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def wait_for(port, process):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server did not start")


def fill(www):
    """What all servers here have to give."""
    www.mkdir()
    (www / "body").write_bytes(BODY)
    (www / "text").write_bytes(TEXT)
    (www / "bundle").write_bytes(bundle(IMAGE))
    (www / "update").write_bytes(signed(IMAGE, "image"))
    (www / "image").write_bytes(IMAGE)
    for each in www.iterdir():
        os.utime(each, (1_700_000_000, 1_700_000_000))


class Nginx:
    """One nginx with all servers of CONFIG; url(path, server)."""

    def __init__(self, folder):
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        fill(folder / "www")
        tls_kit.Certificates(folder)
        self.certificate = lambda name: str(folder / name)
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, **self.ports))
        command = [servers.needs("nginx"), "-p", folder, "-c", config, "-e", folder / "error.log"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.log = folder / "access.log"

    def url(self, path, server="plain"):
        scheme = "http" if server in ("plain", "other") else "https"
        return f"{scheme}://127.0.0.1:{self.ports[server]}/{path}"

    def trusted(self, name="ca"):
        return {"ca": [self.certificate(name) + ".der"]}


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    made = Nginx(tmp_path_factory.mktemp("nginx"))
    try:
        wait_for(made.ports["plain"], made.process)
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@pytest.fixture(scope="module")
def lab_of():
    """lab_of(on): a Lab, made once for each interpreter."""
    made = {}

    def get(on):
        if on not in made:
            made[on] = Lab(on).__enter__()
        return made[on]

    yield get
    for each in made.values():
        each.__exit__()


@pytest.fixture(params=["cpython", "micropython"])
def trial(request, lab_of):
    name = request.node.name.replace("[", "-").strip("]")
    with Trial(lab_of(request.param), name) as made:
        yield made


def whole(found, body=BODY, start=0):
    eq("start", found["start"], start)
    eq("length", found["length"], len(body))
    eq("digest", found["digest"], sha256(body[start:]).hexdigest())


def test_object_comes_whole_and_from_any_byte_on(nginx, trial):
    found = trial.fetch(nginx.url("body"))
    whole(found)
    assert found["tag"].startswith('"') and found["status"] == 200
    for at in (1, 39_999):
        again = trial.fetch(nginx.url("body"), at=at, tag=found["tag"])
        whole(again, start=at)
        eq("status", again["status"], 206)
    end = trial.fetch(nginx.url("body"), at=40_000, tag=found["tag"])
    eq("end", (end["status"], end["size"], end["start"]), (416, 0, 40_000))


def test_object_that_is_another_comes_from_its_beginning(nginx, trial):
    whole(trial.fetch(nginx.url("body"), at=100, tag='"other"'))
    whole(trial.fetch(nginx.url("body"), at=100, tag="Wed, 21 Oct 2026 07:28:00 GMT"))
    whole(trial.fetch(nginx.url("body"), at=50_000, tag='"other"'))
    whole(trial.fetch(nginx.url("body"), at=50_000))  # 416, and no validator at all
    date = "Tue, 14 Nov 2023 22:13:20 GMT"
    whole(trial.fetch(nginx.url("body"), at=100, tag=date), start=100)


def test_server_that_would_compress_gives_plain_parts(nginx, trial):
    found = trial.fetch(nginx.url("gzip/text"))
    whole(found, TEXT)
    assert found["tag"].startswith('"')  # it is W/ for what was compressed
    whole(trial.fetch(nginx.url("gzip/text"), at=1000, tag=found["tag"]), TEXT, 1000)


def test_server_without_ranges_gives_the_whole(nginx, trial):
    whole(trial.fetch(nginx.url("whole/body"), at=1000, tag='"x"'))


def test_slow_server_is_waited_for_within_the_limit(nginx, trial):
    found = trial.fetch(nginx.url("slow/body"))
    whole(found)
    assert found["ms"] > 900
    trial.fetch(nginx.url("slow/body"), errors_net.TOO_SLOW, limit_ms=700)


def test_redirects_statuses_and_waits(nginx, trial):
    whole(trial.fetch(nginx.url("moved"), at=7), start=7)
    whole(trial.fetch(nginx.url("away")))
    found = trial.fetch(nginx.url("busy"), errors.HTTP_STATUS)
    eq("wait", (found["where"], found["retry_after_s"]), (503, 11))
    for path, status in (("gone", 410), ("nothing", 204), ("missing", 404)):
        eq(path, trial.fetch(nginx.url(path), errors.HTTP_STATUS)["where"], status)


def test_unchanged_object_is_not_sent_again(nginx, trial):
    spec = {"is_service": True, "timeout_ms": PATIENT_MS, "verb": "calls", "url": nginx.url("")}
    for tag in (trial.fetch(nginx.url("nothing.json"), errors.HTTP_STATUS)["tag"], ""):
        eq("no tag", tag, "")
    tag = trial.fetch(nginx.url("update"))["tag"]
    (nginx.log.parent / "www" / "news").write_text("news")
    news = trial.fetch(nginx.url("news"))["tag"]
    asks = [("GET", "news", "", each, 0) for each in ("", news, tag, news)]
    before = nginx.log.read_text().count("\n")
    found = trial.lab.run({**spec, "calls": asks})
    eq("answers", [each[:2] for each in found["answers"]], [[200, "news"], [304, ""]] * 2)
    eq("requests", nginx.log.read_text().count("\n") - before, 4)


def test_kept_connection_serves_all_requests(nginx, trial):
    spec = {"is_service": True, "timeout_ms": PATIENT_MS, "verb": "calls"}
    (nginx.log.parent / "www" / "short").write_text("short")
    asks = [("GET", "short", "", "", 0)] * 5
    for server, more in (("plain", {}), ("tls", nginx.trusted())):
        found = trial.lab.run({**spec, "url": nginx.url("", server), "calls": asks, **more})
        eq("answers", [each[1] for each in found["answers"]], ["short"] * 5)


def test_update_and_resume_over_plain_and_tls(nginx, trial):
    trial.update(nginx.url("bundle"), image=IMAGE)
    trial.update(nginx.url("update"), image=IMAGE)
    trial.update(nginx.url("bundle", "tls"), image=IMAGE, more=trust(nginx))
    trial.update(nginx.url("update", "tls12"), image=IMAGE, more=trust(nginx))
    trial.update(nginx.url("bundle", "tls"), errors_net.NOT_VERIFYING, image=IMAGE)
    trial.update(
        nginx.url("bundle", "tls"), errors_net.UNTRUSTED, image=IMAGE, more=trust(nginx, "strange")
    )


def trust(nginx, name="ca"):
    return "ca", nginx.certificate(name) + ".der"


def test_reset_goes_on_where_it_was(nginx, trial):
    """Lives of a client on one board; nginx's log tells the bytes that were sent."""
    before = len(nginx.log.read_text().splitlines())
    found = trial.update(
        nginx.url("bundle"),
        image=IMAGE,
        attempts=1,
        more=["resets", 9000, 17_000],
        remember=True,
        heap="96k",
    )
    eq("lives", found.count, 3)
    lines = nginx.log.read_text().splitlines()[before:]
    statuses = [int(line.split('" ')[1].split()[0]) for line in lines]
    assert statuses.count(206) == 2, lines


def test_tls_of_one_version(nginx, trial):
    whole(trial.fetch(nginx.url("body", "tls12"), **nginx.trusted()))
    if trial.on_device:
        found = trial.fetch(nginx.url("body", "tls13"), errors_net.TLS_REFUSED, **nginx.trusted())
        eq("mbedTLS says", found["where"], 30592)
    else:
        whole(trial.fetch(nginx.url("body", "tls13"), **nginx.trusted()))
        old = {**nginx.trusted(), "old": True}
        trial.fetch(nginx.url("body", "tls13"), errors_net.TLS_REFUSED, **old)
    found = trial.fetch(nginx.url("x", "tls"), errors_net.INSECURE_REDIRECT, **nginx.trusted())
    eq("size", found["size"], 0)


def test_client_certificate(nginx, trial):
    url = nginx.url("body", "mutual")
    whole(trial.fetch(url, **nginx.trusted(), cert=nginx.certificate("device")))
    found = trial.fetch(url, errors.HTTP_STATUS, **nginx.trusted())
    eq("nginx says", found["where"], 400)


# Python's own server: no ranges, no ETag, HTTP/1.0


@pytest.fixture(scope="module")
def simple(tmp_path_factory):
    """Address of a `python -m http.server`."""
    www = tmp_path_factory.mktemp("simple") / "www"
    fill(www)
    (port,) = free_ports(1)
    command = ["http.server", "--bind", "127.0.0.1", "--directory", str(www), str(port)]
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def test_server_of_python_starts_over(simple, trial):
    found = trial.fetch(simple + "body")
    whole(found)
    eq("tag", found["tag"], "Tue, 14 Nov 2023 22:13:20 GMT")
    whole(trial.fetch(simple + "body", at=1000, tag=found["tag"]))
    trial.update(simple + "bundle", image=IMAGE)
    found = trial.update(
        simple + "bundle",
        image=IMAGE,
        attempts=1,
        more=["resets", 9000],
        remember=True,
        heap="100k",
    )
    eq("lives", found.count, 2)
