"""The cases of conform_http.py that a byte source answers for: one object, one open().

Each function is a case of http_conformance.json: it starts the server it tells of, fetches,
and asserts what the client must do. It may return a remark for the line of the case.
"""

import socket
import ssl
import time
from email.utils import formatdate
from hashlib import sha256

from fwcore import errors, errors_net
from http_lab import HASTY_MS, LATE_MS, PATIENT_MS, eq
from ufota_testkit.noise import noise
from ufota_testkit.server.badserver import (
    BadServer,
    FullServer,
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
    resets,
    silent,
)

BODY = noise(3000, 8)
OTHER = noise(3100, 9)
LENGTH = b"Content-Length: 3000"
CHUNKED = b"Transfer-Encoding: chunked"
DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
TAG = '"1"'


def whole(found, body=BODY, start=0):
    """The fetch brought body[start:], all of it."""
    eq("size", found["size"], len(body) - start)
    eq("digest", found["digest"], sha256(body[start:]).hexdigest())
    eq("start", found["start"], start)


def asked(server, name):
    """Value of a header line in each request, as text."""
    return [header(each, name).decode() for each in server.requests]


# Ranges


def r01(trial):
    server = trial.server(ranged(BODY))
    found = trial.fetch(server, at=1000, tag=TAG)
    whole(found, start=1000)
    eq("length", found["length"], 3000)
    eq("ranges", asked(server, b"range"), ["bytes=1000-"])
    eq("validators", asked(server, b"if-range"), [TAG])


def r02(trial):
    whole(trial.fetch(trial.server(page(BODY)), at=1000, tag=TAG))


def r03(trial):
    for first in (999, 1001, 0):
        found = trial.fetch(trial.server(part(BODY, first, 2999)), errors_net.BAD_RANGE, at=1000)
        eq("size", found["size"], 0)


def r05(trial):
    answer = lines(LENGTH, body=BODY, start=b"HTTP/1.1 206 P")
    trial.fetch(trial.server(answer), errors_net.BAD_RANGE, at=1000)


def r06(trial):
    body = b"--x\r\nContent-Range: bytes 1000-2999/3000\r\n\r\n" + BODY[1000:] + b"\r\n--x--\r\n"
    kind = b"Content-Type: multipart/byteranges; boundary=x"
    answer = lines(kind, body=body, start=b"HTTP/1.1 206 P")
    trial.fetch(trial.server(answer), errors_net.BAD_RANGE, at=1000)


def r07(trial):
    server = trial.server(ranged(BODY, most=700))
    whole(trial.fetch(server, at=1000, tag=TAG), start=1000)
    eq("ranges", asked(server, b"range"), [f"bytes={at}-" for at in (1000, 1700, 2400)])
    eq("validators", asked(server, b"if-range"), [TAG] * 3)
    changes = in_turn(ranged(BODY, most=700), ranged(OTHER, b'"2"'))
    found = trial.fetch(trial.server(changes), errors.CUT_SHORT, at=1000, tag=TAG)
    eq("place", found["where"], 1700)  # the caller has bytes of the old object
    eq("tag", found["tag"], TAG)
    tiny = trial.server(ranged(BODY, most=1))
    trial.fetch(tiny, errors_net.TOO_SLOW, at=10, limit_ms=HASTY_MS)
    return "each part brings a byte at least"


def r08(trial):
    answer = part(BODY, 1000, 2999) + b"more and more"
    whole(trial.fetch(trial.server(answer), at=1000), start=1000)
    answer = part(BODY, 1000, 2999, b"Content-Length: 9000") + b"x" * 7000
    whole(trial.fetch(trial.server(answer), at=1000), start=1000)


def r09(trial):
    found = trial.fetch(trial.server(ranged(BODY)), at=3000, tag=TAG)
    eq("size", found["size"], 0)
    eq("start", found["start"], 3000)
    eq("length", found["length"], 3000)


