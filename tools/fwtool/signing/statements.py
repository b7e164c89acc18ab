"""Signatures of images: what a boot stage verifies, made and checked on the host.

The bytes that are signed are fwcore.statement's. A signature travels in a manifest, lies behind
the header of an installed image, and here in a file beside the image: IMAGE.sig, 64 bytes.
"""

import functools
import os
from hashlib import sha256
from typing import NamedTuple

import rich_click as click

from fwcore import errors, statement
from fwcore.errors import FwError
from fwcore.layout import COMPONENT
from fwtool import files, options
from fwtool.exits import REFUSED, VERIFY, Failure
from fwtool.signing import keys

SUFFIX = ".sig"
SIGN_KEY = "--sign-key"


class Board(NamedTuple):
    """As much of a board as fwcore.statement asks for. point: public key, 65 bytes"""

    vendor_id: bytes
    class_id: bytes
    point: bytes = b""
    layout: dict = {}  # noqa: RUF012 (never changed)

    def key(self):
        from fwcore.p256 import PublicKey

        return PublicKey(self.point)


def signer(key, vendor, class_):
    """What signs images: sign(component, version, image) -> 64 bytes.

    key:            private key object (keys.load_private)
    vendor, class_: uuid.UUID
    sign() takes text, u64 word and bytes.
    """
    return functools.partial(sign, key, vendor, class_)


def sign(key, vendor, class_, component, version, image):
    """64 bytes: the maker's signature of an image. Arguments as of signer()."""
    board = Board(vendor.bytes, class_.bytes)
    return keys.sign(key, statement.digest_of(board, component, _head(version, image)))


def check(board, component, version, image, signature):
    """Raises FwError BAD_SIGNATURE for what a board would not start. board: Board"""
    if not statement.is_signed(board, component, _head(version, image), signature):
        raise FwError(errors.BAD_SIGNATURE)


def _head(version, image):
    return version, len(image), sha256(image).digest()


def component_of(layout):
    """The component an image of this layout is signed as."""
    return layout.get("component", COMPONENT)


def file_options(default):
    """Adds --sign-key, --version, --component and identity; the command gets `signing`.

    default:  of --component, for the help
    """

    def decorate(command):
        @click.option(SIGN_KEY, metavar="KEY", help=f"Private key; signs into OUTPUT{SUFFIX}.")
        @click.option("--version", type=options.VERSION_WORD, help="Version to sign.")
        @click.option("--component", type=options.COMPONENT, help=f"Component to sign; {default}")
        @options.identity_options
        @functools.wraps(command)
        def wrapper(sign_key, version, component, vendor, class_, **rest):
            signing = Signing.of(sign_key, version, vendor, class_, component)
            return command(signing=signing, **rest)

        return wrapper

    return decorate


class Signing(NamedTuple):
    """What the options of file_options() ask for."""

    key: str
    version: int
    vendor: object
    class_: object
    component: str | None

    @staticmethod
    def of(*values):
        """Signing, or None when no option is given. Raises UsageError for some of them."""
        if values.count(None) == len(values):
            return None
        if None in values[:4]:
            text = f"{SIGN_KEY}, --version, a vendor and a class go together"
            raise click.UsageError(text)
        return Signing(*values)

    def check(self, output):
        """Raises UsageError for a signature with no file to be beside."""
        if output == files.STDIO:
            raise click.UsageError(f"{SIGN_KEY} writes a file beside OUTPUT, which is stdout")

    def write(self, output, image, component, inputs=()):
        """Write OUTPUT.sig. component: where the option does not say. Returns its name."""
        key = keys.load_private(self.key)
        signature = sign(
            key, self.vendor, self.class_, self.component or component, self.version, image
        )
        files.write(output + SUFFIX, signature, (self.key, *inputs))
        return output + SUFFIX


def check_left_over(output, image):
    """Refuse to write an image beside the signature of another one. Raises Failure."""
    path = output + SUFFIX
    if not os.path.exists(path):
        return
    if not os.path.isfile(output) or files.read(output) != image:
        text = f"{path} is of another image: give {SIGN_KEY}, or remove it"
        raise Failure(text, REFUSED)


def key_option(command):
    """Adds --sign-key to a command that puts images behind their headers: parameter sign_key."""
    text = f"Private key that signs what is installed; without it IMAGE{SUFFIX} is taken."
    return click.option(SIGN_KEY, metavar="KEY", help=text)(command)


def of_options(sign_key, vendor, class_, paths):
    """What signs, as signer() returns it, by the option or out of files beside the images.

    paths:   component -> path of its image
    raises:  UsageError, Failure; sign() raises Failure, too
    """
    if sign_key is None:
        return functools.partial(_beside, paths)
    if vendor is None or class_ is None:
        raise click.UsageError(f"{SIGN_KEY}: {options.NO_IDENTITY}")
    return signer(keys.load_private(sign_key), vendor, class_)


def _beside(paths, component, version, image):
    path = paths[component] + SUFFIX
    if not os.path.exists(path):
        raise Failure(f"the layout is signed: give {SIGN_KEY}, or {path} as fwtool writes it")
    signature = files.read(path, statement.SIGNATURE_SIZE)
    if len(signature) != statement.SIGNATURE_SIZE:
        raise Failure(f"{path} is no signature of {statement.SIGNATURE_SIZE} bytes", VERIFY)
    return signature


def checked(sign, board):
    """sign(), whose signatures `board` (Board, with its point and layout) starts."""

    def sign_and_check(component, version, image):
        signature = sign(component, version, image)
        try:
            check(_part(board, component), component, version, image, signature)
        except FwError as error:
            if error.code != errors.BAD_SIGNATURE:
                raise
            text = f"{component}: not signed by the key of the board, for this version and class"
            raise Failure(text, VERIFY) from None
        return signature

    return sign_and_check


def _part(board, component):
    """The board as its boot stages see it, when it is one of them."""
    stages = board.layout.get("stages", {})
    return board._replace(layout=stages) if component == stages.get("component") else board
