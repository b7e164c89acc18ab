"""The cases of conform_http.py that the whole client answers for: an update on a board.

Shaped as http_cases_source.py. What was installed, and whether anything was written, is
looked up on the board's card.
"""

from cryptography.hazmat.primitives.asymmetric import ec

import bench_lab
from fwcore import errors, errors_net
from http_lab import bundle, eq, signed
from ufota_testkit.noise import noise
from ufota_testkit.server.badserver import (
    chunked,
    endless,
    header,
    in_pieces,
    in_turn,
    keeps_open,
    lines,
    page,
    part,
    ranged,
    takes_leave,
)

IMAGE = noise(20_000, 3)
SMALL = noise(5_000, 4)
# Heaps of cases whose code, which a device has in ROM, does not fit into 64 KB as well
TLS_HEAP = "72k"
STORE_HEAP = "96k"
CHUNKED = b"Transfer-Encoding: chunked"


def sent(server):
    """Where in the object each request began."""
    return [int(header(each, b"range")[6:].rstrip(b"-") or 0) for each in server.requests]


def refused(trial, answer, code, untouched=None, requests=1, **spec):
    """The update fails with this code, after so many requests."""
    server = trial.server(answer)
    found = trial.update(server, code, image=IMAGE, **spec)
    if untouched is not None:
        eq("untouched", found.untouched, untouched)
    if requests:
        eq("requests", len(server.requests), requests)
    return found


def arrives(trial, answer, **spec):
    server = trial.server(answer)
    trial.update(server, image=IMAGE, **spec)
    return server


def r04(trial):
    whole = bundle(IMAGE)
    lie = ranged(whole, total=len(whole) + 1)
    refused(
        trial,
        in_turn(ranged(whole, drop=9000), lie),
        errors_net.OTHER_LENGTH,
        attempts=3,
        requests=0,
    )
    return "what was kept stays, and the slot stays unbootable"


def v05(trial):
    server = arrives(trial, ranged(bundle(IMAGE), b"", drop=9000), attempts=3)
    eq("validators", {header(each, b"if-range") for each in server.requests}, {b""})
    mixed = in_turn(ranged(bundle(IMAGE), b"", drop=9000), ranged(bytes(99_999), b""))
    refused(trial, mixed, errors_net.OTHER_LENGTH, attempts=3, requests=0)
    return "the signed length and digest decide"


def l02(trial):
    whole = bundle(IMAGE)
    for body in (whole + b"?", whole[:-1]):
        refused(trial, page(body), errors_net.OTHER_LENGTH, untouched=True)
    huge = lines(b"Content-Length: 9999999999", body=whole)
    refused(trial, huge, errors_net.OTHER_LENGTH, untouched=True)
    for size in (19_999, 20_001):
        pages = {"/x": page(signed(IMAGE, "image")), "/image": page(noise(size, 3))}
        found = trial.update(trial.server(pages), errors_net.OTHER_LENGTH, image=IMAGE)
        eq("untouched", found.untouched, True)


def l03(trial):
    whole = bundle(IMAGE)
    server = arrives(trial, ranged(whole, drop=6000), attempts=3)
    starts = sent(server)
    eq("requests", starts, [0, 6000, 12_000, 18_000])
    dies = in_turn(ranged(whole, drop=6000), ranged(whole, drop=0))
    refused(trial, dies, errors.CUT_SHORT, attempts=3, requests=0)
    refused(trial, ranged(whole, drop=6000), errors.CUT_SHORT)  # nobody asked for retries
    return "no byte is fetched twice"


def l04(trial):
    whole = bundle(IMAGE)
    tls = trial.lab.certificates.server_context()
    cut = trial.server(ranged(whole, drop=6000), tls=tls)  # closes without close_notify
    found = trial.update(cut, errors.CUT_SHORT, image=IMAGE, more=trial.trust(), attempts=0)
    eq("place", found.where, 6000)
    no_length = trial.server(lines(body=whole[:9000]), tls=tls)
    trial.update(no_length, errors.CUT_SHORT, image=IMAGE, more=trial.trust(), attempts=0)
    for start, code in ((b"Content-Length: 9001", errors.CUT_SHORT), (b"X: y", None)):
        leaves = trial.server(takes_leave(lines(start, body=whole[:9000])), tls=tls)
        for buffer in (512, 4096):
            found = trial.fetch(leaves, code, buffer=buffer, **trial.tls())
            eq("size", found["size"], 9000)
    again = trial.server(ranged(whole, drop=9000), tls=tls)
    trial.update(again, image=IMAGE, attempts=3, more=trial.trust(), heap=TLS_HEAP)
    return f"resumed in a heap of {TLS_HEAP}, as here the code is in it"


def l05(trial):
    whole = bundle(IMAGE)
    arrives(trial, lines(CHUNKED, body=chunked(whole, 999)))
    arrives(trial, lines(CHUNKED, body=chunked(whole, 1)))
    more = lines(CHUNKED, body=chunked(whole + b"?", 999))
    refused(trial, more, errors.TOO_LONG)
    refused(trial, endless(lines(CHUNKED), b"5\r\nhello\r\n"), errors.MALFORMED, untouched=True)
    refused(trial, lines(CHUNKED, body=chunked(whole[:-1], 999)), errors.CUT_SHORT)


