"""`fwtool demo`: good and bad updates on the virtual board, step by step.

The application is not ours: microdot from PyPI, in versions built from two releases of it.
Everything is real: keys, images, an HTTP server, the interpreter, a restart between download
and installation, a crash at start, a power cut (SIGKILL). Each step checks what it shows.
"""

import os
import shutil
import socket
import subprocess
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

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.state import FORWARD, PENDING, State
from fwtool import explain, paths
from fwtool.exits import REFUSED, Failure
from fwtool.images import combine, factory, headers, image, layouts
from fwtool.server import serve, threaded
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import boot, virtual_board

OLD, NEW, BROKEN, MENDED = "1.0.0", "2.0.0", "3.0.0", "3.0.1"
FORGED = "9.0.0"
MICRODOT = {OLD: "2.5.1", NEW: "2.7.0", BROKEN: "2.7.0", MENDED: "2.5.1"}
VENDOR = uuid.uuid5(uuid.NAMESPACE_DNS, "vendor.example")
CLASS = uuid.uuid5(VENDOR, "demo-board")
_PATIENCE_S = 60
_TAKES = 20  # of a power cut, which may come too early or too late
_MOVES = 4  # blocks that have changed places when the power is cut
_MARKER = ".fwtool-demo"  # a folder that has it is ours to empty
_WHEELS = "wheels"  # kept, so that a second run needs no network
_NOISE = ("Starting async server", "Traceback ", "  File ")  # the last line says enough


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
    """Watch a virtual board update itself, and recover from what goes wrong."""
    began = time.monotonic()
    paths.micropython()  # before anything is made
    Demo(folder, Console(highlight=False, soft_wrap=True)).play()
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Everything is in {folder}.")


