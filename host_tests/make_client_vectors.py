"""Makes host_tests/vectors/client/manifests.json: signed manifests for tests of the client.

MicroPython cannot sign, so what its tests need is made here once and committed:

    PYTHONPATH=tools/hostshim:device:tools:host_tests python host_tests/make_client_vectors.py

The two keys are worth nothing: their private numbers are hashes of the words below.
Signing is deterministic, so a second run changes no byte (test_client_vectors.py).
"""

import json
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec

from fwtool import keys, manifest_der
from helpers import here, noise
from simboard import CLASS_ID, VENDOR_ID

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
# name: whose signature the image itself has; all are SMALL
IMAGE_SIGNED = {"image_signed": OURS, "image_forged": STRANGER}
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
        "installed-signature": b"",
    }
    fields.update(changes)
    return fields


def _signed(payload, changes, words=OURS):
    fields = _fields(payload, changes)
    return manifest_der.signed_resource(fields, lambda body: _sign(body, words)).hex()


def _sign(message, words):
    return keys.sign(private(words), sha256(message).digest())


def build():
    """Contents of manifests.json as a dict."""
    manifests = {}
    for name, (shape, changes) in MANIFESTS.items():
        words = STRANGER if name == "stranger" else OURS
        made = _signed(noise(*shape), changes, words)
        manifests[name] = {"size": shape[0], "seed": shape[1], "hex": made}
    for name, words in IMAGE_SIGNED.items():
        made = _signed(noise(*SMALL), {"installed-signature": _sign(noise(*SMALL), words)})
        manifests[name] = {"size": SMALL[0], "seed": SMALL[1], "hex": made}
    for name, size in PATTERNS.items():
        manifests[name] = {"size": size, "hex": _signed(noise(512, 7) * (size // 512), {})}
    return {
        "key": keys.point(private(OURS).public_key()).hex(),
        "manifests": manifests,
    }


if __name__ == "__main__":
    with open(here("vectors/client/manifests.json"), "w") as file:
        json.dump(build(), file, indent=1)
        file.write("\n")
