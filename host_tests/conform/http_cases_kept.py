"""The cases of conform_http.py about connections that are used on: no byte of one answer, and
nothing that came unasked, is taken for the next answer.

Shaped as http_cases_source.py. A connection that may not be used on costs a new one, and no
request: the server is asked once for each call.
"""

from fwcore import errors
from http_cases_source import CHUNKED, keeping
from http_lab import eq
from ufota_testkit.server.badserver import chunked, header, in_turn, lines

FORGED = lines(b"Content-Length: 6", body=b"forged")
GONE = lines(b"Content-Length: 0", b"Connection: close", start=b"HTTP/1.1 410 Gone")
LATE = lines(b"Content-Length: 0", b"Connection: close", start=b"HTTP/1.1 408 Request Timeout")


def ok(text, *more, start=b"HTTP/1.1 200 OK"):
    return lines(b"Content-Length: %d" % len(text), *more, body=text, start=start)


def talk(
    trial, *connections, calls=None, texts=("one", "two"), statuses=None, requests=None, **how
):
    """Two calls: each connection gives its answers, and is the last one or is given up.

    calls, texts, statuses, requests: other than one GET each with these texts and status 200
    """
    holder = []
    turns = [keeping(each, holder) for each in connections]
    holder.append(trial.server(in_turn(*turns), tls=how.pop("tls", None)))
    calls = calls or [("GET", "/x")] * len(texts)
    found = trial.calls(holder[0], calls, **how)
    eq("texts", [each[1] for each in found["answers"]], list(texts))
    eq("statuses", [each[0] for each in found["answers"]], statuses or [200] * len(texts))
    eq("connections", holder[0].accepted, len(connections))
    eq("requests", len(holder[0].requests), requests or len(calls))
    return holder[0]


def k03(trial):
    for forged in (FORGED, GONE, b"HTTP/1.1 200 OK\r\n\r\nforged", b"HTTP"):
        talk(trial, [ok(b"one") + forged], [ok(b"two")])


def k04(trial):
    for more in (b"\r\n", b"\n", b"\x00", b"0\r\n\r\n", b"x" * 5000):
        talk(trial, [ok(b"one") + more], [ok(b"two")])
    return "a new connection, and no error"


def k05(trial):
    for status in (LATE, GONE):
        talk(trial, [ok(b"one") + status, None], [ok(b"two")])
        calls = [("GET", "/x"), ("POST", "/x", "{}")]
        server = talk(trial, [ok(b"one") + status, None], [ok(b"two")], calls=calls)
        eq("body", server.requests[1][-2:], b"{}")


def k06(trial):
    talk(trial, [ok(b"one"), LATE], [ok(b"two")], requests=3)
    holder = []
    holder.append(trial.server(in_turn(keeping([ok(b"one"), LATE], holder), LATE)))
    found = trial.calls(holder[0], [("GET",), ("GET",)], errors.HTTP_STATUS)
    eq("status", found["where"], 408)
    eq("requests", len(holder[0].requests), 3)
    first = trial.server(LATE)
    trial.calls(first, [("GET",)], errors.HTTP_STATUS)
    eq("requests", len(first.requests), 1)
    return "once, on a connection that was idle; never on a new one"


def k07(trial):
    tls = trial.lab.certificates.server_context()
    whole = {"tls": tls, **trial.tls()}
    talk(trial, [ok(b"one"), ok(b"two")], **whole)
    for forged in (FORGED, GONE, b"\r\n"):
        talk(trial, [ok(b"one") + forged], [ok(b"two")], **whole)
    body = chunked(b"one", 2)
    talk(trial, [lines(CHUNKED, body=body) + FORGED], [ok(b"two")], **whole)
    return "decrypted already, in one record with the answer"


def k08(trial):
    for size in (1, 2, 3):
        body = chunked(b"one", size, b";x=y", b"X: y\r\n")
        talk(trial, [lines(CHUNKED, body=body), ok(b"two")])
        talk(trial, [lines(CHUNKED, body=body) + FORGED], [ok(b"two")])


def _empty(trial, status, *more, body, tag=""):
    """An answer that has no body, with one."""
    first = lines(*more, body=body, start=b"HTTP/1.1 %d X" % status)
    calls = [("GET", "/x", "", tag), ("GET", "/x")]
    how = {"calls": calls, "texts": ("", "two"), "statuses": [status, 200]}
    talk(trial, [first], [ok(b"two")], **how)


def k09(trial):
    for status in (204, 205):
        for body in (b"", b"hello"):  # it may come later
            _empty(trial, status, b"Content-Length: 5", body=body)
        _empty(trial, status, body=FORGED)
        good = [lines(start=b"HTTP/1.1 %d X" % status), ok(b"two")]
        talk(trial, good, texts=("", "two"), statuses=[status, 200])


