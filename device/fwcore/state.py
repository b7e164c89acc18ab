"""Boot state: the record of the boot stage and the application, stored in a journal.

Owns the phases and the bytes below; the boot stage decides what is copied, and when. A
device without a state region has none of this: simple installation.

    phase    means                                  who leaves it, for what
    IDLE     the active image is to run             client: PENDING
    PENDING  a new image waits in the candidate     boot stage: FORWARD, or IDLE (refused)
    FORWARD  the new image is becoming active       boot stage: TRIAL, IDLE (permanent), or BACK
    TRIAL    the new image runs, on trial           confirm(): IDLE; reject() or no tries: BACK
    BACK     the old image is becoming active       boot stage: IDLE, the new one black-listed

    offset size field      meaning
    0      1    phase      (all fields little-endian)
    1      1    tries      trial boots left; in PENDING and FORWARD 0 means permanent
    2      1    result     of the last update: NONE, CONFIRMED, REVERTED, REFUSED
    3      1    active     direct mode: slot that runs; else 0
    4      1    location   slot the new image is, or was, in
    5      1    kept       slot the old image is in; NOWHERE: in none (not in swap mode)
    6      2    reason     error number that goes with the result; 0: none
    8      4    done       swap mode: moves done when this was written; marks count on
    12     8    floor      no older version is ever started
    20     8    version    the new image: its header
    28     8    size
    36     32   digest
    68     16   campaign
    84     8    version    the image before it; size 0: there is none
    92     8    size
    100    32   digest
    132    16   campaign
    148    64   signature  ECDSA over the digest of the new image; zeros: none
    212    128  bad        black-list: digests of rejected images, newest first
    340    n    equal      swap mode: bit map of equal blocks
"""

import struct

from micropython import const

from fwcore.header import NO_CAMPAIGN, Header
from fwcore.journal import Journal
from fwcore.regions import block_size, fixed_slot, slots, storage_of

IDLE = const(0)
PENDING = const(1)
FORWARD = const(2)
TRIAL = const(3)
BACK = const(4)

NONE = const(0)
CONFIRMED = const(1)
REVERTED = const(2)
REFUSED = const(3)

NOWHERE = const(255)
TRIALS = const(3)  # where the layout does not say
NO_SIGNATURE = bytes(64)

_STATE = "<6BHIQQQ32s16sQQ32s16s64s128s"  # 340 bytes; equal follows
_SIZE = const(340)
_BAD = const(128)


class State:
    """The newest boot state; put() makes what was changed durable.

    board:    see docs/DESIGN.md, "What a board offers"; its layout has a state region
    raises:   OSError when the device is not there, or fails; FwError TOO_BIG for a region that
              is too small
    """

    def __init__(self, board):
        region = board.layout["state"]
        storage = storage_of(board, region)
        limit = payload_size(board.layout)
        self.journal = Journal(storage, region["start"], region["size"], limit)
        payload = self.journal.load() or b""
        if len(payload) < _SIZE:
            payload = bytes(_SIZE)
        fields = struct.unpack_from(_STATE, payload)
        self.phase, self.tries, self.result = fields[:3]
        if self.phase > BACK:
            self.phase = IDLE
        self.active, self.location, self.kept = fields[3:6]
        self.reason, self.done, self.floor = fields[6:9]
        self.new = Header(*fields[9:13])
        self.old = Header(*fields[13:17])
        self.signature, self.bad = fields[17:]
        self.equal = payload[_SIZE:]

    def put(self):
        """Make this the state, durable. Raises as Journal.put(): see there what stands then."""
        done = self.moves()
        self.journal.put(self._pack(done))
        self.done = done

    def moves(self):
        """Moves of a swap that are done: those it was put with, and a mark for each since."""
        return self.done + self.journal.marks

    def is_bad(self, digest):
        """True when the image of this digest was rejected on this device."""
        return digest in [self.bad[at : at + 32] for at in range(0, _BAD, 32)]

    def blacklist(self, digest):
        """Never offer or start the image of this digest again, until four others were rejected."""
        if not self.is_bad(digest):
            self.bad = (digest + self.bad)[:_BAD]

    def end(self, result, reason):
        """The update is over, for this reason: last_result() returns both."""
        self.phase = IDLE
        self.tries = 0
        self.result = result
        self.reason = reason

    def active_slot(self, board):
        """(Slot, name of its device) of the image that is to run. Raises as slots()."""
        return self.runnable(board, self.active)

    def candidate_slots(self, board):
        """Slots an update may be written to, in index order. Raises as slots()."""
        if board.layout["mode"] == "direct":
            return [self.runnable(board, self.active ^ 1)[0]]
        return slots(board.layout, board.device(board.layout["candidates"]["device"]))

    def runnable(self, board, index):
        """(Slot, name of its device): 0 the active region, 1 the other slot of direct mode."""
        layout = board.layout
        if index:
            name = layout["candidates"]["device"]
            return slots(layout, board.device(name))[0], name
        name = layout["active"]["device"]
        return fixed_slot(layout, layout["active"], board.device(name)), name

    def _pack(self, done):
        head = struct.pack(
            _STATE,
            self.phase,
            self.tries,
            self.result,
            self.active,
            self.location,
            self.kept,
            self.reason,
            done,
            self.floor,
            *self.new,
            *self.old,
            self.signature,
            self.bad,
        )
        return head + self.equal


def no_image():
    """The Header of no image: size 0."""
    return Header(0, 0, bytes(32), NO_CAMPAIGN)


def payload_size(layout):
    """Largest payload of a layout's boot state, bytes."""
    if layout["mode"] != "swap":
        return _SIZE
    active = layout["active"]
    blocks = (active["start"] + active["size"] - active["header"]) // block_size(layout)
    return _SIZE + (blocks + 7) // 8
