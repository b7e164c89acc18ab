"""`fwtool combine`: all that a new device has in flash, in one file for first programming.

That is firmware with the boot stage, header and application, and, where the layout has
regions for them, a recovery image and the first updatable boot stage.
"""

import rich_click as click

from fwcore import errors
from fwcore.header import INTERNAL_SIZE
from fwcore.statement import RECOVERY
from fwtool import exits, files, options
from fwtool.exits import Failure
from fwtool.images import headers, layouts
from fwtool.images import image as images
from fwtool.images import stage as stages
from fwtool.signing import keys, secret_scan, statements

BLANK = 0xFF


def parts(layout, image, head, boot=None):
    """What goes where on the device that holds the active image.

    image, head, boot: bytes; head is the header of the layout's kind, and the signature behind
              it where the layout is signed, as by headers.installed()
    returns:  list of (name, start, limit, bytes)
    raises:   Failure when the boot firmware has no place
    """
    active = layout["active"]
    found = _placed(active, image, head, "header", "application")
    if boot is not None:
        region = layout.get("regions", {}).get("boot")
        if region is None or region["device"] != active["device"]:
            raise Failure(f"the layout has no region boot on {active['device']}")
        found.append(("boot", region["start"], region["start"] + region["size"], boot))
    return found


def recovery_parts(layout, image, version, sign=None):
    """As parts(), on the device of the recovery region.

    version: u64 word; image: bytes; sign: as for headers.installed()
    """
    head = headers.installed(layout, version, image, sign, RECOVERY)
    return _placed(layout["recovery"], image, head, "recovery header", "recovery image")


def stage_parts(layout, image, version, sign=None):
    """As parts(), on stage_device(): a boot stage for the first of the two slots.

    image:    bytes; version: u64 word; sign: as for headers.installed()
    raises:   Failure when the layout has no stages
    """
    chain = stages.of_layout(layout)
    head = headers.installed(chain, version, image, sign)
    return _placed(chain["active"], image, head, "stage header", "boot stage")


def stage_device(layout):
    """Name of the device with the first slot. Raises Failure when the layout has no stages."""
    return stages.of_layout(layout)["active"]["device"]


def stage_options(command):
    """Adds --stage and --stage-version: parameters stage_path and stage_version."""
    path = click.option(
        "--stage", "stage_path", metavar="IMAGE", help="First boot stage, as by fwtool stage."
    )
    version = click.option(
        "--stage-version", type=options.VERSION_WORD, help="Version of the boot stage."
    )
    return path(version(command))


def read_stage(layout, path, version):
    """(bytes, u64 word) of the options of stage_options(), for factory.make().

    path, version:  both None: there is no stage, and None is returned
    raises:   UsageError for one without the other; Failure when the stage has no place, does
              not fit one of the slots, or is empty
    """
    if (path is None) != (version is None):
        raise click.UsageError("--stage and --stage-version go together")
    if path is None:
        return None
    data = files.read(path)
    stages.check_fits(layout, path, data)
    if not data:
        raise Failure(f"{path} is empty")
    return data, version


def image_paths(layout, app, recovery, stage_path):
    """Component of each image -> its path, as statements.of_options() takes them."""
    return {
        statements.component_of(layout): app,
        RECOVERY: recovery,
        layout.get("stages", {}).get("component"): stage_path,
    }


def check_recovery(layout, path, image):
    """Refuse an image that could not be started from the recovery region. Raises Failure."""
    if "recovery" not in layout:
        raise Failure("the layout has no recovery region")
    layouts.check_fits(layout, path, image, "recovery")
    images.check({**layout, "active": layout["recovery"]}, path, image)


def _placed(region, image, head, *names):
    at, start = region["header"], region["start"]
    return [
        (names[0], at, at + len(head), head),
        (names[1], start, start + region["size"], image),
    ]


def check_room(found):
    """Raises Failure naming part and region. found: list as of parts()"""
    for name, start, limit, data in found:
        if start + len(data) > limit:
            text = f"{name} of {len(data)} bytes does not fit its region of {limit - start}"
            raise Failure(f"error {errors.TOO_BIG}: {text}")


