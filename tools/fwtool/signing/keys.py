"""Signing keys: make them, read them. ECDSA P-256, the one curve the device verifies.

Private keys are PKCS#8 PEM files that only their owner may read. A passphrase comes from
the environment or a prompt, never from the command line, where every user could see it.
"""

import contextlib
import os
import sys

import rich_click as click

from fwtool import files, options
from fwtool.exits import REFUSED, Failure

PASSPHRASE = "FWTOOL_PASSPHRASE"
MAX_KEY = 64 << 10  # bytes; a certificate chain fits
POINT_SIZE = 65  # 04 | X | Y


@click.command()
@click.argument("path", metavar="KEY")
@click.option("--encrypt", is_flag=True, help=f"Passphrase from ${PASSPHRASE}, or asked for.")
@files.json_option
def keygen(path, encrypt, as_json):
    """Make a signing key: KEY (private), KEY's name with .pub (PEM) and .point (65 bytes).

    The .point file is what a device is given. Existing files are never overwritten:
    exit code 5.
    """
    passphrase = _new_passphrase() if encrypt else None
    files.show(create(path, passphrase), as_json)


def create(path, passphrase=None):
    """Make a signing key in three files that must not exist yet.

    path:        of the private key
    passphrase:  bytes to encrypt the private key with, or None
    returns:     dict private, public, point (the file names) and key_id
    raises:      Failure
    """
    if not os.path.basename(path):
        raise Failure(f"{path!r} names no file for the key")
    stem = os.path.splitext(path)[0]
    names = {"private": path, "public": stem + ".pub", "point": stem + ".point"}
    if len(set(names.values())) < len(names):
        raise Failure("a private key's name must not end in .pub or .point")
    for name in names.values():
        if os.path.lexists(name):
            raise Failure(f"{name} exists; a key is never overwritten", REFUSED)
    private, public, raw = _new_key(passphrase)
    _create(names["private"], private, 0o600)
    _create(names["public"], public, 0o644)
    _create(names["point"], raw, 0o644)
    return {**names, "key_id": key_id(raw)}


def _new_key(passphrase):
    """(private PKCS#8 PEM, public PEM, point) as bytes"""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    lock = form.BestAvailableEncryption(passphrase) if passphrase else form.NoEncryption()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, lock)
    public = key.public_key().public_bytes(
        form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
    )
    return private, public, point(key.public_key())


def _create(path, data, mode):
    """Write a file that must not exist yet, readable by `mode` from its first moment."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Failure(f"{path} exists; a key is never overwritten", REFUSED) from None
    except (OSError, ValueError) as error:
        raise Failure(f"cannot write {path}: {files.reason(error)}") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def point(public):
    """Public key object -> 65 bytes, uncompressed point."""
    from cryptography.hazmat.primitives import serialization as form

    return public.public_bytes(form.Encoding.X962, form.PublicFormat.UncompressedPoint)


def key_id(raw):
    """A short name for a public key: the first 8 bytes of its SHA-256, hex."""
    from hashlib import sha256

    return sha256(raw).hexdigest()[:16]


def load_private(path):
    """PEM file -> private key object. Raises Failure."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = files.read(path, MAX_KEY)
    try:
        key = load_pem_private_key(data, None)
    except TypeError:  # encrypted
        key = _load_encrypted(path, data)
    except _unreadable():
        raise Failure(f"{path} is not a private key in PEM form") from None
    files.warn_of_readers(path)
    return _p256(key, path, "private key")


def _load_encrypted(path, data):
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(data, _passphrase(path))
    except _unreadable():
        raise Failure(f"{path}: wrong passphrase, or a damaged key") from None


def _unreadable():
    """What the library's loaders raise for bytes they cannot read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    return ValueError, TypeError, UnsupportedAlgorithm


def _passphrase(path):
    text = os.environ.get(PASSPHRASE)
    if text is None:
        if not sys.stdin.isatty():
            raise Failure(f"{path} needs a passphrase: set {PASSPHRASE}")
        text = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return text.encode()


def _new_passphrase():
    text = os.environ.get(PASSPHRASE)
    if text is None:
        if not sys.stdin.isatty():
            raise Failure(f"no passphrase: set {PASSPHRASE}")
        text = click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    if not text:
        raise Failure("the passphrase is empty")
    return text.encode()


def load_point(path):
    """Public key of a file, whatever its form -> 65 bytes.

    path:    raw point; PEM or DER public key or X.509 certificate; private key in PEM
    raises:  Failure when it is none of these, or no P-256 key
    """
    data = files.read(path, MAX_KEY)
    if len(data) == POINT_SIZE and data[0] == 4:
        return data
    if b"PRIVATE KEY" in data:
        return point(load_private(path).public_key())
    for load in _public_loaders():
        with contextlib.suppress(*_unreadable()):
            return point(_p256(load(data), path, "public key"))
    raise Failure(f"{path} is not a public key: PEM, DER, certificate or 65-byte point")


def _public_loaders():
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization as form

    return (
        form.load_pem_public_key,
        form.load_der_public_key,
        lambda data: x509.load_pem_x509_certificate(data).public_key(),
        lambda data: x509.load_der_x509_certificate(data).public_key(),
    )


def _p256(key, path, what):
    curve = getattr(getattr(key, "curve", None), "name", None)
    if curve != "secp256r1":
        raise Failure(f"{path} is not a P-256 {what}")
    return key


def sign(key, digest):
    """ECDSA over a SHA-256 digest -> 64 bytes, r and s big-endian.

    Deterministic (RFC 6979): the same input makes the same bundle, byte for byte.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    scheme = ec.ECDSA(utils.Prehashed(hashes.SHA256()), deterministic_signing=True)
    r, s = utils.decode_dss_signature(key.sign(digest, scheme))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


@click.command()
@click.argument("path", metavar="KEY")
@click.option("-o", "--output", required=True, metavar="FILE")
@options.identity_options
def tables(path, output, vendor, class_):
    """Make the tables with which a device verifies signatures of KEY at twice the speed.

    KEY is a public key in any form. A board hands the 1092 bytes to p256.FixedKey. Where the
    name of the output ends in .py it is a module with vendor and class, to be frozen as
    maker_key.py.
    """
    from fwtool.signing import maker_key, p256_tables

    is_module = output.endswith(".py")
    if is_module and (vendor is None or class_ is None):
        raise click.UsageError(options.NO_IDENTITY)
    made = p256_tables.tables(load_point(path))
    data = maker_key.module(made, vendor, class_).encode() if is_module else made
    files.write(output, data, (path,))
    files.note(f"{output}: tables of {len(made)} bytes for {path}", output)
