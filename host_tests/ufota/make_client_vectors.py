"""Makes host_tests/vectors/client: signed manifests for tests of the client, and payloads.

MicroPython cannot sign, so what its tests need is made here once and committed:

    PYTHONPATH=tools/hostshim:device:tools python host_tests/ufota/make_client_vectors.py

The two keys are worth nothing: their private numbers are hashes of the words below.
Signing is deterministic, so a second run changes no byte (test_client_vectors.py).
"""

import io
import json
import zlib
from hashlib import sha256
from uuid import UUID

import detools
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from cryptography.hazmat.primitives.padding import PKCS7

from decoders_kit import frame, head, leb, literals
from fwcore.manifest import version_word
from fwtool.signing import keys, manifest_der, statements
from helpers import here
from ufota_testkit.noise import noise
from ufota_testkit.simboard import CLASS_ID, VENDOR_ID

OURS = b"test key of ufota, worth nothing"
STRANGER = b"test key of a stranger, worth nothing"
TWO = (5000, 2)  # size and seed of helpers.noise()
SMALL = (700, 4)

# name: (payload as size and seed, fields that differ from those in _fields())
MANIFESTS = {
    "two": (TWO, {}),
    "two_bundle": (TWO, {"payload-uri": ""}),
    "three": ((5120, 3), {"payload-version": "3.0.0", "payload-uri": "/three.bin"}),
    "small": (SMALL, {}),
    "later": ((900, 5), {"payload-version": "3.0.0"}),
    "elsewhere": (TWO, {"payload-uri": "http://other:81/two.bin"}),
    "long": (TWO, {"payload-uri": "u" * 255, "vendor-data": bytes(64)}),
    "stranger": (TWO, {}),
    "other_vendor": (TWO, {"vendor-id": b"vendor-of-others"}),
    "other_class": (TWO, {"class-id": b"class--of-others"}),
    "other_component": (TWO, {"component-name": "MODEM"}),
    "combined": (TWO, {"payload-format": 6}),
    "too_big": ((5121, 6), {}),
    "huge": (TWO, {"payload-size": 2**31 - 1}),
    "empty": ((0, 0), {}),
    "uri_line_end": (TWO, {"payload-uri": "http://h/x HTTP/1.0\r\nX: y\r\n\r\n"}),
    "uri_blank": (TWO, {"payload-uri": "http://h/x HTTP/1.0"}),
    "uri_scheme": (TWO, {"payload-uri": "file:///etc/passwd"}),
    "uri_user": (TWO, {"payload-uri": "http://h@evil/x"}),
    "system": ((20000, 8), {"component-name": "SYSTEM"}),
    "system_three": ((9000, 9), {"component-name": "SYSTEM", "payload-version": "3.0.0"}),
    "system_huge": ((65537, 10), {"component-name": "SYSTEM", "payload-version": "3.0.0"}),
    "needs_system": (SMALL, {"vendor-data": b"needs:SYSTEM=2.0.0"}),
    "needs_both": (SMALL, {"vendor-data": b"needs:SYSTEM=1.0.0,MAIN=0.0.1"}),
    "needs_radio": (SMALL, {"vendor-data": b"needs:RADIO=1.0.0"}),
    "needs_main": (SMALL, {"component-name": "SYSTEM", "vendor-data": b"needs:MAIN=1.5.0"}),
    "needs_nonsense": (SMALL, {"vendor-data": b"needs:SYSTEM>1"}),
}
# name: whose signature the image itself has in place of ours, over which version; all are SMALL,
# of 2.0.0. A version of None: over the digest alone, as Arm's tool makes it
IMAGE_SIGNED = {
    "image_forged": (STRANGER, "2.0.0"),
    "image_renamed": (OURS, "1.0.0"),
    "image_arm": (OURS, None),
    "image_unsigned": None,
}
# The image that trial_setup() runs, one that is much like it, and others to be refused.
BEFORE = noise(600, 1)
AFTER = BEFORE[:200] + b"changed" + BEFORE[250:] + noise(90, 11)
CLASS_KEY = bytes(range(16))
# name: (payload format, patch made for, image that comes out; None: AFTER)
PACKED = {
    "packed_deflated": (0x201, None, None),
    "packed_patch": (0x007, BEFORE, None),
    "packed_deflated_patch": (0x207, BEFORE, None),
    "packed_arm": (0x005, BEFORE, None),
    "packed_encrypted": (0x401, None, None),
    "packed_all": (0x607, BEFORE, None),
    "packed_for_another": (0x207, AFTER, None),
    "packed_other_image": (0x207, BEFORE, noise(647, 12)),
    "packed_system": (0x201, None, None),
    "packed_system_patch": (0x207, BEFORE, None),
}
# name: size; the payload is update_kit.pattern(), which takes no memory
PATTERNS = {"pattern_16k": 16 << 10, "pattern_64k": 64 << 10, "pattern_2m": 2 << 20}


