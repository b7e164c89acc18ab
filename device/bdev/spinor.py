"""SPI NOR flash as a block device, over machine.SPI and a chip-select pin.

Owns addresses, pages, the order of commands and what comes back; the commands themselves are
norchip.py's. A board hands in the bus, in mode 0 or 3 and with the clock it wants (chips take
50 MHz and more), and may share it. Tried on simulated chips only, on no silicon.

What a file system or a Storage may count on:

* Nothing is cached: when a call returns 0 the chip has said that it is done.
* writeblocks with an offset never erases. It programs inside of 256-byte pages; a page of FF
  changes nothing on NOR and is not sent.
* Every wait has a deadline, four times what the chip calls its longest and 60 s at most, and
  feeds the watchdog.
* Before each transfer the chip must answer with its maker's id, which it does only when it is
  there and idle: on a bus that reads FF or 00 nothing is mistaken for data.
* After each erase and program WEL must be clear again; a chip that does not know a command
  leaves it set. The bytes are compared with read_back, and always while protection bits
  are set, as chips refuse without an error. These bits are never changed here.

Chips above 16 MiB: with commands for 4-byte addresses (0C, 12, 21, DC) where the tables tell
of all of them, else in 4-byte mode (B7). A chip keeps that mode through a reset of the MCU;
the next start ends it. A boot ROM that reads this chip needs the commands, not the mode.

Not here, and what it would take:
  QSPI         a controller instead of SPI, the quad-enable bit (dword 15 of the tables has six
               ways), dummy clocks by command, and the way out of the continuous read mode.
               A chip that was left in QPI mode does not hear this driver: cut its power
  flash that   the ports' own (rp2.Flash, esp32.Partition): programs stop while it is written
  code runs in
  DataFlash    AT45: pages of 264 or 528 bytes with buffers, no WREN, other commands (D2, 82,
               D7, 50). Another driver; this one says WRONG_DEVICE
  block locks  SST26 and others lock every sector at power-up (98 unlocks): use read_back, or
               unlock them in the board
"""

from errno import EIO

from micropython import const

from bdev import errors, sfdp
from bdev.norchip import NorChip

_BLANK = b"\xff" * 256

_COUNT = const(4)  # requests of ioctl
_SIZE = const(5)
_ERASE = const(6)


class SpiNor(NorChip):
    """A chip behind the block protocol; block: its smallest erase, 4 KiB on most.

    spi, cs:     machine.SPI and machine.Pin (an output) or what does the same
    size:        bytes, when the chip's tables are wrong or missing; None: as they say
    feed:        called while the chip is busy, for the watchdog; it must leave the bus alone
    read_back:   compare after every program and erase: finds worn-out sectors, which most
                 chips do not report

    id:          3 bytes: maker, kind, capacity
    block_size:  bytes
    protection:  protection bits of the status at the last write (0x1C); 0: none
    error:       (number, at) of the last failure, or None
    raises:      OSError(errno, number): NO_DEVICE, WRONG_DEVICE (no tables, and the id tells no
                 size), STUCK (busy from before), NO_ADDRESS
    """

    # The block protocol: 0, or a negative errno; never an exception of its own

    def readblocks(self, block, buf, offset=0):
        """Fill buf from byte `offset` of a block on, across blocks."""
        at = block * self.block_size + offset
        try:
            self._within(at, len(buf), 1)
            self._ready(at)
            self._aim(at)
            self._command(self._read_op, buf, self._long)
        except OSError as error:
            return self._failed(error, at)
        return 0

    def writeblocks(self, block, buf, offset=None):
        """Program buf; without an offset, erase the blocks first, each just before its bytes."""
        start = block * self.block_size + (offset or 0)
        mv = memoryview(buf)
        at, end = start, start + len(mv)
        try:
            self._within(at, len(mv), 1 if offset is not None else self.block_size)
            while at < end:
                if offset is None and at % self.block_size == 0:
                    self._ready(at)
                    self._start(self._erases[0], at)
                    self._wait(self._erases[0], at)
                    self._compare(at, None, self.block_size)
                count = min(self._page[0] - at % self._page[0], end - at)
                piece = mv[at - start : at - start + count]
                if piece != _BLANK:
                    self._ready(at)
                    self._start(self._page, at, piece)
                    self._wait(self._page, at)
                self._compare(at, piece, count)
                at += count
        except OSError as error:
            return self._failed(error, start)
        return 0

    def ioctl(self, request, argument):
        """Requests 1 to 6 of the block protocol; nothing is cached, so 1 to 3 do nothing."""
        if request == _COUNT:
            return self.size // self.block_size
        if request == _SIZE:
            return self.block_size
        if request == _ERASE:
            at = argument * self.block_size
            try:
                self._within(at, self.block_size, self.block_size)
                self._ready(at)
                self._start(self._erases[0], at)
                self._wait(self._erases[0], at)
                self._compare(at, None, self.block_size)
            except OSError as error:
                return self._failed(error, at)
        return 0 if 1 <= request <= _ERASE else None

    def erase(self, at, size):
        """Erase the first part of a range with one command, the largest that fits.

        at, size: bytes, whole blocks
        returns:  the address up to which it is erased; go on from there until it is the end:
                      while at < end:
                          at = nor.erase(at, end - at)
        raises:   OSError(errno, number), with the numbers in `error` too
        """
        try:
            self._within(at, size, self.block_size)
            for kind in reversed(self._erases):
                if at % kind[0] == 0 and kind[0] <= size:
                    self._ready(at)
                    self._start(kind, at)
                    self._wait(kind, at)
                    self._compare(at, None, kind[0])
                    return at + kind[0]
        except OSError as error:
            self._failed(error, at)
            raise
        return at

    def _compare(self, at, mv, size):
        """Compare what is there with mv (None: blank), if that is needed."""
        if not (self.read_back or self.protection):
            return
        blank = memoryview(_BLANK)
        self._aim(at)
        self._head[0] = self._read_op
        self._cs(0)
        try:
            self._spi.write(self._long)
            for i in range(0, size, sfdp.SCRATCH):
                count = min(sfdp.SCRATCH, size - i)
                found = self._scratch[:count]
                self._spi.readinto(found)
                self._feed()
                if found != (mv[i : i + count] if mv else blank[:count]):
                    self._fail(errors.PROTECTED if self.protection else errors.READ_BACK, at + i)
        finally:
            self._cs(1)

    def _within(self, at, size, unit):
        if at < 0 or at + size > self.size or at % unit or size % unit:
            self._fail(errors.OUTSIDE, at)

    def _failed(self, error, at):
        """The negative errno of an OSError, of ours or of the bus."""
        if len(error.args) == 2 and self.error and error.args[1] == self.error[0]:
            return -error.args[0]
        self.error = errors.NO_DEVICE, at
        return -EIO
