"""A NOR chip on one data line of SPI: its commands, its start, and waiting for it.

Owns the bytes on the bus and the choice of commands; spinor.py makes a block device of it.
What the chip says of itself is read by sfdp.py.

In a transfer there are three Python calls between the caller of the block device and the bus;
at the start, and when an earlier command still runs, there are four. Each takes 230 of the 8,192
bytes of C stack that rp2 has.
"""

import time
from errno import EINVAL, EIO, ENODEV, ETIMEDOUT

from micropython import const

from bdev import errors, sfdp

_WREN = const(0x06)
_WRDI = const(0x04)
_STATUS = const(0x05)
_ID = const(0x9F)
_SFDP = const(0x5A)
_READ = const(0x0B)  # with a dummy byte: at any clock, which 03 is not
_PROGRAM = const(0x02)
_WIDE_READ = const(0x0C)
_WIDE_PROGRAM = const(0x12)
_RELEASE = const(0xAB)
_ENTER_WIDE = const(0xB7)
_LEAVE_WIDE = const(0xE9)
_RESET_ENABLE = const(0x66)
_RESET = const(0x99)

_BUSY = const(1)  # in the status
_WEL = const(2)
_PROTECTION = const(0x1C)  # BP0..2, which chips with more of them set as well

_NARROW = const(1 << 24)  # bytes that 3-byte addresses reach
_HEAD = const(6)  # command, address, dummy
_PAGE = const(256)  # larger ones take these too; no chip of this family has smaller ones

# Data sheets say 10 ms from power until a chip answers, 100 us from AB, and from 99 or the reset
# pin 100 us, or 30 ms when that ends an erase. Supplies rise slowly, and chips get old and cold:
# it is looked for for half a second.
_AWAKE_US = const(100)
_LOOK_US = const(1000)
_LOOKS = const(450)
# A change of unknown kind, from before a reset for instance: as long as the longest may take.
_ANY = (0, 0, 160000, sfdp.LONGEST_MS)

_EROFS = const(30)  # not in every port's errno
_EILSEQ = const(84)  # LittleFS takes it for a bad block, and uses another one