def k10(trial):
    for status in (204, 205):
        for body in (b"", chunked(b"hello", 5)):
            _empty(trial, status, CHUNKED, body=body)


def k11(trial):
    tag = b'ETag: "1"'
    _empty(trial, 304, tag, b"Content-Length: 5", body=b"hello", tag='"1"')
    _empty(trial, 304, tag, body=FORGED, tag='"1"')
    _empty(trial, 304, tag, CHUNKED, body=b"", tag='"1"')
    good = lines(tag, b"Content-Length: 5", start=b"HTTP/1.1 304 N")
    calls = [("GET", "/x", "", '"1"'), ("GET", "/x")]
    talk(trial, [good, ok(b"two")], calls=calls, texts=("", "two"), statuses=[304, 200])
    return "its Content-Length is of what did not come"


def k12(trial):
    for more in (
        (b"Connection: close", b"Connection: keep-alive"),
        (b"Connection: keep-alive", b"Connection: close"),
        (b"Connection: keep-alive, close",),
        (b"Connection: CLOSE, TE",),
        (b"Connection : close",),
    ):
        talk(trial, [ok(b"one", *more)], [ok(b"two", *more)])
    talk(trial, [ok(b"one", b"Connection: Keep-Alive, x", b"Keep-Alive: timeout=5"), ok(b"two")])


def k13(trial):
    old = b"HTTP/1.0 200 OK"
    keeps = b"Connection: keep-alive"
    talk(trial, [ok(b"one", keeps, start=old), ok(b"two", keeps, start=old)])
    one, two = (
        lines(CHUNKED, keeps, body=chunked(each, 9), start=old) for each in (b"one", b"two")
    )
    talk(trial, [one], [two])
    return "chunks in HTTP/1.0 are read, and the connection is given up (RFC 9112 section 6.1)"


def _led(*more, body=b""):
    return lines(b"Location: /end", *more, body=body, start=b"HTTP/1.1 302 F")


def k14(trial):
    lone = {"texts": ("one",), "requests": 2}
    talk(trial, [_led(b"Content-Length: 0"), ok(b"one")], **lone)
    for first in (
        _led(b"Content-Length: 5", body=b"hello"),
        _led(b"Content-Length: 0") + FORGED,
        _led(CHUNKED, body=chunked(b"hello", 5)),
        _led(CHUNKED, b"Content-Length: 0", body=chunked(b"hello", 5)),
        _led(body=b"hello"),
    ):
        server = trial.server({"/x": first, "/end": ok(b"one")})
        found = trial.calls(server, [("GET",)])
        eq("texts", [each[1] for each in found["answers"]], ["one"])
        eq("connections", server.accepted, 2)


def k15(trial):
    early = lines(start=b"HTTP/1.1 100 Continue")
    talk(trial, [ok(b"one"), early + ok(b"two")])
    talk(trial, [ok(b"one") + early], [ok(b"two")])
    again = [ok(b"one"), early * 16 + ok(b"two"), early * 16 + ok(b"three")]
    talk(trial, again, texts=("one", "two", "three"))


def k16(trial):
    big = ok(b"x" * 2000)  # more than the buffer of a call takes
    holder = []
    holder.append(trial.server(keeping([ok(b"one"), big], holder)))
    found = trial.calls(holder[0], [("GET",), ("GET",)], errors.TOO_LONG)
    eq("size", found["where"], 1024)
    refused = lines(b"Content-Length: 0", CHUNKED, start=b"HTTP/1.1 503 X")
    holder = []
    holder.append(trial.server(keeping([ok(b"one"), refused], holder)))
    found = trial.calls(holder[0], [("GET",), ("GET",)], errors.HTTP_STATUS)
    eq("connections", holder[0].accepted, 1)
    return "closed, whatever is left of it: no file stays open"


def k17(trial):
    """The first answer must not lend anything to the second."""
    first = lines(
        b"Content-Length: 3",
        b'ETag: "one"',
        b"Retry-After: 9",
        b"Content-Encoding: identity",
        body=b"one",
        start=b"HTTP/1.1 201 C",
    )
    holder = []
    holder.append(trial.server(keeping([first, lines(CHUNKED, body=chunked(b"two", 1))], holder)))
    found = trial.calls(holder[0], [("POST", "/x", "{}"), ("GET",)])
    eq("answers", found["answers"], [[201, "one", '"one"'], [200, "two", ""]])
    eq("length", (found["length"], found["retry_after_s"]), (None, 0))
    last = holder[0].requests[1]
    eq("lines", (header(last, b"content-length"), header(last, b"content-type")), (b"", b""))
    assert last.endswith(b"\r\n\r\n"), last


CASES = {
    name.upper(): function
    for name, function in list(globals().items())
    if len(name) == 3 and name[1:].isdigit()
}
