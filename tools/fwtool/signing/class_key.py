"""Class key: all devices of a class share it, to read payloads encrypted for the class.

It comes from a file, never from the command line. The bytes of an encrypted payload:
device/ufota/decoders/decrypt.py.
"""

import re
import secrets

import rich_click as click

from fwtool import files
from fwtool.exits import Failure

SIZE = 16
_BLOCK = 16
_MAX_FILE = 256  # bytes; digits with white space around them fit
_DIGITS = re.compile(rb"\s*([0-9a-fA-F]{32})\s*")

option = click.option(
    "--class-key",
    metavar="FILE",
    help="Key of the class of devices: 16 bytes, or 32 hexadecimal digits.",
)


def load(path):
    """Class key of a file, 16 bytes; None without a file: path is None. Raises Failure."""
    if path is None:
        return None
    data = files.read(path, _MAX_FILE)
    found = _DIGITS.fullmatch(data)
    if len(data) != SIZE and not found:
        raise Failure(f"{path} is no class key: neither 16 bytes nor 32 hexadecimal digits")
    files.warn_of_readers(path)
    return data if len(data) == SIZE else bytes.fromhex(found[1].decode())


def encrypt(data, key):
    """An encrypted payload, each time another one.

    key:  class key
    """
    from cryptography.hazmat.primitives import keywrap, padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    own, iv = secrets.token_bytes(SIZE), secrets.token_bytes(_BLOCK)
    padder = padding.PKCS7(8 * _BLOCK).padder()
    cipher = Cipher(algorithms.AES(own), modes.CBC(iv)).encryptor()
    blocks = cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()
    return keywrap.aes_key_wrap(key, own) + iv + blocks
