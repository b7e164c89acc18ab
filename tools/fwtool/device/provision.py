"""`fwtool provision`: the identity of one device, into a file or onto a board on a cable.

What it is, and how a device takes it from a file: device/ufota/provision.py. Secrets travel
in files, never on a command line. To compare, only their digest comes back.
"""

import json
import os
import secrets
from hashlib import sha256

import rich_click as click

from fwcore.header import device_key
from fwtool import exits, files, options
from fwtool.device import deploy_scripts as scripts
from fwtool.device.device_link import Link
from fwtool.exits import Failure
from fwtool.images import headers
from fwtool.signing import class_key as class_keys
from fwtool.signing import keys

ROT_SIZE = 16  # what fwcore.header.device_key takes


def make(point, vendor, class_, rot=None, class_key=None):
    """Identity of one device: dict of hex texts.

    point:   public key it will trust, 65 bytes; vendor, class_: uuid.UUID
    rot:     root of trust, 16 bytes; None for random ones
    class_key: 16 bytes; None: this device reads no encrypted payloads
    raises:  FwError BAD_KEY for a root of trust of another length
    """
    rot = rot or secrets.token_bytes(ROT_SIZE)
    device_key(rot)  # the device's own check
    identity = {
        "rot": rot.hex(),
        "key": point.hex(),
        "vendor_id": vendor.hex,
        "class_id": class_.hex,
    }
    return {**identity, "class_key": class_key.hex()} if class_key else identity


def save(path, identity):
    """Write it where only its owner can read it, and where no file is. Raises Failure."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Failure(f"{path} is there already, and may be a device's", exits.REFUSED) from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {files.reason(error)}") from None
    with os.fdopen(handle, "w") as file:
        json.dump(identity, file, indent=2)


def is_provisioned(link, identity=None):
    """Has the board on a Link an identity?

    identity:  what it is to be given, or None
    raises:    Failure REFUSED when it has one that trusts another key
    """
    told = link.ask(scripts.IDENTITY)
    if told["made"] and identity and told["key"] != identity["key"]:
        raise Failure("the board is provisioned for another key", exits.REFUSED)
    return told["made"]


def give(link, identity):
    """Provision the board on a Link, unless it is. Raises Failure; FwError."""
    if is_provisioned(link, identity):
        return
    if link.ask(scripts.PROVISION.format(identity=identity)) != _digest(identity):
        raise Failure("the board reads back another identity", exits.VERIFY)


def _digest(identity):
    """SHA-256 over all of an identity, so that none of it travels to be compared."""
    return sha256(
        bytes.fromhex("".join(identity.get(name, "") for name in scripts.NAMES))
    ).hexdigest()


def of_options(key, rot, vendor, class_, class_key=None):
    """Identity from a command's options; None without --key. Raises click.UsageError, Failure."""
    if key is None:
        if any(value is not None for value in (rot, vendor, class_key)):
            raise click.UsageError("--key is needed to provision a board")
        return None
    if vendor is None or class_ is None:
        raise click.UsageError(options.NO_IDENTITY)
    root = None
    if rot is not None:
        root = headers.rot_of(rot)
        files.warn_of_readers(rot)
    return make(keys.load_point(key), vendor, class_, root, class_keys.load(class_key))


@click.command()
@click.option("-o", "out", metavar="FILE", help="Write identity.json, for a device's first start.")
@click.option("--port", help="Serial port of a board, as mpremote takes it.")
@click.option("--key", required=True, help="Public key the device will trust.")
@click.option("--rot", metavar="FILE", help="identity.json with a root of trust; default: random.")
@class_keys.option
@options.identity_options
@files.json_option
def provision(out, port, key, rot, class_key, vendor, class_, as_json):
    """Give a device its identity: root of trust, public key, vendor and class.

    With --class-key it also reads payloads encrypted for its class: the same key for all.

    A device gets one, once. With -o it is a file that the device takes at its first start,
    from /user/identity.json (`ufota.provision`), and then removes: as secret as the device,
    and for one device only. Exit codes: 3 the board read back another, 4 no board, 5 refused:
    it trusts another key, or FILE is there already.
    """
    if (out is None) == (port is None):
        raise click.UsageError("give either -o or --port")
    identity = of_options(key, rot, vendor, class_, class_key)
    if out is not None:
        save(out, identity)
    else:
        give(Link(port, is_fresh=True), identity)
    told = {"provisioned": out is None, "file": out, "port": port, "key": identity["key"]}
    if as_json:
        files.print_json(told)
        return
    click.echo(f"{out}: identity of one device" if out else f"{port}: provisioned")
