"""An SD card that is a program, and the socket it sits in: every byte of SPI, every clock.

Card is the card: commands, tokens, CRCs, busy times on a virtual clock. What it stores is in a
simdisk.Disk, so a write of a 512-byte block is one operation that power can be cut in, with
its tears. Socket is what is between the card and the bus: pulled cards and flipped bits.

The card is as hard as the specification lets it be, or harder:

    - before 74 clocks with CS high, slower than 400 kHz, it does not hear anything
    - commands with a wrong CRC7, in the wrong order, or while it is busy, are not done
    - it waits for a data token, or for the rest of a block, for as long as its power stays on,
      and hears no command meanwhile: not CS, not a reset of the board ends that
    - it goes on sending when CS falls again, until CMD12 or CMD0

Runs on CPython and on MicroPython.
"""

from ufota_testkit.simdisk import PowerCut

BLOCK = 512
SDSC1, SDSC2, SDHC, MMC = "v1", "v2", "hc", "mmc"

_FF = b"\xff" * 600
_NEVER = 1 << 62
_START_HZ = 400000
_MOST_HZ = 25000000

# R1
_IDLE, _ILLEGAL, _CRC, _ADDRESS, _PARAMETER = 1, 4, 8, 32, 64

# second byte of R2
FAILED, OUT_OF_RANGE, ECC, PROTECTED = 4, 128, 16, 32


class Times:
    """How long a card takes.

    start_ms:  from the first ACMD41 until it is ready
    access_us: from a read command to its data, gap_us: between blocks of many
    write_us:  busy after a block, stop_us: after the stop of many
    ncr:       bytes before an answer
    power_ms:  from its power until it hears anything
    """

    def __init__(
        self, start_ms=0, access_us=0, gap_us=0, write_us=0, stop_us=0, ncr=0, power_ms=0
    ):
        self.start_ms = start_ms
        self.access_us = access_us
        self.gap_us = gap_us
        self.write_us = write_us
        self.stop_us = stop_us
        self.ncr = ncr
        self.power_ms = power_ms


# The slowest is a little less than the most that the SD specification lets a card take. Beyond
# that are real cards which are old, cold or tidy up: 0.5 to 2 s of a write are told of, and 600
# ms of a read. The typical one is an assumption: no card was measured.
AT_ONCE = Times()
TYPICAL = Times(120, 200, 0, 900, 500, 1)
SLOWEST = Times(950, 97000, 97000, 245000, 245000, 7)
BEYOND = Times(1800, 600000, 400000, 1900000, 1500000, 12, 150)