def l06(trial):
    whole = bundle(IMAGE)
    start = b"HTTP/1.0 200 OK"
    arrives(trial, lines(start=start, body=whole))
    refused(trial, lines(start=start, body=whole[:-1]), errors.CUT_SHORT)
    refused(trial, lines(start=start, body=whole + b"?"), errors.TOO_LONG)


def c03(trial):
    whole = bundle(IMAGE)
    body = chunked(whole, 5000)
    for cut in (7000, body.index(b"\r\n0\r\n") + 2):  # in a chunk; before the last one
        first = lines(CHUNKED, b'ETag: "1"', body=body[:cut])
        server = arrives(trial, in_turn(first, ranged(whole)), attempts=3)
        starts = sent(server)
        if cut == 7000:
            head = body.index(b"\r\n") + 2
            eq("requests", starts, [0, 5000 + cut - 5000 - 2 * head - 2])
        else:
            eq("requests", starts, [0])  # all of it is here, and its digest is right
    inside = part(whole, 7000, len(whole) - 1, CHUNKED)
    head, _, rest = inside.partition(b"\r\n\r\n")
    answer = in_turn(ranged(whole, drop=7000), head + b"\r\n\r\n" + chunked(rest, 700))
    arrives(trial, answer, attempts=3)


def t04(trial):
    whole = bundle(IMAGE)
    answer = lines(b"Content-Length: %d" % len(whole), b'ETag: "1"', body=whole)
    stalls = in_pieces(answer, 9000, 0.8)
    arrives(trial, stalls)
    server = arrives(
        trial, in_turn(keeps_open(answer[:9000]), ranged(whole)), attempts=3, timeout_ms=500
    )
    at = sent(server)[1]
    eq("goes on behind what came", at, 9000 - answer.index(whole))


def s01(trial):
    for status in (401, 403):
        answer = page(b"no", status=b"%d X" % status)
        found = refused(trial, answer, errors.HTTP_STATUS, untouched=True, attempts=5)
        eq("status", found.where, status)
    return "a new address comes from the service: test_alibaba.py"


def s02(trial):
    for status in (404, 410):
        answer = page(b"no", status=b"%d X" % status)
        found = refused(trial, answer, errors.HTTP_STATUS, untouched=True, attempts=5)
        eq("status", found.where, status)
    return "reported: test_hawkbit.py"


def s04(trial):
    for status in (500, 502, 503, 504):
        bad = page(b"no", status=b"%d X" % status)
        arrives(trial, in_turn(bad, bad, page(bundle(IMAGE))), attempts=3)
        refused(trial, bad, errors.HTTP_STATUS, untouched=True, requests=4, attempts=3)
    return "how long it waits: test_retry.py"


def s05(trial):
    portal = page(b"<html>Please log in</html>" + b" " * 9000, b"Content-Type: text/html")
    refused(trial, portal, errors.MALFORMED, untouched=True)
    pages = {"/x": page(signed(IMAGE, "image")), "/image": portal}
    found = trial.update(trial.server(pages), errors_net.OTHER_LENGTH, image=IMAGE)
    eq("untouched", found.untouched, True)
    as_long = page(b"<html>" + bytes(19_994), b"Content-Type: text/html")
    pages["/image"] = as_long
    trial.update(trial.server(pages), errors.CORRUPT, image=IMAGE)
    return "found by length, else by digest, before the commit"


def x03(trial):
    whole = bundle(IMAGE)
    for at in (len(whole) - 1, len(whole) - 10_000):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        refused(trial, page(flipped), errors.CORRUPT, untouched=False)
    return "progress -3: test_alibaba.py"


def x04(trial):
    other = ec.derive_private_key(12345, ec.SECP256R1())
    refused(trial, page(signed(IMAGE, key=other) + IMAGE), errors.BAD_SIGNATURE, True)
    mine, other = signed(IMAGE), signed(SMALL)
    forged = mine[:-64] + other[-64:] + IMAGE
    found = trial.server(page(forged))
    try:
        trial.update(found, errors.BAD_SIGNATURE, image=IMAGE)
    except AssertionError:
        trial.update(found, errors.MALFORMED, image=IMAGE)


def x05(trial):
    big = noise(1_000_000, 5)
    whole = bundle(big)
    tls = trial.lab.certificates.server_context()
    body = lines(CHUNKED, b'ETag: "1"', body=chunked(whole, 1234))
    server = trial.server({"/y": body}, tls=tls)
    first = trial.server(page(b"", b"Location: " + server.url("/y").encode(), status=b"302 X"))
    trial.update(first, image=big, attempts=0, more=trial.trust())
    parts = ranged(whole, most=100_000, drop=90_000)
    trial.update(trial.server(parts), image=big, attempts=3)
    return f"{trial.lab.heap}: a redirect, TLS, chunks; cuts and parts; {len(big)} bytes"


def x06(trial):
    server = trial.server({"/x": ranged(bundle(SMALL))})
    found = trial.update(
        server, image=SMALL, attempts=1, more=["cuts"], remember=True, heap=STORE_HEAP
    )
    assert found.count > 10, found
    eq("arrived", found.ms, found.count)
    return f"{found.count} cuts, heap of {STORE_HEAP}; with every tear: make powercut"


CASES = {
    name.upper(): function
    for name, function in list(globals().items())
    if len(name) == 3 and name[1:].isdigit()
}
assert bench_lab and errors_net
