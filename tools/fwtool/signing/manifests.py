"""`fwtool manifest`: make, sign, show and verify manifests.

Manifests are Arm's v3 (fwcore/manifest.py has the bytes); `manifest-tool` reads what this
makes, and the other way round. bundles.py puts one and its payload into one file.
"""

import uuid
from hashlib import sha256

import rich_click as click

from fwcore import errors, errors_net, statement
from fwcore import manifest as format_
from fwcore.errors import FwError
from fwcore.formats import RAW, check
from fwtool import exits, explain, files, options
from fwtool.exits import Failure
from fwtool.payloads import packing
from fwtool.signing import class_key, keys, secret_scan, statements

NEEDS = b"needs:"  # vendor-data that begins so is read by ufota.firmware.targets
COMPONENT = "MAIN"  # where the layout names no other
MAX_VENDOR_DATA = 64 << 10  # bytes read; the device's own limit is in fwcore.manifest
STATEMENT, DIGEST, NONE = "statement", "digest", "none"  # what installed-signature is over
# Names of Arm's schema, and ours. Reading shows them all; the device takes what it can install.
PAYLOAD_FORMATS = {
    1: "raw-binary",
    5: "arm-patch-stream",
    6: "combined",
    7: "detools-patch",
    0x101: "encrypted-raw",  # Arm's; ours have 0x400
    0x105: "encrypted-arm-patch-stream",
    0x106: "encrypted-combined",
    0x201: "deflated",
    0x205: "deflated-arm-patch-stream",
    0x207: "deflated-detools-patch",
    0x401: "raw-binary, encrypted",
    0x405: "arm-patch-stream, encrypted",
    0x407: "detools-patch, encrypted",
    0x601: "deflated, encrypted",
    0x605: "deflated-arm-patch-stream, encrypted",
    0x607: "deflated-detools-patch, encrypted",
}


def making_options(required):
    """Options that describe a new manifest; `required` is False where --manifest may stand."""

    def decorate(command):
        for option in reversed(
            (
                click.option("--key", required=required, help="Private key, PEM."),
                click.option("--version", type=options.VERSION_TEXT, required=required),
                click.option("--priority", type=click.IntRange(0, 2**31 - 1), default=0),
                click.option("--component", default=COMPONENT, show_default=True),
                click.option(
                    "--image-signature",
                    type=click.Choice((STATEMENT, DIGEST, NONE)),
                    default=STATEMENT,
                    show_default=True,
                    help="What installed-signature is over: all that the image is, for our boot"
                    " stages, or its digest, for Arm's clients.",
                ),
                click.option("--vendor-data", metavar="FILE", help="At most 64 bytes."),
                click.option(
                    "--needs",
                    multiple=True,
                    metavar="COMPONENT=a.b.c",
                    callback=_needs,
                    help="Devices with an older COMPONENT refuse the image; may be repeated.",
                ),
                click.option(
                    "--layout",
                    metavar="FILE",
                    help="Refuse an IMAGE that its boards cannot start.",
                ),
            )
        ):
            command = option(command)
        return options.identity_options(command)

    return decorate


def _needs(ctx, param, values):
    """Options COMPONENT=a.b.c -> the vendor-data that says so, None without any."""
    for value in values:
        component, _, least = value.partition("=")
        if not options.COMPONENT_NAME.fullmatch(component):
            raise click.BadParameter(f"{value!r} is not COMPONENT=a.b.c")
        options.VERSION_TEXT.convert(least, param, ctx)
    return NEEDS + ",".join(values).encode() if values else None


def create(
    key,
    image,
    vendor,
    class_,
    version,
    uri="",
    priority=0,
    component=COMPONENT,
    image_signature=STATEMENT,
    vendor_data=None,
    packed=None,
):
    """Make a signed manifest for an image.

    key:      private key object (keys.load_private)
    image:    its bytes
    vendor, class_: uuid.UUID
    image_signature: STATEMENT, DIGEST or NONE
    packed:   packing.Packed, what is downloaded in place of the image; None: the image itself
    returns:  DER bytes, read back by the device's own parser
    raises:   Failure when no device could accept it
    """
    digest = sha256(image).digest()
    payload = packed.data if packed else image
    fields = {
        "vendor-id": vendor.bytes,
        "class-id": class_.bytes,
        "update-priority": priority,
        "component-name": component,
        "payload-version": version,
        "payload-digest": sha256(payload).digest(),
        "payload-size": len(payload),
        "payload-uri": uri,
        "payload-format": packed.format if packed else RAW,
        "installed-signature": b"",
    }
    if image_signature == STATEMENT:
        signed = component, format_.version_word(version), image
        fields["installed-signature"] = statements.sign(key, vendor, class_, *signed)
    elif image_signature == DIGEST:
        fields["installed-signature"] = keys.sign(key, digest)
    if packed and packed.format != RAW:
        fields["payload-metadata"] = _metadata(image, digest, packed.precursor)
    if vendor_data is not None:
        fields["vendor-data"] = vendor_data
    return _signed(key, fields, payload)