class Sparse:
    """Stands for a simdisk.Disk of many gigabytes: {block: bytes}, and no power to cut."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.found = {}

    def ioctl(self, request, _):
        return self.blocks if request == 4 else BLOCK

    def readblocks(self, block, buf):
        buf[:] = self.found.get(block, bytes(BLOCK))
        return 0

    def writeblocks(self, block, buf):
        self.found[block] = bytes(buf)
        return 0


class Card:
    """disk: simdisk.Disk that overwrites, or Sparse; for a high-capacity card n * 512 KiB.

    clock:   fake_spi.Clock
    kind:    SDSC1, SDSC2, SDHC (SDXC by its size), MMC
    times:   Times
    serial:  what its CID tells it from others by

    Faults, set freely; those marked 1 happen once:
    deaf:      so many CMD0 are not heard
    mute:      commands that are not answered
    refused:   commands it says are illegal
    echo:      bytes after R1 of CMD8
    ocr:       first byte of OCR, instead of its own
    csd:       15 bytes, without its CRC, instead of its own
    responses: list of data responses to come, None for the right one
    token:     1: error token in place of data
    crc:       2 bytes that it sends in place of every CRC of data
    spoils:    1: a bit of a block changes on the way to the card, its CRC does not
    silent:    1: a write is accepted, and fails; only CMD13 tells
    stuck:     1: the next busy does not end
    slow:      1: the next data never come
    protected: temporarily, by its CSD
    cut_ns:    1: time at which power goes; cut_tear (of simdisk) is what that leaves of the block
               that it is busy with; None: it is a reset of the board, and the card goes on. Not
               on a Sparse

    heard:   commands in the order they were done, application commands + 100
    written: blocks that were stored
    illegal: [text] of what no driver may do
    """

    def __init__(self, disk, clock, kind=SDHC, times=AT_ONCE, serial=1):
        self.disk = disk
        self.clock = clock
        self.kind = kind
        self.times = times
        self.serial = serial
        self.deaf = 0
        self.mute = ()
        self.refused = ()
        self.echo = b"\x00\x00\x01\xaa"
        self.ocr = None
        self.csd = None
        self.responses = []
        self.token = self.crc = None
        self.spoils = False
        self.silent = self.stuck = self.slow = self.protected = False
        self.cut_ns = None
        self.cut_tear = "half"
        self.heard = []
        self.written = 0
        self.illegal = []
        self._block = bytearray(BLOCK)
        self.power_cycle()

    def power_cycle(self):
        """It lost its power, and has it again."""
        self._clocks = 0
        self._hears_ns = self.clock.now_ns + self.times.power_ms * 1000000
        self._alive = False  # CMD0 was heard
        self._frame = bytearray()
        self._reset()

    def _reset(self):
        self._idle = True
        self._crc_on = self._app = self._asked_8 = False
        self._ready_ns = None
        self._status = 0
        self._busy_ns = 0
        self._out, self._out_at = b"", 0
        self._due = None  # (ns, block of many or None, data): what comes after _out
        self._write = None  # (block, is it of many)
        self._need = 0  # bytes of a block that are still to come in
        self._dead = False  # it ignores data of many until CMD12
        self._under_way = None  # (block, old bytes) of what it is busy with

    # Chip of fake_spi.Bus

    def select(self):
        self._frame = bytearray()

    def deselect(self):
        self._frame = bytearray()

    def idle(self, count, baudrate):
        self._tick()
        if baudrate <= _START_HZ:
            self._clocks += 8 * count

    def transfer(self, tx, rx, start, end, baudrate):
        """Bytes start..end of both; rx, when there is one, is full of FF."""
        self._tick()
        if self.clock.now_ns < self._hears_ns:
            return
        if self._clocks < 74 or baudrate > (_MOST_HZ if self._alive else _START_HZ):
            return
        at = start
        while at < end:
            left = end - at
            if self._need:
                at += self._receive(tx, at, min(left, self._need))
            elif self._sends(tx, at, left):
                count = min(left, len(self._out) - self._out_at)
                if rx is not None:
                    rx[at : at + count] = self._out[self._out_at : self._out_at + count]
                self._out_at += count
                at += count
            else:
                byte = self._next()
                if rx is not None:
                    rx[at] = byte
                self._hear(tx[at])
                at += 1

    def _sends(self, tx, at, left):
        """True when it is in the middle of data, and nobody talks to it meanwhile."""
        count = min(left, len(self._out) - self._out_at)
        return count > 8 and bytes(tx[at : at + count]) == _FF[:count]

    def _tick(self):
        """Power goes when its time has come."""
        if self.cut_ns is None or self.clock.now_ns < self.cut_ns:
            return
        if self._under_way and self.cut_tear and self.cut_ns < self._busy_ns:
            block, old = self._under_way
            new = bytes(self.disk.data[block * BLOCK : (block + 1) * BLOCK])
            self.disk.load(block * BLOCK, old)
            self.disk.change(block * BLOCK, new, self.cut_tear, 1)
        self.cut_ns = None
        if self.cut_tear:
            self.disk.power.off()
        raise PowerCut("at {} ns, {}".format(self.clock.now_ns, self.disk.power.last))

    # What goes out

    def _next(self):
        """The byte that goes out now."""
        if self._out_at >= len(self._out) and self._due and self.clock.now_ns >= self._due[0]:
            self._fetch()
        if self._out_at < len(self._out):
            self._out_at += 1
            return self._out[self._out_at - 1]
        return 0 if self.clock.now_ns < self._busy_ns else 0xFF

    def _fetch(self):
        """Put the data that are due on the way."""
        _, block, data = self._due
        self._due = None
        token, self.token = self.token, None
        if data is None and token is None:
            if block >= self.blocks():
                token, self._status = 0x08, OUT_OF_RANGE
            elif self.disk.readblocks(block, self._block):
                token, self._status = 0x04, ECC
            else:
                data = bytes(self._block)
                if self._many:
                    self._later(block + 1, None, self.times.gap_us)
        if token is None:
            crc = crc16(data)
            self._answer(b"\xfe" + data + (self.crc or bytes((crc >> 8, crc & 0xFF))))
        else:
            self._answer(bytes((token,)))

    def _answer(self, data):
        self._out, self._out_at = data, 0

    def _busy(self, us):
        self._busy_ns = _NEVER if self.stuck else self.clock.now_ns + us * 1000
        self.stuck = False

    def _later(self, block, data, us):
        self._due = self.clock.now_ns + us * 1000, block, data
        if self.slow:
            self._due = _NEVER, block, data
            self.slow = False

    # What comes in

    def _hear(self, byte):
        if self._frame:
            self._frame.append(byte)
            if len(self._frame) == 6:
                frame, self._frame = self._frame, bytearray()
                self._command(frame)
        elif self.clock.now_ns < self._busy_ns:
            if byte != 0xFF:
                self._note("{:02x} while busy".format(byte))
        elif self._write and not self._dead:
            self._hear_token(byte)
        elif byte & 0xC0 == 0x40:
            self._frame.append(byte)

    def _hear_token(self, byte):
        _, many = self._write
        if byte == (0xFC if many else 0xFE):
            self._need = BLOCK + 2
            self._came = bytearray()
        elif many and byte == 0xFD:
            self._write = None
            self._answer(b"\xff")
            self._busy(self.times.stop_us)

    def _receive(self, tx, at, count):
        self._came += bytes(tx[at : at + count])
        self._need -= count
        if not self._need:
            self._store(self._came)
        return count

    def _store(self, came):
        """A block came in, with its CRC."""
        block, many = self._write
        if self.spoils:
            came[100] ^= 0x10
            self.spoils = False
        response, busy_us = 0x05, self.times.write_us
        if self._crc_on and crc16(memoryview(came)[:BLOCK]) != came[-2] << 8 | came[-1]:
            response = 0x0B
        elif self.responses:
            planned = self.responses.pop(0)
            response = response if planned is None else planned
        if response == 0x05 and block >= self.blocks():
            response, self._status = 0x0D, OUT_OF_RANGE
        self._under_way = None
        if response == 0x05:
            if self.cut_ns is not None:
                at = block * BLOCK
                self._under_way = block, bytes(self.disk.data[at : at + BLOCK])
            if self.silent or self.disk.writeblocks(block, memoryview(came)[:BLOCK]):
                self._status, self.silent = FAILED, False
            else:
                self.written += 1
        else:
            busy_us = 0
            self._status = self._status or (FAILED if response == 0x0D else 0)
        self._write = (block + 1, True) if many else None
        self._dead = many and response != 0x05
        self._answer(bytes((response | 0xE0,)))
        self._busy(busy_us)

    def _note(self, text):
        if len(self.illegal) < 100:
            self.illegal.append(text)

    # Commands

    def _command(self, frame):
        number = frame[0] & 0x3F
        argument = frame[1] << 24 | frame[2] << 16 | frame[3] << 8 | frame[4]
        good = frame[5] == crc7(memoryview(frame)[:5]) << 1 | 1
        if number == 0 and self.deaf:
            self.deaf -= 1
            return
        if not self._alive and (number or not good) or number in self.mute:
            return
        self._due = None if number in (0, 12) else self._due
        app, self._app = self._app, False
        if not good and (self._crc_on or number in (0, 8)):
            self._r1(_CRC)
            return
        name = number + 100 if app and number in (23, 41) else number
        action = getattr(self, "_cmd{}".format(name), None)
        if not action or number in self.refused or self._idle and name not in _IN_IDLE:
            self._r1(_ILLEGAL)
            return
        self.heard.append(name)
        self._dead = False if number in (0, 12) else self._dead
        action(argument)

    def _r1(self, bits=0, more=b""):
        self._answer(_FF[: self.times.ncr] + bytes((bits | (_IDLE if self._idle else 0),)) + more)

    def _cmd0(self, _):
        self._reset()
        self._alive = True
        self._r1()

    def _cmd1(self, _):
        self._start_up(self.kind == MMC)

    def _cmd8(self, argument):
        if self.kind in (SDSC1, MMC):
            self._r1(_ILLEGAL)
        else:
            self._asked_8 = argument & 0xFFF == 0x1AA
            self._r1(0, self.echo)

    def _cmd9(self, _):
        self._r1()
        self._later(None, sealed(self.csd or self._own_csd()), self.times.access_us)

    def _cmd10(self, _):
        self._r1()
        self._later(
            None, sealed(b"\x03SDfake!\x10%04d\x01\x9b" % self.serial), self.times.access_us
        )

    def _cmd12(self, _):
        self._write = None
        self._answer(b"\x55" + _FF[: self.times.ncr] + b"\x00\x00")  # stuff, R1, busy

    def _cmd13(self, _):
        self._r1(0, bytes((self._status,)))
        self._status = 0

    def _cmd16(self, argument):
        self._r1(0 if argument == BLOCK else _PARAMETER)

    def _cmd17(self, argument):
        self._read(argument, False)

    def _cmd18(self, argument):
        self._read(argument, True)

    def _read(self, argument, many):
        block = self._place(argument)
        if block is not None:
            self._r1()
            self._many = many
            self._later(block, None, self.times.access_us)

    def _cmd24(self, argument):
        self._begin(argument, False)

    def _cmd25(self, argument):
        self._begin(argument, True)

    def _begin(self, argument, many):
        block = self._place(argument)
        if block is not None:
            self._r1()
            self._write = block, many

    def _place(self, argument):
        """Block of an address, or None, and R1 tells."""
        by_block = self.kind == SDHC
        block = argument if by_block else argument // BLOCK
        if not by_block and argument % BLOCK:
            self._r1(_ADDRESS)
        elif block >= self.blocks():
            self._r1(_PARAMETER)
        else:
            return block
        return None

    def _cmd55(self, _):
        self._app = self.kind != MMC
        self._r1(0 if self._app else _ILLEGAL)

    def _cmd58(self, _):
        ocr = (0 if self._idle else 0x80) | (0x40 if self.kind == SDHC and not self._idle else 0)
        self._r1(0, bytes((ocr if self.ocr is None else self.ocr, 0xFF, 0x80, 0)))

    def _cmd59(self, argument):
        self._crc_on = argument & 1 == 1
        self._r1()

    def _cmd123(self, _):
        self._r1()

    def _cmd141(self, argument):
        known = self.kind == SDSC1 or self._asked_8
        hcs = argument & 0x40000000 or self.kind != SDHC
        self._start_up(self.kind != MMC and known and hcs)

    def _start_up(self, may):
        now = self.clock.now_ns
        if may and self._ready_ns is None:
            self._ready_ns = now + self.times.start_ms * 1000000
        self._idle = self._ready_ns is None or now < self._ready_ns
        self._r1()

    # What it is

    def blocks(self):
        return self.disk.ioctl(4, 0)

    def _own_csd(self):
        csd = csd_v2(self.blocks()) if self.kind == SDHC else csd_v1(self.blocks())
        csd[14] |= 0x10 if self.protected else 0
        return csd


_IN_IDLE = (0, 1, 8, 55, 58, 59, 141)


PULL, BOUNCE, RESET = "pull", "bounce", "reset"


class Reset(BaseException):
    """The board starts anew; no `except Exception` lives through it."""


class Socket:
    """Chip of fake_spi.Bus: a card, or none, at its wires.

    floats:   what is read when nobody drives the line: FF, or 00 with a pull-down
    event:    what happens in event_in bytes from now, see below; None: nothing
    flip_in:  in so many bytes from now, at the card, one bit comes in wrong
    flip_out: the same of what it sends
    bit:      which one, 0..7

    PULL: the card is pulled. BOUNCE: it loses its power for a moment. RESET: the board starts
    anew, and the card does not notice: Reset is raised.
    """

    def __init__(self, card):
        self.card = card
        self.bus = None  # set by whoever makes it
        self.floats = 0xFF
        self.event = None
        self.event_in = 0
        self.flip_in = None
        self.flip_out = None
        self.bit = 3
        self.bytes = 0  # while selected

    def insert(self, card):
        """Put a card in; it gets its power."""
        card.power_cycle()
        self.card = card
        self.event = None

    def select(self):
        if self.card:
            self.card.select()

    def deselect(self):
        if self.card:
            self.card.deselect()

    def idle(self, count):
        """Clocks while it is not selected; things happen then too."""
        before = self._before_event(count)
        if self.card:
            self.card.idle(before, self.bus.baudrate)
        self._happen(before < count)

    def transfer(self, tx, rx):
        count = len(tx)
        self.bytes += count
        if self.flip_in is not None and self.flip_in < count:
            tx = bytearray(tx)
            tx[self.flip_in] ^= 1 << self.bit
        before = self._before_event(count)
        if self.card:
            self.card.transfer(tx, rx, 0, before, self.bus.baudrate)
        missing = 0 if self.card else count
        if self._happen(before < count):
            missing = count - before
        if rx is not None:
            for i in range(count - missing, count):
                rx[i] = self.floats
            if self.flip_out is not None and self.flip_out < count:
                rx[self.flip_out] ^= 1 << self.bit
        self.flip_in = _later(self.flip_in, count)
        self.flip_out = _later(self.flip_out, count)

    def _before_event(self, count):
        """How many of the next bytes come before it."""
        if self.event is None:
            return count
        before = min(count, self.event_in)
        self.event_in -= before
        return before

    def _happen(self, now):
        if now:
            event, self.event = self.event, None
            if event == RESET:
                raise Reset
            self.card.power_cycle()
            if event == PULL:
                self.card = None
        return now


def _later(when, count):
    return None if when is None or when < count else when - count


def csd_v1(blocks):
    """CSD without its CRC; blocks: up to 4096 << 11, and as round as it must be."""
    length, mult = (9, 7) if blocks <= 4096 << 9 else (11, 7)
    while blocks >> mult + 2 + length - 9 < 1 or blocks % (1 << mult + 2 + length - 9):
        mult -= 1
    size = (blocks >> mult + 2 + length - 9) - 1
    assert 0 <= size < 4096 and mult >= 0, blocks
    csd = bytearray(b"\x00\x26\x00\x32\x5b\x50\x00\x00\x3f\xfc\x3f\xff\x92\x40\x40")
    csd[5] |= length
    csd[6] |= size >> 10
    csd[7] = size >> 2 & 0xFF
    csd[8] = (size & 3) << 6 | 0x3F
    csd[9] |= mult >> 1
    csd[10] = (mult & 1) << 7 | 0x7F
    return csd


def csd_v2(blocks):
    """CSD without its CRC; blocks: a multiple of 1024."""
    size = blocks // 1024 - 1
    assert blocks % 1024 == 0 and 0 <= size < 1 << 22, blocks
    csd = bytearray(b"\x40\x0e\x00\x32\x5b\x59\x00\x00\x00\x00\x7f\x80\x0a\x40\x00")
    csd[7], csd[8], csd[9] = size >> 16, size >> 8 & 0xFF, size & 0xFF
    return csd


def sealed(register):
    """A register with its CRC-7."""
    return bytes(register) + bytes((crc7(register) << 1 | 1,))


def crc7(data):
    """By the book, bit by bit: the driver has another way."""
    crc = 0
    for byte in data:
        for bit in range(7, -1, -1):
            crc = crc << 1 | (byte >> bit & 1) ^ crc >> 6
            crc = (crc ^ (crc & 1) << 3) & 0x7F
    return crc


def crc16(data):
    if _hqx:
        return _hqx(data, 0)
    high = low = 0
    for byte in data:
        byte ^= high
        high, low = _HIGH[byte] ^ low, _LOW[byte]
    return high << 8 | low


def slow_crc16(data):
    """By the book, bit by bit."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x11021 if crc & 0x8000 else 0)
    return crc


try:
    from binascii import crc_hqx as _hqx
except ImportError:
    _hqx = None

_TABLE = [slow_crc16((i,)) for i in range(256)]
_HIGH, _LOW = bytes([crc >> 8 for crc in _TABLE]), bytes([crc & 0xFF for crc in _TABLE])
