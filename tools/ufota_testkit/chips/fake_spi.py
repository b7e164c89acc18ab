"""An SPI bus without wires: machine.SPI and a chip-select pin, for chips that are programs.

Owns the bus clock and its time; what the bytes mean is the chip's. Time is virtual: the bus
takes 8 bits of it for each byte, sleeping takes all of it at once, and nothing else takes any.

A chip has:
    select(), deselect()     chip select falls, rises
    transfer(tx, rx)         tx: bytes-like that goes in; rx: writable of the same length, or
                             None, for what comes out. Only while it is selected
    idle(count)              so many bytes of clock while it is not selected

Runs on CPython and on MicroPython.
"""

_PERIOD = 1 << 30  # ticks wrap as on the 32-bit ports


class Clock:
    """The time of a board; put in the place of `time` in a device module.

    now_ns: since the start, does not wrap
    """

    def __init__(self):
        self.now_ns = 0

    def ticks_ms(self):
        return self.now_ns // 1000000 & _PERIOD - 1

    def ticks_us(self):
        return self.now_ns // 1000 & _PERIOD - 1

    def ticks_diff(self, end, start):
        return ((end - start + _PERIOD // 2) & _PERIOD - 1) - _PERIOD // 2

    def ticks_add(self, start, count):
        return start + count & _PERIOD - 1

    def sleep_ms(self, ms):
        self.now_ns += ms * 1000000

    def sleep_us(self, us):
        self.now_ns += us * 1000


class Bus:
    """As machine.SPI. chips: those that share it; `pin(chip)` is the chip select of one.

    bytes:  clocked so far
    """

    def __init__(self, clock, *chips):
        self.clock = clock
        self.chips = chips
        self.bytes = 0
        self.selected = None
        self.init()

    def init(self, baudrate=1000000, **_):
        self.baudrate = baudrate

    def pin(self, chip):
        return Pin(self, chip)

    def write(self, buf):
        self._transfer(buf, None)

    def read(self, count, write=0):
        buf = bytearray(count)
        self.readinto(buf, write)
        return bytes(buf)

    def readinto(self, buf, write=0):
        self._transfer(bytes((write,)) * len(buf), buf)

    def write_readinto(self, write_buf, read_buf):
        if len(write_buf) != len(read_buf):
            raise ValueError("buffers must be the same length")
        self._transfer(write_buf, read_buf)

    def _transfer(self, tx, rx):
        count = len(tx)
        self.bytes += count
        self.clock.now_ns += count * 8 * 1000000000 // self.baudrate
        if rx is not None:
            tx = bytes(tx)  # both may be one buffer
            rx[:] = b"\xff" * count  # nobody drives the line
        for chip in self.chips:
            if chip is self.selected:
                chip.transfer(tx, rx)
            else:
                chip.idle(count)


class Pin:
    """As machine.Pin, for chip select: 0 selects."""

    def __init__(self, bus, chip):
        self._bus = bus
        self._chip = chip
        self._level = 1

    def __call__(self, level=None):
        return self.value(level)

    def value(self, level=None):
        if level is None:
            return self._level
        level = 1 if level else 0
        if level != self._level:
            self._level = level
            assert level or self._bus.selected is None, "two chips are selected"
            self._bus.selected = None if level else self._chip
            if level:
                self._chip.deselect()
            else:
                self._chip.select()

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def init(self, *_, **more):
        if more.get("value") is not None:
            self.value(more["value"])