def _metadata(image, digest, precursor):
    found = {"installed-size": len(image), "installed-digest": digest}
    return {**found, "precursor-digest": precursor} if precursor else found


def _signed(key, fields, payload):
    """DER of a manifest that the device's own parser has taken. Raises Failure."""
    from fwtool.signing import manifest_der

    try:
        made = manifest_der.signed_resource(
            fields, lambda body: keys.sign(key, sha256(body).digest())
        )
        check_payload(read(made, keys.point(key.public_key())), payload)
    except FwError as error:
        text = f"no device would accept this: error {error.code}: {explain.sentence(error)}"
        raise Failure(text) from None
    return made


def read(data, point=None, takes=tuple(PAYLOAD_FORMATS)):
    """Parse a manifest as the device does, and verify it when a point (65 bytes) is given.

    takes:   payload formats to take, numbers; default: all that have a name
    raises:  FwError
    """
    verify = _believe
    if point is not None:
        from fwcore.p256 import PublicKey

        verify = PublicKey(point).verify
    found = format_.read(memoryview(data), verify)
    check(found, takes)
    found.signer = verify
    return found


def _believe(digest, signature):
    return True


def check_payload(found, payload):
    """Raises FwError CORRUPT or BAD_SIGNATURE when payload is not what the manifest announced."""
    if len(payload) != found.size:
        raise FwError(errors.CORRUPT, len(payload))
    if sha256(payload).digest() != found.digest:
        raise FwError(errors.CORRUPT)
    image_signature(found)


def image_signature(found):
    """What the signature of the image is over: STATEMENT, DIGEST (as Arm's tool makes it) or NONE.

    found:   read() with a point. Raises FwError BAD_SIGNATURE
    """
    if not found.image_signature:
        return NONE
    head = found.version, found.installed_size, found.installed_digest
    said = statement.digest_of(found, found.component, head)
    for name, digest in ((STATEMENT, said), (DIGEST, found.installed_digest)):
        if found.signer(digest, found.image_signature):
            return name
    raise FwError(errors.BAD_SIGNATURE)


def rows(found, point=None):
    """Manifest -> dict for people and for JSON. Raises FwError BAD_SIGNATURE"""
    asked = point is not None or not found.image_signature
    signer = "not checked" if point is None else f"good, key {keys.key_id(point)}"
    shown = {
        "vendor_id": str(uuid.UUID(bytes=found.vendor_id)),
        "class_id": str(uuid.UUID(bytes=found.class_id)),
        "component": found.component,
        "version": format_.version_text(found.version),
        "priority": found.priority,
        "format": PAYLOAD_FORMATS[found.format],
        "size": found.size,
        "digest": found.digest.hex(),
        "uri": found.uri,
        "image_signature": image_signature(found) if asked else "not checked",
        "manifest_size": found.end,
        "signature": signer,
    }
    if found.format != RAW:
        shown["installed_size"] = found.installed_size
        shown["installed_digest"] = found.installed_digest.hex()
    if found.precursor:
        shown["precursor"] = found.precursor.hex()
    if found.vendor_data.startswith(NEEDS):
        shown["needs"] = found.vendor_data[len(NEEDS) :].decode(errors="replace")
    elif found.vendor_data:
        shown["vendor_data"] = found.vendor_data.hex()
    return shown


@click.group()
def manifest():
    """Make, show and verify signed manifests (Arm v3)."""


@manifest.command("create")
@click.argument("image")
@click.option("-o", "--output", required=True, metavar="FILE")
@click.option("--uri", required=True, help="Where the device downloads IMAGE, or the payload.")
@click.option("--payload", metavar="FILE", help="Written: what is downloaded in place of IMAGE.")
@packing.options
@making_options(required=True)
def create_command(image, output, uri, payload, how, **making):
    """Sign a manifest for IMAGE.

    With --from, --deflate or --class-key the device downloads something else, out of which it
    makes IMAGE: that goes into --payload.
    """
    if how.is_asked != (payload is not None):
        raise click.UsageError("--payload goes with --from, --deflate or --class-key")
    if len(how.sources) > 1:
        raise click.UsageError("a manifest is for one --from")
    data = image_of(image, making)
    packed = packing.pack(data, how)[0][1] if how.is_asked else None
    made = make(data, uri=uri, packed=packed, **making)
    read_too = (image, *how.inputs, *inputs(making))
    if packed:
        files.write(payload, packed.data, read_too)
    files.write(output, made, (*read_too, payload))
    files.note(f"{output}: manifest of {len(made)} bytes for {image}", output)


