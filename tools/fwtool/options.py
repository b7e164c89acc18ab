"""Options and kinds of argument that several commands share."""

import functools
import re
import uuid

import rich_click as click

from fwcore import manifest
from fwcore.errors import FwError
from fwtool import explain

NO_IDENTITY = "--vendor-id or --vendor-domain, and --class-id or --model, are needed"
COMPONENT_NAME = re.compile("[A-Za-z0-9_-]{1,8}")
_NUMBER = re.compile("[0-9]{1,20}")  # a u64 has at most 20 digits


class VersionText(click.ParamType):
    """ "1.2.3", as text; anything else is a usage error."""

    name = "a.b.c"

    def convert(self, value, param, ctx):
        try:
            manifest.version_word(value)
        except FwError as error:
            self.fail(explain.sentence(error), param, ctx)
        return value


class VersionWord(click.ParamType):
    """ "1.2.3", or the u64 itself (Arm's older clients use UNIX time) -> u64"""

    name = "version"

    def convert(self, value, param, ctx):
        if isinstance(value, int):
            return value
        if _NUMBER.fullmatch(value) and int(value) < 1 << 64:
            return int(value)
        try:
            return manifest.version_word(value)
        except FwError:
            self.fail(f"{value!r} is neither a.b.c with each 0..999 nor a u64", param, ctx)


class Component(click.ParamType):
    """A name that fits a statement and a manifest."""

    name = "component"

    def convert(self, value, param, ctx):
        if not COMPONENT_NAME.fullmatch(value):
            self.fail(f"{value!r} is not 1 to 8 letters, digits, _ and -", param, ctx)
        return value


VERSION_TEXT = VersionText()
VERSION_WORD = VersionWord()
COMPONENT = Component()


def vendor_uuid(vendor_id, vendor_domain):
    """UUID of a vendor, from its id or as UUIDv5 of its domain, as Arm's tool makes it."""
    if vendor_id and vendor_domain:
        raise click.UsageError("give --vendor-id or --vendor-domain, not both")
    if vendor_domain:
        return uuid.uuid5(uuid.NAMESPACE_DNS, vendor_domain)
    return vendor_id


def class_uuid(vendor, class_id, model):
    """UUID of a device class, from its id or as UUIDv5 of its model name below the vendor."""
    if class_id and model:
        raise click.UsageError("give --class-id or --model, not both")
    if model:
        if vendor is None:
            raise click.UsageError("--model needs --vendor-id or --vendor-domain")
        return uuid.uuid5(vendor, model)
    return class_id


def identity_options(command):
    """Adds vendor_id, vendor_domain, class_id and model; the command gets vendor and class_."""

    @click.option("--vendor-id", type=click.UUID, help="UUID of the vendor.")
    @click.option("--vendor-domain", help="Domain of the vendor; its id is UUIDv5(DNS, domain).")
    @click.option("--class-id", type=click.UUID, help="UUID of the device class.")
    @click.option("--model", help="Model name; the class id is UUIDv5(vendor id, model).")
    @functools.wraps(command)
    def wrapper(vendor_id, vendor_domain, class_id, model, **rest):
        vendor = vendor_uuid(vendor_id, vendor_domain)
        return command(vendor=vendor, class_=class_uuid(vendor, class_id, model), **rest)

    return wrapper
