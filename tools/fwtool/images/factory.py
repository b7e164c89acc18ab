"""`fwtool factory`: what a production line does, for the virtual board.

A new board gets blank chips, an identity of its own (root of trust, the public key it
trusts, vendor and class), and flash programmed with header and application. On real
hardware the same file for the programmer comes from `fwtool combine`.
"""

import json
import os

import rich_click as click

from fwtool import exits, files, options
from fwtool.device import provision
from fwtool.exits import Failure
from fwtool.images import combine, headers, layouts
from fwtool.images import image as images
from fwtool.signing import class_key as class_keys
from fwtool.signing import keys, maker_key, p256_tables, statements


def make(
    state_dir,
    layout,
    image,
    version,
    point,
    vendor,
    class_,
    boot=None,
    rot=None,
    recovery=None,
    stage=None,
    class_key=None,
    sign=None,
):
    """Create the folder of a new virtual board.

    layout:   dict, checked
    image:    bytes; version: u64 word
    point:    public key, 65 bytes
    vendor, class_: uuid.UUID
    rot:      16 bytes, or None for random ones
    boot, recovery: bytes of boot stage and recovery image, or None; the latter gets the
              version of the application
    stage:    (bytes, u64 word) of the first boot stage and its version, or None
    class_key: 16 bytes, or None
    sign:     what signs the images, as statements.signer() returns it; needed where the layout,
              or that of the stages, is signed
    raises:   Failure when something is too large, or the folder already holds a board;
              FwError BAD_KEY for a root of trust of another length
    """
    identity = provision.make(point, vendor, class_, rot, class_key)
    head = headers.installed(layout, version, image, sign)
    found = combine.parts(layout, image, head, boot)
    placed = [(layout["active"]["device"], *part) for part in found]
    if recovery is not None:
        found = combine.recovery_parts(layout, recovery, version, sign)
        placed += [(layout["recovery"]["device"], *part) for part in found]
    if stage is not None:
        found = combine.stage_parts(layout, *stage, sign)
        placed += [(combine.stage_device(layout), *part) for part in found]
    combine.check_room([part for _, *part in placed])
    _new_folder(state_dir)
    for name, spec in layout["devices"].items():
        _blank(os.path.join(state_dir, name + ".bin"), spec)
    for device, _, start, _, data in placed:
        _program(os.path.join(state_dir, device + ".bin"), start, data)
    with open(os.path.join(state_dir, "layout.json"), "w") as file:
        json.dump(layout, file, indent=2)
    if maker_key.is_needed(layout):
        with open(os.path.join(state_dir, maker_key.JSON), "w") as file:
            file.write(maker_key.as_json(p256_tables.tables(point), vendor, class_))
    # Last: a folder with an identity is a whole board.
    provision.save(os.path.join(state_dir, "identity.json"), identity)


def _new_folder(path):
    try:
        os.makedirs(path, exist_ok=True)
        if os.listdir(path):
            raise Failure(f"{path} is not empty", exits.REFUSED)
    except (OSError, ValueError) as error:
        raise Failure(f"cannot make {path}: {files.reason(error)}") from None


def _blank(path, spec):
    """Flash reads 0xFF when it is new, a card reads 0; the card's file stays sparse."""
    with open(path, "wb") as file:
        if spec.get("overwrite"):
            file.truncate(spec["size"])
            return
        file.write(b"\xff" * spec["size"])


def _program(path, start, data):
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(data)


@click.command()
@click.argument("state_dir")
@click.option(
    "--layout",
    "layout_path",
    required=True,
    metavar="LAYOUT",
    help="File, or name of a board.",
)
@click.option("--app", required=True, metavar="IMAGE", help="Application image.")
@click.option("--version", type=options.VERSION_WORD, required=True)
@click.option("--key", required=True, help="Public key the board will trust.")
@class_keys.option
@click.option("--boot", metavar="FILE", help="Boot stage firmware for region boot.")
@click.option("--recovery", metavar="IMAGE", help="Recovery image, if the layout has a place.")
@options.identity_options
@combine.stage_options
@statements.key_option
def factory(
    state_dir,
    layout_path,
    app,
    version,
    key,
    class_key,
    boot,
    recovery,
    vendor,
    class_,
    stage_path,
    stage_version,
    sign_key,
):
    """Make a new virtual board in the folder STATE_DIR, which must be empty or new.

    A recovery image gets the version of the application. A boot stage goes into the first
    of the two slots; later ones come by update. Where the layout is signed, --sign-key signs
    each image, or each has its IMAGE.sig: exit code 3 when that is not by --key.
    """
    if vendor is None or class_ is None:
        raise click.UsageError(options.NO_IDENTITY)
    layout = layouts.load(layout_path)
    _check_size(layout)
    image = files.read(app)
    images.check(layout, app, image)
    firmware = None if boot is None else files.read(boot)
    golden = None
    if recovery is not None:
        golden = files.read(recovery)
        combine.check_recovery(layout, recovery, golden)
    first = combine.read_stage(layout, stage_path, stage_version)
    point = keys.load_point(key)
    paths = combine.image_paths(layout, app, recovery, stage_path)
    board = statements.Board(vendor.bytes, class_.bytes, point, layout)
    sign = statements.of_options(sign_key, vendor, class_, paths)
    more = {"recovery": golden, "stage": first, "class_key": class_keys.load(class_key)}
    more["sign"] = statements.checked(sign, board)
    make(state_dir, layout, image, version, point, vendor, class_, firmware, **more)
    click.echo(f"{state_dir}: a board with {len(image)} bytes of application")


def _check_size(layout):
    specs = layout["devices"].values()
    if sum(spec["size"] for spec in specs if not spec.get("overwrite")) > files.MAX_IMAGE:
        raise Failure(f"the board's chips are larger than {files.MAX_IMAGE} bytes in all")
