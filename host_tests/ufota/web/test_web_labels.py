"""Labels are read liberally, as a digest protects the bytes; what decides about bytes is exact.

With real sockets: B01 to B24 and I01 to I03 of host_tests/vectors/http.
"""

import json

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore import errors, errors_net
from helpers import raises
from test_http_ports import Port, Select
from ufota import bounded_json
from ufota.alibaba import job as jobs
from ufota.hawkbit import messages as ddi
from ufota.hawkbit.server import Server
from ufota.sources import http
from ufota.sources.http import HttpSource
from ufota.web import answers, request_headers
from ufota.web.origin import origin
from ufota.web.url import resolve

BOTH = True  # runs on CPython and on MicroPython

HEAD = b"HTTP/1.1 200 OK\r\n%s\r\n\r\nhello"
UPDATE = "\u56fa\u4ef6\u66f4\u65b0"  # "firmware update"


def fetch(*answers, url="http://host/a"):
    """The body of the last answer; each one has a connection of its own."""
    port = Port(answers[0])
    left = list(answers)
    made = port.socket

    def socket(family, kind):
        port.answer = left.pop(0) if left else port.answer
        return made(family, kind)

    port.socket = socket
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    source = HttpSource(2000)
    try:
        source.open(url)
        return drained(source), source
    finally:
        source.close()
        http.socket, http.select = kept


def drained(source):
    found = b""
    buf = memoryview(bytearray(64))
    for _ in range(20_000):  # the port has a byte at every other read
        count = source.readinto(buf)
        if count == 0:
            return found
        found += bytes(buf[: count or 0])
    raise AssertionError("no end")


def body(*lines):
    return fetch(HEAD % b"\r\n".join(lines))[0]


def test_codings_that_change_no_byte_are_taken():
    length = b"Content-Length: 5"
    for coding in (
        b"",
        b" ",
        b"identity",
        b"Aws-Chunked",
        b"aws-chunked, identity",
        b"none",
        b"UTF-8",
    ):
        assert body(length, b"Content-Encoding:" + coding) == b"hello", coding
    for coding in (b"gzip", b"aws-chunked, gzip", b"br,", b"x", b"identity gzip"):
        raises(errors.BAD_RESPONSE, body, length, b"Content-Encoding:" + coding)


def test_one_length_may_be_said_in_many_ways():
    for value in (b"5, 5", b"5,5,5", b"005", b"0" * 50 + b"5", b"5\t,  05"):
        assert body(b"Content-Length: " + value) == b"hello", value
    for value in (b"5, 6", b"5,", b",", b"5 5", b"50000000000", b"5;5", b"+5", b"0x5"):
        raises(errors.BAD_RESPONSE, body, b"Content-Length: " + value)


def test_a_line_that_decides_about_bytes_is_whole():
    """128 bytes of a line are looked at: a longer one is not the number in front."""
    for line in (
        b"Content-Length:" + b" " * 112 + b"50",
        b"Content-Length:" + b"0" * 112 + b"50",
        b"Content-Encoding: identity" + b" " * 102 + b",gzip",
    ):
        raises(errors.BAD_RESPONSE, body, line)
        assert body(b"X" + line, b"Content-Length: 5") == b"hello"
    assert body(b"Content-Length:" + b" " * 110 + b"5") == b"hello"


def test_a_range_or_a_coding_that_may_be_cut_is_refused():
    found = {}
    for name in (b"content-range", b"transfer-encoding"):
        answers.add(found, name, b"x", 126)
        raises(errors.BAD_RESPONSE, answers.add, {}, name, b"x", 127)
    answers.add(found, b"location", b"x", 3000)  # redirects.py has its bound
    answers.add(found, b"date", b"x", 3000)
    assert len(found) == 4


def test_folded_lines_are_refused_where_they_matter():
    for line in (b"Content-Length: 5\r\n 0", b"content-encoding: identity\r\n\t,gzip"):
        raises(errors.BAD_RESPONSE, body, line)
        assert body(b"X-" + line, b"Content-Length: 5") == b"hello"
    assert body(b" Content-Length: 9", b"Content-Length : 5") == b"hello"


def test_answers_before_the_answer_lend_it_nothing():
    early = (
        b'HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\nETag: "x"\r\n\r\n'
    )
    answer = HEAD % b"Content-Length: 5"
    for count, code in ((1, 0), (16, 0), (17, errors.BAD_RESPONSE)):
        if code:
            raises(code, fetch, early * count + answer)
        else:
            found, source = fetch(early * count + answer)
            assert found == b"hello" and source.tag == b"" and not source._found
    assert raises(errors.HTTP_STATUS, fetch, b"HTTP/1.1 101 S\r\n\r\n" + answer).at == 101