class Demo:
    """The demo, one method for each part.

    folder:   scratch folder
    console:  rich console on stdout
    """

    def __init__(self, folder, console):
        self.folder = folder
        self.console = console
        self.images = {}
        self.bar = None
        self.asked = 0  # requests so far
        self.answered = threading.Condition()  # around .answer
        self.answer = 0  # the last request whose lines have all been shown
        self.booted = threading.Event()  # the boot stage has begun

    def play(self):
        self.prepare()
        with server_of(self.folder / "server") as server:
            self.board = virtual_board.VirtualBoard(
                self.folder / "board", "512k", on_line=self.hear
            )
            self.port = _free_port()
            os.environ["DEMO_PORT"] = str(self.port)
            with self.board:
                self.first_boot()
                self.update(server.url)
                self.refusals(server.url)
                self.crash(server.url)
                self.power_cut(server.url)
            self.forged_image()
            self.scene("The genuine image is put back, power on")
            with self.board:
                self.say(f"  {self.page(MENDED)}")

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
        for version, release in MICRODOT.items():
            self.images[version] = self.build(version)
            size = len(self.images[version])
            typo = " and a typo" if version == BROKEN else ""
            self.say(f"  application {version}: microdot {release}{typo}, LittleFS, {size} bytes")
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
            sign=statements.signer(self.key, VENDOR, CLASS),
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
        constant = "MICRODOTS" if version == BROKEN else "MICRODOT"
        (app / "about.py").write_text(f'VERSION = "{version}"\n{constant} = "{release}"\n')
        with zipfile.ZipFile(_wheel(release, self.folder / _WHEELS)) as wheel:
            for name in ("microdot/__init__.py", "microdot/microdot.py"):
                wheel.extract(name, app)
        return image.build(image.compile_all(image.collect(str(app))), "lfs2", 4096)

    def first_boot(self):
        self.scene("First boot")
        self.say(f"  {self.page(OLD)}")

    def update(self, url):
        self.scene(f"The board is told of {NEW}")
        self.download(url, NEW)
        self.restart()
        self.say(f"  {self.page(NEW)}")

    def refusals(self, url):
        self.scene("What the board refuses")
        good = self.bundle(NEW, "2.1.0")
        tampered = bytearray(good)
        tampered[len(good) // 2] ^= 1
        cases = (
            ("a tampered bundle", bytes(tampered), errors.CORRUPT),
            (
                "signed with another key",
                self.bundle(NEW, "2.1.0", self.stranger),
                errors.BAD_SIGNATURE,
            ),
            (
                "for another device class",
                self.bundle(NEW, "2.1.0", class_=uuid.uuid4()),
                errors.WRONG_CLASS,
            ),
            ("an older version", self.bundle(OLD), errors_boot.BELOW_FLOOR),
        )
        for name, data, code in cases:
            self.publish("bad.fw", data)
            self.refused(name, f"{url}bad.fw", code)
        self.say(f"  {self.page(NEW)}")

    def refused(self, name, url, code):
        """Have the board try an update that it must refuse with this error."""
        answer = self.ask("/update", url.encode())
        if answer != str(code):
            raise Failure(f"{name}: expected error {code}, the board said {answer}")
        self.say(f"  {name}: error {code}, {_words(code)}")

    def crash(self, url):
        self.scene(f"{BROKEN} is signed, and crashes at start")
        self.download(url, BROKEN)
        self.restart()
        page = self.page(NEW)
        self.say(f"  {page}")
        if f"{BROKEN} failed, error {errors_boot.CRASHED}" not in page:
            raise Failure(f"the board does not tell that {BROKEN} crashed")
        self.say(f"  error {errors_boot.CRASHED}: {_words(errors_boot.CRASHED)}")
        self.refused("the same again", f"{url}{BROKEN}.fw", errors_boot.BLACK_LISTED)

    def power_cut(self, url):
        self.scene(f"Power is cut while {MENDED} is installed")
        self.download(url, MENDED)
        self.board.kill()
        for line in cut_in_swap(self.folder / "board"):
            self.hear(line)
        self.say("  power is cut: some blocks have changed places, some have not")
        self.board.start()
        self.say(f"  {self.page(MENDED)}")

    def forged_image(self):
        """Program an image over the cable, past the client, and see the boot stage refuse it."""
        self.scene("Somebody writes an image of his own straight to the flash")
        flash = self.folder / "board" / "flash.bin"
        genuine = flash.read_bytes()
        with open(flash, "r+b") as file:
            for _, start, _, data in self.forged():
                file.seek(start)
                file.write(data)
        can_start, log = boot.boot_once(str(self.folder / "board"))
        for line in log:
            self.hear(line)
        if can_start:
            raise Failure("the board starts an image that its maker has not signed")
        self.say("  nothing of his runs, however often the board resets")
        flash.write_bytes(genuine)

    def forged(self):
        """What a stranger programs, as of combine.parts(): signed, but by a key of his own."""
        layout = layouts.load(str(paths.board() / "layout.py"))
        built = image.build({"main.py": b"print('mine')\n"}, "lfs2", 4096)
        sign = statements.signer(self.stranger, VENDOR, CLASS)
        head = headers.installed(layout, version_word(FORGED), built, sign)
        return combine.parts(layout, built, head)

    def download(self, url, version):
        self.publish(f"{version}.fw", self.bundle(version))
        answer = self.ask("/update", f"{url}{version}.fw".encode())
        if answer != "ready":
            raise Failure(f"the update was refused: {answer}")
        self.say("  downloaded, verified, header written")

    def bundle(self, built, version=None, key=None, class_=CLASS):
        payload = self.images[built]
        made = manifests.create(key or self.key, payload, VENDOR, class_, version or built)
        return made + payload

    def publish(self, name, data):
        path = self.folder / "server" / name
        path.write_bytes(data)
        path.chmod(0o644)  # whatever the umask: `fwtool serve` keeps private files back

    def hear(self, line):
        """A line from the board: some of them control the demo, the others are shown."""
        if line.startswith("progress "):
            done, total = map(int, line.split()[1:])
            self.show_progress(done, total)
        elif line.startswith("answer "):
            with self.answered:
                self.answer = int(line.split()[1])
                self.answered.notify()
        elif line and not line.startswith(_NOISE):
            self.say(f"    | {line}")
        if line == boot.FIRST_WORDS:
            self.booted.set()

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

    def ask(self, path, body=None):
        """The board's answer, once all the lines before it have been shown. Raises OSError."""
        self.asked += 1
        text = _request(f"http://127.0.0.1:{self.port}{path}?n={self.asked}", body)
        with self.answered:
            self.answered.wait_for(lambda: self.answer == self.asked, _PATIENCE_S)
        return text.strip()

    def restart(self):
        """Let the board restart; returns when it has."""
        self.booted.clear()
        self.ask("/restart", b"")
        if not self.booted.wait(_PATIENCE_S):
            raise Failure("the board does not restart")

    def page(self, version):
        """What the board serves, once it serves this version."""
        deadline = time.monotonic() + _PATIENCE_S
        text = ""
        while time.monotonic() < deadline:
            try:
                text = self.ask("/")
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


def cut_in_swap(folder):
    """Switch on a board with an update that waits, and cut its power amid the swap.

    A cut that came too early or too late is taken back with the old contents of the chips.

    returns:  the lines it printed
    raises:   Failure
    """
    before = {path: path.read_bytes() for path in (folder / "flash.bin", folder / "spi.bin")}
    chips = boot.Chips(folder, layouts.load(str(folder / "layout.json")))
    for _ in range(_TAKES):
        lines = []
        with virtual_board.VirtualBoard(folder, on_line=lines.append):
            _wait_for_moves(chips)
        if _is_in_swap(chips):
            return lines
        for path, data in before.items():
            path.write_bytes(data)
    raise Failure("the power was never cut in time")


def _wait_for_moves(chips):
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        state = State(chips)
        moves = state.done + state.journal.marks
        if state.phase not in (PENDING, FORWARD) or (state.phase == FORWARD and moves >= _MOVES):
            return
        time.sleep(0.0005)


def _is_in_swap(chips):
    """True when a swap is under way, and the active region holds no whole image."""
    if State(chips).phase != FORWARD:
        return False
    head = boot.active(chips)
    if head is None:
        return True
    buf = memoryview(bytearray(4096))
    return boot.active_slot(chips).digest(head.size, buf, lambda: None) != head.digest


def server_of(folder):
    """`fwtool serve` of a folder, in a thread, for `with`."""
    return threaded.Server(_deaf(serve.application(str(folder))))


def _deaf(application):
    """An ASGI application that does not get the header with a device's last result.

    So it offers again what was rejected: the demo shows that the device refuses it.
    """

    async def answer(scope, receive, send):
        name = serve.RESULT_HEADER.encode()
        heard = [pair for pair in scope.get("headers", ()) if pair[0] != name]
        await application({**scope, "headers": heard}, receive, send)

    return answer


def _words(code):
    return explain.sentence(FwError(code))


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
        command = paths.python("-m", "pip", "download", "--quiet", "--no-deps")
        command += ["--disable-pip-version-check", "-d", str(folder), f"microdot=={release}"]
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode or not path.exists():
            raise Failure(f"cannot fetch microdot {release} from PyPI")
    return path
