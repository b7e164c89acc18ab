"""MicroPython's cryptolib for CPython: AES as the ports have it, ECB and CBC."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_ECB, _CBC = 1, 2


class aes:
    """aes(key, mode[, iv]): one direction an object, as MicroPython demands."""

    def __init__(self, key, mode, iv=None):
        if mode not in (_ECB, _CBC):
            raise ValueError("mode")
        if mode == _CBC and (iv is None or len(iv) != 16):
            raise ValueError("IV")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB() if mode == _ECB else modes.CBC(iv))
        self._context = None

    def encrypt(self, data, out=None):
        return self._run(self._cipher.encryptor, data, out)

    def decrypt(self, data, out=None):
        return self._run(self._cipher.decryptor, data, out)

    def _run(self, make, data, out):
        if len(data) % 16:
            raise ValueError("blksize % 16")
        if self._context is None:
            self._context = make(), make
        context, direction = self._context
        if direction != make:
            raise ValueError("can't encrypt & decrypt")
        done = context.update(bytes(data))
        if out is None:
            return done
        out[: len(done)] = done
        return out
