"""DER of Arm's v3 manifest, for writing: the device's fwcore.manifest only reads.

The names are those of Arm's schema, the order is that of the table in fwcore/manifest.py.
What is made here is always parsed by fwcore.manifest before it is written to a file.
"""

from pyasn1.codec.der import encoder
from pyasn1.type import char, namedtype, univ

SCHEMA = 3


class _Metadata(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("installed-size", univ.Integer()),
        namedtype.NamedType("installed-digest", univ.OctetString()),
        namedtype.OptionalNamedType("precursor-digest", univ.OctetString()),
    )


class _Manifest(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("vendor-id", univ.OctetString()),
        namedtype.NamedType("class-id", univ.OctetString()),
        namedtype.NamedType("update-priority", univ.Integer()),
        namedtype.NamedType("component-name", char.UTF8String()),
        namedtype.NamedType("payload-version", char.UTF8String()),
        namedtype.NamedType("payload-digest", univ.OctetString()),
        namedtype.NamedType("payload-size", univ.Integer()),
        namedtype.NamedType("payload-uri", char.UTF8String()),
        namedtype.NamedType("payload-format", univ.Enumerated()),
        namedtype.NamedType("installed-signature", univ.OctetString()),
        namedtype.OptionalNamedType("payload-metadata", _Metadata()),
        namedtype.OptionalNamedType("vendor-data", univ.OctetString()),
    )


class _SignedResource(univ.Sequence):
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("manifest-version", univ.Enumerated()),
        namedtype.NamedType("manifest", _Manifest()),
        namedtype.NamedType("signature", univ.OctetString()),
    )


def signed_resource(fields, sign):
    """DER bytes of a SignedResource.

    fields:  {name of the schema: int, str or bytes; a dict of such for payload-metadata};
             that and vendor-data may be missing
    sign:    sign(bytes) -> 64 bytes, over the DER of the manifest
    """
    body = _Manifest()
    _fill(body, fields)
    resource = _SignedResource()
    resource["manifest-version"] = SCHEMA
    resource["manifest"] = body
    resource["signature"] = sign(encoder.encode(body))
    return encoder.encode(resource)


def _fill(sequence, fields):
    for name, value in fields.items():
        if isinstance(value, dict):
            _fill(sequence[name], value)
        else:
            sequence[name] = value