def image_of(path, making, raw=True):
    """Bytes of an image that a device takes and, if its layout is given, starts.

    raw:     False: an application without a layout has to be a file system image, of any kind
    raises:  Failure
    """
    data = files.read(path)
    secret_scan.refuse(path, data)
    if not data:
        raise Failure(f"{path} is empty: no device takes it", exits.REFUSED)
    if making["layout"] is not None:
        from fwtool.images import image, layouts, stage

        layout = layouts.load(making["layout"])
        if making["component"] == layout.get("stages", {}).get("component"):
            stage.check_fits(layout, path, data)
        elif making["component"] == layout.get("component", COMPONENT):
            image.check(layout, path, data)
    elif not raw and making["component"] == COMPONENT:
        from fwtool.images import filesystems

        if not filesystems.is_one(data):
            text = "is no image of LittleFS2, FAT or ROMFS, so no board starts it: else give --raw"
            raise Failure(f"{path} {text}", exits.REFUSED)
    return data


def inputs(making):
    """The files among the making options."""
    return making["key"], making["vendor_data"], making["layout"]


def make(image, key, vendor, class_, vendor_data, needs, layout, **fields):
    """Manifest of an image, by the making options; fields: further ones of create()."""
    if vendor is None or class_ is None:
        raise click.UsageError(options.NO_IDENTITY)
    if vendor_data is not None and needs:
        raise click.UsageError("give --vendor-data or --needs: they take the same place")
    if vendor_data is not None:
        vendor_data = files.read(vendor_data, MAX_VENDOR_DATA)
    vendor_data = needs or vendor_data
    private = keys.load_private(key)
    return create(private, image, vendor, class_, vendor_data=vendor_data, **fields)


@manifest.command("show")
@click.argument("path", metavar="FILE")
@files.json_option
def show_command(path, as_json):
    """Show what a manifest or bundle FILE says. Nothing is verified."""
    files.show(rows(read(files.read(path))), as_json)


@manifest.command("verify")
@click.argument("path", metavar="FILE")
@click.option("--key", "--cert", required=True, help="Public key: PEM, DER, certificate, point.")
@click.option("--payload", metavar="FILE", help="What it announces; in a bundle it is behind.")
@click.option("--from", "source", metavar="OLD", help="The image that a patch is for.")
@class_key.option
@click.option("--newer-than", type=options.VERSION_TEXT, help="Refuse any other version.")
@click.option("--component", default=COMPONENT, show_default=True, help="Refuse any other.")
@options.identity_options
@files.json_option
def verify_command(path, key, payload, source, class_key, as_json, **policy):
    """Verify a manifest or bundle FILE as a device would.

    With a vendor, a class or --newer-than it is also asked whether that device takes it. A
    payload is made into the image it stands for: for a patch give --from, for an encrypted one
    --class-key.
    """
    point = keys.load_point(key)
    data = files.read(path)
    device = packing.Device.of(source, class_key)
    found = read(data, point, device.formats)
    check_policy(found, **policy)
    if payload is not None and len(data) > found.end:
        raise click.UsageError(f"{path} has a payload of its own")
    body = data[found.end :] if payload is None else files.read(payload)
    if payload is not None or body:
        check_payload(found, body)
        device.check_image(found, body)
    shown = rows(found, point)
    shown["payload"] = "good" if payload is not None or body else "not checked"
    files.show(shown, as_json)


def check_policy(found, vendor, class_, newer_than, component=COMPONENT):
    """What a device refuses although it is well signed. Raises FwError, Failure."""
    if vendor is not None and vendor.bytes != found.vendor_id:
        raise FwError(errors.WRONG_VENDOR)
    if class_ is not None and class_.bytes != found.class_id:
        raise FwError(errors.WRONG_CLASS)
    if found.component != component:
        raise FwError(errors_net.WRONG_COMPONENT)
    if newer_than is not None and found.version <= format_.version_word(newer_than):
        raise FwError(errors.NOT_NEWER)
    if not found.size:
        raise Failure("the payload is empty: no device takes it", exits.REFUSED)
