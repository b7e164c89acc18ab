"""The cases of conform_http.py in which the bytes are right and their labels are odd.

Shaped as http_cases_source.py. A label that changes no byte passes, as a digest protects the
bytes; a label that could mean two lengths, two codings or two places is an error.
"""

from fwcore import errors, errors_net
from http_cases_source import BODY, CHUNKED, LENGTH, asked, whole
from http_lab import eq
from ufota_testkit.server.badserver import (
    chunked,
    in_turn,
    keeps_open,
    lines,
    page,
    part,
    ranged,
)

REFUSED = errors.BAD_RESPONSE


def taken(trial, *answers, **spec):
    """Each answer brings the body, though its connection stays open."""
    for each in answers:
        whole(trial.fetch(trial.server(keeps_open(each)), **spec), start=spec.get("at", 0))


def refused(trial, *answers, **spec):
    for each in answers:
        trial.fetch(trial.server(each), REFUSED, **spec)


def led(location, status=302):
    return page(b"", b"Location: " + location.encode(), status=b"%d X" % status)


# Content-Encoding


def b01(trial):
    coding = b"Content-Encoding:"
    taken(trial, *(lines(LENGTH, coding + each, body=BODY) for each in (b"", b" ", b"\t ", b" ,")))


def b02(trial):
    for coding in (b"aws-chunked", b"AWS-Chunked", b"aws-chunked,identity", b"aws-chunked, "):
        taken(trial, lines(LENGTH, b"Content-Encoding: " + coding, body=BODY))
    two = b"Content-Encoding: aws-chunked", b"content-encoding: identity"
    taken(trial, lines(LENGTH, *two, body=BODY))
    answer = part(BODY, 1000, 2999, b"Content-Encoding: aws-chunked")
    taken(trial, answer, at=1000)


def b03(trial):
    for coding in (b"none", b"UTF-8"):
        taken(trial, lines(b"Content-Encoding: " + coding, LENGTH, body=BODY))


def b04(trial):
    for coding in (b"aws-chunked, gzip", b"gzip, identity", b"identity gzip", b"deflate,"):
        refused(trial, lines(LENGTH, b"Content-Encoding: " + coding, body=BODY))


# Content-Length


def b05(trial):
    for value in (b"3000, 3000", b"3000,3000,3000", b" 3000 \t,\t3000 "):
        taken(trial, lines(b"Content-Length:" + value, body=BODY))
    taken(trial, lines(b"Content-Length: 3000, 3000", LENGTH, body=BODY))


def b06(trial):
    for value in (b"3000, 2999", b"2999, 3000", b"3000,", b",3000", b"3000, x", b"3000;3000"):
        refused(trial, lines(b"Content-Length: " + value, body=BODY))
    refused(trial, lines(b"Content-Length: 3000, 3000", b"Content-Length: 2999", body=BODY))


def b07(trial):
    for value in (b"03000", b"0" * 40 + b"3000", b"3000, 0003000"):
        taken(trial, lines(b"Content-Length: " + value, body=BODY))
    empty = trial.fetch(trial.server(keeps_open(lines(b"Content-Length: 000"))))
    eq("size", empty["size"], 0)
    refused(trial, lines(b"Content-Length: 03000000000000", body=BODY))


def b08(trial):
    """Only 128 bytes of a line are looked at: 30 would be a length as well."""
    blanks = b" " * (128 - len(b"Content-Length:30"))
    refused(
        trial,
        lines(b"Content-Length:" + blanks + b"3000", body=BODY),
        lines(b"Content-Length:" + b"0" * 200 + b"3000", body=BODY),
        lines(b"Transfer-Encoding: chunked" + b" " * 200 + b", gzip", body=chunked(BODY, 999)),
        lines(LENGTH, b"Content-Encoding: identity" + b" " * 200 + b", gzip", body=BODY),
    )
    told = b"Content-Range: bytes 1000-2999/3000"
    start = b"HTTP/1.1 206 P"
    refused(trial, lines(told + b" " * 200 + b"0", body=BODY[1000:], start=start), at=1000)


# Lines


def b09(trial):
    refused(
        trial,
        lines(b"Content-Length: 3", b" 000", body=BODY),
        lines(LENGTH, b"\t", body=BODY),
        lines(b"Transfer-Encoding: chunked", b" , gzip", body=chunked(BODY, 999)),
        lines(LENGTH, b"Content-Encoding: identity", b"\tgzip", body=BODY),
        lines(b"Location: /a", b" b", start=b"HTTP/1.1 302 F"),
    )
    told = b"Content-Range: bytes 1000-2999/3"
    refused(trial, lines(told, b" 000", body=BODY[1000:], start=b"HTTP/1.1 206 P"), at=1000)
    taken(trial, lines(LENGTH, b"Server: a", b" b", b"Via: c", b"\td", body=BODY))


