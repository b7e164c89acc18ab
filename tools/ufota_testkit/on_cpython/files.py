"""An open file as MicroPython has it: one class for text and for bytes, and no buffer.

Owns what read, readline and write make of bytes; a file system gives the bytes, by an object with

    read(size), write(data), seek(offset, whence), tell(), sync(), close()

which raise OSError. A file that is left open is closed by gc.collect(), or when the script ends;
a reset loses it.
"""

import codecs
import weakref

_LINE = 128  # bytes read ahead for a line, and given back

_left_open = {}  # object of a file system -> weak reference to its File


class File:
    """raw: the object of the file system; text: True for str, False for bytes"""

    def __init__(self, raw, text):
        _left_open[raw] = weakref.ref(self)
        self._raw = raw
        self._text = text
        self.mode = "r" if text else "rb"  # some libraries of the host ask

    def __repr__(self):
        return "<io.TextIOWrapper>" if self._text else "<io.FileIO>"

    def _opened(self):
        if self._raw is None:
            raise ValueError
        return self._raw

    def read(self, size=-1):
        raw = self._opened()
        if size < 0:
            return self._as_told(_all(raw))
        return _characters(raw, size) if self._text else raw.read(size)

    def _as_told(self, data):
        return data.decode() if self._text else data

    def readinto(self, buf, size=None):
        wanted = memoryview(buf).cast("B")[:size]
        data = self._opened().read(len(wanted))
        wanted[: len(data)] = data
        return len(data)

    def readline(self, size=-1):
        raw, line = self._opened(), b""
        while size < 0 or len(line) < size:
            piece = raw.read(_LINE if size < 0 else min(_LINE, size - len(line)))
            end = piece.find(b"\n") + 1
            if end:
                raw.seek(end - len(piece), 1)
                piece = piece[:end]
            line += piece
            if end or not piece:
                break
        return self._as_told(line)

    def readlines(self):
        return list(self)

    def write(self, data, *bounds):
        """Returns the bytes written. bounds: size, or offset and size"""
        return self._opened().write(bytes(view(data, *bounds)))

    def seek(self, offset, whence=0):
        raw = self._opened()
        raw.seek(offset, whence)
        return raw.tell()

    def tell(self):
        return self._opened().tell()

    def flush(self):
        self._opened().sync()

    def close(self):
        raw, self._raw = self._raw, None
        if raw is not None:
            _left_open.pop(raw, None)
            raw.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __iter__(self):
        return self

    def __next__(self):
        line = self.readline()
        if not line:
            raise StopIteration
        return line


def view(data, *bounds):
    """What a write() of MicroPython takes, as memoryview of bytes."""
    whole = memoryview(data.encode() if isinstance(data, str) else data).cast("B")
    offset, size = (0, *bounds)[-2:] if bounds else (0, len(whole))
    return whole[offset : offset + size]


def _all(raw):
    pieces = []
    while piece := raw.read(4096):
        pieces.append(piece)
    return b"".join(pieces)


def _characters(raw, count):
    """`count` characters of UTF-8, and not a byte more."""
    decoder, found = codecs.getincrementaldecoder("utf-8")(), ""
    while len(found) < count:
        data = raw.read(count - len(found))
        found += decoder.decode(data, not data)
        if not data:
            break
    return found


def close_all():
    """The script ends."""
    _close(list(_left_open))


def close_lost():
    """The collector runs: what nobody can reach any more is closed."""
    _close([raw for raw, file in _left_open.items() if file() is None])


def _close(raws):
    for raw in raws:
        _left_open.pop(raw, None)
        try:
            raw.close()
        except OSError:
            pass  # nobody is there to be told


def parse(mode):
    """(kind, both, text) of a mode: "r", "w", "a" or "x"; reads and writes; for text."""
    kinds = [char for char in mode if char in "rwax"]
    if len(kinds) > 1:
        raise ValueError
    return kinds[0] if kinds else "r", "+" in mode, "b" not in mode
