"""Storage: bytes on a block device; the one file that uses MicroPython's block protocol.

Owns addresses and error returns; knows nothing of slots, headers or images.
Used by slot.py; the block device objects come from the board.

What a write may assume (DESIGN.md, storage contract): on NOR, programming only
clears bits and a unit is programmed once between erases; an overwriting device
(SD card) replaces whole blocks. A cut leaves the unit it hits arbitrary.

What a failure says is decided here, for all callers:

    OSError from read()    cannot be read now, though it was asked for again: no verdict on what
                           is there. Nothing is decided because of it; a later start asks again
    FwError of a format    it was read, and is wrong, or is not there: a verdict
    OSError from write(),  the medium did not take it, or may have: what was to be written is
    erase()                written anew, or counts as not written
"""

import time
from errno import EIO, ENODEV

from micropython import const

_BLOCK_COUNT = const(4)
_BLOCK_SIZE = const(5)
_BLOCK_ERASE = const(6)

# Attempts at a read that fails, for noise on a bus, and a card that is started anew
_READS = const(5)
_WAIT_MS = const(2)


class Storage:
    """A block device with byte addresses.

    device:     block protocol object (readblocks, writeblocks, ioctl)
    erase:      bytes one erase clears; a multiple of the device's block size
    program:    bytes one program writes; every address and length given to
                read() and write() is a multiple of it
    overwrite:  True when a write replaces what was there (SD card)
    block_size: bytes of the device's own blocks
    raises:     OSError when the device does not answer
    """

    def __init__(self, device, erase, program, overwrite=False):
        self.device = device
        self.erase_size = erase
        self.program_size = program
        self.overwrite = overwrite
        self.block_size = device.ioctl(_BLOCK_SIZE, 0) or 512
        self.size = self.block_size * device.ioctl(_BLOCK_COUNT, 0)

    def read(self, at, mv):
        """Fill mv (whole program units) from address `at`. Raises OSError: see above."""
        block = at // self.block_size
        for left in range(_READS - 1, -1, -1):
            try:
                if self.overwrite:
                    code = self.device.readblocks(block, mv)
                else:
                    code = self.device.readblocks(block, mv, at % self.block_size)
                if not code:
                    return
                if not left or code == -ENODEV:
                    _fail(code)
            except OSError as error:
                if not left or error.errno == ENODEV:  # that device is gone
                    raise
            time.sleep_ms(_WAIT_MS)

    def write(self, at, mv):
        """Program mv (whole program units) at address `at`; never erases NOR. Raises OSError."""
        block = at // self.block_size
        if self.overwrite:
            code = self.device.writeblocks(block, mv)
        else:
            code = self.device.writeblocks(block, mv, at % self.block_size)
        if code:
            _fail(code)

    def erase(self, at, size, feed=None):
        """Erase whole erase blocks; nothing to do where writes replace. Raises OSError.

        feed: called after every block, for the watchdog (a 64 KiB erase may take 2 s)
        """
        if self.overwrite:
            return
        for block in range(at // self.block_size, (at + size) // self.block_size):
            code = self.device.ioctl(_BLOCK_ERASE, block)
            if code:
                _fail(code)
            if feed:
                feed()


def up(value, unit):
    """Round up to a multiple of unit."""
    return (value + unit - 1) // unit * unit


def down(value, unit):
    """Round down to a multiple of unit."""
    return value // unit * unit


def blank(mv, start):
    """Fill a buffer with FF, what erased bytes read, from `start` on."""
    for i in range(start, len(mv)):
        mv[i] = 0xFF


def _fail(code):
    # The protocol says None or 0, or a negative errno; one port returns a positive number.
    raise OSError(-code if code < 0 else EIO)
