"""Uses the HTTP source and the client against a real server; runs on both interpreters.

    MICROPYPATH=... micropython host_tests/kit/http_driver.py fetch|update|again URL TIMEOUT_MS

Prints the dict that fetch(), update() or again() returns as one line of JSON, with `sockets`, the
number of files left open. Any exception but
FwError escapes, so a test that starts this file sees it.
"""

import json
import os
import sys
import time  # noqa: I001
from binascii import hexlify
from hashlib import sha256

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore.errors import FwError
from ufota.sources.http import HttpSource

MAX_BYTES = 1 << 20  # of an endless body that fetch() takes in


def fetch(url, timeout_ms):
    """Read a page to its end: {size, length, digest, ms}, or {code, at, ms}."""
    source = HttpSource(timeout_ms)
    found = _watched(lambda: _drain(source, url))
    source.close()  # after an error that is the caller's part; the client does it itself
    return found


# The imports of a verb are inside it: heap for compiling them is not what is measured.


def update(url, timeout_ms, kind="sd"):
    """Run a whole update on a simulated board: {staged: version, running: version} or {code}."""
    from ufota.client import Client
    from ufota_testkit import simboard
    from update_kit import Key, running, staged

    board = simboard.make(kind, 1, Key())
    machine = Client(board, HttpSource(timeout_ms))

    def act():
        machine.start(url)
        return {"ready": machine.run()}

    found = _watched(act)
    found["staged"] = str(staged(board)[0][0])  # text: JSON of MicroPython has no 64 bits
    found["ops"] = board.power.ops
    assert running(board)[0] == 1
    return found


def again(url, timeout_ms):
    """An update on a board that laid aside version 2.0.0, the image `small`, for reason 80."""
    import update_kit
    from fwcore.header import NO_CAMPAIGN, Header
    from fwcore.manifest import version_word
    from fwcore.state import REVERTED, State
    from ufota.client import Client

    board = update_kit.trial_setup({}, "swap")[0]
    state = State(board)
    state.result, state.reason = REVERTED, 80
    image = update_kit.payload("small")
    digest = sha256(image).digest()
    state.new = Header(version_word("2.0.0"), len(image), digest, NO_CAMPAIGN)
    for _ in range(3):
        state.blacklist(state.new, True)
    state.put()
    machine = Client(board, HttpSource(timeout_ms))

    def act():
        machine.start(url)
        return {"ready": machine.run()}

    return _watched(act)


def _drain(source, url):
    buf = memoryview(bytearray(512))
    digest = sha256()
    size = 0
    source.open(url)
    while size < MAX_BYTES:
        count = source.readinto(buf)
        if count is None:
            source.wait(50)
        elif count:
            digest.update(buf[:count])
            size += count
        else:
            break
    return {
        "size": size,
        "length": source.length,
        "digest": hexlify(digest.digest()).decode(),
    }


def _watched(act):
    start = time.ticks_ms()
    try:
        found = act()
    except FwError as error:
        found = {"code": error.code, "at": error.at}
    found["ms"] = time.ticks_diff(time.ticks_ms(), start)
    return found


def main(verb, url, timeout_ms):
    before = len(os.listdir("/proc/self/fd"))
    found = {"fetch": fetch, "update": update, "again": again}[verb](url, int(timeout_ms))
    found["sockets"] = len(os.listdir("/proc/self/fd")) - before
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
