"""Payload: what is downloaded is not the image itself, but deflated, a patch, or encrypted.

Owns the checks of such a payload before anything is erased. Then it goes through decoders
(payload_writer.py), each with write(mv) and end(), to the Candidate:

    client --write(mv)--> Decrypt --> Inflate --> Patch --> Candidate
                                                   ^ reads the active image

A format without its decoder in this build is refused. acceptance.py loads this file when a
manifest announces another format than the image itself. A reset loses what came, because the
state of decoders is more than a count of bytes: such a download begins again. After a broken
link it goes on, as the decoders are still in RAM. A patch reads the active image, which no client
writes in any mode: it stays as it is until the boot stage has a whole new one.
"""

from fwcore import errors, formats
from fwcore.errors import FwError
from fwcore.modules import built_in, load
from ufota import active_image
from ufota.decoders import chain
from ufota.update.payload_writer import PayloadWriter


def check(update, found):
    """Can this build, and this device, make the image out of the payload? Nothing is erased.

    raises:  FwError UNSUPPORTED for a format without its decoder, and for a patch of firmware;
             MALFORMED when the manifest does not say what comes out, or what a patch is for;
             WRONG_PRECURSOR; NO_CIPHER; NO_CLASS_KEY; OSError
    """
    is_patch = found.format & formats.KIND != formats.RAW
    formats.check(found)
    if update.target and is_patch:
        raise FwError(errors.UNSUPPORTED)
    for name in chain.names(found.format):
        try:
            load("ufota.decoders", name)
        except ImportError:
            raise FwError(errors.UNSUPPORTED) from None
    old = _precursor(update, found) if is_patch else None
    key = _class_key(update.board) if found.format & formats.ENCRYPTED else None
    update.target = PayloadWriter(update.target, old, key)


def _precursor(update, found):
    """The active image, which the patch must be made for."""
    from ufota.decoders.precursor import Precursor

    slot, head = update.pending.active if update.pending else active_image.active(update.board)
    if not head or head.digest != found.precursor:
        from fwcore import errors_net

        raise FwError(errors_net.WRONG_PRECURSOR)
    return Precursor(slot, head.size)


def _class_key(board):
    """16 bytes. Raises FwError NO_CIPHER, NO_CLASS_KEY; OSError."""
    try:
        built_in("cryptolib")
    except ImportError:
        from ufota.decoders.errors import NO_CIPHER

        raise FwError(NO_CIPHER)
    key = board.class_key() if hasattr(board, "class_key") else None
    if not key:
        from ufota.decoders.errors import NO_CLASS_KEY

        raise FwError(NO_CLASS_KEY)
    return key
