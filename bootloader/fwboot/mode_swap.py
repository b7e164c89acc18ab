"""Swap mode: active and candidate change places, block by block (swap.py).

The image moves with its internal header in front, so block 0 of both starts with one; header and
signature that come to the active region are written from the state, not copied.
The candidate's own header is in the spare block: gone with the first move, and known to
the state by then.
"""

from hashlib import sha256

from fwboot.swap import Swap
from fwcore import header
from fwcore.errors import FwError
from fwcore.header import INTERNAL_SIZE
from fwcore.regions import block_size
from fwcore.storage import up


class SwapMode:
    COPIES = True

    def __init__(self, board, state, buf):
        self._board = board
        self._state = state
        self._buf = buf
        self._block = block_size(board.layout)

    def is_ready(self, slot, head):
        """True when the header that moves with the image is the right one. Raises OSError."""
        mv = self._buf[: up(INTERNAL_SIZE, slot.storage.program_size)]
        slot.storage.read(slot.inner_at, mv)
        return _is_header(mv, head)

    def fits(self, size):
        return self._active().fits(size)

    def prepare(self):
        """Find out which blocks are equal, once, before the first move. Raises OSError."""
        self._state.equal = b""
        self._state.equal = self._swap().equal_blocks()

    def forward(self):
        """Go on from the last mark. Raises OSError; FwError WRITE_FAILED."""
        state = self._state
        front = self._front(state.new, state.signature)
        self._swap().forward(state.journal, state.moves(), lambda done: state.put(), front)

    def back(self):
        """Put the old blocks back, as many as were moved. Raises as forward()."""
        state = self._state
        self._swap().back(state.moves(), self._front(state.old, state.old_signature))

    def may_go_on(self):
        """True when the new image is whole, moved or not yet: it is the same card as before."""
        state = self._state
        return self._is_whole(state.new, self._swap().new_blocks(state.moves()))

    def old_is_whole(self):
        """True when the old image is, in the places its blocks are in now. Raises OSError."""
        state = self._state
        return self._is_whole(state.old, self._swap().old_blocks(state.moves()))

    def _front(self, head, signature):
        """What lies in front of an image: from the state, whatever the chip says by now."""
        return header.pack_internal(head) + signature[: self._active().room]

    def _is_whole(self, head, places):
        """Check the internal header and the digest of an image.

        places:  (Storage, address) of each of its blocks
        """
        if not self.fits(head.size):
            return False
        buf, digest = self._buf, sha256()
        at, end = 0, self._gap() + head.size
        for storage, address in places:
            for offset in range(0, min(self._block, end - at), len(buf)):
                count = min(self._block - offset, len(buf), end - at)
                mv = buf[: up(count, storage.program_size)]
                storage.read(address + offset, mv)
                if at == 0 and not _is_header(mv, head):
                    return False
                digest.update(mv[max(0, self._gap() - at) : count])
                self._board.feed()
                at += count
        return digest.digest() == head.digest

    def _swap(self):
        state = self._state
        active, candidate = self._active(), state.candidate_slots(self._board)[0]
        return Swap(
            active.storage,
            active.header_at,
            candidate.storage,
            candidate.header_at,
            self._block,
            self._blocks(state.old),
            self._blocks(state.new),
            state.equal,
            self._buf,
            self._board.feed,
        )

    def _blocks(self, head):
        """Blocks of an image with the header in front; 0 for none."""
        return up(self._gap() + head.size, self._block) // self._block if head.size else 0

    def _gap(self):
        active = self._active()
        return active.body_at - active.header_at

    def _active(self):
        return self._state.active_slot(self._board)[0]


def _is_header(mv, head):
    try:
        return header.is_v2(mv) and header.unpack_internal(mv)[:3] == head[:3]
    except FwError:
        return False
