"""Boot state: the record of the boot stage and the application, stored in a journal.

Owns the phases and the bytes below; the boot stage decides what is copied, and when. A
device without a state region has none of this: simple installation.

    phase    means                                  who leaves it, for what
    IDLE     the active image is to run             client: PENDING
    PENDING  a new image waits in the candidate     boot stage: FORWARD, or IDLE (refused)
    FORWARD  the new image is becoming active       boot stage: TRIAL, IDLE (permanent), or BACK
    TRIAL    the new image runs, on trial           confirm(): IDLE; reject() or no tries: BACK
    BACK     the old image is becoming active       boot stage: IDLE, the new one in `bad`

    offset size field      meaning
    0      1    phase      (all fields little-endian)
    1      1    tries      trial boots left; none needed: 0 in PENDING, FORWARD, else PERMANENT
    2      1    result     of the last update: NONE, CONFIRMED, REVERTED, REFUSED
    3      1    active     direct mode: slot that runs; else 0
    4      1    location   slot the new image is, or was, in
    5      1    kept       slot the old image is in; NOWHERE: in none (not in swap mode)
    6      2    reason     error number that goes with the result; 0: none
    8      4    done       swap mode: moves done when this was written; marks count on
    12     4    count      counts up with each confirmed image, where `external` is said
    16     8    floor      no older version is ever started
    24     8    version    the new image: its header
    32     8    size
    40     32   digest
    72     8    version    the image before it; size 0: there is none
    80     8    size
    88     32   digest
    120    64   signature  of the new image's statement; zeros: none
    184    64   signature  of the one before it
    248    64   verified   digests of two statements that were verified here, newest first
    312    128  bad        what failed here, see below
    440    n    equal      swap mode: bit map of equal blocks
    440+n  16   mac        HMAC-SHA256 of all before, cut to 16 bytes; its key is HMAC-SHA256 of
                           "ufota boot state " and the component, under the root of trust

Of `bad`, bytes 0 to 99 are four images that failed, newest first, zeros: none; 100 to 124 are the
newest one that fell out of these: no version up to it is taken; 125 to 127 are b"ba2", else an
older release wrote it: four digests of rejected images, 32 bytes each. Each image that failed:

    offset size field
    0      8    version    big-endian, so that the newer one is the larger
    8      16   digest     its first bytes
    24     1    kind       255: rejected, black-listed; else 16 for each round of trials without a
                           confirm, and the starts since, which ufota/update/rest.py counts

A record whose MAC is wrong, or with a field out of its range, is none: the state is blank then.
Where the layout says that the state is `external`, on a chip that others can write, the board's
store has a copy of count and floor (`anchor.` and the component: u32, u64), and a state that
counts less is none.
"""

import struct

from micropython import const

from fwcore.header import NO_CAMPAIGN, Header
from fwcore.journal import Journal
from fwcore.mac import hmac_sha256, same
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
PERMANENT = const(
    255
)  # `tries` in BACK and IDLE: the new image needs no trial, wherever it is found
NO_SIGNATURE = bytes(64)
ANCHOR = b"anchor."  # key in the board's store: this and the component

_STATE = "<6BHIIQQQ32sQQ32s64s64s64s128s"  # 440 bytes; equal and mac follow
_ANCHOR = "<IQ"
_SIZE = const(440)
BAR = const(100)  # where it is in `bad`, which has the mark as well
KIND = const(16)  # of an image that failed: from where its digest begins
_REJECTED = const(255)
MARK = b"ba2"
_VERIFIED = const(64)
_MAC = const(16)
_BLANK = bytes(437) + MARK + bytes(16)
_MAX_COUNT = 0xFFFFFFFF
_MAX_SIZE = 1 << 32  # bytes of an image
_LABEL = const(b"ufota boot state ")