class NorChip:
    """A chip that is awake, identified and idle. Parameters and attributes: SpiNor's."""

    def __init__(self, spi, cs, size=None, feed=None, read_back=False):
        self._spi = spi
        self._cs = cs
        self._feed = feed or _nothing
        self.read_back = read_back
        self.error = None
        mv = memoryview(bytearray(_HEAD + sfdp.SCRATCH))
        self._head = mv[:_HEAD]
        self._op = mv[:1]
        self._long = mv[:5]
        self._scratch = mv[_HEAD:]
        self._answer = mv[_HEAD : _HEAD + 1]
        cs(1)
        self._wake()
        self.protection = self._command(_STATUS, self._answer) & _PROTECTION
        shape = sfdp.parse(self._read_sfdp, self._scratch) or self._shape_by_id()
        self.size = size or shape.size
        self._address(shape)
        if not self.size or self.size % self.block_size:
            self._fail(errors.WRONG_DEVICE, self.size)

    # Start

    def _wake(self):
        """Find the chip, whatever it was doing: asleep, erasing, in 4-byte mode."""
        was_reset = False
        for _ in range(_LOOKS):
            self._command(_RELEASE)
            time.sleep_us(_AWAKE_US)
            if self._command(_STATUS, self._answer) != 0xFF:
                self._wait(_ANY, 0)  # a reset would spoil what it erases
                mv = self._scratch[:3]
                self._command(_ID, mv)
                self.id = bytes(mv)
                if self.id not in (b"\xff\xff\xff", b"\0\0\0"):
                    if was_reset:
                        return
                    self._command(_RESET_ENABLE)
                    self._command(_RESET)
                    was_reset = True
            self._feed()
            time.sleep_us(_LOOK_US)
        self._fail(errors.NO_DEVICE, 0)

    def _read_sfdp(self, at, mv):
        self._wide = False  # addresses of the tables have 3 bytes
        self._aim(at)
        self._command(_SFDP, mv, self._long)

    def _shape_by_id(self):
        """Of a chip without tables."""
        shape = sfdp.Shape()
        if 0x10 <= self.id[2] <= 0x19 and self.id[0] != 0x1F:  # Atmel's is no power of 2
            shape.size = 1 << self.id[2]
        return shape

    def _address(self, shape):
        """Choose commands and length of address."""
        self._read_op, program_op, column = _READ, _PROGRAM, 1
        self._wide = shape.always or self.size > _NARROW
        if shape.mode and not shape.always:
            self._switch(_LEAVE_WIDE)  # chips that know no 66, 99
        if self._wide and not shape.always:
            if shape.wide_ops and shape.erases[0][2]:
                self._read_op, program_op, column = _WIDE_READ, _WIDE_PROGRAM, 2
            elif shape.mode:
                self._switch(_ENTER_WIDE)
            else:
                self._fail(errors.NO_ADDRESS, self.size)
        # Kinds of change: (bytes, command, typical us, ms until it is stuck), smallest first
        self._erases = [(e[0], e[column], 1000 * e[3], e[4]) for e in shape.erases if e[column]]
        self._page = _PAGE, program_op, shape.page_us, shape.page_ms
        self.block_size = self._erases[0][0]
        self._short = self._head[: 5 if self._wide else 4]
        self._long = self._head[: 6 if self._wide else 5]

    def _switch(self, op):
        self._command(_WREN)  # Micron needs it, others accept it
        self._command(op)
        self._command(_WRDI)

    # Commands

    def _command(self, op, answer=None, head=None, data=None):
        """One command.

        answer:  filled with what the chip says
        head:    with its address, after _aim(); None: it has no address
        data:    what follows the head
        returns: the first byte of the answer
        """
        self._head[0] = op
        self._cs(0)
        try:
            self._spi.write(head or self._op)
            if data:
                self._spi.write(data)
            if answer:
                self._spi.readinto(answer)
                return answer[0]
        finally:
            self._cs(1)

    def _aim(self, at):
        """Put an address into the head."""
        head = self._head
        i = 1
        if self._wide:
            head[1] = at >> 24
            i = 2
        head[i] = at >> 16 & 0xFF
        head[i + 1] = at >> 8 & 0xFF
        head[i + 2] = at & 0xFF

    # A change is _ready(), _start() and _wait(), one after the other

    def _ready(self, at):
        """Check that the chip is there and idle: only then it answers with its maker's id."""
        if self._command(_ID, self._answer) != self.id[0]:
            # What an exception out of `feed` or ^C has left behind
            self._wait(_ANY, at)
            if self._command(_ID, self._answer) != self.id[0]:
                self._fail(errors.NO_DEVICE, at)

    def _start(self, kind, at, data=None):
        """Set WEL, see it set, and send the command. kind: one of _erases, or _page with data"""
        self._command(_WREN)
        status = self._command(_STATUS, self._answer)
        if status & (_BUSY | _WEL) != _WEL:
            self._fail(errors.NOT_ENABLED, at)
        self.protection = status & _PROTECTION
        self._aim(at)
        self._command(kind[1], None, self._short, data)

    def _wait(self, kind, at):
        """Wait until the chip is idle and has done the command. kind: as of _start(), or _ANY"""
        _, op, typical_us, limit_ms = kind
        # 16 looks are 6 % more than typical at most; 10 ms feed every watchdog
        step_us = min(max(typical_us >> 4, 10), 10000)
        start = time.ticks_ms()
        while True:
            # The clock is read before the status: a delay between them must not end the wait
            late = time.ticks_diff(time.ticks_ms(), start) > limit_ms
            status = self._command(_STATUS, self._answer)
            self._feed()
            if status == 0xFF:  # busy and protected at once: there is no such chip
                self._fail(errors.NO_DEVICE, at)
            if not status & _BUSY:
                break
            if late:
                self._fail(errors.STUCK, at)
            time.sleep_us(step_us)
        if op and status & _WEL:
            self._fail(errors.IGNORED, at)

    # Errors

    def _fail(self, number, at):
        self.error = number, at
        raise OSError(_ERRNO.get(number, EIO), number)


_ERRNO = {
    errors.NO_DEVICE: ENODEV,
    errors.WRONG_DEVICE: ENODEV,
    errors.STUCK: ETIMEDOUT,
    errors.OUTSIDE: EINVAL,
    errors.READ_BACK: _EILSEQ,
    errors.PROTECTED: _EROFS,
}


def _nothing():
    pass
