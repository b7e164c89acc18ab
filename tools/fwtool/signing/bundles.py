"""`fwtool bundle`: a manifest directly followed by its payload, in one file."""

import rich_click as click

from fwcore import manifest as format_
from fwcore.formats import RAW
from fwtool import exits, files
from fwtool.exits import Failure
from fwtool.payloads import packing
from fwtool.signing import manifests

_MARK = "{}"  # in the name of an output: digits of the image before
_DIGITS = 16


@click.command()
@click.argument("image")
@click.option("-o", "--output", required=True, metavar="FILE")
@click.option("--manifest", "made", metavar="FILE", help="A manifest made before for IMAGE.")
@click.option("--raw", is_flag=True, help="Take IMAGE though it is no file system image.")
@packing.options
@manifests.making_options(required=False)
@files.json_option
def bundle(image, output, made, raw, how, as_json, **making):
    """Put a manifest and IMAGE into one file that any transport can carry.

    With --key, --version, vendor and class the manifest is made here; with --manifest an
    existing one is used, and IMAGE is what it announces.

    With --from OLD it is for devices with that image only, and has the smallest of a patch,
    the image deflated, and the image itself. With several --from there is one bundle for each:
    FILE has {} in its name, and gets the first 16 digits of SHA-256 of OLD there.
    `fwtool serve` gives each device the one for it. With --class-key only devices with that
    key can read it. Images of the firmware itself (--component) cannot be patched.

    Exit code 5 for an application that no board could start; with --layout it is looked at
    more closely. A private key or an identity in IMAGE is refused as well.
    """
    if len(how.sources) > 1 and _MARK not in output:
        raise click.UsageError("with several --from, FILE has {} in its name")
    if made is None:
        if making["key"] is None or making["version"] is None:
            raise click.UsageError("give --manifest, or --key and --version")
        bundles = _made(manifests.image_of(image, making, raw), how, output, making)
    else:
        if making["key"] is not None or making["version"] is not None or how.is_asked:
            raise click.UsageError("--manifest already says what the other options would")
        bundles = [(output, *_joined(made, manifests.image_of(image, making)))]
    read_too = (image, made, *how.inputs, *manifests.inputs(making))
    for name, head, payload in bundles:
        files.write(name, head + payload, read_too)
    told = [{"file": name, **manifests.rows(manifests.read(head))} for name, head, _ in bundles]
    _tell(told, output, as_json)


def _made(image, how, output, making):
    """[(name of its file, manifest, payload)]"""
    if not how.is_asked:
        return [(output, manifests.make(image, uri="", **making), image)]
    found = []
    for before, packed in packing.pack(image, how):
        name = output.replace(_MARK, before.hex()[:_DIGITS]) if before else output
        head = manifests.make(image, uri="", packed=packed, **making)
        found.append((name, head, packed.data))
    return found


def _joined(path, payload):
    """(manifest of a file, payload) that belong together. Raises Failure, FwError."""
    head = files.read(path, format_.MAX_SIZE)
    found = manifests.read(head)
    if found.end != len(head):
        raise Failure(f"{path} goes on after the manifest", exits.VERIFY)
    manifests.check_payload(found, payload)
    return head, payload


def _tell(rows, output, as_json):
    if as_json and output != files.STDIO:
        files.print_json(rows)
        return
    raw = manifests.PAYLOAD_FORMATS[RAW]
    for row in rows:
        text = f"{row['file']}: bundle of {row['manifest_size']} + {row['size']} bytes"
        files.note(text if row["format"] == raw else f"{text}, {row['format']}", output)