class State:
    """The newest boot state; put() makes what was changed durable.

    board:    see docs/DESIGN.md, "What a board offers"; its layout has a state region
    raises:   OSError when the device is not there, or fails; FwError TOO_BIG for a region that
              is too small
    """

    def __init__(self, board):
        layout, region = board.layout, board.layout["state"]
        storage = storage_of(board, region)
        self.journal = Journal(storage, region["start"], region["size"], payload_size(layout))
        self._board = board
        self._component = layout.get("component", "MAIN").encode()
        self.seal(board.rot())  # asked here: C stack
        payload = self.journal.load() or b""
        self.is_new = True  # no record that counts is there
        if self._is_ours(payload):
            self._parse(payload)
            self.is_new = not self._in_range(layout)
        if self.is_new:
            self._parse(_BLANK)
        if region.get("external", False):
            self._look_at_anchor()

    def seal(self, rot):
        """Take this root of trust: 16 bytes, or None."""
        self._key = hmac_sha256(rot or b"", _LABEL + self._component)
        self._provisioned = bool(rot)  # before that everybody knows the key

    def _is_ours(self, payload):
        return len(payload) >= _SIZE + _MAC and same(self._mac(payload[:-_MAC]), payload[-_MAC:])

    def _mac(self, packed):
        return hmac_sha256(self._key, packed)[:_MAC]

    def _parse(self, payload):
        fields = struct.unpack_from(_STATE, payload)
        self.phase, self.tries, self.result = fields[:3]
        self.active, self.location, self.kept = fields[3:6]
        self.reason, self.done, self.count, self.floor = fields[6:10]
        self.new = Header(fields[10], fields[11], fields[12], NO_CAMPAIGN)
        self.old = Header(fields[13], fields[14], fields[15], NO_CAMPAIGN)
        self.signature, self.old_signature, self.verified, self.bad = fields[16:]
        self.equal = payload[_SIZE:-_MAC]

    def _in_range(self, layout):
        """False for a record that this layout's boot stage has not written."""
        direct = layout["mode"] == "direct"
        locations = layout["candidates"]["locations"]
        return (
            self.phase <= BACK
            and self.result <= REFUSED
            and self.active <= direct
            and self.location < locations
            and (self.kept < locations + direct or self.kept == NOWHERE)
            and self.new.size < _MAX_SIZE
            and self.old.size < _MAX_SIZE
            and self.done <= 2 * _blocks(layout)
        )

    def put(self):
        """Make this the state, durable. Raises as Journal.put(): see there what stands then."""
        done = self.moves()
        self.journal.put(self._pack(done))
        self.done = done

    def moves(self):
        """Moves of a swap that are done: those it was put with, and a mark for each since."""
        if self._board.layout["mode"] != "swap":
            return 0  # marks are under no MAC
        return self.done + self.journal.marks

    def _look_at_anchor(self):
        count, floor = self._anchor()
        if self.count < count:  # an old copy of the chip was written back
            self._parse(_BLANK)
            self.is_new = True
            self.count = count
        self.floor = max(self.floor, floor)

    def _anchor(self):
        value = self._board.store().get(ANCHOR + self._component, b"")
        return struct.unpack(_ANCHOR, value) if len(value) == 12 else (0, 0)

    def drop_anchor(self):
        """Where the state is external: take no older one any more. Call after put().

        Not before the device is provisioned: what anybody could write does not outlast that.
        returns:  True when something was written
        raises:   OSError; FwError WRITE_FAILED
        """
        if not self._provisioned:
            return False
        is_new = self._anchor() != (self.count, self.floor)
        if not is_new and not self.count and not self.floor:
            return False
        packed = struct.pack(_ANCHOR, self.count, self.floor)
        # Also when it is there: a cut may have left it in doubt.
        self._board.store().put(ANCHOR + self._component, packed)
        return is_new

    def is_verified(self, statement):
        """True when this device has verified the signature of this statement.

        statement:  32 bytes: its digest
        """
        known = [self.verified[at : at + 32] for at in range(0, _VERIFIED, 32)]
        return self._provisioned and statement in known

    def remember(self, statement):
        """This statement's signature was verified, or needs not be any more."""
        rest = [self.verified[at : at + 32] for at in range(0, _VERIFIED, 32)]
        rest = [known for known in rest if known != statement]
        self.verified = (statement + b"".join(rest))[:_VERIFIED]

    def find(self, digest):
        """Where in `bad` the digest of this image is; -1: it has not failed here."""
        return self.bad.find(digest[:KIND])

    def is_bad(self, digest):
        """True when the image of this digest was rejected on this device."""
        at = self.find(digest)
        return at >= 0 and (self.bad[at + KIND] == _REJECTED or self.bad[-3:] != MARK)

    def blacklist(self, head, used_up=False):
        """Never offer or start this image again.

        used_up: True: it was only not confirmed in its trials; count that round
        """
        at, bad, bar = self.find(head.digest), self.bad, self.bad[BAR:]
        if bar[-3:] != MARK:
            if not used_up:
                self.bad = (head.digest + bad)[:128]
            return
        kind = bad[at + KIND] if at >= 0 else 0
        if not 0 <= at < BAR:
            at = BAR - KIND - 1
            bar = max(bar, bad[at - 8 : BAR] + MARK)
        kind = min((kind | 15) + 1, _REJECTED) if used_up else _REJECTED
        entry = struct.pack(">Q16sB", head.version, head.digest, kind)
        self.bad = entry + bad[: at - 8] + bad[at + KIND + 1 : BAR] + bar

    def count_on(self):
        """An image is confirmed: no state from before counts, once the anchor is there."""
        if self._board.layout["state"].get("external", False):
            self.count = min(self.count + 1, _MAX_COUNT)

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
        packed = struct.pack(
            _STATE,
            self.phase,
            self.tries,
            self.result,
            self.active,
            self.location,
            self.kept,
            self.reason,
            done,
            self.count,
            self.floor,
            *self.new[:3],
            *self.old[:3],
            self.signature,
            self.old_signature,
            self.verified,
            self.bad,
        )
        packed += self.equal
        return packed + self._mac(packed)


def no_image():
    """The Header of no image: size 0."""
    return Header(0, 0, bytes(32), NO_CAMPAIGN)


def payload_size(layout):
    """Largest payload of a layout's boot state, bytes."""
    return _SIZE + _MAC + (_blocks(layout) + 7) // 8


def _blocks(layout):
    """Blocks of a swap; 0 in the other modes."""
    if layout["mode"] != "swap":
        return 0
    active = layout["active"]
    return (active["start"] + active["size"] - active["header"]) // block_size(layout)
