"""The floor of a download, on MicroPython: socket, sha256, block writes, read-back, sha256.

Imports nothing of ours: what an update costs is held against it.
"""

import socket
from hashlib import sha256


def get(url, name):
    """A stream at the first byte of what `url`, of numbers, has under that name."""
    host, port = url[7:-1].split(":")
    stream = socket.socket()
    stream.connect(socket.getaddrinfo(host, int(port))[0][-1])
    stream.write(b"GET /%s HTTP/1.0\r\n\r\n" % name)
    while stream.readline() != b"\r\n":
        pass
    return stream


def fetch(device, block, url, size, buf):
    stream = get(url, b"%d.bin" % size)
    digest = sha256()
    for i in range(block, block + size // 512, len(buf) // 512):
        stream.readinto(buf)
        digest.update(buf)
        device.writeblocks(i, buf)
    stream.close()
    if read_back(device, block, size, buf) != digest.digest():
        raise ValueError


def read_back(device, block, size, buf):
    digest = sha256()
    for i in range(block, block + size // 512, len(buf) // 512):
        device.readblocks(i, buf)
        digest.update(buf)
    return digest.digest()
