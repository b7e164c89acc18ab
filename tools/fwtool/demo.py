"""`fwtool demo`: a whole update, watched, on the virtual board.

The application is not ours: microdot from PyPI, version 1 built from one release of it and
version 2 from a later one. Everything is real: keys, images, an HTTP server, the interpreter,
a restart between download and installation. Each step checks what it shows.
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from fwcore import errors
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwtool import explain, factory, image, keys, layouts, manifests, paths, run, serve
from fwtool.exits import REFUSED, Failure

OLD, NEW = "1.0.0", "2.0.0"
MICRODOT = {OLD: "2.5.1", NEW: "2.7.0"}
VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "vendor.example")
CLASS = uuid.uuid5(VENDOR, "demo-board")
_PATIENCE_S = 15
_MARKER = ".fwtool-demo"  # a folder that has it is ours to empty
_WHEELS = "wheels"  # kept, so that a second run needs no network


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo"),
    show_default=True,
    help="Scratch folder, emptied each time; refused when it is not this command's.",
)
def demo(folder):
    """Watch a virtual board update itself, and refuse what it must refuse."""
    began = time.monotonic()
    paths.micropython()  # before anything is made
    Demo(folder, Console(highlight=False, soft_wrap=True)).play()
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Everything is in {folder}.")


class Demo:
    """The story, one method a scene.

    folder:   scratch folder
    console:  rich console on stdout
    """

    def __init__(self, folder, console):
        self.folder = folder
        self.console = console
        self.images = {}
        self.bar = None
        self.answered = threading.Event()  # the board has printed all about an update

    def play(self):
        self.prepare()
        with Server(self.folder / "server") as server:
            board = run.VirtualBoard(self.folder / "board", on_line=self.hear)
            self.port = _free_port()
            os.environ["DEMO_PORT"] = str(self.port)
            with board:
                self.first_boot()
                self.update(server.url)
                self.refusals(server.url)
            self.scene("Power off, power on")
            with board:
                self.say(f"  {self.page(NEW)}")

    def scene(self, title):
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, text):
        self.console.print(text, markup=False)

    def prepare(self):
        self.scene("Keys, images, factory")
        make_scratch(self.folder)
        (self.folder / "server").mkdir()
        self.key = self.make_key("maker")
        self.stranger = self.make_key("stranger")
        for version in (OLD, NEW):
            self.images[version] = self.build(version)
            size = len(self.images[version])
            self.say(
                f"  application {version}: microdot {MICRODOT[version]}, LittleFS, {size} bytes"
            )
        point = keys.point(self.key.public_key())
        layout = layouts.load(str(paths.board() / "layout.py"))
        factory.make(
            str(self.folder / "board"),
            layout,
            self.images[OLD],
            version_word(OLD),
            point,
            VENDOR,
            CLASS,
        )
        self.say(f"  a board leaves the factory with {OLD}; it trusts key {keys.key_id(point)}")

    def make_key(self, name):
        path = self.folder / f"{name}.pem"
        keys.create(str(path))
        return keys.load_private(str(path))

    def build(self, version):
        """The application with one release of microdot, as image bytes."""
        app = self.folder / f"app-{version}"
        shutil.copytree(Path(__file__).with_name("demo_app"), app)
        release = MICRODOT[version]
        (app / "about.py").write_text(f'VERSION = "{version}"\nMICRODOT = "{release}"\n')
        with zipfile.ZipFile(_wheel(release, self.folder / _WHEELS)) as wheel:
            for name in ("microdot/__init__.py", "microdot/microdot.py"):
                wheel.extract(name, app)
        return image.build(image.compile_all(image.collect(str(app))), "lfs2", 4096)

    def first_boot(self):
        self.scene("First boot")
        self.say(f"  {self.page(OLD)}")

    def update(self, url):
        self.scene(f"The board is told of {NEW}")
        self.publish("new.fw", self.bundle(NEW))
        answer = self.tell(url + "new.fw")
        if answer != "ready":
            raise Failure(f"the update was refused: {answer}")
        self.say("  downloaded, verified, header written; the board resets")
        self.say(f"  {self.page(NEW)}")

    def refusals(self, url):
        self.scene("What the board refuses")
        good = self.bundle(NEW, "2.1.0")
        tampered = bytearray(good)
        tampered[len(good) // 2] ^= 1
        cases = (
            ("a tampered bundle", bytes(tampered), errors.CORRUPT),
            (
                "signed by a stranger",
                self.bundle(NEW, "2.1.0", self.stranger),
                errors.BAD_SIGNATURE,
            ),
            (
                "for another device class",
                self.bundle(NEW, "2.1.0", class_=uuid.uuid4()),
                errors.WRONG_CLASS,
            ),
            ("an older version", self.bundle(OLD), errors.NOT_NEWER),
        )
        for number, (name, data, code) in enumerate(cases):
            self.publish(f"bad{number}.fw", data)
            answer = self.tell(f"{url}bad{number}.fw")
            if answer != str(code):
                raise Failure(f"{name}: expected error {code}, the board said {answer}")
            self.say(f"  {name}: error {code}, {explain.sentence(FwError(code))}")
        self.say(f"  {self.page(NEW)}")

    def bundle(self, built, version=None, key=None, class_=CLASS):
        payload = self.images[built]
        made = manifests.create(key or self.key, payload, VENDOR, class_, version or built)
        return made + payload

    def publish(self, name, data):
        path = self.folder / "server" / name
        path.write_bytes(data)
        path.chmod(0o644)  # whatever the umask: `fwtool serve` keeps private files back

    def hear(self, line):
        """A line from the board: some drive the show, the rest is shown."""
        if line.startswith("progress "):
            done, total = map(int, line.split()[1:])
            self.show_progress(done, total)
        elif line.startswith("answer "):
            self.answered.set()
        elif line and not line.startswith("Starting async server"):
            self.say(f"    | {line}")

    def show_progress(self, done, total):
        if not self.console.is_terminal:
            return
        if self.bar is None:
            columns = TextColumn("  download"), BarColumn(), DownloadColumn()
            self.bar = Progress(*columns, console=self.console)
            self.task = self.bar.add_task("", total=total)
            self.bar.start()
        self.bar.update(self.task, completed=done)
        if done == total:
            self.bar.stop()
            self.bar = None

    def tell(self, url):
        """Tell the board of an update; its answer, when all it printed has been shown."""
        self.answered.clear()
        answer = _request(f"http://127.0.0.1:{self.port}/update", url.encode())
        self.answered.wait(_PATIENCE_S)
        return answer

    def page(self, version):
        """What the board serves, once it serves this version."""
        deadline = time.monotonic() + _PATIENCE_S
        text = ""
        while time.monotonic() < deadline:
            try:
                text = _request(f"http://127.0.0.1:{self.port}/").strip()
            except OSError:
                text = "no answer"
            if f"application {version}," in text:
                return f"GET / -> {text}"
            time.sleep(0.1)
        raise Failure(f"the board does not serve {version}: {text}")


def make_scratch(folder):
    """Make the scratch folder, or empty it of all but the wheels.

    raises:  Failure for a folder with files that this command did not make
    """
    marker = folder / _MARKER
    if folder.exists() and any(folder.iterdir()) and not marker.is_file():
        raise Failure(f"{folder} is not empty, and not made by fwtool demo", REFUSED)
    folder.mkdir(parents=True, exist_ok=True)
    marker.touch()
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != _WHEELS:
                shutil.rmtree(path)
        elif path != marker:
            path.unlink()


class Server:
    """`fwtool serve` on a free port, in a thread."""

    def __init__(self, folder):
        import uvicorn

        self._listener = serve.listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        config = uvicorn.Config(serve.application(str(folder)), log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, daemon=True
        )

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()


def _request(url, body=None):
    """Body of the answer, whatever its status. Raises OSError."""
    try:
        with urllib.request.urlopen(url, body, timeout=_PATIENCE_S) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _wheel(release, folder):
    """Path of microdot's wheel; fetched from PyPI once. Raises Failure."""
    path = folder / f"microdot-{release}-py3-none-any.whl"
    if not path.exists():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "-d", str(folder), f"microdot=={release}"]
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode or not path.exists():
            raise Failure(f"cannot fetch microdot {release} from PyPI")
    return path