def r10(trial):
    server = trial.server(ranged(BODY))
    whole(trial.fetch(server, at=3500, tag=TAG))
    eq("ranges", asked(server, b"range"), ["bytes=3500-", ""])
    never = trial.server(lines(b"Content-Range: bytes */3000", start=b"HTTP/1.1 416 No"))
    found = trial.fetch(never, errors.HTTP_STATUS, at=3500)
    eq("status", found["where"], 416)
    eq("requests", len(never.requests), 2)
    whole(trial.fetch(trial.server(in_turn(lines(start=b"HTTP/1.1 416 No"), page(BODY))), at=5))


def r11(trial):
    server = trial.server(in_turn(part(BODY, 10, 19, total=0), lines(start=b"HTTP/1.1 416 No")))
    found = trial.fetch(server, at=10)
    eq("size", found["size"], 10)
    eq("start", found["start"], 10)


def r12(trial):
    at = 2**31 + 5
    head = b"Content-Range: bytes %d-%d/%d"
    answer = lines(head % (at, at + 9, at + 10), body=b"0123456789", start=b"HTTP/1.1 206 P")
    server = trial.server(answer)
    found = trial.fetch(server, at=at)
    eq("size", found["size"], 10)
    eq("length", found["length"], at + 10)
    eq("ranges", asked(server, b"range"), [f"bytes={at}-"])
    for wrong in (b"9" * 40 + b"-", b"1000-" + b"9" * 40, b"1e3-2999", b"-1000", b"1000-999"):
        answer = lines(b"Content-Range: bytes %s/3000" % wrong, start=b"HTTP/1.1 206 P")
        trial.fetch(trial.server(answer), errors_net.BAD_RANGE, at=1000)
    for total in (b"2999", b"+3000", b"", b"9" * 40):
        answer = lines(b"Content-Range: bytes 1000-2999/" + total, start=b"HTTP/1.1 206 P")
        trial.fetch(trial.server(answer), errors_net.BAD_RANGE, at=1000)
    return "more than the manifest says: L02"


# Validators


def v01(trial):
    server = trial.server(ranged(OTHER, b'"2"'))
    found = trial.fetch(server, at=1000, tag=TAG)
    whole(found, OTHER)
    eq("tag", found["tag"], '"2"')
    eq("requests", len(server.requests), 1)


def v02(trial):
    def deaf(connection, request):
        asked_for = header(request, b"range")
        tag = b'ETag: "2"'
        plain = lines(b"Content-Length: 3100", tag, body=OTHER)
        connection.sendall(part(OTHER, 1000, 3099, tag) if asked_for else plain)

    server = trial.server(deaf)
    whole(trial.fetch(server, at=1000, tag=TAG), OTHER)
    eq("ranges", asked(server, b"range"), ["bytes=1000-", ""])


def v03(trial):
    weak = b'ETag: W/"1"'
    found = trial.fetch(trial.server(page(BODY, weak)))
    eq("tag", found["tag"], "")
    for order in ((weak, b"Last-Modified: %s"), (b"Last-Modified: %s", weak)):
        headers = [each.replace(b"%s", DATE.encode()) for each in order]
        found = trial.fetch(trial.server(page(BODY, *headers)))
        eq("tag", found["tag"], DATE)
    server = trial.server(page(BODY))
    trial.fetch(server, at=5, tag='W/"1"')
    eq("validators", asked(server, b"if-range"), [""])


def v04(trial):
    server = trial.server(ranged(BODY, DATE.encode()))
    tag = trial.fetch(server)["tag"]
    whole(trial.fetch(server, at=1000, tag=tag), start=1000)
    eq("validators", asked(server, b"if-range"), ["", DATE])
    newer = DATE.replace("21 Oct", "22 Oct").encode()
    deaf = trial.server(
        in_turn(part(OTHER, 1000, 3099, b"Last-Modified: " + newer), ranged(OTHER, newer))
    )
    whole(trial.fetch(deaf, at=1000, tag=tag), OTHER)


