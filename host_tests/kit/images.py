"""Images with their headers, put into slots in the two ways they get there.

Runs on CPython and on MicroPython.
"""

from hashlib import sha256

from fwcore import header
from fwcore.slot_writer import Writer
from ufota_testkit.simboard import ROT

CAMPAIGN = b"\xc1" * 16


def head_of(version, image):
    return header.Header(version, len(image), sha256(image).digest(), CAMPAIGN)


def packed(slot, head, rot=ROT):
    """Header bytes of the kind the slot carries."""
    return slot.pack(head, header.device_key(rot))


def load(slot, version, image, rot=ROT):
    """As a factory does it: no disk operation. Returns the Header."""
    head = head_of(version, image)
    slot.storage.device.load(slot.header_at, packed(slot, head, rot))
    slot.storage.device.load(slot.body_at, image)
    return head


def stream(slot, image, piece):
    """As a client does it, `piece` bytes at a time, but no header. Returns the Writer."""
    writer = Writer(slot, len(image))
    writer.begin()
    mv = memoryview(image)
    for at in range(0, len(image), piece):
        writer.write(mv[at : at + piece])
    return writer


def store(slot, version, image, piece=1000):
    """stream(), then the header: from here the image is a candidate."""
    head = head_of(version, image)
    assert stream(slot, image, piece).digest() == head.digest
    slot.write_header(packed(slot, head))
