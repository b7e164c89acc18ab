"""What http.py loads when it is met: ranges, redirects, chunks, waiting; and hostile answers.

The cases of a server are conform.py's; here are the rules one by one, and what no list has.
"""

import micropython  # noqa: F401  (gives CPython's time its ticks)

from fwcore import errors, errors_net
from fwcore.errors import FwError
from helpers import raises
from test_http_ports import Clock, Port, Select, drain
from ufota.sources import http
from ufota.sources.http import HttpSource
from ufota.web import answers, ranges, redirects, retry_after, service
from ufota.web.chunked import Chunks
from ufota.web.origin import origin
from ufota.web.service import HttpService
from ufota.web.url import resolve
from ufota_testkit.noise import noise

BOTH = True  # runs on CPython and on MicroPython

BODY = noise(300, 5)


# Addresses


def test_references_resolve_as_in_rfc_3986():
    base = "http://a/b/c/d;p?q"
    for uri, found in (  # section 5.4.1, without those that mean nothing to fetch
        ("g:h", "g:h"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("g;x?y#s", "http://a/b/c/g;x?y"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../g", "http://a/g"),
        # section 5.4.2
        ("../../../g", "http://a/g"),
        ("../../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        (".g", "http://a/b/c/.g"),
        ("g..", "http://a/b/c/g.."),
        ("..g", "http://a/b/c/..g"),
        ("./../g", "http://a/b/g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g/./h", "http://a/b/c/g/h"),
        ("g/../h", "http://a/b/c/h"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/./x", "http://a/b/c/g?y/./x"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("http://other:81/x/../y", "http://other:81/x/../y"),
    ):
        assert resolve(uri, base) == found, uri
    assert resolve("x", "http://host") == "http://host/x"
    assert resolve("x", "https://host:8/a?b=/c#d/e") == "https://host:8/x"
    for uri in ("", "#part", "/" + "a/../" * 99):
        raises(errors.BAD_URL, resolve, uri, base)


def test_origins_are_the_same_when_scheme_host_and_port_are():
    def of(url):
        return origin(HttpSource, url)

    assert of("http://Host/a") == of("http://host:80/b?c")
    assert of("https://host/") == of("https://host:443/")
    for other in ("https://host/", "http://host:81/", "http://host.x/", "https://host:80/"):
        assert of("http://host/") != of(other), other


def test_only_the_result_of_the_device_is_for_any_server():
    lines = b"Authorization: x\r\nUFOTA-Result: a b\r\nX-Ufota-Result: c\r\nCookie: d\r\n"
    assert redirects._public(lines) == b"UFOTA-Result: a b\r\n"
    assert redirects._public(b"") == b""


# Conditions


def test_conditions_name_a_part_or_a_change():
    for at, tag, lines in (
        (0, b"", b""),
        (5, b"", b"Range: bytes=5-\r\n"),
        (5, b'"x"', b'Range: bytes=5-\r\nIf-Range: "x"\r\n'),
        (5, b'W/"x"', b"Range: bytes=5-\r\n"),
        (5, b"Wed, 21 Oct", b"Range: bytes=5-\r\nIf-Range: Wed, 21 Oct\r\n"),
        (1 << 40, b"", b"Range: bytes=1099511627776-\r\n"),
        (0, b'"x"', b'If-None-Match: "x"\r\n'),
        (0, b'W/"x"', b'If-None-Match: W/"x"\r\n'),
        (0, b"Wed, 21 Oct", b"If-Modified-Since: Wed, 21 Oct\r\n"),
    ):
        assert answers.header(at, tag) == lines, (at, tag)
    for tag in (b'"a\rb"', b'"a\nX: y"', b'"\x00"', b'"\xe4"', b'"\x7f"'):
        assert answers.header(5, tag) == b"Range: bytes=5-\r\n", tag
        assert answers.header(0, tag) == b""


def test_content_range_is_three_plain_numbers():
    good = ranges._content_range
    assert good(b"bytes 0-9/10") == (0, 9, 10)
    assert good(b"BYTES  5-5/6") == (5, 5, 6)
    assert good(b"bytes 5-9/*") == (5, 9, None)
    assert good(b"bytes 4294967296-4294967299/9999999999") == (1 << 32, (1 << 32) + 3, 9999999999)
    for wrong in (
        b"",
        b"bytes",
        b"bytes */10",
        b"bytes 0-9",
        b"bytes 0-9/",
        b"bytes 0-10/10",
        b"bytes 9-0/10",
        b"bytes -9/10",
        b"bytes 0-/10",
        b"bytes +0-9/10",
        b"bytes 0-9/1e1",
        b"bytes=0-9/10",
        b"items 0-9/10",
        b"bytes 0-9/10, 20-29/30",
        b"bytes 0-9/00000000010",
        b"bytes 0-9/**",
    ):
        raises(errors_net.BAD_RANGE, good, wrong)


# Waiting


def test_dates_are_seconds():
    seconds = retry_after._seconds
    assert seconds(b"Sat, 01 Jan 2000 00:00:00 GMT") == 0
    assert seconds(b"Sat, 01 Jan 2000 00:00:01 GMT") == 1
    assert seconds(b"Sun, 06 Nov 1994 08:49:37 GMT") == 784111777 - 946684800
    assert seconds(b"Tue, 29 Feb 2028 23:59:59 GMT") == 1835481599 - 946684800
    assert seconds(b"Wed, 01 Mar 2028 00:00:00 GMT") == 1835481600 - 946684800
    assert seconds(b"Thu, 31 Dec 2099 23:59:59 GMT") == 4102444799 - 946684800
    for wrong in (
        b"",
        b"soon",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 06 Xyz 1994 08:49:37 GMT",
        b"Sun, 06 anF 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:-7 GMT",
        b"Sun, 06 Nov 19941 08:49:37 GMT",
    ):
        assert seconds(wrong) is None, wrong


# Chunks


class Stream:
    """A socket that gives `answer` in reads of `size` bytes, with nothing in between."""

    def __init__(self, answer, size, reset_at=9999):
        self.answer = answer
        self.size = size
        self.at = 0
        self.idle = True
        self.reset_at = reset_at

    def readinto(self, mv):
        self.idle = not self.idle
        if self.idle:
            return None
        if self.at >= self.reset_at:
            raise OSError(104, "reset")
        count = min(len(mv), self.size, len(self.answer) - self.at)
        mv[:count] = self.answer[self.at : self.at + count]
        self.at += count
        return count


def drained(chunks, most=64):
    """(bytes, FwError or None) of a body; every count and None is taken as it comes."""
    body = b""
    buf = bytearray(most)
    for _ in range(20_000):
        try:
            count = chunks.readinto(memoryview(buf))
        except FwError as error:
            return body, error
        if count == 0:
            return body, None
        body += bytes(buf[: count or 0])
    raise AssertionError("no end")


def in_chunks(body, size):
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(each), each) for each in cut)


def test_chunks_of_any_size_come_out_whole():
    for size in (1, 7, 31, 32, 33, 299, 300):
        for read in (1, 5, 64, 999):
            for most in (1, 10, 64, 600):
                stream = Stream(in_chunks(BODY, size) + b"0\r\nX: y\r\n\r\nmore", read)
                chunks = Chunks(stream, bytearray(1), 0)
                body, error = drained(chunks, most)
                assert body == BODY and not error, (size, read, most)
                assert chunks.is_done() and stream.answer[stream.at :] == b"more"
                assert chunks.readinto(memoryview(bytearray(5))) == 0


def test_chunks_that_end_early_tell_how_many_bytes_are_good():
    whole = in_chunks(BODY, 40) + b"0\r\nX: y\r\n\r\n"
    for end in range(len(whole)):
        chunks = Chunks(Stream(whole[:end], 999), bytearray(1), 1000)
        body, error = drained(chunks)
        assert BODY.startswith(body), end
        assert (error.code, error.at) == (errors.CUT_SHORT, 1000 + len(body)), end
        assert not chunks.is_done()


def test_reset_within_chunks_does_not_lose_what_came():
    whole = in_chunks(BODY, 3)
    chunks = Chunks(Stream(whole, 999, 500), bytearray(1), 0)
    body = b""
    buf = bytearray(64)
    try:
        while True:
            count = chunks.readinto(memoryview(buf))
            body += bytes(buf[: count or 0])
    except OSError as error:
        assert error.errno == 104
    assert BODY.startswith(body) and len(body) > 100


class Eager(Stream):
    """Has always something to read, and counts the reads."""

    def __init__(self, answer):
        super().__init__(answer, 999, len(answer) + 1)
        self.reads = 0

    def readinto(self, mv):
        self.idle = True
        self.reads += 1
        return super().readinto(mv)


def test_no_call_is_kept_busy_by_what_is_no_data():
    """Nobody feeds the watchdog meanwhile."""
    for whole in (
        b"1;%s\r\na\r\n" % (b"x" * 4000) * 20 + b"0\r\n\r\n",
        b"14\r\n%s\r\n0\r\n%s\r\n" % (b"a" * 20, b"X: y\r\n" * 600),
    ):
        stream = Eager(whole)
        chunks = Chunks(stream, bytearray(1), 0)
        buf = memoryview(bytearray(64))
        size = 0
        while not chunks.is_done():
            before = stream.reads
            count = chunks.readinto(buf)
            assert stream.reads - before <= 512
            assert count != 0 or chunks.is_done()
            size += count or 0
        assert size == 20 and chunks.readinto(buf) == 0


# Answers that mean harm


def replies():
    """Answers of all kinds, each good as it is."""
    chunked = in_chunks(BODY, 50) + b"0\r\nX: y\r\n\r\n"
    head = b'HTTP/1.1 %s\r\nETag: "1"\r\nLast-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\n'
    return (
        head % b"200 OK" + b"Content-Length: 300\r\n\r\n" + BODY,
        head % b"200 OK" + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        head % b"206 P" + b"Content-Range: bytes 7-306/307\r\n\r\n" + BODY,
        head % b"206 P" + b"Content-Range: bytes 7-16/*\r\nContent-Length: 10\r\n\r\n" + BODY[:10],
        head % b"206 P"
        + b"Content-Range: bytes 7-306/307\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunked,
        head % b"416 R" + b"Content-Range: bytes */7\r\n\r\n",
        head % b"302 F" + b"Location: ../x/./y?z\r\nContent-Length: 0\r\n\r\n",
        head % b"503 S" + b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n",
        b"HTTP/1.1 100 C\r\n\r\n" + head % b"304 N" + b"\r\n",
    )


def spoilt(answer, seed):
    """answer with a few bytes changed, moved, doubled or cut."""
    dice = noise(8, seed)
    out = bytearray(answer)
    for turn in range(1 + dice[0] % 3):
        at = (dice[1 + turn] * 256 + dice[2 + turn]) % len(out)
        kind = dice[3 + turn] % 5
        if kind == 0:
            out[at] = dice[4 + turn]
        elif kind == 1:
            out[at] = b"\r\n:;- 09afAF,\x00"[dice[4 + turn] % 14]
        elif kind == 2:
            out = out[:at] + out[max(0, at - dice[4 + turn]) :]
        elif kind == 3:
            out = out[:at] + out[at + 1 + dice[4 + turn] % 9 :]
        else:
            out = out[:at]
        if not out:
            break
    return bytes(out)


def fetch_from(port, source, at, tag):
    """Drain what a Port says; returns None or the FwError. Nothing else may come out."""
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    buf = memoryview(bytearray(64))
    try:
        source.open("http://host/a/b", at, tag)
        for _ in range(2000):
            count = source.readinto(buf)
            if count == 0:
                assert source.length is None or source.length >= 0
                return None
            assert count is None or 0 < count <= 64
        raise AssertionError("no end")
    except FwError as error:
        return error
    finally:
        source.close()
        assert port.open == 0
        http.socket, http.select = kept


def test_spoilt_answers_are_numbered_errors_and_leave_the_source_well():
    sources = http.HttpSource(2000), HttpService(2000)
    codes = set()
    for seed in range(400):
        good = replies()[seed % 9]
        source = sources[seed % 2]
        error = fetch_from(Port(spoilt(good, seed)), source, 7 * (seed % 3), b'"1"')
        codes.add(error and error.code)
        if seed % 20 == 0:
            assert fetch_from(Port(replies()[0]), source, 0, b"") is None and source.length == 300
    for code in (None, errors.BAD_RESPONSE, errors.CUT_SHORT, errors.HTTP_STATUS):
        assert code in codes, code
    known = {None, errors.BAD_RESPONSE, errors.CUT_SHORT, errors.HTTP_STATUS}
    known |= {errors_net.BAD_RANGE, errors_net.BAD_REDIRECT, errors_net.TOO_MANY_REDIRECTS}
    assert codes <= known, codes


def test_tags_that_are_no_tags_are_not_kept():
    for line, tag in (
        (b'ETag: "abc"', b'"abc"'),
        (b'ETag: W/"abc"', b""),
        (b"ETag: abc", b""),
        (b'ETag: "', b""),
        (b'ETag: ""', b'""'),
        (b'ETag: "' + b"x" * 78 + b'"', b'"' + b"x" * 78 + b'"'),
        (b'ETag: "' + b"x" * 79 + b'"', b""),
        (b'ETag: "' + b"x" * 300 + b'"', b""),
        (b"Last-Modified: " + b"x" * 80, b"x" * 80),
        (b"Last-Modified: " + b"x" * 81, b""),
        (b'Last-Modified: date\r\nETag: "x"', b'"x"'),
        (b'ETag: "x"\r\nLast-Modified: date', b'"x"'),
    ):
        source = http.HttpSource()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n%s\r\n\r\n" % line
        assert fetch_from(Port(answer), source, 0, b"") is None
        assert source.tag == tag, line


def test_connection_with_bytes_left_of_a_part_is_not_used_on():
    for answer in (
        b"HTTP/1.1 416 R\r\nContent-Range: bytes */7\r\nContent-Length: 5\r\n\r\nsorry",
        b"HTTP/1.1 206 P\r\nContent-Range: bytes 7-8/9\r\nContent-Length: 5\r\n\r\nhello",
    ):
        port = Port(answer)
        kept = http.socket, http.select
        http.socket, http.select = port, Select(port)
        try:
            source = HttpService(2000)
            for _ in range(2):
                source.open("http://host/a", 7)
                drain(source, memoryview(bytearray(64)))
            assert len(port.made) == 2 and port.open == 1
            source.close()
        finally:
            http.socket, http.select = kept


def test_memory_for_a_long_address_is_given_back_though_none_came():
    source = http.HttpSource()
    answer = b"HTTP/1.1 304 N\r\nX: " + b"x" * 999 + b"\r\n\r\n"
    assert fetch_from(Port(answer), source, 0, b"").code == errors.HTTP_STATUS
    assert len(source._line) > 999
    assert fetch_from(Port(replies()[0]), source, 0, b"") is None
    assert len(source._line) == 128


def test_parts_are_of_one_object():
    for tag in (b'"1"', b"Wed, 21 Oct 2026 07:28:00 GMT"):
        check_parts(tag)


def check_parts(tag):
    head = b"HTTP/1.1 206 P\r\nContent-Range: bytes %s\r\n%s\r\nab"
    date = b"Last-Modified: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
    for first, then, code in (
        # without a validator, or with one of another kind, nothing speaks against it
        (head % (b"7-8/9", b""), b"", None),
        (head % (b"7-8/9", date), b"", None),
        (head % (b"7-8/11", b""), head % (b"9-10/11", b""), None),
        (head % (b"7-8/11", b""), head % (b"9-10/*", b""), None),
        (head % (b"7-8/11", b""), head % (b"9-10/12", b""), errors.CUT_SHORT),
        (head % (b"7-8/11", b""), b"HTTP/1.1 416 R\r\n\r\n", errors.CUT_SHORT),
        (head % (b"7-8/11", b""), b"HTTP/1.1 200 O\r\n\r\nab", errors.CUT_SHORT),
    ):
        port = Port(first)
        kept = http.socket, http.select
        http.socket, http.select = port, Select(port)
        source = http.HttpSource(2000)
        buf = memoryview(bytearray(64))
        try:
            source.open("http://host/a", 7, tag)
            size = None
            while not size:
                size = source.readinto(buf)
            assert (size, source.at, source.tag) == (2, 7, tag), first
            port.answer = then
            if code:
                assert raises(code, drain, source, buf).at == 9, then
            else:
                assert drain(source, buf) == (b"ab" if then else b"")
        finally:
            source.close()
            http.socket, http.select = kept


def test_connection_is_kept_for_its_server_only_and_not_for_long():
    ok = b"HTTP/1.1 200 O\r\nContent-Length: 2\r\n\r\nok"
    chunked = b"HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    for answer, url, idle_ms, connections in (
        (ok, "http://host/b", 0, 1),
        (ok, "http://HOST:80/b", 20000, 1),
        (ok, "http://host/b", 20001, 2),
        (ok, "http://other/b", 0, 2),
        (ok, "http://host:81/b", 0, 2),
        (chunked, "http://host/b", 0, 2),  # its end was not read
    ):
        clock = Clock()
        port = Port(answer * 2)
        kept = http.socket, http.select, http.time, service.time
        http.socket, http.select, http.time, service.time = port, Select(port), clock, clock
        source = HttpService(2000)
        buf = memoryview(bytearray(2))
        try:
            for each in ("http://host/a", url):
                source.open(each)
                size = 0
                while size < 2:
                    size += source.readinto(buf[size:]) or 0
                assert bytes(buf) == b"ok"
                clock.now += idle_ms
            assert (len(port.made), port.open) == (connections, 1), url
        finally:
            source.close()
            http.socket, http.select, http.time, service.time = kept


def test_kept_connection_that_breaks_off_an_answer_is_not_tried_anew():
    port = Port(b"HTTP/1.1 200 O\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 2")
    kept = http.socket, http.select
    http.socket, http.select = port, Select(port)
    source = HttpService(2000)
    buf = memoryview(bytearray(64))
    try:
        source.open("http://host/a")
        assert drain(source, buf) == b"ok"
        source.open("http://host/a")
        raises(errors.BAD_RESPONSE, drain, source, buf)
        assert len(port.made) == 1
    finally:
        source.close()
        http.socket, http.select = kept


class Awake(Select):
    """Never sleeps."""

    def poll(self, ms=None):
        return Awake(self._port) if ms is None else super().poll(0)


def test_redirects_are_counted_in_a_question_for_news_too():
    hop = b"HTTP/1.0 302 F\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n"
    port = Port(hop, fail={"connect": [None] * 8 + [OSError(111, "enough")]})
    kept = http.socket, http.select
    http.socket, http.select = port, Awake(port)
    source = HttpService(2000)
    buf = memoryview(bytearray(64))
    try:
        ask = (source.call, "GET", "http://host/a", buf, b"", b'"1"')
        raises(errors_net.TOO_MANY_REDIRECTS, *ask)
        assert len(port.made) == 6 and port.open == 0
    finally:
        http.socket, http.select = kept
