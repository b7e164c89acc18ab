"""`fwtool header`: image headers, made and shown by the device's own fwcore.header."""

import json
import uuid
from hashlib import sha256

import rich_click as click

from fwcore import errors_boot
from fwcore import header as format_
from fwcore import manifest as versions
from fwcore.errors import FwError
from fwcore.stage import pack_stage, unpack_stage
from fwtool import exits, files, options
from fwtool.exits import Failure
from fwtool.signing import statements

KINDS = ("internal", "external", "stage")
MAX_IDENTITY = 64 << 10  # bytes


def internal(version, image, campaign=format_.NO_CAMPAIGN):
    """112 bytes for an image (bytes) of a version (u64)."""
    return format_.pack_internal(_head(version, image, campaign))


def installed(layout, version, image, sign=None, component=None):
    """What lies in front of an image that can be started: header, and signature where asked for.

    sign:       as of statements.signer(); needed where the layout is signed
    component:  what the image is signed as; default: the layout's
    raises:     Failure
    """
    head = bare(layout, version, image)
    return signed(layout, head, version, image, sign, component)


def bare(layout, version, image, campaign=format_.NO_CAMPAIGN):
    """The header alone: 112 bytes, or a stage header's 56."""
    if layout.get("headers") == "stage":
        return pack_stage(version, len(image), sha256(image).digest())
    return internal(version, image, campaign)


def signed(layout, head, version, image, sign, component=None):
    """The header `head` as installed() returns it. Arguments and errors as there."""
    if not layout.get("signed", False):
        return head
    component = component or statements.component_of(layout)
    if sign is None:
        raise Failure(f"the layout is signed, and nothing signs {component}")
    return head + sign(component, version, image)


def _head(version, image, campaign):
    return format_.Header(version, len(image), sha256(image).digest(), campaign)


def rot_of(path):
    """Root of trust from a device's identity.json. Raises Failure."""
    try:
        return identity_of(path)["rot"]
    except KeyError:
        raise _no_identity(path) from None


def identity_of(path):
    """A device's identity.json: dict of bytes. Raises Failure."""
    try:
        values = json.loads(files.read(path, MAX_IDENTITY))
        return {name: bytes.fromhex(text) for name, text in values.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise _no_identity(path) from None


def _no_identity(path):
    return Failure(f"{path} is no identity file with a root of trust")


def parse(data, identity=None):
    """Bytes that begin with a header -> (kind, Header). Raises FwError, Failure."""
    try:
        return "stage", unpack_stage(data, files.MAX_IMAGE)
    except FwError as error:
        if error.code != errors_boot.BAD_MAGIC:
            raise
    if not format_.is_v2(data):
        raise FwError(errors_boot.BAD_MAGIC)
    if identity is not None:
        return "external", format_.unpack_external(data, format_.device_key(rot_of(identity)))
    try:
        return "internal", format_.unpack_internal(data)
    except FwError:
        if len(data) < format_.EXTERNAL_SIZE:
            raise
    raise Failure(
        "not a good internal header; an external one is checked with --identity", exits.VERIFY
    )


@click.group()
def header():
    """Make and show image headers."""


@header.command("create")
@click.argument("image")
@click.option("-o", "--output", required=True, metavar="FILE")
@click.option("--version", type=options.VERSION_WORD, required=True, help="a.b.c, or a number.")
@click.option("--kind", type=click.Choice(KINDS), default="internal", show_default=True)
@click.option("--campaign", type=click.UUID, help="Id of the campaign; default: none.")
@click.option("--layout", metavar="FILE", help="Refuse an IMAGE too large for its active region.")
@click.option("--identity", metavar="FILE", help="identity.json with the device's root of trust.")
def create_command(image, output, version, kind, campaign, layout, identity):
    """Make the header that goes in front of IMAGE."""
    _check_usage(kind, campaign, identity)
    data = files.read(image)
    if layout is not None:
        from fwtool.images import layouts

        layouts.check_fits(layouts.load(layout), image, data)
    campaign_id = campaign.bytes if campaign else format_.NO_CAMPAIGN
    if kind == "stage":
        made = pack_stage(version, len(data), sha256(data).digest())
    elif kind == "internal":
        made = internal(version, data, campaign_id)
    else:
        key = format_.device_key(rot_of(identity))
        made = format_.pack_external(_head(version, data, campaign_id), key)
    files.write(output, made, (image, layout, identity))
    files.note(f"{output}: {kind} header of {len(made)} bytes for {image}", output)


def _check_usage(kind, campaign, identity):
    if kind == "external" and identity is None:
        raise click.UsageError("an external header is bound to one device: give --identity")
    if kind != "external" and identity is not None:
        raise click.UsageError("--identity is for --kind external only")
    if kind == "stage" and campaign is not None:
        raise click.UsageError("a stage header has no campaign")


@header.command("show")
@click.argument("path", metavar="FILE")
@click.option("--at", type=files.SIZE, default=0, help="Where in FILE the header begins.")
@click.option("--identity", metavar="FILE", help="identity.json; checks an external header.")
@files.json_option
def show_command(path, at, identity, as_json):
    """Show the header in FILE, after checking its CRC or MAC."""
    kind, head = parse(files.read(path)[at:], identity)
    shown = {
        "kind": kind,
        "version": versions.version_text(head.version),
        "version_word": head.version,
        "size": head.size,
        "digest": head.digest.hex(),
    }
    if kind != "stage":
        shown["campaign"] = str(uuid.UUID(bytes=head.campaign))
    files.show(shown, as_json)