def v06(trial):
    server = trial.server(
        in_turn(
            page(b"news", b'ETag: "1"'),
            keeps_open(lines(b'ETag: "1"', b"Content-Length: 4", start=b"HTTP/1.1 304 N")),
            page(b"more", b'ETag: "2"'),
        )
    )
    asks = [("GET", "/x", "", tag) for tag in ("", TAG, TAG, DATE)]
    found = trial.calls(server, asks)
    wanted = [[200, "news", TAG], [304, "", TAG], [200, "more", '"2"'], [200, "more", '"2"']]
    eq("answers", found["answers"], wanted)
    eq("conditions", asked(server, b"if-none-match"), ["", TAG, TAG, ""])
    eq("dates", asked(server, b"if-modified-since"), ["", "", "", DATE])
    unasked = trial.fetch(trial.server(lines(start=b"HTTP/1.1 304 N")), errors.HTTP_STATUS)
    eq("status", unasked["where"], 304)


# Lengths


def l01(trial):
    found = trial.fetch(trial.server(page(BODY)))
    whole(found)
    eq("length", found["length"], 3000)


def l07(trial):
    answer = lines(LENGTH, b"Content-Length: 2999", body=BODY)
    trial.fetch(trial.server(answer), errors.BAD_RESPONSE)
    whole(trial.fetch(trial.server(lines(LENGTH, LENGTH, body=BODY))))


def l08(trial):
    for value in (b"-5", b"", b"+5", b"0x10", b"3" * 40, b"3000, 2999", b"3e3", b"3 000"):
        answer = lines(b"Content-Length: " + value, body=BODY)
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)


def l09(trial):
    both = [LENGTH, CHUNKED]
    for order in (both, both[::-1]):
        trial.fetch(trial.server(lines(*order, body=chunked(BODY, 500))), errors.BAD_RESPONSE)


def l10(trial):
    whole(trial.fetch(trial.server(endless(lines(LENGTH, body=BODY), b"x" * 1000))))


# Chunks


def c01(trial):
    trailers = b"X-Digest: abc\r\nX: y\r\n"
    for body in (
        chunked(BODY, 700, b";name=value;x", trailers),
        chunked(BODY, 700).upper() if False else chunked(BODY, 0xABC),
        b"BB8 \r\n" + BODY + b"\r\n000\r\n\r\n",
        b'Bb8\t;x="\r\n' + BODY + b"\r\n0;last\r\n" + trailers + b"\r\n",
        b"00000bb8\n" + BODY + b"\n0\n\n",
    ):
        found = trial.fetch(trial.server(lines(CHUNKED, body=body)))
        whole(found)
        eq("length", found["length"], None)
    whole(trial.fetch(trial.server(keeps_open(lines(CHUNKED, body=chunked(BODY, 99))))))
    for end in (b"X: y\r\n", b"x"):
        long = endless(lines(CHUNKED, body=chunked(BODY, 3000)[:-2]), end)
        trial.fetch(trial.server(long), errors.BAD_RESPONSE)


def c02(trial):
    good = b"5\r\nhello\r\n"
    for bad, at in (
        (b"xyz\r\nhello\r\n0\r\n\r\n", 0),
        (b"\r\nhello\r\n0\r\n\r\n", 0),
        (b"-5\r\nhello\r\n0\r\n\r\n", 0),
        (b"5hello\r\n0\r\n\r\n", 0),
        (b"5\r\nhelloX\r\n0\r\n\r\n", 5),
        (b"5\r\nhello0\r\n\r\n", 5),
        (b"5\r\nhello" + b"\r" * 9 + b"\n0\r\n\r\n", 5),
        (b"FFFFFFFFF\r\nhello", 0),
        (b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n", 0),
        (b"5;" + b"x" * 9000 + b"\r\nhello\r\n0\r\n\r\n", 0),
    ):
        server = trial.server(lines(CHUNKED, body=good + bad))
        found = trial.fetch(server, errors.BAD_RESPONSE)
        eq("good bytes", (found["size"], found["where"]), (5 + at, 5 + at))
    huge = trial.fetch(trial.server(lines(CHUNKED, body=b"FFFFFFFF\r\n" + BODY)), errors.CUT_SHORT)
    eq("place", huge["where"], 3000)
    for coding in (b"gzip", b"gzip, chunked", b"chunked, chunked"):
        answer = lines(b"Transfer-Encoding: " + coding, body=chunked(BODY, 99))
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)


