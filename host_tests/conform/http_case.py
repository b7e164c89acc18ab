"""One transfer of conform_http.py, on the interpreter that runs this: device code and no more.

    http_case.py FILE

FILE has JSON, {"verb": fetch|calls, ...}: see the functions. Prints what they return as one
line of JSON, with `code` and `where` of the FwError that ended it, `ms` it took, and
`sockets` left open. Any exception but FwError escapes, so whoever starts this sees it.

On MicroPython this runs in a heap of 64 KB, compiled, as on a device.
"""

import gc
import json
import os
import sys
import time
from binascii import hexlify
from hashlib import sha256

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore.errors import FwError
from ufota.sources import http

_MAX_BYTES = 300_000  # of an endless body


def fetch(spec):
    """Read an object to its end, as spec["url"], at, tag, header, timeout_ms, limit_ms say.

    buffer: bytes the caller reads at most; measured: tell what was allocated meanwhile
    """
    source = _source(spec)
    buf = memoryview(bytearray(spec.get("buffer", 512)))
    digest = sha256()
    found = {"size": 0}
    gc.collect()
    if hasattr(gc, "disable") and spec.get("measured"):
        gc.disable()

    def act():
        source.open(spec["url"], spec.get("at", 0), spec.get("tag", "").encode())
        before = 0
        while found["size"] < _MAX_BYTES:
            count = source.readinto(buf)
            if count is None:
                source.wait(50)
            elif not count:
                break
            elif not before and hasattr(gc, "mem_alloc"):  # all modules are there now
                before = gc.mem_alloc()
            if not count:
                continue
            elif count == len(buf):
                digest.update(buf)
            else:
                digest.update(buf[:count])
            found["size"] += count or 0
        if before:
            found["allocated"] = gc.mem_alloc() - before

    _watched(act, found)
    found["digest"] = hexlify(digest.digest()).decode()
    _describe(source, found)
    return found


def calls(spec):
    """Requests of HttpService one after the other: [[method, path, body, tag, pause_ms], ...]."""
    source = _source(spec)
    mv = memoryview(bytearray(1024))
    found = {"answers": []}

    def act():
        for method, path, body, tag, pause_ms in spec["calls"]:
            size = source.call(method, spec["url"] + path, mv, body.encode(), tag.encode())
            text = bytes(mv[:size]).decode()
            found["answers"].append([source.status, text, source.tag.decode()])
            time.sleep_ms(pause_ms)

    _watched(act, found)
    _describe(source, found)
    return found


def _source(spec):
    kind = http.HttpSource
    if spec.get("is_service"):
        from ufota.web.service import HttpService

        kind = HttpService
    if "year" in spec:
        from ufota.web import tls_errors

        tls_errors.time = Clock(spec["year"])
    if "addresses" in spec:
        http.socket = Resolver(spec["addresses"])
    more = {name: spec[name] for name in ("limit_ms", "keep") if name in spec}
    source = kind(spec["timeout_ms"], _context(spec), **more)
    source.header = spec.get("header", "").encode()
    return source


def _context(spec):
    if spec.get("context") == "lax":
        return _lax()
    if "ca" not in spec:
        return None
    from ufota.web import tls

    found = [_read(name) for name in spec["ca"]]
    if "cert" not in spec:
        made = tls.context(found if len(found) > 1 else found[0])
    elif sys.implementation.name == "micropython":
        made = tls.context(found, _read(spec["cert"] + ".der"), _read(spec["cert"] + ".key"))
    else:
        made = tls.context(found)
        made.load_cert_chain(spec["cert"] + ".pem")
    if spec.get("old") and hasattr(made, "maximum_version"):
        import ssl  # CPython knows TLS 1.3; this makes it refuse what MicroPython does

        made.maximum_version = ssl.TLSVersion.TLSv1_2
    return made


def _lax():
    """A context that accepts any server."""
    import ssl

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if hasattr(made, "check_hostname"):
        made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _read(path):
    with open(path, "rb") as file:
        return file.read()


class Clock:
    """Plays the module `time` where only the year matters."""

    def __init__(self, year):
        self._year = year

    def gmtime(self):
        return (self._year, 1, 1, 0, 0, 0, 0, 1)


class Resolver:
    """Plays the module `socket`: any name has these [host, port] as its addresses."""

    def __init__(self, addresses):
        import socket

        self._real = socket
        self._addresses = addresses
        self.socket = socket.socket
        self.SOCK_STREAM = socket.SOCK_STREAM

    def getaddrinfo(self, host, port, *args):
        found = []
        for each in self._addresses:
            found += self._real.getaddrinfo(each[0], each[1], *args)
        return found


def _describe(source, found):
    source.close()
    source.close()
    found["length"] = source.length
    found["start"] = getattr(source, "at", 0)
    found["tag"] = source.tag.decode()
    found["status"] = getattr(source, "status", 0)
    found["retry_after_s"] = getattr(source, "retry_after_s", 0)


def _watched(act, found):
    start = time.ticks_ms()
    try:
        act()
    except FwError as error:
        found["code"], found["where"] = error.code, error.at
    found["ms"] = time.ticks_diff(time.ticks_ms(), start)


def main(path):
    with open(path) as file:
        spec = json.load(file)
    before = len(os.listdir("/proc/self/fd"))
    found = {"fetch": fetch, "calls": calls}[spec["verb"]](spec)
    gc.collect()
    found["sockets"] = len(os.listdir("/proc/self/fd")) - before
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
