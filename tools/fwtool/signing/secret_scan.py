"""Secrets in bytes that are to be published: private keys, and identities of devices.

Looked for at any place, so inside of a file system image, a bundle or firmware as well:

    a private key in PEM, of any kind: the line that begins it, and text in base64 behind it
    a private key in DER, encrypted or not (PKCS #8, SEC 1, PKCS #1): what the library loads
    an identity in JSON: "rot" or "class_key" with their digits
    the store of a board, out of its flash: the record of fwcore.kv with a root of trust

Not found is what is deflated, encrypted, an archive or PKCS #12; what a file system keeps in
pieces; a key that is nothing but its bytes, as a class key's file.
"""

import re

from fwcore import kv
from fwtool.exits import REFUSED, Failure

_PEM = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    # mbedTLS in firmware has such lines with nothing behind them. Source has them in quotes.
    rb"(?:\s|\\[nr]|b?[\"'+\\]|[A-Za-z-]{1,30}: [^\n]{0,100}\n){0,40}"
    rb"[A-Za-z0-9+/]{24}"
)
_IDENTITY = re.compile(rb"[\"'](?:rot|class_key)[\"']\s{0,9}:\s{0,9}[\"'][0-9a-fA-F]{32}[\"']")
_STORE = re.compile(re.escape(kv._pack({b"rot": bytes(16)})[:-16]))
# How one in DER begins: a sequence with a version, or with the name of what encrypts it.
_DER = re.compile(
    rb"\x30(?:[\x0e-\x7f]|\x81[\x80-\xff]|\x82[\x01-\xff].)(?:\x02\x01[\x00\x01]|\x30.\x06)",
    re.DOTALL,
)
_TEXTS = ((_PEM, "a private key"), (_IDENTITY, "an identity"), (_STORE, "a board's identity"))


def refuse(name, data):
    """Raises Failure for a file `name` with a secret in its bytes."""
    found = find(data)
    if found:
        raise Failure(f"{name} has {found[0]} in it, at byte {found[1]}: not published", REFUSED)


def find(data):
    """(what it is, for people; byte where it begins) of the first secret found; None: none is.

    data:  bytes, or a file that is mapped
    """
    for form, what in _TEXTS:
        at = form.search(data)
        if at:
            return what, at.start()
    for at in _DER.finditer(data):
        if _is_key(data[at.start() : at.start() + _der_size(at[0])]):
            return "a private key", at.start()
    return None


def _der_size(head):
    """Bytes of the DER value that begins so."""
    if head[1] < 0x80:
        return 2 + head[1]
    count = head[1] & 0x7F
    return 2 + count + int.from_bytes(head[2 : 2 + count], "big")


def _is_key(data):
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        # Whether its numbers are primes is no matter here, and takes minutes.
        load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:  # it asks for a passphrase
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
