"""Provisioning: a device is given its identity, once.

`fwtool provision` makes one, for a single device: a JSON object of hex texts.

    rot         16 bytes only this device knows
    vendor_id   16 bytes, as in the manifests
    class_id    16 bytes, as in the manifests
    class_key   16 bytes all devices of the class share, for encrypted payloads; may be left out
    key         65 bytes, the public key it trusts: a P-256 point, uncompressed

It goes into board.store() in this order. A device that has the key is provisioned, and its
identity stays. After a power cut before the key it is not: it takes the whole identity again.

Until then the boot stage starts the active image by its digest. From then on it asks for the
maker's signature, where the layout says `signed`, so the image that runs is recorded, signed or
not: it was there before anybody could verify it.
"""

import json
from binascii import unhexlify
from errno import ENOENT

from micropython import const

from fwcore.errors import FwError
from fwcore.errors_net import BAD_IDENTITY
from fwcore.modules import STORE, load, states
from fwcore.p256 import PublicKey

_SIZES = (("rot", 16), ("vendor_id", 16), ("class_id", 16), ("class_key", 16), ("key", 65))
_OPTIONAL = "class_key"
_NONE = b"\x00"  # replaces a value that a cut has left; not every port's store takes empty ones
_MAX_FILE = const(1024)  # bytes
_BUFFER = const(2048)  # bytes: whole program units
_READS = const(3)


def is_provisioned(board):
    """True when the device has its identity. Raises OSError; FwError."""
    load("fwcore", STORE)
    store = board.store()
    key = store.get(b"key")
    if key:
        store.put(b"key", key)  # written when a cut left it in doubt: it was read, so it must stay
    return bool(key)


def provision(board, identity):
    """Give the device an identity.

    identity: dict of hex texts, as above
    returns:  True; False when it has one, which stays
    raises:   FwError BAD_IDENTITY, at = name of what is wrong; BAD_KEY; OSError
    """
    values = _values(identity)
    if is_provisioned(board):
        return False
    store = board.store()
    before = None
    if "state" in board.layout:
        before = states().State(board)
    for name, value in values:
        if name == "key" and before:
            _seal(board, before)
        if value is not _NONE or store.get(name.encode()) is not None:
            store.put(name.encode(), value)
    return True


def _seal(board, before):
    """Have a state of the device's own, now that there is a root of trust.

    Where images are signed the one from before is forgotten, as anybody could write it, and the
    image that is there is recorded; else it is kept.
    before:  State
    raises:  OSError; FwError WRITE_FAILED
    """
    signed = board.layout.get("signed", False)
    if signed is True:
        state = states().State(board)
        _record(board, state)
        state.put()
    elif not signed and not before.is_new:
        before.seal(board.rot())
        before.put()


def _record(board, state):
    load("fwcore", "statement slot_reader")
    from fwcore.statement import digest_of
    from ufota.active_image import active

    buf = memoryview(bytearray(_BUFFER))
    for _ in range(_READS):  # one that was misread would never start any more
        slot, head = active(board, state)
        if head and slot.digest(head.size, buf, board.feed) == head.digest:
            state.remember(digest_of(board, board.layout.get("component", "MAIN"), head))
            break


def first_start(board, path="/user/identity.json"):
    """Take the identity from a file, on a device that has none yet; then wipe the file.

    For the first lines of an application. The file has a secret in it, so it is wiped from a
    provisioned device, too, with its copies (wipe.py): each free block of /user is erased.

    returns:  True when the device is provisioned, now or before
    raises:   as provision(), and the file stays
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_FILE)
    except OSError as error:
        if error.errno != ENOENT:
            raise
        return is_provisioned(board)
    if not is_provisioned(board):
        provision(board, _parsed(text))
    load("fwcore", "window")  # here: C stack
    from ufota.wipe import wipe

    wipe(board, path)
    return True


def _parsed(text):
    try:
        return json.loads(text)
    except (ValueError, RuntimeError):  # MicroPython: nested too deep
        raise FwError(BAD_IDENTITY) from None


def _values(identity):
    """[(name, bytes)] in the order they are written. Raises FwError BAD_IDENTITY, BAD_KEY."""
    found = []
    for name, size in _SIZES:
        if name == _OPTIONAL and name not in identity:
            found.append((name, _NONE))
            continue
        try:
            value = unhexlify(identity[name])
        except (KeyError, TypeError, ValueError):
            raise FwError(BAD_IDENTITY, name) from None
        if len(value) != size:
            raise FwError(BAD_IDENTITY, name)
        found.append((name, value))
    PublicKey(found[-1][1])
    return found
