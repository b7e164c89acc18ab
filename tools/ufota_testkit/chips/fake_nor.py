"""A NOR flash chip that speaks the bytes of SPI, on virtual time, with everything that goes wrong.

Owns the commands, the status register and the timing of W25Q-like chips; the array and what a
power cut leaves in it are simdisk's, so a chip is one of the disks of a Power: each erase and
each page program is an operation, cut in the moment in which chip select rises. With cut_ns
the cut comes at any clock instead, in a transfer or while the chip is busy.

It is strict where chips are silent: what a data sheet calls ignored is ignored, and recorded in
`illegal`, which a test looks at. Commands that a chip of its kind does not have are in
`unknown`: drivers may try them.

Ids, commands and times are those of data sheets; no chip was read out. Left out: status
registers 2 and 3, suspend, quad commands, unique ids, chip erase.
Runs on CPython and on MicroPython.
"""

import struct

from ufota_testkit.simdisk import Disk, PowerCut, Violation

# What there is of chips. Sizes and times as in the data sheets: erases are (log2 of bytes,
# command, the same with 4-byte address or 0, typical ms, most ms).
_JV = ((12, 0x20, 0x21, 45, 400), (15, 0x52, 0, 120, 1600), (16, 0xD8, 0xDC, 150, 2000))
_MXU = ((12, 0x20, 0x21, 25, 400), (15, 0x52, 0x5C, 160, 2000), (16, 0xD8, 0xDC, 224, 3500))
_MX = ((12, 0x20, 0, 25, 240), (15, 0x52, 0, 144, 1500), (16, 0xD8, 0, 256, 2000))

_M25 = ((16, 0xD8, 0, 600, 3000),)


class Kind:
    """A type of chip.

    id, size:   3 bytes; bytes of the array
    erases:     as above
    page_us:    (typical, most)
    address:    3; "3 or 4": knows B7; "ops": knows B7 and 4-byte commands; 4: always four
    sfdp:       dwords of its basic table: 0 (no tables at all), 9, 16
    reset:      knows 66, 99
    wren_b7:    B7 and E9 want a WREN before
    """

    def __init__(
        self,
        id,
        size,
        erases=_JV,
        address=3,
        sfdp=16,
        reset=True,
        wren_b7=False,
        page_us=(700, 3000),
    ):
        self.id = id
        self.size = size
        self.erases = erases
        self.page_us = page_us
        self.address = address
        self.sfdp = sfdp
        self.reset = reset
        self.wren_b7 = wren_b7


_MB = 1 << 20

