"""A device with a state region, its factory, its client and its application, for tests.

The client here is a few lines that put the state directly, so it can also be one that was
taken over. Runs on CPython and on MicroPython.
"""

from hashlib import sha256

from fwboot import main
from fwcore import header
from fwcore.state import IDLE, KIND, NONE, PENDING, TRIALS, State
from ufota_testkit.noise import noise
from ufota_testkit.simboard import Board, active_slot, put, read, trial_layout

OLD = noise(900, 1)
NEW = noise(1000, 2)
NEXT = noise(700, 3)
IMAGES = {1: OLD, 2: NEW, 3: NEXT}

WORLDS = (
    ("swap", "flash"),
    ("swap", "spi"),
    ("swap", "sd"),
    ("overwrite", "flash"),
    ("overwrite", "spi"),
    ("overwrite", "sd"),
    ("direct", "flash"),
    ("direct", "spi"),
)


def device(mode, kind="spi", floor=1, **more):
    """A Board on version 1, its state put once. more: further keys of the layout."""
    board = Board(trial_layout(mode, kind, **more))
    put(board, active_slot(board), 1, OLD)
    state = State(board)
    state.floor = floor
    state.put()
    return board


def offer(board, version=2, image=None, tries=TRIALS, location=0, signature=None):
    """A candidate and its PENDING, as a client leaves them; returns the Header.

    signature:  as for simboard.put()
    """
    slot = State(board).candidate_slots(board)[location]
    head = put(board, slot, version, image or IMAGES[version], signature)
    pending(board, head, tries, location)
    return head


def pending(board, head, tries=TRIALS, location=0):
    state = State(board)
    state.end(NONE, 0)
    state.phase = PENDING
    state.new = head
    state.tries = tries
    state.location = location
    state.put()


def head_of(version, image):
    return header.Header(version, len(image), sha256(image).digest(), header.NO_CAMPAIGN)


def boot(board, version):
    """Run the boot stage; it must start this version, whole. Returns the State it leaves."""
    found = main.run(board)
    assert found, board.lines
    assert found.head.version == version, (found.head.version, board.lines)
    assert read(board, found.slot) == (version, IMAGES[version])
    state = State(board)
    if found.device == board.layout["active"]["device"] or state.active:
        assert found.slot.header_at == state.active_slot(board)[0].header_at
    return state


def no_boot(board):
    assert main.run(board) is None, board.lines
    assert board.lines[-1] == "Failed to jump to application!"


def quiet(board, function, *args):
    """Call function(*args), which must not write; returns what it returns."""
    ops = board.power.ops
    result = function(*args)
    assert board.power.ops == ops, board.power.last
    return result


def idle(board, version, result=NONE, reason=0):
    """The update is over: this version runs, and no start writes anything any more."""
    for _ in range(2):
        state = quiet(board, boot, board, version)
        found = (state.phase, state.result, state.reason)
        assert found == (IDLE, result, reason), found
    return state


def rounds(state, head):
    """Rounds of trials in which nobody confirmed this image, as the state counts them."""
    at = state.find(head.digest)
    return state.bad[at + KIND] >> 4 if at >= 0 and not state.is_bad(head.digest) else 0


def spoil(slot):
    """A byte of the image in this slot turns over."""
    slot.storage.device.data[slot.body_at + 5] ^= 1


def broken(disk, first=0, last=1 << 30):
    """From here on the disk neither erases nor programs these bytes. repaired() ends it."""
    write, ioctl = disk.writeblocks, disk.ioctl
    erase_size = disk.erase_size

    def weak_write(block, buf, *rest):
        start = block * erase_size + (rest[0] if rest else 0)
        return -5 if start < last and start + len(buf) > first else write(block, buf, *rest)

    def weak_ioctl(request, block):
        hit = request == 6 and block * erase_size < last and (block + 1) * erase_size > first
        return -5 if hit else ioctl(request, block)

    disk.writeblocks, disk.ioctl = weak_write, weak_ioctl


def repaired(disk):
    del disk.writeblocks, disk.ioctl
