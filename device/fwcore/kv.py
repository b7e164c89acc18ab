"""Key-value store: a few small values that survive any power cut.

Owns the layout of the payload below; durability is the journal's. Every put writes the
whole store anew, so it is for what changes seldom: root of trust, provisioning, versions.

    payload, one entry after the other:
    offset size field
    0      1    key length, k: 1..255
    1      2    value length, v                                   (little-endian)
    3      k    key
    3+k    v    value
"""

import struct

from fwcore import errors
from fwcore.errors import FwError

_ENTRY = "<BH"  # 3 bytes; key and value follow


class KeyValue:
    """A dict of bytes to bytes on a Journal.

    journal:  Journal, its own: nobody else puts to it
    payload:  what its load() returned; the caller calls load(), to save C stack
    """

    def __init__(self, journal, payload):
        self._journal = journal
        self._values = _unpack(payload or b"")

    def get(self, key, default=None):
        """The value of key, bytes, or default."""
        return self._values.get(key, default)

    def keys(self):
        """All keys, as a sorted list."""
        return sorted(self._values)

    def put(self, key, value):
        """Set key to value; durable when this returns.

        A value that is there is not written, unless a cut made that doubtful.

        key:     bytes, 1..255
        raises:  OSError; FwError TOO_BIG when key or store are too large, WRITE_FAILED.
                 The old value stands then, on the medium and here.
        """
        if not 0 < len(key) < 256:
            raise FwError(errors.TOO_BIG, len(key))
        if self._values.get(key) != value or not self._journal.settled:
            changed = self._copy()
            changed[bytes(key)] = bytes(value)
            self._store(changed)

    def delete(self, key):
        """Forget key; nothing happens when it is not there. Raises as put() does."""
        if key in self._values or not self._journal.settled:
            changed = self._copy()
            changed.pop(key, None)
            self._store(changed)

    def _copy(self):
        """The values as they are, to be changed and stored."""
        return dict(self._values)

    def _store(self, values):
        self._journal.put(_pack(values))
        self._values = values


def _pack(values):
    parts = []
    for key in sorted(values):
        value = values[key]
        if len(value) > 0xFFFF:
            raise FwError(errors.TOO_BIG, len(value))
        parts.append(struct.pack(_ENTRY, len(key), len(value)) + key + value)
    return b"".join(parts)


def _unpack(payload):
    """Entries of a payload. What is no whole entry ends the store: the CRC was right, so
    only another version of this module can have written it."""
    values = {}
    at = 0
    while at + 3 <= len(payload):
        key_size, value_size = struct.unpack_from(_ENTRY, payload, at)
        key_end = at + 3 + key_size
        if not key_size or key_end + value_size > len(payload):
            break
        values[payload[at + 3 : key_end]] = payload[key_end : key_end + value_size]
        at = key_end + value_size
    return values
