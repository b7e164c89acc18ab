"""A whole update of conform_http.py, on the interpreter that runs this: as little as it takes.

    case_update.py FOLDER URL TIMEOUT_MS [ATTEMPTS [ca DER-FILE | cuts | resets BYTES ...]]

FOLDER is a board; with ATTEMPTS that are not 0 its client is a FleetClient and goes on after
every break, so many of them without progress. Prints code (0: it is ready) and place of the
FwError, lives of the client, ms, and files left open; of `cuts`: cuts and arrivals in place of
lives and ms.

Small and apart from http_case.py, because on MicroPython its own size counts.
"""

import gc
import os
import sys
import time

import micropython  # noqa: F401  (gives CPython's time its ticks)

_BUFFER = bytearray(4096)  # as firmware does, first: later no such piece may be free


def client_of(folder, source, attempts):
    if "client" in os.listdir(folder):
        from case_board import Board

        board = Board(folder)
    else:
        from bench_board import Board

        board = Board(folder, "PublicKey")
    if not attempts:
        from ufota.client import Client

        return Client(board, source, _BUFFER)
    from ufota.fleet_client import FleetClient
    from ufota.sources.retry import Retry

    return FleetClient(board, source, Retry(0, max_s=0, attempts=attempts), buf=_BUFFER)


def source_of(timeout_ms, verb=None, path=None):
    from ufota.sources.http import HttpSource

    if verb != "ca":
        return HttpSource(int(timeout_ms))
    from ufota.web.tls import context

    with open(path, "rb") as file:
        return HttpSource(int(timeout_ms), context(file.read()))


def live(client, url):
    client.start(url)
    client.run()
    return 1, 0


def main(folder, url, timeout_ms, attempts=0, verb=None, *more):
    if sys.implementation.name == "micropython":
        gc.threshold(256)  # without it, garbage of imports ends as holes between code
    before = len(os.listdir("/proc/self/fd"))
    from fwcore.errors import FwError

    source = source_of(timeout_ms, verb, *more[:1])
    attempts = int(attempts)
    client = client_of(folder, source, attempts)
    start = time.ticks_ms()
    code = place = count = ms = 0
    try:
        if verb in ("cuts", "resets"):
            import case_board

            count, ms = getattr(case_board, verb)(
                lambda: client_of(folder, source, attempts), url, more
            )
        else:
            count, ms = live(client, url)
    except FwError as error:
        code, place = error.code, error.at
    source.close()
    client.board.storage.file.close()
    ms = ms or time.ticks_diff(time.ticks_ms(), start)
    print(code, place, count, ms, len(os.listdir("/proc/self/fd")) - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