def c04(trial):
    start = time.monotonic()
    found = trial.fetch(trial.server(lines(CHUNKED, body=chunked(BODY, 1))), measured=True)
    whole(found)
    slow = trial.server(in_pieces(lines(CHUNKED, body=chunked(BODY, 1)), 997, 0.01))
    whole(trial.fetch(slow))
    assert time.monotonic() - start < 100
    if not trial.on_device:
        return "allocations are counted on MicroPython only"
    assert found["allocated"] < 6000, found["allocated"]
    return f"{found['allocated']} bytes allocated for 3000 chunks"


# Encodings and headers


def e01(trial):
    for value in (b"gzip", b"br", b"x"):
        answer = lines(LENGTH, b"Content-Encoding: " + value, body=BODY)
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)
    whole(trial.fetch(trial.server(lines(LENGTH, b"Content-Encoding: identity", body=BODY))))


def e02(trial):
    server = trial.server(ranged(BODY))
    trial.fetch(server)
    trial.fetch(server, at=7)
    eq("encodings", asked(server, b"accept-encoding"), ["identity"] * 2)
    return "nginx itself: test_nginx.py"


def h01(trial):
    for name in (b"CONTENT-LENGTH:3000", b"content-length: \t3000 \t ", b"Content-length:3000\t"):
        whole(trial.fetch(trial.server(keeps_open(lines(name, b"X:", b":", b"x", body=BODY)))))
    answer = part(BODY, 1000, 2999).replace(b"Content-Range: bytes", b"content-RANGE:BYTES")
    whole(trial.fetch(trial.server(answer), at=1000), start=1000)


def h02(trial):
    answer = lines(LENGTH).replace(b"\r\n", b"\n") + BODY
    whole(trial.fetch(trial.server(keeps_open(answer))))
    return "accepted"


def h03(trial):
    whole(trial.fetch(trial.server(lines(b"X-Long: a", b" b", b"\tc", LENGTH, body=BODY))))
    trial.fetch(trial.server(lines(b"Content-Length:", b" 3000")), errors.BAD_RESPONSE)
    return "an error where the line matters"


def h04(trial):
    long = b"X: " + b"a" * 200_000
    for answer in (
        lines(long, LENGTH, body=BODY),
        lines(long, LENGTH, body=BODY, start=b"HTTP/1.1 302 Found"),
        endless(b"HTTP/1.0 200 ", b"a" * 1000),
    ):
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)
    whole(trial.fetch(trial.server(lines(b"X: " + b"a" * 4000, LENGTH, body=BODY))))


def h05(trial):
    many = [b"X-%d: y" % each for each in range(10_000)]
    for answer in (
        lines(*many, LENGTH, body=BODY),
        endless(b"HTTP/1.0 200 OK\r\n", b"X: y\r\n"),
        endless(b"HTTP/1.0 503 No\r\n", b"Retry-After: 5\r\n"),
    ):
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)


def h06(trial):
    for answer in (b"", b"HTTP/1.0 20", b"HTTP/1.0 200 OK\r\n", lines(LENGTH)[:-2]):
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)
    trial.fetch(trial.server(resets(b"HTTP/1.0 200 OK\r\n")), errors.CONNECT)


def h07(trial):
    for answer in (
        bytes(range(256)) * 40,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\r\n" + page(BODY),
        b"SSH-2.0-OpenSSH_9.0 200\r\n\r\n",
        *(lines(LENGTH, body=BODY, start=b"HTTP/1.1 " + each) for each in (b"abc", b"20", b"000")),
    ):
        trial.fetch(trial.server(answer), errors.BAD_RESPONSE)


