"""Swap: exchange active and new image block by block, through one spare block.

Owns the order of moves. The journal counts them; mode_swap.py uses this file.
P[0..] are the blocks of the active image, S[0..] those of staging: S[0] is the spare (the
hole), the new image lies in S[1..].

    hole = S[0]
    for i in 0 .. max(old, new) - 1:                  blocks of the old and the new image
      both have a block i, and they are equal         nothing
      both have a block i      P[i] -> hole; S[i+1] -> P[i]; hole = S[i+1]
      only the new one has     S[i+1] -> P[i]         what P[i] held was not the old image's
      only the old one has     nothing                the old tail stays where it is

    back: for each exchanged i, where P[i] -> hole was done:  S[hole at i] -> P[i]

Every move has an intact source and a dead destination, so whatever a cut leaves in the
destination is harmless, and doing the move again is too. Moves forward are counted by
marks, because the next one overwrites what the last one read. Moves back need no count:
none of them writes to what another reads.
"""

from fwcore.errors import WRITE_FAILED, FwError

TRIES = 3  # of one move


class Swap:
    """One exchange.

    active, staging:        Storage of P and of S
    active_at, staging_at:  byte address of P[0] and S[0], whole blocks
    block:     bytes; a multiple of the erase sizes of both
    old, new:  blocks of the two images; staging has new + 1 blocks at least, and old + 1
    equal:     bit i is 1 when block i of both is the same: from equal_blocks(), made
               before the first move and kept in the journal
    buf:       memoryview; each half is whole program units of both storages
    feed:      called after every piece
    """

    def __init__(self, active, active_at, staging, staging_at, block, old, new, equal, buf, feed):
        self._active = active
        self._active_at = active_at
        self._staging = staging
        self._staging_at = staging_at
        self._block = block
        self._old = old
        self._new = new
        self._equal = equal
        half = min(len(buf) // 2, block)
        self._one = buf[:half]
        self._other = buf[half : 2 * half]
        self._feed = feed

    def equal_blocks(self):
        """The bit map of equal blocks, bytes. Raises OSError."""
        equal = bytearray((min(self._old, self._new) + 7) // 8)
        for i in range(min(self._old, self._new)):
            if self._same(self._p(i), self._s(i + 1)):
                equal[i >> 3] |= 1 << (i & 7)
        return bytes(equal)

    def forward(self, journal, first, save, front):
        """Exchange, from move `first` on.

        journal:  Journal, to which this session has put, so that marks can follow
        save:     save(k) puts the caller's snapshot anew, saying that k moves are done
        front:    first bytes of the active region, whatever staging has there; at most 512
        raises:   OSError; FwError WRITE_FAILED. Both images are whole then
        """
        for done, (source, target) in enumerate(self._moves()):
            if done >= first:
                if not journal.room():
                    save(done)
                self._move(source, target, front)
                journal.mark()

    def back(self, done, front):
        """Put back what the first `done` moves forward took away. May be done again and again.

        front:   as in forward()
        raises:  OSError; FwError WRITE_FAILED
        """
        for i, place in enumerate(self.old_blocks(done)):
            if place != self._p(i):
                self._move(place, self._p(i), front)

    def old_blocks(self, done):
        """(Storage, address) of each block of the old image, after `done` moves forward."""
        move = 0
        for i in range(self._old):
            if i >= self._new or self._is_equal(i):
                yield self._p(i)
            else:
                yield self._backup(i) if move < done else self._p(i)
                move += 2

    def new_blocks(self, done):
        """The same of the new image."""
        move = 0
        for i in range(self._new):
            if i < self._old and self._is_equal(i):
                yield self._p(i)
                continue
            if i < self._old:
                move += 1  # P[i] to the spare block
            yield self._p(i) if move < done else self._s(i + 1)
            move += 1

    def _moves(self):
        """(source, target) of every move forward, in order; each a (Storage, address)."""
        for i in range(self._new):
            if i < self._old:
                if self._is_equal(i):
                    continue
                yield self._p(i), self._backup(i)
            yield self._s(i + 1), self._p(i)

    def _backup(self, i):
        """The hole at i, where forward() puts block i of the old image.

        The exchange before freed it. All such scans of a swap together pass each block once.
        """
        for before in range(i - 1, -1, -1):
            if not self._is_equal(before):
                return self._s(before + 1)
        return self._s(0)

    def _is_equal(self, i):
        return i >> 3 < len(self._equal) and self._equal[i >> 3] >> (i & 7) & 1

    def _p(self, i):
        return self._active, self._active_at + i * self._block

    def _s(self, i):
        return self._staging, self._staging_at + i * self._block

    def _move(self, source, target, front):
        """Copy one block, read back. Never skips the erase: what looks blank may be torn.

        raises:  OSError when the source cannot be read; FwError WRITE_FAILED: the target failed
        """
        storage, at = target
        if target != self._p(0):
            front = b""
        for _ in range(TRIES):
            try:
                storage.erase(at, self._block, self._feed)
                for offset in range(0, self._block, len(self._one)):
                    self._read(source, offset, front)
                    storage.write(at + offset, self._one)
                    self._feed()
                if self._same(source, target, front):
                    return
            except OSError:
                pass  # whose fault it was, is found out below
        self._same(source, source)
        raise FwError(WRITE_FAILED, at)

    def _read(self, place, offset, front):
        place[0].read(place[1] + offset, self._one)
        if not offset:
            self._one[: len(front)] = front

    def _same(self, a, b, front=b""):
        for offset in range(0, self._block, len(self._one)):
            self._read(a, offset, front)
            b[0].read(b[1] + offset, self._other)
            self._feed()
            if self._one != self._other:
                return False
        return True
