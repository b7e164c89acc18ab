"""Forged boot states: what a device starts when its state says anything at all.

A case is a device with some images in its slots, genuine or not, and one record that somebody
made up: with the right MAC, as code that runs on the device can make it, or with a wrong one.
Each field is one that can be reached, near one, or noise. Then the device starts some times,
confirms and rejects. Nothing may start but what has the maker's signature, or is under a record
with the right MAC; and every start ends, by an image, None, OSError or FwError.

Runs on CPython and on MicroPython.
"""

from fwboot import main
from fwcore.errors import FwError
from fwcore.header import NO_CAMPAIGN, Header
from fwcore.state import NO_SIGNATURE, State
from fwcore.statement import digest_of
from trial_kit import NEW, OLD, WORLDS, head_of
from ufota import trial
from ufota_testkit.noise import noise
from ufota_testkit.simboard import Board, put, sign, trial_layout

ROGUE = b"ROGUE " * 150
IMAGES = ((1, OLD), (2, NEW), (3, ROGUE), (1, ROGUE), (2, OLD))
STARTS = 4
MOST_READS = 4000  # of one start; an honest one takes fewer than 400
OTHER_ROT = b"another device.."


class Hang(BaseException):
    pass


class Dice:
    """Numbers from a seed, the same on every interpreter."""

    def __init__(self, seed):
        self._bytes = noise(512, seed)
        self._at = 0

    def roll(self, sides):
        self._at = (self._at + 2) % 510
        return (self._bytes[self._at] | self._bytes[self._at + 1] << 8) % sides

    def pick(self, *values):
        return values[self.roll(len(values))]


class Counted:
    """A disk that ends a start that reads for ever."""

    def __init__(self, disk):
        self._disk = disk
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._disk, name)

    def readblocks(self, *args):
        self.reads += 1
        if self.reads > MOST_READS:
            raise Hang
        return self._disk.readblocks(*args)


