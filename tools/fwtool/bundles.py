"""`fwtool bundle`: a manifest directly followed by its payload, in one file."""

from hashlib import sha256

import rich_click as click

from fwcore import manifest as format_
from fwtool import exits, files, manifests, packing
from fwtool.exits import Failure

_MARK = "{}"  # in the name of an output: digits of the image before
_DIGITS = 16


@click.command()
@click.argument("image")
@click.option("-o", "--output", required=True, metavar="FILE")
@click.option("--manifest", "made", metavar="FILE", help="A manifest made before for IMAGE.")
@packing.options
@manifests.making_options(required=False)
@files.json_option
def bundle(image, output, made, how, as_json, **making):
    """Put a manifest and IMAGE into one file that any transport can carry.

    With --key, --version, vendor and class the manifest is made here; with --manifest an
    existing one is used, and IMAGE is what it announces.

    With --from OLD it is for devices with that image only, and has the smallest of a patch,
    the image deflated, and the image itself. With several --from there is one bundle for each:
    FILE has {} in its name, and gets the first 16 digits of SHA-256 of OLD there.
    `fwtool serve` gives each device the one for it. With --class-key nobody reads it who has
    not got that key.
    """
    if len(how.sources) > 1 and _MARK not in output:
        raise click.UsageError("with several --from, FILE has {} in its name")
    if made is None:
        if making["key"] is None or making["version"] is None:
            raise click.UsageError("give --manifest, or --key and --version")
        bundles = _made(manifests.image_of(image, making), how, making)
    else:
        if making["key"] is not None or making["version"] is not None or how.is_asked:
            raise click.UsageError("--manifest already says what the other options would")
        bundles = [_joined(made, manifests.image_of(image, making))]
    read_too = (image, made, *how.inputs, *manifests.inputs(making))
    names = [_named(output, source) for source in how.sources or (None,)]
    for name, (head, payload) in zip(names, bundles, strict=True):
        files.write(name, head + payload, read_too)
    told = [_row(name, *parts) for name, parts in zip(names, bundles, strict=True)]
    _tell(told, output, as_json)


def _made(image, how, making):
    """[(manifest, payload)]"""
    if not how.is_asked:
        return [(manifests.make(image, uri="", **making), image)]
    found = packing.pack(image, how)
    return [(manifests.make(image, uri="", packed=one, **making), one.data) for one in found]


def _joined(path, payload):
    """(manifest of a file, payload) that belong together. Raises Failure, FwError."""
    head = files.read(path, format_.MAX_SIZE)
    found = manifests.read(head)
    if found.end != len(head):
        raise Failure(f"{path} goes on after the manifest", exits.VERIFY)
    manifests.check_payload(found, payload)
    return head, payload


def _named(output, source):
    if source is None:
        return output
    return output.replace(_MARK, sha256(files.read(source)).hexdigest()[:_DIGITS])


def _row(name, head, payload):
    return {"file": name, **manifests.rows(manifests.read(head))}


def _tell(rows, output, as_json):
    if as_json and output != files.STDIO:
        files.print_json(rows)
        return
    for row in rows:
        what = (
            "" if row["format"] == manifests.PAYLOAD_FORMATS[format_.RAW] else f", {row['format']}"
        )
        files.note(
            f"{row['file']}: bundle of {row['manifest_size']} + {row['size']} bytes{what}", output
        )