def test_schemes_have_no_case():
    answer = HEAD % b"Content-Length: 5"
    for scheme in (b"HTTP", b"Http", b"http"):
        led = b"HTTP/1.1 302 F\r\nLocation: %s://other/B\r\n\r\n" % scheme
        found, source = fetch(led, answer)
        assert found == b"hello" and source._url == "http://other/B"
        found, source = fetch(answer, url=scheme.decode() + "://host/a")
        assert found == b"hello" and source._url == "http://host/a"  # TLS hangs on its 5th letter
    assert resolve("HTTPS://Host/X", "http://a/b") == "https://Host/X"
    assert origin(HttpSource, "HTTPS://Host/") == origin(HttpSource, "https://host:443/x")
    assert request_headers._site("HTTP://Host:81/x") == request_headers._site("http://host:81/y")
    for url in ("HTTPX://host/", "HTT://host/", "HTTP:/host/", "HTTPS//host"):
        raises(errors.BAD_URL, HttpSource.split, url)


def test_a_service_may_write_schemes_in_capitals():
    found = {"_links": {"a": {"href": "HTTPS://host/x"}, "b": {"href": "HTTPX://host/x"}}}
    assert ddi.link(found, "a") == "HTTPS://host/x"
    raises(errors_net.BAD_MESSAGE, ddi.link, found, "b")
    server = Server("HTTPS://Host/x", "TargetToken y", 64)
    assert server.has_tls
    assert server.credentials(HttpSource, "https://host/z") == b"Authorization: TargetToken y\r\n"
    assert server.credentials(HttpSource, "http://host/z") == b""
    assert offer(url="HTTP://host/x")[1].url == "HTTP://host/x"
    raises(errors_net.BAD_MESSAGE, offer, "", 200, "2.0.0", "", "HTTPX://host/x")


def test_a_redirect_of_3072_bytes_is_followed_and_no_longer_one():
    answer = HEAD % b"Content-Length: 5"
    for size in (2500, 3072, 3073, 5000):
        place = "/" + "y" * (size - 1)
        led = b"HTTP/1.1 302 F\r\nLocation: %s\r\n\r\n" % place.encode()
        if size > 3072:
            raises(errors_net.BAD_REDIRECT, fetch, led, answer)
        else:
            found, source = fetch(led, answer)
            assert found == b"hello" and source._url == "http://host" + place


def offer(message="success", code="1000", version="2.0.0", module="", url="https://host/x"):
    data = {"version": version, "module": module, "size": 5, "url": url, "sign": "0" * 32}
    found = {"code": code, "message": message, "data": data, "id": 1}
    return jobs.read(json.dumps(found).encode())


def test_text_for_people_may_be_in_any_script():
    for message in (UPDATE, "", "ok", 5, None, ["x"]):
        assert offer(message)[1].version == "2.0.0"
        assert offer(message, None)[1].version == "2.0.0"
    assert offer(version=UPDATE)[1].version == "%56fa%4ef6%66f4%65b0"
    assert offer(version="2.0 " + UPDATE[:1])[1].version == "2.0 %56fa"
    for version in ("a\n", "\u56fa\x7f", UPDATE * 17, "\x00"):
        raises(errors_net.BAD_MESSAGE, offer, "", 200, version)
    raises(errors_net.BAD_MESSAGE, offer, "", 200, "2.0.0", UPDATE)  # names a part of the device
    raises(errors_net.BAD_MESSAGE, offer, UPDATE, 500)  # the code decides


def test_a_refusal_without_a_code_is_one_in_any_script():
    for message in ("no", UPDATE):
        raises(errors_net.BAD_MESSAGE, jobs.read, json.dumps({"message": message}).encode())
    assert jobs.read(b'{"id":1,"message":"success"}') == ("1", None)


def test_a_mark_of_the_byte_order_is_passed_over():
    for kind in (bytes, bytearray, memoryview):
        assert bounded_json.loads(kind(b'\xef\xbb\xbf{"a":1}'), 10) == {"a": 1}
    for data in (b'\xef\xbb{"a":1}', b'\xfe\xff{"a":1}', b"\xef\xbb\xbf"):
        raises(errors_net.BAD_MESSAGE, bounded_json.loads, data, 20)
