"""Inflate: the decoder of raw deflate (RFC 1951, no zlib or gzip around it).

Owns how many bytes are read from MicroPython's DeflateIO, and when. DeflateIO pulls its input
one byte at a time: 17 times slower from a Python object than from a BytesIO. When the input
ends in the middle of a read, it cannot go on. Here the input is pushed, in pieces of any size.
So DeflateIO reads from a BytesIO, and until the payload is over it is asked only for bytes that
the input is certain to make. RFC 1951 tells how many bits n more bytes can take of a stream:

    end of the block before           15
    3.2.7: header of a block          3 + 14 + 19 * 3 + 320 * 7
    its symbols                       15 a literal; 15 + 5 + 15 + 13 a match, 3 bytes or more,
                                      of which this read may need the first only: 16 n + 48

which is _HEAD + 2n bytes, if at most one block begins. Each further block can take 290 bytes
again, and need not make any byte. But zlib makes a block only when it has data for it, and takes
the smallest kind: at most 5 bytes, and one and a half for each byte in it. Flushes make it write
many small blocks, with 5 bytes more behind each: so no byte costs more than _EACH. A stream that
takes more comes from another compressor; it may end in STARVED, but it never makes wrong bytes.
"""

from io import BytesIO

from deflate import RAW, DeflateIO
from micropython import const

from fwcore.errors import FwError
from ufota.decoders import errors

_SOURCE = const(1536)  # bytes of input held
_OUT = const(1024)  # bytes of output held; not less than _LOW, nor than 2 * _ZEROS
_LOW = const(1024)  # with less input than this there is no reading, unless it is all there is
_ENDLESS = const(0x3FFFFFFF)
_HEAD = const(320)
_EACH = const(12)

# The head of a stored block of _ZEROS bytes. DeflateIO gets its memory at the first read, which
# is not to be when flash is erased already, and uses its window as it comes out of the heap.
_FIRST = b"\x00\x00\x02\xff\xfd"
_ZEROS = const(512)


class Inflate:
    """Decoder for raw deflate.

    sink:    decoder or sink that gets the image or patch
    size:    bytes it gets, as announced; None when only `sink` knows
    wbits:   the window of the stream is 2^wbits bytes, 9..12
    feed:    called now and then while much comes out, for the watchdog
    RAM:     2560 bytes of buffers, 2^wbits of window, 1400 of DeflateIO, all by the constructor

    write() and end() raise FwError BAD_STREAM, STREAM_CUT, TOO_MUCH, STARVED, and what the
    sink raises. After an error the decoder cannot go on.
    """

    def __init__(self, sink, size, wbits=10, feed=None):
        self._sink = sink
        self._feed = feed
        self._size = size
        self._left = _ENDLESS if size is None else size
        self._out = memoryview(bytearray(_OUT))
        self._source = BytesIO()
        self._source.seek(_SOURCE - 1)  # to have it at once: it would be copied to grow
        self._source.write(b"\x00")
        self._made = 0  # bytes in _out
        self._unread = 0  # bytes at the end of _source
        self._taken = 0
        self._over = False
        self._deflate = DeflateIO(self._source, RAW, wbits)
        for _ in range(1 << wbits - 9):
            self._put(_FIRST)
            self._put(self._out[_ZEROS : 2 * _ZEROS])
            self._deflate.readinto(self._out[:_ZEROS])
            self._unread = 0
        self._taken = 0

    def write(self, mv):
        """Take the next bytes of the payload: all, or raise."""
        at = 0
        while at < len(mv):
            if self._over:
                raise FwError(errors.BAD_STREAM, self._taken)
            if self._made:
                self._sink.write(self._drain())
            count = min(len(mv) - at, _SOURCE - self._unread)
            self._put(mv[at : at + count])
            at += count
            try:
                while self._read(_LOW):
                    self._sink.write(self._drain())
            except EOFError:
                raise FwError(errors.STARVED, self._taken)

    def end(self):
        """The payload is over. Returns the sink, the next to be ended. Raises as write()."""
        try:
            while self._read(0):
                self._sink.write(self._drain())
        except EOFError:
            raise FwError(errors.STREAM_CUT, self._taken)
        if self._made:
            self._sink.write(self._drain())
        if self._unread:
            raise FwError(errors.BAD_STREAM, self._taken - self._unread)
        if self._size is not None and self._left:
            raise FwError(errors.STREAM_CUT, self._taken)
        return self._sink

    def _put(self, data):
        """Add to what is in _source, which ends where that ends: a BytesIO cannot be cut."""
        source, unread = self._source, self._unread
        count = len(data)
        start = _SOURCE - unread - count
        if unread:
            moved = self._out[:unread]
            source.seek(start + count)
            source.readinto(moved)
            source.seek(start)
            source.write(moved)
        else:
            source.seek(start)
        source.write(data)
        source.seek(start)
        self._unread = unread + count
        self._taken += count

    def _read(self, low):
        """Read while there are `low` bytes of input, what they are certain to make; 0: all.

        What is beyond the announced size is read too, and goes no further.

        returns: True when there is more, and no room for it before _drain()
        raises:  EOFError when they did not make that
        """
        source, readinto, out = self._source, self._deflate.readinto, self._out
        unread, made, left = self._unread, self._made, self._left
        while unread >= low and not self._over:
            count = (unread - _HEAD) // _EACH if low else _OUT
            if count > _OUT - made:
                self._unread, self._made, self._left = unread, made, left
                return True
            try:
                got = readinto(out[made : made + count])
            except OSError:
                raise FwError(errors.BAD_STREAM, source.tell() + self._taken - _SOURCE)
            unread = _SOURCE - source.tell()
            made += got
            if got > left:
                raise FwError(errors.TOO_MUCH, self._size)
            left -= got
            if got < count:
                self._over = True
        self._unread, self._made, self._left = unread, made, left
        return False

    def _drain(self):
        """What was made; then there is room for more."""
        made, self._made = self._made, 0
        if self._feed:
            self._feed()
        return self._out[:made]