def h08(trial):
    for first in (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b'HTTP/1.1 103 H\r\nContent-Length: 5\r\nETag: "x"\r\nLocation: /y\r\n\r\n' * 2,
    ):
        found = trial.fetch(trial.server(keeps_open(first + page(BODY))))
        whole(found)
        eq("tag", found["tag"], "")
    trial.fetch(trial.server(endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")), errors.BAD_RESPONSE)


def h09(trial):
    for status in (204, 205, 304):
        answer = keeps_open(lines(start=b"HTTP/1.1 %d X" % status))
        found = trial.fetch(trial.server(answer), errors.HTTP_STATUS)
        eq("status", (found["where"], found["status"]), (status, status))
        assert found["ms"] < PATIENT_MS
        if status != 304:
            found = trial.calls(trial.server(answer), [("POST", "/x", "{}")])
            eq("answers", found["answers"], [[status, "", ""]])
            assert found["ms"] < PATIENT_MS


def h10(trial):
    server = trial.server({"/a/b?c=%20": page(BODY)})
    trial.fetch(server.url("/a/b?c=%20#part"))
    eq(
        "request",
        server.requests[0],
        b"GET /a/b?c=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: ufota/0.1.0\r\n"
        b"Connection: close\r\nAccept-Encoding: identity\r\n\r\n" % server.port,
    )
    try:
        server = trial.server(page(BODY), host="::1")
    except OSError:
        return "this machine has no IPv6"
    trial.fetch(server)
    eq("host", asked(server, b"host"), [f"[::1]:{server.port}"])


# Redirects


def _to(location, status=302):
    return page(b"", b"Location: " + location.encode(), status=b"%d X" % status)


def d01(trial):
    for status in (301, 302, 303, 307, 308):
        server = trial.server({"/end": ranged(BODY)})
        first = trial.server(_to(server.url("/end"), status))
        whole(trial.fetch(first, at=1000, tag=TAG), start=1000)
        eq("ranges", asked(server, b"range"), ["bytes=1000-"])
        eq("validators", asked(server, b"if-range"), [TAG])
    for status in (300, 304, 305, 306, 399):
        found = trial.fetch(trial.server(_to("/end", status)), errors.HTTP_STATUS)
        eq("status", found["where"], status)
    chain = {f"/{n}": _to(f"/{n + 1}") for n in range(5)}
    whole(trial.fetch(trial.server({**chain, "/5": page(BODY)}).url("/0")))


def d02(trial):
    places = {
        "/end": "/end",
        "end": "/a/end",
        "./end": "/a/end",
        "../end": "/end",
        "../../../end": "/end",
        "?q=1": "/a/x?q=1",
        "b/../end?x=/y#z": "/a/end?x=/y",
        "/a/./b/../end": "/a/end",
    }
    for location, place in places.items():
        server = trial.server({"/a/x": _to(location), place: page(BODY)})
        whole(trial.fetch(server.url("/a/x")))
    server = trial.server({"/end": page(BODY)})
    other = trial.server({"/a/x": _to(f"//127.0.0.1:{server.port}/end")})
    whole(trial.fetch(other.url("/a/x")))


def d03(trial):
    secret = "Authorization: TargetToken x\r\nCookie: a=b\r\nX-Mine: 1\r\nUfota-Result: ok\r\n"
    other = trial.server({"/end": page(BODY), "/back": page(BODY)})
    server = trial.server({"/x": _to(other.url("/end")), "/same": _to("/end"), "/end": page(BODY)})
    whole(trial.fetch(server, header=secret))
    eq("host", asked(other, b"host"), [f"127.0.0.1:{other.port}"])
    for name, seen in ((b"authorization", ""), (b"cookie", ""), (b"x-mine", "")):
        eq(name, asked(other, name), [seen])
    eq("result", asked(other, b"ufota-result"), ["ok"])
    whole(trial.fetch(server.url("/same"), header=secret))
    eq("authority", asked(server, b"authorization"), ["TargetToken x"] * 3)
    there = trial.server({"/x": _to("//localhost:{}/end")})
    there._answers["/x"] = _to(f"http://localhost:{there.port}/end")
    there._answers["/end"] = page(BODY)
    whole(trial.fetch(there, header=secret))
    eq("other name", asked(there, b"authorization"), ["TargetToken x", ""])
    return "the new name in TLS: D07"


def d04(trial):
    tls = trial.lab.certificates.server_context()
    plain = trial.server({"/end": page(BODY)})
    server = trial.server(_to(plain.url("/end")), tls=tls)
    trial.fetch(server, errors_net.INSECURE_REDIRECT, **trial.tls())
    eq("requests", plain.requests, [])


def d05(trial):
    server = trial.server(_to("/x"))
    trial.fetch(server, errors_net.TOO_MANY_REDIRECTS)
    eq("requests", len(server.requests), 6)
    chain = {f"/{n}": _to(f"/{n + 1}") for n in range(6)}
    server = trial.server({**chain, "/6": page(BODY)})
    trial.fetch(server.url("/0"), errors_net.TOO_MANY_REDIRECTS)


def d06(trial):
    trial.fetch(trial.server(page(b"", status=b"302 X")), errors_net.BAD_REDIRECT)
    for location in (
        "",
        "http://",
        "http:///x",
        "http://host:0/",
        "http://user@127.0.0.1/",
        "ftp://127.0.0.1/x",
        "javascript:alert(1)",
        "/a b",
        "/a\rX-Injected: 1",
        "/\xe4",
        "/" + "a/../" * 99,
        "/" + "x" * 3072,
    ):
        server = trial.server(_to(location))
        trial.fetch(server, errors_net.BAD_REDIRECT)
        eq("requests", len(server.requests), 1)
    two = page(b"", b"Location: /a", b"Location: /b", status=b"302 X")
    trial.fetch(trial.server(two), errors.BAD_RESPONSE)
    long = "/" + "y" * 2000
    server = trial.server({"/x": _to(long), long: page(BODY)})
    whole(trial.fetch(server))


def d07(trial):
    slow = trial.server({"/end": silent})
    found = trial.fetch(trial.server(_to(slow.url("/end"))), errors.TIMEOUT, timeout_ms=HASTY_MS)
    assert HASTY_MS <= found["ms"] < LATE_MS
    drip = trial.server({"/end": in_pieces(page(BODY), 300, 0.2)})
    first = trial.server(_to(drip.url("/end")))
    trial.fetch(first, errors_net.TOO_SLOW, limit_ms=HASTY_MS)
    loop = trial.server(in_pieces(_to("/x"), 9, 0.03))
    trial.fetch(loop, errors_net.TOO_SLOW, limit_ms=HASTY_MS)
    tls = trial.lab.certificates.server_context
    good = trial.server({"/end": page(BODY)}, tls=tls())
    whole(trial.fetch(trial.server(_to(good.url("/end"))), **trial.tls()))
    trial.fetch(trial.server(_to(good.url("/end"))), errors_net.NOT_VERIFYING)
    for name, code in (("elsewhere", errors_net.WRONG_HOST), ("strange", errors_net.UNTRUSTED)):
        bad = trial.server({"/end": page(BODY)}, tls=tls(name))
        trial.fetch(trial.server(_to(bad.url("/end")), tls=tls()), code, **trial.tls())


# Time


def t01(trial):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = trial.fetch(f"http://127.0.0.1:{port}/", errors.CONNECT)
    assert found["ms"] < PATIENT_MS
    with FullServer() as full:
        found = trial.fetch(f"http://127.0.0.1:{full.port}/", errors.CONNECT, timeout_ms=HASTY_MS)
    assert HASTY_MS // 2 <= found["ms"] < LATE_MS
    return "back-off: test_retry.py"


def t02(trial):
    for answer in (silent, keeps_open(b"HTTP/1.0 200 OK\r\nX"), keeps_open(lines(LENGTH))):
        found = trial.fetch(trial.server(answer), errors.TIMEOUT, timeout_ms=HASTY_MS)
        assert HASTY_MS <= found["ms"] < LATE_MS


def t03(trial):
    for size, pause in ((1, 0.1), (60, 0.2)):
        drip = in_pieces(page(BODY), size, pause)
        trial.fetch(trial.server(drip), errors.TIMEOUT, timeout_ms=HASTY_MS)
    drip = trial.server(in_pieces(lines(CHUNKED, body=chunked(BODY, 1)), 60, 0.1))
    trial.fetch(drip, errors.TIMEOUT, timeout_ms=HASTY_MS)
    lively = trial.server(in_pieces(page(BODY), 300, 0.1))
    found = trial.fetch(lively, errors_net.TOO_SLOW, limit_ms=HASTY_MS)
    assert found["ms"] < LATE_MS


def t05(trial):
    listener = trial.server(silent)  # reads, and never speaks TLS
    url = listener.url("/x").replace("http:", "https:")
    found = trial.fetch(url, errors.CONNECT, timeout_ms=HASTY_MS, **trial.tls())
    assert HASTY_MS <= found["ms"] < LATE_MS
    return "the next address is tried, so it counts as not connected"


def t06(trial):
    for answer in (page(BODY), lines(CHUNKED, body=chunked(BODY, 800))):
        found = trial.fetch(trial.server(keeps_open(answer)))
        whole(found)
        assert found["ms"] < PATIENT_MS
    found = trial.fetch(trial.server(keeps_open(part(BODY, 5, 2999))), at=5)
    assert found["ms"] < PATIENT_MS


def t07(trial):
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = free.getsockname()[1]
    server = trial.server(page(BODY))
    addresses = [["127.0.0.1", dead], ["127.0.0.1", server.port]]
    whole(trial.fetch("http://name.example/x", addresses=addresses))
    for host in ("no.such.name.invalid", "a..b", "x" * 64):
        found = trial.lab.run({"verb": "fetch", "url": f"http://{host}/", "timeout_ms": HASTY_MS})
        assert found["code"] in (errors.CONNECT, errors.BAD_URL), found
    return "the look-up itself takes as long as the port takes"


# Statuses


def s03(trial):
    now = time.time()
    for value, more, least, most in (
        (b"7", [], 7, 7),
        (b"999999999", [], 3600, 3600),
        (b"9" * 40, [], 3600, 3600),
        (b"-5", [], 0, 0),
        (b"soon", [], 0, 0),
        (formatdate(now + 90, usegmt=True).encode(), [], 60, 90),
        (formatdate(now - 90, usegmt=True).encode(), [], 0, 0),
        (formatdate(now + 9e6, usegmt=True).encode(), [], 3600, 3600),
        (b"Wed, 01 Mar 2028 00:01:00 GMT", [b"Date: Tue, 29 Feb 2028 23:59:30 GMT"], 90, 90),
        (b"Mon, 99 Xxx 2028 00:01:00 GMT", [], 0, 0),
    ):
        for status in (429, 503):
            answer = page(b"", b"Retry-After: " + value, *more, status=b"%d X" % status)
            found = trial.fetch(trial.server(answer), errors.HTTP_STATUS)
            eq("status", found["where"], status)
            assert least <= found["retry_after_s"] <= most, (value, found)
    return "capped at an hour"


# Kept connections


def keeping(answers, server=None):
    """Answers in turn on one connection, which then ends; None: it ends without a word."""

    def act(connection, request):
        for each in answers:
            if each is None:
                return
            connection.sendall(each)
            if not server[0].next_request(connection):
                return

    return act


def k01(trial):
    ok = lines(b"Content-Length: 2", body=b"ok")
    three = [("GET",), ("POST", "/x", '{"a":1}'), ("GET",)]

    def run(answer, connections, **spec):
        holder = []
        holder.append(trial.server(keeping([answer] * 9, holder)))
        found = trial.calls(holder[0], three, **spec)
        eq("texts", [each[1] for each in found["answers"]], ["ok"] * 3)
        eq("connections", holder[0].accepted, connections)
        return holder[0]

    server = run(ok, 1)
    eq("connection", asked(server, b"connection"), [""] * 3)
    assert server.requests[1].startswith(b"POST /x HTTP/1.1\r\n")
    assert server.requests[1].endswith(
        b"Content-Type: application/json\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}'
    )
    eq("connection", asked(run(ok, 3, keep=False), b"connection"), ["close"] * 3)
    run(lines(b"Content-Length: 2", b"Connection: close", body=b"ok"), 3)
    run(ok.replace(b"HTTP/1.1", b"HTTP/1.0"), 3)
    run(
        lines(b"Content-Length: 2", b"Connection: Keep-Alive", body=b"ok", start=b"HTTP/1.0 200"),
        1,
    )
    run(lines(CHUNKED, body=chunked(b"ok", 1)), 1)
    until_close = trial.server(lines(body=b"ok"))
    trial.calls(until_close, three)
    eq("connections", until_close.accepted, 3)
    other = trial.server(ok)
    holder = []
    holder.append(trial.server(keeping([_to(other.url("/x"))] * 9, holder)))
    found = trial.calls(holder[0], [("GET",), ("GET",)])
    eq("texts", [each[1] for each in found["answers"]], ["ok"] * 2)
    eq("redirects of a POST", trial.calls(trial.server(_to("/x")), [("POST",)], 73)["where"], 302)


def k02(trial):
    ok = lines(b"Content-Length: 2", body=b"ok")
    holder = []
    holder.append(trial.server(keeping([ok, None], holder)))  # one more request, no answer
    calls = [("GET", "/x", "", "", 100), ("POST", "/x", "{}"), ("GET",)]
    found = trial.calls(holder[0], calls)
    eq("texts", [each[1] for each in found["answers"]], ["ok"] * 3)
    once = trial.server(ok)  # closes right after the answer, without telling
    found = trial.calls(once, calls)
    eq("texts", [each[1] for each in found["answers"]], ["ok"] * 3)
    eq("connections", once.accepted, 3)
    holder = []
    holder.append(trial.server(in_turn(keeping([ok, None], holder), b"")))
    trial.calls(holder[0], calls, errors.BAD_RESPONSE)
    eq("connections", holder[0].accepted, 2)
    return "retried once, a POST too"


# TLS


def x01(trial):
    certificates = trial.lab.certificates
    for name, code in (
        ("good", None),
        ("strange", errors_net.UNTRUSTED),
        ("elsewhere", errors_net.WRONG_HOST),
        ("expired", errors_net.EXPIRED),
        ("early", errors_net.NOT_YET_VALID),
        ("selfsigned", errors_net.UNTRUSTED),
    ):
        server = trial.server(page(BODY), tls=certificates.server_context(name))
        trial.fetch(server, code, **trial.tls())
        if code:
            eq("requests", server.requests, [])
    early = trial.server(page(BODY), tls=certificates.server_context("early"))
    for year, code in ((2000, errors_net.CLOCK_NOT_SET), (2031, errors_net.NOT_YET_VALID)):
        trial.fetch(early, code, year=year, **trial.tls())
    good = trial.server(page(BODY), tls=certificates.server_context())
    whole(trial.fetch(good, **trial.tls("stranger", "ca")))
    pinned = trial.server(page(BODY), tls=certificates.server_context("selfsigned"))
    whole(trial.fetch(pinned, **trial.tls("selfsigned")))
    trial.fetch(good, errors_net.UNTRUSTED, **trial.tls("selfsigned"))
    trial.fetch(good, errors_net.NOT_VERIFYING)
    trial.fetch(good, errors_net.NOT_VERIFYING, context="lax")
    newer = certificates.server_context(oldest=ssl.TLSVersion.TLSv1_3)
    refused = trial.fetch(
        trial.server(page(BODY), tls=newer), errors_net.TLS_REFUSED, **trial.tls(old=True)
    )
    whole(trial.fetch(good.url("/x").replace("127.0.0.1", "localhost"), **trial.tls()))
    plain = trial.server(page(BODY)).url("/x").replace("http:", "https:")
    found = trial.lab.run({"verb": "fetch", "url": plain, "timeout_ms": HASTY_MS, **trial.tls()})
    assert found["code"] in (errors.CONNECT, errors_net.TLS_FAILED), found
    return f"TLS 1.3 only: {refused['where']}"


def x02(trial):
    context = trial.lab.certificates.server_context
    server = trial.server(page(BODY), tls=context(client_ca="ca"))
    whole(trial.fetch(server, **trial.tls(cert=trial.certificate("device"))))
    old = trial.server(page(BODY), tls=context(newest=ssl.TLSVersion.TLSv1_2, client_ca="ca"))
    whole(trial.fetch(old, **trial.tls(cert=trial.certificate("device"))))
    for each in (server, old):
        trial.fetch(each, errors_net.TLS_REFUSED, **trial.tls())


CASES = {
    name.upper(): function
    for name, function in list(globals().items())
    if len(name) == 3 and name[1:].isdigit()
}
assert BadServer
