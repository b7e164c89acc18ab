"""`fwtool demo-mqtt`: updates of a device of Alibaba Cloud IoT, on the virtual board.

All but the cloud is real: broker (amqtt), MQTT client (umqtt.simple), signed images,
interpreter, resets. The cloud is demo_mqtt_cloud.py, which sends the documented messages.
Each step checks what it shows. Everything is printed by one thread, so that the lines of the
board and those of the cloud come in the same order each time.
"""

import os
import queue
import shutil
import time
from pathlib import Path

import rich_click as click
from rich.console import Console

from fwcore import errors_boot
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwtool import explain, paths
from fwtool.demos import demo
from fwtool.demos.demo import CLASS, VENDOR, make_scratch, server_of
from fwtool.demos.demo_mqtt_client import fetch
from fwtool.exits import DEVICE, Failure
from fwtool.images import factory, image, layouts
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board

OLD, NEW, BROKEN, BLOCKS = "1.0.0", "2.0.0", "3.0.0", "3.0.1"
KEY, NAME, SECRET = "a1B2c3D4e5F", "dev001", "0123456789abcdef0123456789abcdef"
WHERE = f"{KEY}/{NAME}"
_PATIENCE_S = 60
_NOISE = ("Traceback ", "  File ")  # the last line says enough


@click.command("demo-mqtt")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/demo-mqtt"),
    show_default=True,
    help="Scratch folder, emptied each time; refused when it is not this command's.",
)
def demo_mqtt(folder):
    """Watch a virtual board be updated by Alibaba Cloud IoT's protocol, over MQTT."""
    began = time.monotonic()
    paths.micropython()  # before anything is made
    broker, cloud = _parts()
    Story(folder, Console(highlight=False, soft_wrap=True), broker, cloud).play()
    click.echo(f"\nDone in {time.monotonic() - began:.0f} s. Everything is in {folder}.")


def _parts():
    """(broker's module, cloud's module); their packages are not needed for anything else."""
    try:
        from fwtool.demos import demo_mqtt_broker, demo_mqtt_cloud
    except ImportError as error:
        raise Failure(f"no {error.name}: {paths.SIM}", DEVICE) from None
    return demo_mqtt_broker, demo_mqtt_cloud


