"""Decrypt: payloads that only one class of devices can read.

For images that lie on a card, or on a server that many can reach. Encryption does not make an
image trusted; the manifest does, by its signature and its digest of the decrypted bytes.

Whatever somebody changed in a payload ends the same way: all of it is taken, then CORRUPT, at 0.
The digest of the bytes that came decides, and nothing of how they were deciphered, padded, or
decoded behind that is told before: who could tell these apart would decipher, byte by byte, what
he sends (a padding oracle). Only what the maker signed gets an error of its own.

    offset size field    meaning
    0      24   wrapped  AES-128 key of this payload, wrapped by the class key (RFC 3394)
    24     16   iv       initialisation vector
    40     n    blocks   AES-128-CBC of the payload, padded as PKCS #7 does: n is 16, 32, ...

Arm's encrypted-raw (payload format 257, not ours) sends the key in the clear beside the manifest,
which needs a secret channel. So the key is wrapped here, as in MCUboot's AES-KW images. The mode
is CBC, because the ports' cryptolib has it: CTR, which MCUboot uses, is not built in by default.
"""

from hashlib import sha256

from micropython import const

from fwcore.errors import CORRUPT, FwError
from fwcore.modules import built_in
from ufota.decoders import errors

_HEAD = const(40)
_WRAPPED = const(24)
_BLOCK = const(16)
_ECB = const(1)  # modes of cryptolib
_CBC = const(2)
_CHECK = b"\xa6" * 8  # RFC 3394: what the first eight bytes must be, once unwrapped
_ROUNDS = const(6)


class Decrypt:
    """A decoder: write(mv) takes all of mv or raises; end() when the payload is over.

    sink:    what takes the plain payload: write(mv), end()
    key:     class key, 16 bytes
    digest:  SHA-256 of the payload as it comes
    size:    bytes deciphered at a time, a multiple of 16; RAM: 2 * size + 72 bytes
    """

    def __init__(self, sink, key, digest, size=512):
        self._sink = sink
        self._key = key
        self._digest = digest
        self._hash = sha256()
        self._failed = None  # FwError, not told before the digest is right
        self._buf = memoryview(bytearray(size))  # what came, not yet deciphered
        self._have = 0
        self._plain = memoryview(
            bytearray(size + _BLOCK)
        )  # its first block: the last one held back
        self._held = 0  # where in _plain the last block is; 0: there is none
        self._cipher = None

    def write(self, mv):
        """The next bytes. Raises OSError as the sink; an FwError of it waits for end()."""
        self._hash.update(mv)
        at = len(mv) if self._failed else 0
        try:
            while at < len(mv):
                full = len(self._buf) if self._cipher else _HEAD
                take = min(full - self._have, len(mv) - at)
                self._buf[self._have : self._have + take] = mv[at : at + take]
                self._have += take
                at += take
                if self._have == full:
                    if self._cipher:
                        self._sink.write(self._decipher())
                    else:
                        self._open()
        except FwError as error:
            self._failed = error

    def end(self):
        """The payload is over. Returns the sink, which is the next to be ended.

        raises:  FwError CORRUPT when the payload is another, or not padded; of a payload that is
                 the right one, WRONG_CLASS_KEY; as the sink
        """
        if self._hash.digest() != self._digest:
            raise FwError(CORRUPT)
        if self._failed:
            raise self._failed
        if self._have and self._cipher and not self._have % _BLOCK:
            self._sink.write(self._decipher())
        last = bytes(self._plain[self._held : self._held + _BLOCK])
        count = last[-1]
        if self._have or not self._held or last[-count:] != bytes((count,)) * count:
            raise FwError(CORRUPT)
        if count < _BLOCK:
            self._sink.write(self._plain[self._held : self._held + _BLOCK - count])
        return self._sink

    def _open(self):
        """The head is here: unwrap the key of the payload."""
        head = bytes(self._buf[:_HEAD])
        self._cipher = _aes(unwrap(self._key, head[:_WRAPPED]), _CBC, head[_WRAPPED:])
        self._have = 0

    def _decipher(self):
        """Decipher all that came. Returns what is payload for certain: all but the last block."""
        count, plain, held = self._have, self._plain, self._held
        if held:
            plain[:_BLOCK] = plain[held : held + _BLOCK]
        self._cipher.decrypt(self._buf[:count], plain[_BLOCK : _BLOCK + count])
        self._held = count
        self._have = 0
        return plain[:count] if held else plain[_BLOCK:count]


def unwrap(key, wrapped):
    """A key wrapped by another one (AES key wrap, RFC 3394).

    key:      16 bytes
    wrapped:  24 bytes
    returns:  16 bytes
    raises:   FwError WRONG_CLASS_KEY when it was wrapped by another key
    """
    cipher = _aes(key, _ECB)
    check = wrapped[:8]
    parts = [wrapped[8:16], wrapped[16:]]
    for step in range(2 * _ROUNDS, 0, -1):
        index = (step - 1) % 2
        mixed = int.from_bytes(check, "big") ^ step
        plain = cipher.decrypt(mixed.to_bytes(8, "big") + parts[index])
        check, parts[index] = plain[:8], plain[8:]
    if check != _CHECK:
        raise FwError(errors.WRONG_CLASS_KEY)
    return parts[0] + parts[1]


def _aes(key, mode, *iv):
    return built_in("cryptolib").aes(key, mode, *iv)  # payload.py has seen that there is one
