"""`fwtool boot`: runs the boot stage on a board's flash and storage images.

The boot stage is device code, so it runs on the real interpreter in another process, on
the virtual board: the folder's image files may as well be read out of a real one.
"""

import os
import shutil
import subprocess
import tempfile
from errno import EIO

import rich_click as click

from fwcore import manifest as versions
from fwcore import slot as slots
from fwcore.errors import FwError
from fwcore.state import State
from fwtool import exits, files, paths
from fwtool.exits import Failure
from fwtool.images import headers, layouts

FIRST_WORDS = "Mbed Bootloader"  # of the boot stage's log, behind an empty line
LAST_WORDS = "booting..."  # before the application
IDENTITY = "identity.json"
TIMEOUT_S = 300  # verifying and copying 16 MB takes a tenth of it


def boot_once(state_dir):
    """Run the boot stage on the files of a board's folder, once.

    returns:  (True when there is an image to start, list of log lines)
    raises:   Failure when the boot stage does not begin or end, or the interpreter is missing
    """
    command = [paths.micropython(), "-m", "_boot", os.path.abspath(state_dir), "--boot-only"]
    try:
        done = subprocess.run(
            command,
            cwd=paths.board(),  # modules are looked for here first, not in the user's folder
            env=paths.environment(paths.device(), paths.bootloader(), paths.board()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"the boot stage did not end in {TIMEOUT_S} s", exits.DEVICE) from None
    log = done.stdout.decode(errors="replace").splitlines()
    if FIRST_WORDS not in log:  # a boot selector may print lines before
        said = next(filter(None, reversed(log)), "it says nothing")
        raise Failure(f"{command[0]} does not run the boot stage: {said}", exits.DEVICE)
    return done.returncode == 0, log


def check_files(state_dir):
    """LAYOUT of a board's folder, whose files can be those of a board. Raises Failure, FwError."""
    if not os.path.isdir(state_dir):
        raise Failure(f"{state_dir} is not a folder")
    own = os.path.join(state_dir, "layout.json")
    layout = layouts.load(own if os.path.exists(own) else str(paths.board() / "layout.py"))
    for name, spec in layout["devices"].items():
        path = os.path.join(state_dir, name + ".bin")
        if os.path.exists(path):
            if os.path.getsize(path) != spec["size"]:
                raise Failure(f"{path} is not of the {spec['size']} bytes the layout says")
        elif name == layout["active"]["device"]:  # the others may be pulled out
            raise Failure(f"{path} is missing")
    identity = os.path.join(state_dir, IDENTITY)
    if os.path.exists(identity):
        headers.rot_of(identity)
    return layout


class Chips:
    """A board's chips seen from outside: as much of a board as State asks for.

    state_dir:  its folder; the board may be running
    layout:     its layout
    """

    def __init__(self, state_dir, layout):
        self.layout = layout
        self._folder = state_dir

    def store(self):
        """What provisioning left here. Raises Failure."""
        return _Store(os.path.join(self._folder, IDENTITY))

    def rot(self):
        return self.store().get(b"rot")

    @property
    def vendor_id(self):
        return self.store().get(b"vendor_id", b"")

    @property
    def class_id(self):
        return self.store().get(b"class_id", b"")

    def device(self, name):
        path = os.path.join(self._folder, name + ".bin")
        return _Chip(path, self.layout["devices"][name]["erase"])


class _Store:
    """identity.json, only read; a board without it has no identity yet."""

    def __init__(self, path):
        self._values = headers.identity_of(path) if os.path.exists(path) else {}

    def get(self, name, default=None):
        return self._values.get(name.decode(), default)


class _Chip:
    """A file as a block device that is only read."""

    def __init__(self, path, block):
        self._path = path
        self._block = block

    def readblocks(self, block, buf, offset=0):
        with open(self._path, "rb") as file:
            file.seek(block * self._block + offset)
            return 0 if file.readinto(buf) == len(buf) else -EIO

    def ioctl(self, op, arg):
        return os.path.getsize(self._path) // self._block if op == 4 else self._block


def active_slot(chips):
    """The Slot of the image that is to run. Raises OSError, FwError."""
    if "state" in chips.layout:
        return State(chips).active_slot(chips)[0]
    return slots.active_slot(chips.layout, chips.device(chips.layout["active"]["device"]))


def active(chips):
    """Header of the active image, or None when there is no good one."""
    try:
        slot = active_slot(chips)
        return slot.read_header(memoryview(bytearray(slot.header_size())), None)
    except (OSError, FwError):
        return None


@click.command()
@click.argument("state_dir")
@click.option("--dry-run", is_flag=True, help="Work on a copy: change nothing in STATE_DIR.")
@files.json_option
def boot(state_dir, dry_run, as_json):
    """Run the boot stage once on the image files in STATE_DIR, and print its log.

    It installs a candidate as the board would, unless --dry-run is given, and counts as a
    trial boot of an image that is on trial. The files are
    those of `fwtool factory`: flash.bin, the storage devices, identity.json, layout.json.
    """
    layout = check_files(state_dir)
    with tempfile.TemporaryDirectory() as scratch:
        if dry_run:
            state_dir = shutil.copytree(state_dir, os.path.join(scratch, "board"))
        bootable, log = boot_once(state_dir)
        head = active(Chips(state_dir, layout)) if bootable else None
    if as_json:
        version = versions.version_text(head.version) if head else None
        files.print_json({"bootable": bootable, "active_version": version, "log": log})
    else:
        click.echo("\n".join(log))
    if not bootable:
        raise Failure("there is nothing to start", exits.DEVICE)