def b10(trial):
    taken(
        trial,
        lines(b"Content-Length : 3000", body=BODY),
        lines(b"CONTENT-LENGTH\t: 3000", b"Content-Encoding : identity", body=BODY),
        lines(b"transfer-encoding : chunked", body=chunked(BODY, 999)),
    )
    taken(trial, part(BODY, 9, 2999).replace(b"Content-Range:", b"Content-Range :"), at=9)
    refused(trial, lines(LENGTH, b"content-length : 2999", body=BODY))
    server = trial.server({"/x": led("/end").replace(b"n:", b"n\t:"), "/end": page(BODY)})
    whole(trial.fetch(server))


def b11(trial):
    """A line that begins with a blank is no field (RFC 9112 section 2.2)."""
    taken(trial, lines(b" Transfer-Encoding: chunked", LENGTH, body=BODY))
    taken(trial, lines(b"\tContent-Length: 5", LENGTH, body=BODY))


def b12(trial):
    for name in (b"TRANSFER-ENCODING", b"tRANSFER-eNCODING"):
        for coding in (b"CHUNKED", b"Chunked \t", b", chunked", b"chunked,"):
            taken(trial, lines(name + b": " + coding, body=chunked(BODY, 999)))
    answer = lines(b"LOCATION: /end", b"CONTENT-LENGTH: 0", start=b"HTTP/1.1 302 F")
    whole(trial.fetch(trial.server({"/x": answer, "/end": page(BODY)})))
    answer = page(b"", b"RETRY-AFTER: 7 ", status=b"503 X")
    found = trial.fetch(trial.server(answer), errors.HTTP_STATUS)
    eq("seconds", found["retry_after_s"], 7)
    found = trial.fetch(trial.server(page(BODY, b'ETAG: "x"')))
    eq("tag", found["tag"], '"x"')


def b13(trial):
    for coding in (b"chunked;q=1", b"chunked gzip", b"chunked, identity", b"", b"deflate"):
        refused(trial, lines(b"Transfer-Encoding: " + coding, body=chunked(BODY, 999)))


def b14(trial):
    words = "\u56fa\u4ef6\u66f4\u65b0".encode()
    taken(
        trial,
        lines(LENGTH, b"X-Message: " + words, body=BODY, start=b"HTTP/1.1 200 " + words),
        lines(LENGTH, words + b": x", body=BODY, start=b"HTTP/1.1 200 \xb9\xcc\xbc\xfe"),
        lines(LENGTH, body=BODY, start=b"HTTP/1.1  200  OK  "),
    )
    found = trial.fetch(
        trial.server(page(b"", b"Retry-After: 9", status=b"503 " + words)), errors.HTTP_STATUS
    )
    eq("seconds", found["retry_after_s"], 9)


def b15(trial):
    for kind in (b"text/html; charset=GB2312", b'text/plain;charset="utf-8"', b"x", b""):
        taken(trial, lines(b"Content-Type: " + kind, LENGTH, body=BODY))
    named = "Content-Disposition: attachment; filename=\u56fa\u4ef6.fw".encode()
    taken(trial, lines(named, b"Content-Language: zh-CN", LENGTH, body=BODY))


def b16(trial):
    dates = b"Date: Tue, 29 Feb 2028 23:59:30 GMT", b"Date: Tue, 29 Feb 2028 23:59:31 GMT"
    taken(trial, part(BODY, 1000, 2999, *dates), at=1000)
    waits = b"Retry-After: 7", b"Retry-After: 60"
    found = trial.fetch(
        trial.server(page(b"", *dates, *waits, status=b"503 X")), errors.HTTP_STATUS
    )
    eq("seconds", found["retry_after_s"], 7)
    ranges = part(BODY, 1000, 2999, b"Content-Range: bytes 1000-2998/3000")
    refused(trial, ranges, at=1000)
    return "what decides about bytes must not differ"


def b17(trial):
    answer = lines(b"Content-Range: BYTES */3000", start=b"HTTP/1.1 416 No")
    found = trial.fetch(trial.server(answer), at=3000)
    eq("size", (found["size"], found["start"]), (0, 3000))


# Addresses


def b18(trial):
    server = trial.server({"/end": page(BODY)})
    for scheme in ("HTTP:", "Http:", "hTTp:"):
        place = server.url("/end").replace("http:", scheme)
        whole(trial.fetch(place))
        whole(trial.fetch(trial.server(led(place))))
    eq("host", set(asked(server, b"host")), {f"127.0.0.1:{server.port}"})