KINDS = {
    "W25Q128JV": Kind(b"\xef\x40\x18", 16 * _MB),
    "W25Q64JV": Kind(b"\xef\x40\x17", 8 * _MB),
    "W25Q256JV": Kind(b"\xef\x40\x19", 32 * _MB, _JV, "ops"),
    "W25Q512JV": Kind(b"\xef\x40\x20", 64 * _MB, _JV, "ops"),
    "MX25U25645G": Kind(b"\xc2\x25\x39", 32 * _MB, _MXU, "ops"),
    "MX25L25635E": Kind(b"\xc2\x20\x19", 32 * _MB, _MX, "3 or 4", 9, False),
    "N25Q256A": Kind(b"\x20\xba\x19", 32 * _MB, _MX, "3 or 4", 16, True, True),
    "AT25SF081": Kind(b"\x1f\x85\x01", _MB),
    "W25X40": Kind(b"\xef\x30\x13", _MB // 2, _JV, sfdp=0, reset=False),
    "M25P16": Kind(b"\x20\x20\x15", 2 * _MB, _M25, sfdp=0, reset=False, page_us=(640, 5000)),
}

# Times of an operation: (typical, most) -> what this chip takes. "slow" is old, worn and cold:
# far beyond its data sheet; for sweeps, where only the order counts, "none" takes no time, and
# with "soon" a driver that looks for the end finds it at its third or fourth look.
PROFILES = {
    "typ": lambda typical, most: typical,
    "max": lambda typical, most: most,
    "slow": lambda typical, most: 3 * most,
    "soon": lambda typical, most: most // 64,
    "none": lambda typical, most: 0,
}

# Until it hears anything, in us: from its power, from AB, from 99.
STARTS = {"max": (10000, 100, 100), "slow": (150000, 400, 100000)}

_BUSY, _WEL = 1, 2


class FakeNor(Disk):
    """A chip on a Bus.

    clock:    the Bus's
    kind:     Kind, or its name in KINDS
    power:    the Power it shares; its own when left out
    profile:  of PROFILES and STARTS
    size:     of the array, other than the kind's: a smaller chip of the same family, whose
              tables say so
    unit:     bytes that a torn program may spoil, and that must be erased before they are
              programmed again when `once` is set (the storage contract): then a second
              program is a Violation

    Faults, to be set at any time:
    bus:      None; 0xFF, 0x00: what is read while no chip drives the line (it is not there)
    stuck:    the operation under way, or the next, never ends
    worn:     numbers of erase blocks that an erase leaves as they are
    flips:    {address: mask} of bits that read wrong, for `flip_reads` reads (None: all)
    deaf:     number of WRENs that get lost
    silent:   while a reset goes on it says nothing, instead of BUSY
    cut_ns:   time at which power goes, with `cut_tear`; when that is None only the board does:
              a reset, of which the chip knows nothing

    status:   status register 1, without BUSY and WEL: 0x1C are protection bits
    illegal:  [text] of what no driver may do
    unknown:  [command] it does not know
    erases:   [bytes] of each erase command that was done
    power_ups: times it got power
    resets:   times it was reset by command
    """

    def __init__(
        self, clock, kind="W25Q128JV", power=None, profile="typ", size=0, unit=256, once=False
    ):
        self.kind = KINDS[kind] if isinstance(kind, str) else kind
        size = size or self.kind.size
        self.tables = sfdp(self.kind, size)
        super().__init__(size, 1 << self.kind.erases[0][0], unit, power=power, name="nor")
        self.clock = clock
        self.time = PROFILES[profile]
        self.power_up_us, self.wake_us, self.reset_us = STARTS.get(profile, (0, 0, 30))
        self.once = once
        self.bus = None
        self.stuck = False
        self.worn = set()
        self.flips = {}
        self.flip_reads = None
        self.deaf = 0
        self.silent = False
        self.cut_ns = None
        self.cut_tear = "half"
        self.status = 0
        self.illegal = []
        self.unknown = []
        self.erases = []
        self._erase_ops = {}
        self.power_ups = self.resets = 0
        for power_of_2, op, wide_op, typical, most in self.kind.erases:
            self._erase_ops[op] = 1 << power_of_2, typical, most, False
            if wide_op and self.kind.address == "ops":
                self._erase_ops[wide_op] = 1 << power_of_2, typical, most, True
        self.power_up()

    def power_up(self):
        """As after a power cycle: what is volatile is new, and nothing is under way."""
        self.power_ups += 1
        self.wide = self.kind.address == 4
        self.asleep = False
        self.wel = False
        self._hears_ns = self.clock.now_ns + 1000 * self.power_up_us
        self._end = None  # of the operation under way, ns
        self._under_way = None  # (start, old, new, used, op) of it
        self._reset_next = False
        self._outages = self.power.outages
        self._op = None

    def restore(self, snapshot):
        super().restore(snapshot)
        self.power_up()

    # The wire

    def select(self):
        if self._outages != self.power.outages and not self.power.dark:
            self.power_up()
        self._op = None if self.clock.now_ns >= self._hears_ns else -1
        self._head_size, self._address_bytes = 1 << 30, 0
        self._head = 0  # bytes of the command so far
        self._at = 0
        self._page = None
        self._more = 0
        if self.cut_ns is None or self.clock.now_ns < self.cut_ns:
            self._tick()  # else power goes with the first byte

    def transfer(self, tx, rx):
        self.power.alive()
        self._tick()
        if self.bus is not None:
            if rx is not None:
                rx[:] = bytes((self.bus,)) * len(rx)
            return
        done = 0
        if self._op is None and len(tx):
            self._begin(tx[0])
            done = 1
        while done < len(tx) and self._head < self._head_size:
            if self._head < self._address_bytes:
                self._at = self._at << 8 | tx[done]
            self._head += 1
            done += 1
        if done < len(tx):
            self._data(tx, rx, done)

    def deselect(self):
        if self._op is None or self.power.dark or self.bus is not None:
            return
        self._tick()
        whole = self._head >= self._head_size
        if self._op == 0x02 and whole and self._page:
            self._program_page()
        elif self._op in self._erase_ops:
            if whole and not self._more:
                self._erase_at()
            else:
                self._note("erase of no whole address")
        elif not self._more:
            self._simple()

    def idle(self, count):
        self._tick()

    # Commands

    def _begin(self, op):
        """The first byte of a command; sets what the others are."""
        self._head_size = self._address_bytes = 0
        self._op = op
        if op != 0x99:
            self._reset_next = self._reset_next and op == 0x66
        if self.asleep and op != 0xAB:
            self._ignore("asleep")
        elif self._busy() and op not in (0x05, 0x66, 0x99):
            if op != 0xAB:
                self._ignore("busy")
            self._op = -1
        elif op in _ADDRESSED or op in self._erase_ops:
            self._begin_address(op)
        elif op not in _PLAIN or (op in (0x66, 0x99) and not self.kind.reset):
            self.unknown.append(op)
            self._op = -1
        if self._op == -1:
            self._head_size = 1 << 30  # no data phase

    def _begin_address(self, op):
        wide_op = op in (0x13, 0x0C, 0x12) or op in self._erase_ops and self._erase_ops[op][3]
        if wide_op and self.kind.address != "ops":
            self.unknown.append(op)
            self._op = -1
            return
        if op == 0x5A and not self.kind.sfdp:
            self.unknown.append(op)
            self._op = -1
            return
        self._address_bytes = 4 if wide_op or (self.wide and op != 0x5A) else 3
        self._head_size = self._address_bytes + (op in (0x0B, 0x0C, 0x5A))
        self._op = {0x13: 0x0B, 0x0C: 0x0B, 0x03: 0x0B, 0x12: 0x02}.get(op, op)

    def _data(self, tx, rx, done):
        """The bytes after the head of a command, from tx[done] on."""
        count = len(tx) - done
        self._more += count
        if self._op == 0x02:
            self._load(tx, done)
        elif rx is None:
            pass
        elif self._op == 0x0B:
            self._read_array(rx, done)
        elif self._op == 0x5A:
            for i in range(count):
                at = self._at + i
                rx[done + i] = self.tables[at] if at < len(self.tables) else 0xFF
            self._at += count
        elif self._op == 0x05:
            status = self.status | (_BUSY if self._busy() else 0) | (_WEL if self.wel else 0)
            rx[done:] = bytes((status,)) * count
        elif self._op == 0x9F:
            answer = self.kind.id * (count // 3 + 1)
            rx[done:] = answer[self._more - count :][:count]

    def _simple(self):
        """A command without address is over."""
        op = self._op
        if op == 0x06:
            self.wel = not self.deaf
            self.deaf = max(0, self.deaf - 1)
        elif op == 0x04:
            self.wel = False
        elif op == 0xB9:
            self.asleep = True
        elif op == 0xAB:
            if self.asleep:
                self._hears_ns = self.clock.now_ns + 1000 * self.wake_us
            self.asleep = False
        elif op in (0xB7, 0xE9):
            if self.kind.address in (3, 4):
                self.unknown.append(op)
            elif self.wel or not self.kind.wren_b7:
                self.wide = op == 0xB7
            else:
                self._note("mode without WREN")
        elif op == 0x66:
            self._reset_next = True
        elif op == 0x99 and self._reset_next:
            self._reset()

    def _reset(self):
        if self._busy():
            self._note("reset while busy")
            self._tear("junk")
        self.power_up()
        self.power_ups -= 1
        self.resets += 1
        end = self.clock.now_ns + 1000 * self.reset_us
        self._hears_ns, self._end = (end, None) if self.silent else (0, end)

    # The array

    def _load(self, tx, done):
        """Bytes of a page program, of which the last 256 count."""
        if self._page is None:
            self._page = bytearray()
        self._page.extend(tx[done:])
        if len(self._page) > 256:
            self._note("more than a page")
            self._at += len(self._page) - 256
            self._page = self._page[-256:]

    def _read_array(self, rx, done):
        size = len(self.data)
        if self._at >= size:
            self._note("read beyond the end")
        while done < len(rx):
            at = self._at % size
            count = min(len(rx) - done, size - at)
            self._settle_all(at, count)
            rx[done : done + count] = memoryview(self.data)[at : at + count]
            self._flip(rx, done, at, count)
            self._at += count
            done += count

    def _settle_all(self, at, count):
        if self._moody:
            for unit in range(at // self.program_size, -(-(at + count) // self.program_size)):
                if unit in self._moody:
                    self._settle(unit)

    def _flip(self, rx, done, start, count):
        hit = [at for at in self.flips if start <= at < start + count]
        if not hit or self.flip_reads == 0:
            return
        if self.flip_reads is not None:
            self.flip_reads -= 1
        for at in hit:
            rx[done + at - start] ^= self.flips[at]

    def _program_page(self):
        start = self._at % len(self.data)
        page = self._page
        if start != self._at:
            self._note("program beyond the end")
        base, first = start & ~0xFF, start & 0xFF
        if first + len(page) > 256:
            self._note("page wraps")
            turn = 256 - first
            image = page[turn:] + b"\xff" * (256 - len(page)) + page[:turn]
        else:
            image = b"\xff" * first + page + b"\xff" * (256 - first - len(page))
            base += first // self.program_size * self.program_size
            end = first + len(page)
            image = image[first // self.program_size * self.program_size :]
            image = image[: -(-end // self.program_size) * self.program_size - (base & 0xFF)]
        if not self._may(base):
            return
        old = bytes(memoryview(self.data)[base : base + len(image)])
        new = _and(old, image)
        if self.once:
            self._check_once(base, len(image))
        self._operation("program", base, new, 1, self.kind.page_us, 1)

    def _check_once(self, base, size):
        units = self._used[base // self.program_size : (base + size) // self.program_size]
        if any(units):
            raise Violation("{}: second program of {:#x}".format(self.name, base))

    def _erase_at(self):
        size, typical, most, _ = self._erase_ops[self._op]
        if self._at >= len(self.data):
            self._note("erase beyond the end")
        start = self._at % len(self.data) // size * size
        if not self._may(start):
            return
        self.erases.append(size)
        blocks = range(start // self.erase_size, (start + size) // self.erase_size)
        for block in blocks:
            self.wear[block] += 1
        new = bytearray(b"\xff" * size)
        for block in blocks:
            if block in self.worn:
                at = block * self.erase_size
                new[at - start : at - start + self.erase_size] = self.data[
                    at : at + self.erase_size
                ]
        self._operation("erase", start, bytes(new), 0, (typical, most), 1000)

    def _may(self, at):
        """WEL is set and the place is not protected; else the chip does nothing, and WEL ends."""
        if not self.wel:
            self._note("no WREN")
            return False
        if self._protected(at):
            self.wel = False
            return False
        return True

    def _protected(self, at):
        """The top 1/64, 1/32 ... 1/2 of the array, or all of it; with TB the bottom."""
        level = self.status >> 2 & 7
        if not level:
            return False
        size = len(self.data) >> 7 - level
        return at < size if self.status & 0x20 else at >= len(self.data) - size

    def _operation(self, what, start, new, used, times, unit_us):
        """Begin to change the array; it is busy from now on."""
        tear, failed = self.power.begin("{} {} {:#x}".format(what, self.name, start))
        old = bytes(memoryview(self.data)[start : start + len(new)])
        self._under_way = start, old, new, used
        self._end = self.clock.now_ns + self.time(*times) * unit_us * 1000
        if failed:  # it does nothing, and chips do not tell
            self._under_way = None
            return
        self._put(start, new, tear, used)

    # Time

    def _busy(self):
        return self._end is not None

    def _tick(self):
        """What has happened until now: the end of an operation, or of power."""
        if self.cut_ns is not None and self.clock.now_ns >= self.cut_ns:
            self._die()
        if self._end is not None and self.clock.now_ns >= self._end and not self.stuck:
            self._end = self._under_way = None
            self.wel = False

    def _die(self):
        busy = self._end is not None and (self._end > self.cut_ns or self.stuck)
        if busy and self.cut_tear:
            self._tear(self.cut_tear)
        self.cut_ns = None
        if self.cut_tear:
            self.power.off()
        raise PowerCut("at {} ns, {}".format(self.clock.now_ns, self.power.last))

    def _tear(self, tear):
        """The operation under way ends here."""
        if self._under_way:
            start, old, new, used = self._under_way
            self.data[start : start + len(old)] = old
            self.change(start, new, tear, used)

    def _ignore(self, why):
        self._note("command {:02x} while {}".format(self._op, why))
        self._op = -1

    def _note(self, text):
        if len(self.illegal) < 100:
            self.illegal.append(text)


_PLAIN = (0x05, 0x06, 0x04, 0x9F, 0xB9, 0xAB, 0xB7, 0xE9, 0x66, 0x99)
_ADDRESSED = (0x02, 0x03, 0x0B, 0x12, 0x13, 0x0C, 0x5A)


def _and(old, new):
    if old.count(b"\xff") == len(old):
        return bytes(new)
    size = len(old)
    both = int.from_bytes(old, "little") & int.from_bytes(new, "little")
    return both.to_bytes(size, "little")


# SFDP


def sfdp(kind, size):
    """The tables of a chip, as bytes; none when its kind has none."""
    if not kind.sfdp:
        return b""
    wide = kind.address == "ops"
    first = 8 + (16 if wide else 8)
    tables = b"SFDP" + bytes((6, 1, 1 if wide else 0, 0xFF))
    tables += bytes((0, 6, 1, kind.sfdp)) + struct.pack("<I", first)[:3] + b"\xff"
    if wide:
        at = first + 4 * kind.sfdp
        tables += bytes((0x84, 0, 1, 2)) + struct.pack("<I", at)[:3] + b"\xff"
    tables += struct.pack("<{}I".format(kind.sfdp), *_basic(kind, size)[: kind.sfdp])
    if wide:
        known = 0x43 | sum(1 << 9 + i for i in range(len(kind.erases)) if kind.erases[i][2])
        ops = [kind.erases[i][2] if i < len(kind.erases) else 0xFF for i in range(4)]
        tables += struct.pack("<I", known) + bytes(ops)
    return tables


def _basic(kind, size):
    """The 16 dwords of the basic table."""
    words = [0xFFFFFFFF] * 16
    smallest = kind.erases[0]
    address = {3: 0, "3 or 4": 1, "ops": 1, 4: 2}[kind.address]
    is_4k = smallest[0] == 12
    op = smallest[1] if is_4k else 0xFF
    words[0] = 0xFFF10000 & ~(3 << 17) | address << 17 | op << 8 | 0xE4 | (1 if is_4k else 3)
    words[1] = size * 8 - 1 if size <= 1 << 28 else 1 << 31 | _log2(size) + 3
    pairs = [e[0] | e[1] << 8 for e in kind.erases] + [0] * (4 - len(kind.erases))
    words[7] = pairs[0] | pairs[1] << 16
    words[8] = pairs[2] | pairs[3] << 16
    ratio = max(-(-e[4] // (2 * e[3])) for e in kind.erases) - 1
    words[9] = min(ratio, 15)
    for i in range(len(kind.erases)):
        words[9] |= _time(kind.erases[i][3], (1, 16, 128, 1000), 5) << 4 + 7 * i
    typical, most = kind.page_us
    words[10] = min(most // (2 * typical), 15) | 8 << 4 | _time(typical, (8, 64), 5) << 8
    # Real chips of 3-byte addresses have been seen with ones there
    ways = {3: 0xFF, "3 or 4": 2 if kind.wren_b7 else 1, "ops": 0x21, 4: 0x40}[kind.address]
    words[15] = ways << 24 | (0x1000 if kind.reset else 0)
    return words


def _time(value, units, bits):
    """Count - 1 and unit of a time, the nearest from above."""
    for i in range(len(units)):
        count = -(-value // units[i])
        if count <= 1 << bits:
            return count - 1 | i << bits
    raise ValueError(value)


def _log2(value):
    power = 0
    while 1 << power < value:
        power += 1
    return power