class Case:
    """One forged record on one device. key: as of a Board; signatures: of its images, or None"""

    def __init__(self, mode, kind, seed, key=None, signatures=None):
        self._dice = Dice(seed)
        more = self._dice.pick({}, {}, {"signed": "start"}, {"downgrade": True})
        layout = trial_layout(mode, kind, **dict({"signed": True}, **more))
        if self._dice.roll(4) == 0:
            layout["state"]["external"] = True
        self.board = Board(layout, key=key)
        self._signatures = signatures
        for name in self.board.disks:
            self.board.disks[name] = Counted(self.board.disks[name])
        self.genuine = self._sign_all()
        self._fill()
        self.recorded = self._forge()

    def _sign_all(self):
        """Digests of the statements that the maker has signed: of the first two images."""
        if self._signatures is None:
            heads = [head_of(*image) for image in IMAGES[:2]]
            self._signatures = [sign(self.board, head) for head in heads]
        return [self._statement(head_of(*image)) for image in IMAGES[:2]]

    def _statement(self, head):
        return digest_of(self.board, "MAIN", head)

    def _fill(self):
        """Put images into all slots, with signatures that fit them or not."""
        state = State(self.board)
        for slot in [state.runnable(self.board, 0)[0]] + state.candidate_slots(self.board):
            n = self._dice.roll(len(IMAGES) + 1)
            if n < len(IMAGES):
                version, image = IMAGES[n]
                put(self.board, slot, version, image, self._signature(n))

    def _signature(self, n):
        own = self._signatures[n] if n < 2 else NO_SIGNATURE
        return self._dice.pick(own, own, NO_SIGNATURE, self._signatures[0], noise(64, n))

    def _forge(self):
        """Write the record; returns what it says was verified, if its MAC is right."""
        dice, board = self._dice, self.board
        state = State(board)
        if dice.roll(3) == 0:
            state.put()  # so that marks, banks and numbers differ
        direct = board.layout["mode"] == "direct"
        state.phase = dice.pick(0, 1, 2, 3, 4, 4, 3, dice.roll(256))
        state.tries = dice.pick(0, 1, 3, 255)
        state.result = dice.pick(0, 1, 2, 3, dice.roll(256))
        state.active = dice.pick(0, 0, int(direct), dice.roll(256))
        state.location = dice.pick(0, 0, 1, dice.roll(256))
        state.kept = dice.pick(0, 1, 255, dice.roll(256))
        state.reason = dice.pick(0, 80, 300, dice.roll(65536))
        state.done = dice.pick(0, 1, 2, 5, dice.roll(65536))
        state.count = dice.pick(0, 1, 0xFFFFFFFF)
        state.floor = dice.pick(0, 1, 2, (1 << 64) - 1)
        state.new, state.old = self._head(), self._head()
        state.signature, state.old_signature = self._signature(1), self._signature(0)
        state.verified = self._known() + self._known()
        state.bad = dice.pick(bytes(128), state.new.digest + bytes(96), noise(128, 3))
        state.equal = dice.pick(b"", b"\x00", b"\x03", b"\xff")[: board.layout["mode"] == "swap"]
        return self._put(state)

    def _head(self):
        n = self._dice.roll(len(IMAGES) + 2)
        if n < len(IMAGES):
            return head_of(*IMAGES[n])
        size = self._dice.pick(0, 1, 900, 1 << 31, (1 << 64) - 1)
        return Header(self._dice.pick(0, 2, (1 << 64) - 1), size, noise(32, n), NO_CAMPAIGN)

    def _known(self):
        n = self._dice.roll(len(IMAGES) + 1)
        return self._statement(head_of(*IMAGES[n])) if n < len(IMAGES) else bytes(32)

    def _put(self, state):
        known = [state.verified[:32], state.verified[32:]]
        how = self._dice.roll(3)
        if how == 0:
            state.put()
            return known
        if how == 1:
            right, self.board._rot = self.board._rot, OTHER_ROT
            state._key = State(self.board)._key
            self.board._rot = right
            state.put()
            return []
        pack, byte = state._pack, self._dice.roll(16)
        mac = bytearray(16)
        mac[byte] = 1 << self._dice.roll(8)

        def _pack(done):
            packed = pack(done)
            spoilt = bytes([a ^ b for a, b in zip(packed[-16:], mac)])
            return packed[:-16] + spoilt

        state._pack = _pack
        state.put()
        return []

    def run(self):
        """Let it live. Raises AssertionError, Hang, and what a start must not raise."""
        for _ in range(STARTS):
            for disk in self.board.disks.values():
                disk.reads = 0
            try:
                found = main.run(self.board)
            except (OSError, FwError):
                continue
            if found:
                said = self._statement(found.head)
                allowed = list(self.genuine)
                if self.board.layout["signed"] != "start":
                    allowed += self.recorded
                assert said in allowed, (found.head.version, found.device)
                self._live()

    def _live(self):
        try:
            if self._dice.roll(2):
                trial.confirm(self.board)
            elif self._dice.roll(2):
                trial.reject(self.board, 300)
        except (OSError, FwError):
            pass


def run(seeds, key=None, signatures=None):
    """Run a case for each seed; returns how many."""
    count = 0
    for seed in seeds:
        mode, kind = WORLDS[seed % len(WORLDS)]
        try:
            Case(mode, kind, seed, key, signatures).run()
        except (Exception, Hang) as error:
            raise AssertionError("seed {}: {}".format(seed, repr(error)))
        count += 1
    return count


def real_key():
    """(PublicKey, signatures of IMAGES[0] and IMAGES[1]) of a real maker."""
    from fwcore.p256 import PublicKey
    from helpers import vectors

    made = vectors("statements.json")
    signatures = [bytes.fromhex(text) for text in made["signed"]]
    return PublicKey(bytes.fromhex(made["key"])), signatures