def join(layout, device, found):
    """Bytes from the first part's erase block to the last one's: (start, bytes).

    device:  name of the one that found, a list as of parts(), is for
    Gaps are 0xFF, as an erase leaves them. Raises Failure naming part and region.
    """
    erase = layout["devices"][device]["erase"]
    check_room(found)
    first = min(start for _, start, _, _ in found) // erase * erase
    last = max(start + len(data) for _, start, _, data in found)
    size = -(-last // erase) * erase - first
    if size > files.MAX_IMAGE:
        raise Failure(f"the parts are too far apart for one file of {files.MAX_IMAGE} bytes")
    whole = bytearray([BLANK]) * size
    for _, start, _, data in found:
        whole[start - first : start - first + len(data)] = data
    return first, bytes(whole)


def read_firmware(path, base, limit):
    """Firmware from .bin, or from .hex/.ihex/.s19/.srec with addresses from `base` on.

    limit:    bytes the result may have, gaps filled; a hostile record names any address
    returns:  (bytes, start): start is its offset from base, or None for .bin, which knows none
    """
    import bincopy

    data = files.read(path)
    if not path.lower().endswith((".hex", ".ihex", ".s19", ".srec")):
        return data, None
    try:
        file = bincopy.BinFile()
        file.add(data.decode("ascii"))
    except (bincopy.Error, ValueError) as error:
        raise Failure(f"{path}: {error}") from None
    if not len(file):
        raise Failure(f"{path} has no data")
    low, high = file.minimum_address, file.maximum_address
    if low < base or high - low > limit:
        raise Failure(f"{path} covers {low:#x}..{high:#x}, which does not fit {limit} bytes")
    return bytes(file.as_binary(padding=bytes([BLANK]))), low - base


def write(path, start, data, inputs):
    """Write .hex when the name says so, else .bin; inputs: as in files.write."""
    if not path.lower().endswith((".hex", ".ihex")):
        files.write(path, data, inputs)
        return
    import bincopy

    if start + len(data) > 1 << 32:
        raise Failure("an address in the hex file would not fit 32 bits")
    file = bincopy.BinFile()
    file.add_binary(data, address=start)
    files.write(path, file.as_ihex().encode(), inputs)


@click.command()
@click.option(
    "--layout",
    "layout_path",
    required=True,
    metavar="LAYOUT",
    help="File, or name of a board.",
)
@click.option("--app", required=True, metavar="IMAGE", help="Application image.")
@click.option("--version", type=options.VERSION_WORD, help="Version of the application.")
@click.option("--header", metavar="FILE", help="A header made before, instead of --version.")
@click.option("--boot", metavar="FILE", help="Boot stage firmware, .bin or .hex.")
@click.option("--recovery", metavar="IMAGE", help="Recovery image, if the layout has a place.")
@click.option(
    "--base",
    type=files.SIZE,
    default=0,
    help="Address the processor sees the flash at, for .hex files.",
)
@click.option("-o", "--output", required=True, metavar="FILE", help=".bin or .hex")
@stage_options
@statements.key_option
@click.option("--key", help="Public key: refuse signatures that a board with it would not take.")
@options.identity_options
@files.json_option
def combine(
    layout_path,
    app,
    version,
    header,
    boot,
    recovery,
    base,
    output,
    stage_path,
    stage_version,
    sign_key,
    key,
    vendor,
    class_,
    as_json,
):
    """Put boot stage, header and application into one file for a new device.

    A recovery image gets the version of the application. Recovery image and --stage must
    be on the device of the application. Where the layout is signed, --sign-key with a vendor and
    a class signs each image; or each has its IMAGE.sig. --key with a vendor and a class looks
    whether an IMAGE.sig is good, and of this image.
    """
    if (version is None) == (header is None):
        raise click.UsageError("give --version or --header")
    layout = layouts.load(layout_path)
    image = files.read(app)
    images.check(layout, app, image)
    paths = image_paths(layout, app, recovery, stage_path)
    sign = statements.of_options(sign_key, vendor, class_, paths)
    if key is not None:
        if vendor is None or class_ is None:
            raise click.UsageError(f"--key: {options.NO_IDENTITY}")
        point = keys.load_point(key)
        board = statements.Board(vendor.bytes, class_.bytes, point, layout)
        sign = statements.checked(sign, board)
    if header is None:
        head = headers.bare(layout, version, image)
    else:
        head, version = _header(layout, header, image)
    head = headers.signed(layout, head, version, image, sign)
    found = parts(layout, image, head, _boot(layout, boot, base))
    if recovery is not None:
        found += _recovery(layout, recovery, version, sign)
    first = read_stage(layout, stage_path, stage_version)
    if first is not None:
        _check_beside(layout, "stage slot", stage_device(layout))
        found += stage_parts(layout, *first, sign)
    _check_secrets(found, app, boot, recovery, stage_path)
    start, data = join(layout, layout["active"]["device"], found)
    read_too = (layout_path, app, header, boot, recovery, stage_path, sign_key, key)
    write(output, base + start, data, read_too)
    if output != files.STDIO:
        found.sort(key=lambda part: part[1])
        placed = {name: f"{at:#010x} {len(part)} bytes" for name, at, _, part in found}
        files.show({"file": output, "start": base + start, "size": len(data), **placed}, as_json)


def _check_secrets(found, app, boot, recovery, stage_path):
    """Refuse parts, as of parts(), with a private key or an identity. Raises Failure."""
    paths = {"boot": boot, "recovery image": recovery, "boot stage": stage_path}
    paths["application"] = app
    for name, _, _, data in found:
        secret_scan.refuse(paths.get(name, name), data)


def _header(layout, path, image):
    """(header, version) out of a header file that is about this image, or Failure."""
    data = files.read(path, INTERNAL_SIZE)
    _, head = headers.parse(data)
    if data != headers.bare(layout, head.version, image, head.campaign):
        raise Failure(f"{path} is not the header of this application", exits.VERIFY)
    return data, head.version


def _recovery(layout, path, version, sign):
    image = files.read(path)
    check_recovery(layout, path, image)
    _check_beside(layout, "recovery region", layout["recovery"]["device"])
    return recovery_parts(layout, image, version, sign)


def _check_beside(layout, name, device):
    """One file is for one device. Raises Failure."""
    if device != layout["active"]["device"]:
        raise Failure(f"the {name} is not on {layout['active']['device']}")


def _boot(layout, path, base):
    if path is None:
        return None
    active = layout["active"]
    data, start = read_firmware(path, base, layout["devices"][active["device"]]["size"])
    region = layout.get("regions", {}).get("boot", {})
    if start is not None and region and start != region["start"]:
        raise Failure(f"{path} begins at {start:#x}, region boot at {region['start']:#x}")
    return data