def private(words):
    return ec.derive_private_key(int.from_bytes(sha256(words).digest(), "big"), ec.SECP256R1())


def _fields(payload, changes):
    fields = {
        "vendor-id": VENDOR_ID,
        "class-id": CLASS_ID,
        "update-priority": 0,
        "component-name": "MAIN",
        "payload-version": "2.0.0",
        "payload-digest": sha256(payload).digest(),
        "payload-size": len(payload),
        "payload-uri": "payload.bin",
        "payload-format": 1,
    }
    fields.update(changes)
    return fields


def _signed(payload, changes, words=OURS, image=None):
    """A manifest, signed, as is the statement about the image. image: default: the payload"""
    fields = _fields(payload, changes)
    if "installed-signature" not in fields:
        fields["installed-signature"] = _sign_image(image or payload, words, fields)
    return manifest_der.signed_resource(fields, lambda body: _sign(body, words)).hex()


def _sign(message, words):
    return keys.sign(private(words), sha256(message).digest())


def _sign_image(image, words, fields):
    vendor, class_ = UUID(bytes=fields["vendor-id"]), UUID(bytes=fields["class-id"])
    word = version_word(fields["payload-version"])
    return statements.sign(private(words), vendor, class_, fields["component-name"], word, image)


def _other_signature(words, version):
    image = noise(*SMALL)
    if version is None:
        return _sign(image, words)
    return _sign_image(image, words, _fields(image, {"payload-version": version}))


def _deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -10)
    return packer.compress(data) + packer.flush()


def _patch(old, new):
    out = io.BytesIO()
    detools.create_patch(
        io.BytesIO(old), io.BytesIO(new), out, compression="none", patch_type="sequential"
    )
    return out.getvalue()


def _arm_patch(new):
    """Arm's stream with nothing of the old image in it, and nothing compressed."""
    blocks = (literals(new[at : at + 200]) for at in range(0, len(new), 200))
    return head(len(new)) + leb(0) + leb(len(new)) + leb(0) + b"".join(map(frame, blocks))


def _encrypted(data):
    key, iv = noise(16, 21), noise(16, 22)
    padder = PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(data) + padder.finalize()
    return aes_key_wrap(CLASS_KEY, key) + iv + cipher.update(padded) + cipher.finalize()


def _payload(number, before, after):
    made = {1: after, 5: _arm_patch(after), 7: before and _patch(before, after)}[number & 0xFF]
    made = _deflated(made) if number & 0x200 else made
    return _encrypted(made) if number & 0x400 else made


def packed(name):
    """The payload of one of PACKED; another zlib may make other bytes of the same image."""
    number, before, _ = PACKED[name]
    return _payload(number, before, AFTER)


def _packed(name, made):
    """Payload and manifest of one of PACKED."""
    number, before, other = PACKED[name]
    installed = other or AFTER
    metadata = {"installed-size": len(installed), "installed-digest": sha256(installed).digest()}
    if before:
        metadata["precursor-digest"] = sha256(before).digest()
    changes = {"payload-format": number, "payload-metadata": metadata}
    if "system" in name:
        changes["component-name"] = "SYSTEM"
    return {"payload": made.hex(), "hex": _signed(made, changes, image=installed)}


def build_packed(payload=packed):
    """Contents of packed.json as a dict. payload: payload(name) of PACKED"""
    return {name: _packed(name, payload(name)) for name in PACKED}


def build():
    """Contents of manifests.json as a dict."""
    manifests = {}
    for name, (shape, changes) in MANIFESTS.items():
        words = STRANGER if name == "stranger" else OURS
        made = _signed(noise(*shape), changes, words)
        manifests[name] = {"size": shape[0], "seed": shape[1], "hex": made}
    for name, how in IMAGE_SIGNED.items():
        signature = _other_signature(*how) if how else b""
        made = _signed(noise(*SMALL), {"installed-signature": signature})
        manifests[name] = {"size": SMALL[0], "seed": SMALL[1], "hex": made}
    for name, size in PATTERNS.items():
        manifests[name] = {"size": size, "hex": _signed(noise(512, 7) * (size // 512), {})}
    return {
        "key": keys.point(private(OURS).public_key()).hex(),
        "manifests": manifests,
    }


def _write(name, contents):
    with open(here("vectors/client/" + name), "w") as file:
        json.dump(contents, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    _write("manifests.json", build())
    _write("packed.json", build_packed())
