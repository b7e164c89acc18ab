"""`fwtool delta`: patches and deflated images on their own, to try them and to look at them.

`fwtool bundle --from` makes one, and signs it. payloads.py has how they are made.
"""

from hashlib import sha256

import rich_click as click

from fwcore import formats
from fwtool import files
from fwtool.payloads import payloads, unpack
from fwtool.signing import manifests

KINDS = ("deflate", "patch", "arm")
kind_option = click.option(
    "--kind", type=click.Choice((payloads.AUTO, *KINDS)), default=payloads.AUTO, show_default=True
)
wbits_option = click.option(
    "--wbits",
    type=click.IntRange(9, 12),
    default=unpack.WBITS,
    show_default=True,
    help="Window of 2^WBITS bytes. Devices have 10, where their build was not changed.",
)


@click.group()
def delta():
    """Make, apply and show patches and deflated images."""


@delta.command("make")
@click.argument("old")
@click.argument("new")
@click.option("-o", "--output", required=True, metavar="PATCH")
@kind_option
@wbits_option
@click.option("--ram", type=files.SIZE, help="RAM that the device's decoders may take.")
@files.json_option
def make_command(old, new, output, kind, wbits, ram, as_json):
    """Make the smallest PATCH out of which devices with image OLD make image NEW.

    All kinds are made, tried with the device's decoders, and shown with what they take: bytes
    to download, and RAM of the decoders at most. `deflate` needs no OLD; `arm` needs Arm's
    manifest-delta-tool, beside $MANIFEST_TOOL or on the PATH. Nothing in PATCH tells which OLD
    it is for: a manifest does.
    """
    before, image = files.read(old), files.read(new)
    kinds = KINDS if kind == payloads.AUTO else (kind,)
    found = payloads.offers(kinds, before, image, wbits, ram)
    chosen = payloads.smallest(found)
    files.write(output, chosen.payload.data, (old, new))
    rows = [_row(offer, offer is chosen, len(image)) for offer in found]
    if as_json:
        told = {"old_size": len(before), "new_size": len(image), "kinds": rows}
        told |= {"chosen": chosen.kind, "wbits": wbits}
        if output != files.STDIO:
            files.print_json(told)
        return
    _draw(rows, output)


def _row(offer, chosen, size):
    made = offer.payload
    name = manifests.PAYLOAD_FORMATS[payloads.KINDS[offer.kind]]
    row = {"kind": offer.kind, "format": name, "ram": offer.ram}
    row["size"] = len(made.data) if made else None
    row["percent"] = round(100 * len(made.data) / size, 1) if made and size else None
    row["chosen"] = chosen
    row["why_not"] = offer.why or None
    return row


def _draw(rows, output):
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", box=None, padding=(0, 2, 0, 0))
    for name in "size", "% of NEW", "RAM":
        table.add_column(name, justify="right")
    table.add_column("")
    for row in rows:
        cells = [row["kind"], row["size"], row["percent"], row["ram"], row["why_not"]]
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    Console(stderr=output == files.STDIO, highlight=False).print(table)


@delta.command("apply")
@click.argument("old")
@click.argument("patch")
@click.option("-o", "--output", required=True, metavar="NEW")
@kind_option
@wbits_option
@files.json_option
def apply_command(old, patch, output, kind, wbits, as_json):
    """Make image NEW out of image OLD and PATCH, by the device's own decoders.

    Out of another OLD comes another NEW: compare the digest shown.
    """
    before, data = files.read(old), files.read(patch)
    number, size = _about(data, kind)
    image = unpack.unpack(number, data, size, before, wbits=wbits)
    files.write(output, image, (old, patch))
    told = {"kind": _kind(number), "size": len(image), "digest": sha256(image).hexdigest()}
    if output != files.STDIO:
        files.show(told, as_json)


def _about(data, kind):
    """(format, bytes of the image) of a patch. Raises Failure, FwError."""
    number = unpack.guess(data) if kind == payloads.AUTO else payloads.KINDS[kind]
    plain = _plain(number, data)
    part = number & formats.KIND
    return number, len(plain) if part == formats.RAW else unpack.image_size(part, plain)


def _plain(number, data):
    return unpack.inflated(data) if number & formats.DEFLATED else data


def _kind(number):
    return next(name for name, value in payloads.KINDS.items() if value == number)


@delta.command("show")
@click.argument("patch")
@kind_option
@click.option("--records", "listed", is_flag=True, help="List the records, too.")
@files.json_option
def show_command(patch, kind, listed, as_json):
    """Show what PATCH is, and what it makes out of what.

    A record takes bytes of OLD and adds some of its own to them, brings bytes that are new,
    and moves on in OLD.
    """
    data = files.read(patch)
    number, size = _about(data, kind)
    found = []
    told = {"kind": _kind(number), "format": manifests.PAYLOAD_FORMATS[number]}
    told |= {"size": len(data), "image_size": size, "ram": payloads.ram(number)}
    if number & formats.KIND != formats.RAW:
        found = unpack.records(number & formats.KIND, _plain(number, data))
        told |= _sums(found)
    if as_json:
        files.print_json({**told, "list": found} if listed else told)
        return
    files.print_rows(told)
    for record in found if listed else ():
        click.echo("{:>9} of OLD, {:>9} new, then {:+}".format(*record))


def _sums(found):
    """What records come to; old_reach: bytes that OLD has at least."""
    at = reach = 0
    for count, _, move in found:
        reach = max(reach, at + count)
        at += count + move
    told = {"records": len(found), "of_old": sum(count for count, _, _ in found)}
    return {**told, "new": sum(count for _, count, _ in found), "old_reach": reach}