def b19(trial):
    tls = trial.lab.certificates.server_context
    plain = trial.server({"/end": page(BODY)})
    secure = trial.server({"/end": page(BODY)}, tls=tls())
    capital = secure.url("/end").replace("https:", "HTTPS:")
    whole(trial.fetch(capital, **trial.tls()))
    whole(trial.fetch(trial.server(led(capital)), **trial.tls()))
    trial.fetch(trial.server(led(capital)), errors_net.NOT_VERIFYING)
    first = trial.server(led(plain.url("/end").replace("http:", "HTTP:")), tls=tls())
    for url in (first.url("/x"), first.url("/x").replace("https:", "HTTPS:")):
        trial.fetch(url, errors_net.INSECURE_REDIRECT, **trial.tls())
    eq("requests", plain.requests, [])
    return "capitals are no way out of TLS"


def b20(trial):
    secret = "Authorization: TargetToken x\r\n"
    server = trial.server({"/end": page(BODY)})
    server._answers["/x"] = led(server.url("/end").replace("http:", "HTTP:"))
    whole(trial.fetch(server, header=secret))
    eq("authority", asked(server, b"authorization"), ["TargetToken x"] * 2)
    return "the same server, whatever the case"


def b21(trial):
    for size in (2500, 3072):
        place = "/" + "y" * (size - 1)
        server = trial.server({"/x": led(place), place: page(BODY)})
        whole(trial.fetch(server))
        eq("requests", len(server.requests), 2)
    signed = "/end?" + "X-Amz-Security-Token=%2F" * 100
    server = trial.server({"/x": led(signed, 307), signed: ranged(BODY)})
    whole(trial.fetch(server, at=1000, tag='"1"'), start=1000)
    return "3072 bytes are the most"


def b22(trial):
    for size in (3073, 3328, 4000, 7000):
        server = trial.server(led("/" + "y" * (size - 1)))
        trial.fetch(server, errors_net.BAD_REDIRECT)
        eq("requests", len(server.requests), 1)
    trial.fetch(trial.server(led("/" + "y" * 9000)), REFUSED)


# Chunks


def b23(trial):
    for body in (
        b'bb8 ; name = "a;b"\r\n' + BODY + b"\r\n0 \t \r\n\r\n",
        b"bb8 \t\r\n" + BODY + b"\r\n00;x\r\n\r\n",
        b"bb8;\xe5\x9b\xba=\xe4\xbb\xb6\r\n" + BODY + b"\r\n0\r\n\r\n",
    ):
        taken(trial, lines(CHUNKED, body=body))
    refused(trial, lines(CHUNKED, body=b" bb8\r\n" + BODY + b"\r\n0\r\n\r\n"))


def b24(trial):
    """Trailers are no header (RFC 9110 section 6.5.1)."""
    trailers = b'Content-Length: 5\r\nETag: "late"\r\nTransfer-Encoding: gzip\r\nLocation: /y\r\n'
    found = trial.fetch(
        trial.server(keeps_open(lines(CHUNKED, body=chunked(BODY, 999, b"", trailers))))
    )
    whole(found)
    eq("known", (found["length"], found["tag"]), (None, ""))


# Answers before the answer


def i01(trial):
    for first in (
        lines(CHUNKED, start=b"HTTP/1.1 103 H"),
        lines(b"Content-Length: 5", CHUNKED, b"Location: /y", start=b"HTTP/1.1 102 P"),
        lines(b"Content-Range: bytes 0-1/2", b"Retry-After: 9", start=b"HTTP/1.1 103 H"),
    ):
        taken(trial, first + page(BODY), first + lines(CHUNKED, body=chunked(BODY, 999)))
        found = trial.fetch(trial.server(first + page(b"", status=b"503 X")), errors.HTTP_STATUS)
        eq("seconds", found["retry_after_s"], 0)
    taken(trial, lines(CHUNKED, start=b"HTTP/1.1 103 H") + part(BODY, 9, 2999), at=9)


def i02(trial):
    again = b"HTTP/1.1 102 Processing\r\n\r\n"
    taken(trial, again * 16 + page(BODY))
    refused(trial, again * 17 + page(BODY))
    after = in_turn(again * 16 + led("/x"), again * 16 + page(BODY))
    whole(trial.fetch(trial.server(after)))
    return "16 for each request"


def i03(trial):
    for more in (b"", page(BODY), b"\x00\x01binary"):
        answer = lines(b"Upgrade: x", start=b"HTTP/1.1 101 Switching Protocols") + more
        found = trial.fetch(trial.server(keeps_open(answer)), errors.HTTP_STATUS)
        eq("status", found["where"], 101)
    return "nobody asked for another protocol"


CASES = {
    name.upper(): function
    for name, function in list(globals().items())
    if len(name) == 3 and name[1:].isdigit()
}
