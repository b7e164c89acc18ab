"""MicroPython's `deflate` for CPython, reading only: what its DeflateIO gives, by zlib.

As in MicroPython 1.29: EOFError when the input ends before the bytes asked for are there, and
the object is useless after that; less than asked for only at the end of the stream; OSError for
what is no deflate stream; the input stays where the stream ended. Different: up to four bytes of
input may be read too early, bad codes are refused rather than guessed, distances beyond the
window mostly work, and no memory is taken at the first read.
"""

import zlib
from errno import EINVAL

AUTO, RAW, ZLIB, GZIP = range(4)


class DeflateIO:
    def __init__(self, stream, format=AUTO, wbits=0):
        if format != RAW or not 9 <= wbits <= 15:
            raise ValueError  # the rest is not used here
        self._stream = stream
        self._zlib = zlib.decompressobj(-wbits)
        self._lost = False

    def readinto(self, buf):
        if self._lost:
            raise OSError(EINVAL)
        self._lost = True
        made = self._some(len(buf))
        self._lost = False
        buf[: len(made)] = made
        return len(made)

    def _some(self, count):
        if self._zlib.eof:
            return b""
        data = self._stream.read()
        try:
            made = self._zlib.decompress(data, count)
        except zlib.error:
            raise OSError(EINVAL) from None
        unused = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
        self._stream.seek(-len(unused), 1)
        if len(made) < count and not self._zlib.eof:
            raise EOFError
        return made
