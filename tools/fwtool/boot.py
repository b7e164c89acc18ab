"""`fwtool boot`: what the boot stage makes of a board's flash and storage images.

The boot stage is device code, so it runs on the real interpreter in another process, on
the virtual board: the folder's image files may as well be read out of a real one.
"""

import os
import shutil
import subprocess
import tempfile

import rich_click as click

from fwcore import manifest as versions
from fwcore.errors import FwError
from fwcore.header import INTERNAL_SIZE
from fwtool import exits, files, headers, layouts, paths
from fwtool.exits import Failure

FIRST_WORDS = "Mbed Bootloader"  # of the boot stage's log, behind an empty line
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
    if FIRST_WORDS not in log[:2]:
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
    identity = os.path.join(state_dir, "identity.json")
    if os.path.exists(identity):
        headers.rot_of(identity)
    return layout


def active(state_dir, layout):
    """Header of the active image in a board's folder, or None when there is no good one."""
    flash = os.path.join(state_dir, layout["active"]["device"] + ".bin")
    at = layout["active"]["header"]
    try:
        return headers.parse(files.read(flash)[at : at + INTERNAL_SIZE])[1]
    except FwError:
        return None


@click.command()
@click.argument("state_dir")
@click.option("--dry-run", is_flag=True, help="Work on a copy: change nothing in STATE_DIR.")
@files.json_option
def boot(state_dir, dry_run, as_json):
    """Run the boot stage once on the image files in STATE_DIR, and print its log.

    It installs a candidate as the board would, unless --dry-run is given. The files are
    those of `fwtool factory`: flash.bin, the storage devices, identity.json, layout.json.
    """
    layout = check_files(state_dir)
    with tempfile.TemporaryDirectory() as scratch:
        if dry_run:
            state_dir = shutil.copytree(state_dir, os.path.join(scratch, "board"))
        bootable, log = boot_once(state_dir)
        head = active(state_dir, layout) if bootable else None
    if as_json:
        version = versions.version_text(head.version) if head else None
        files.print_json({"bootable": bootable, "active_version": version, "log": log})
    else:
        click.echo("\n".join(log))
    if not bootable:
        raise Failure("there is nothing to start", exits.DEVICE)