class Story:
    """The demo, one method for each part.

    folder:   scratch folder
    console:  rich console on stdout
    broker, cloud: the modules demo_mqtt_broker and demo_mqtt_cloud
    """

    def __init__(self, folder, console, broker, cloud):
        self.folder = folder
        self.console = console
        self._broker = broker
        self._cloud = cloud
        self.images = {}
        self.lines = queue.SimpleQueue()  # of the board, not shown yet
        self.shown = 0  # events of the cloud that were looked at

    def play(self):
        self.prepare()
        with (
            server_of(self.folder / "server") as self.server,
            self._broker.Broker({(KEY, NAME): SECRET}) as broker,
            self._cloud.Cloud(broker.port) as self.cloud,
        ):
            os.environ["DEMO_PORT"] = str(broker.port)
            os.environ["DEMO_TRIPLE"] = f"{KEY} {NAME} {SECRET}"
            with virtual_board.VirtualBoard(self.folder / "board", "512k", on_line=self.lines.put):
                self.first_boot()
                self.over_http()
                self.crash()
                self.over_mqtt()

    def scene(self, title):
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, text):
        self.console.print(text, markup=False)

    def prepare(self):
        self.scene("Keys, images, factory")
        make_scratch(self.folder)
        (self.folder / "server").mkdir()
        keys.create(str(self.folder / "maker.pem"))
        self.key = keys.load_private(str(self.folder / "maker.pem"))
        umqtt = fetch(self.folder / demo._WHEELS)
        for version in (OLD, NEW, BROKEN, BLOCKS):
            self.images[version] = self.build(version, umqtt)
            typo = ", with a typo" if version == BROKEN else ""
            self.say(f"  application {version}: {len(self.images[version])} bytes{typo}")
        factory.make(
            str(self.folder / "board"),
            layouts.load(str(paths.board() / "layout.py")),
            self.images[OLD],
            version_word(OLD),
            keys.point(self.key.public_key()),
            VENDOR,
            CLASS,
            sign=statements.signer(self.key, VENDOR, CLASS),
        )
        self.say(f"  a board leaves the factory with {OLD}, as device {NAME} of product {KEY}")

    def build(self, version, umqtt):
        """The application as image bytes."""
        app = self.folder / f"app-{version}"
        shutil.copytree(Path(__file__).with_name("demo_mqtt_app"), app)
        shutil.copytree(umqtt / "umqtt", app / "umqtt")
        constant = "VERSIONS" if version == BROKEN else "VERSION"
        (app / "about.py").write_text(f'{constant} = "{version}"\n')
        return image.build(image.compile_all(image.collect(str(app))), "lfs2", 4096)

    def first_boot(self):
        self.scene("First boot")
        self.show_until(f"confirmed {OLD}")
        self.runs(OLD)

    def over_http(self):
        self.scene(f"The cloud pushes {NEW}, to be fetched over HTTP")
        package = self.package(NEW, self.publish(NEW))
        self.push(package)
        self.succeed(package)

    def crash(self):
        self.scene(f"{BROKEN} is signed, and crashes at start")
        package = self.package(BROKEN, self.publish(BROKEN))
        self.push(package)
        self.show_until(f"application {NEW}")
        self.runs(NEW)
        step, about = self.event("progress", lambda event: event[2].startswith("-"))[2:]
        self.say(f"  cloud <- progress {step}, error {about}: {_words(int(about))}")
        if int(about) != errors_boot.CRASHED or package.status != "failed":
            raise Failure(f"the cloud does not hear that {BROKEN} crashed")
        self.say(f"  cloud: the update to {BROKEN} has {package.status}")

    def over_mqtt(self):
        self.scene(f"The cloud pushes {BLOCKS}, in blocks over MQTT")
        package = self.package(BLOCKS, None)
        first = len(self.cloud.events)
        self.push(package)
        sizes = [event[2] for event in self.cloud.events[first:] if event[0] == "block"]
        self.say(f"  cloud: {len(sizes)} blocks of up to {max(sizes)} bytes were asked for")
        self.succeed(package)

    def package(self, version, url):
        payload = self.images[version]
        made = manifests.create(self.key, payload, VENDOR, CLASS, version)
        return self._cloud.Package(version, made + payload, url)

    def publish(self, version):
        """A function that returns the signed address of a version's bundle."""
        path = self.folder / "server" / f"{version}.fw"
        path.write_bytes(self.package(version, None).data)
        path.chmod(0o644)  # whatever the umask: `fwtool serve` keeps private files back
        signature = "Expires=1700000000&Signature=" + "s" * 200
        return lambda: f"{self.server.url}{path.name}?{signature}"

    def push(self, package):
        """Offer it, and see it arrive."""
        self.cloud.push(WHERE, package)
        self.say(f"  cloud -> upgrade to {package.version}, {len(package.data)} bytes")
        for step in ("0", "100"):
            self.event("progress", lambda event, step=step: event[2] == step)
            self.say(f"  cloud <- progress {step}")

    def succeed(self, package):
        """See it installed and confirmed, and the cloud take it for a success."""
        self.show_until(f"confirmed {package.version}")
        self.runs(package.version)
        if package.status != "succeeded":
            raise Failure(f"the cloud does not take {package.version} for a success")
        self.say(f"  cloud: the update to {package.version} has {package.status}")

    def runs(self, version):
        """The device informs the cloud of this version next."""
        heard = self.event("inform")[2]
        if heard != version:
            raise Failure(f"the device says that it runs {heard}, not {version}")
        self.say(f"  cloud <- the device runs {version}")

    def event(self, kind, wanted=lambda event: True):
        """The next event of this kind that is wanted. Raises Failure."""

        def fits(event):
            return event[0] == kind and wanted(event)

        place, found = self.cloud.wait_for(fits, _PATIENCE_S, self.shown)
        self.shown = place + 1
        return found

    def show_until(self, last):
        """Show the lines of the board up to this one. Raises Failure when it does not come."""
        deadline = time.monotonic() + _PATIENCE_S
        line = None
        while line != last:
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"the board does not say {last!r}") from None
            if line and not line.startswith(_NOISE):
                self.say(f"    | {line}")


def _words(code):
    return explain.sentence(FwError(code))
