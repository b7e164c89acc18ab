"""Faults on demand, for tests by hand: `fwtool serve --fault KIND:WHERE`.

    cut:BYTES      the connection is closed after so many bytes of each body
    stall:BYTES    after so many bytes of each body nothing comes any more
    corrupt:BYTE   a bit of this byte of the file is turned, whichever range of it is asked for
    status:CODE    each answer has this status and no body; 429 and 503 say Retry-After: 5

With xTIMES behind it a fault happens only so often: after "status:503x2" the third request
is answered correctly. A HEAD request has no body, so only a status can happen to it.
"""

import re
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

_FORM = re.compile(r"(cut|stall|corrupt|status):(\d{1,10})(?:x(\d{1,6}))?")
_RETRY_AFTER_S = 5
_WORDS = {
    "cut": "the connection is closed after {} bytes of the body",
    "stall": "nothing comes any more after {} bytes of the body",
    "corrupt": "a bit of byte {} of the file is turned",
    "status": "the answer is status {}",
}


class Fault(NamedTuple):
    kind: str
    where: int
    times: int | None  # None: always

    def __str__(self):
        how = "each time" if self.times is None else f"{self.times} times"
        return f"{_WORDS[self.kind].format(self.where)}, {how}"


def read(text):
    """ "cut:100000" -> Fault. Raises ValueError."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not cut:, stall:, corrupt: or status: and a number")
    kind, where, times = found[1], int(found[2]), found[3] and int(found[3])
    if kind == "status":
        if not 200 <= where <= 599:
            raise ValueError(f"{where} is not a status from 200 to 599")
    return Fault(kind, where, times)


class Faulty:
    """ASGI application that spoils the answers of another.

    faults:      list of Fault; the first that has times left is used
    by_address:  True: "?fault=KIND:WHERE" in an address goes before those
    """

    def __init__(self, application, faults, by_address=False):
        self._application = application
        self._left = [[fault, fault.times] for fault in faults]
        self._by_address = by_address

    async def __call__(self, scope, receive, send):
        fault = self._next(scope) if scope["type"] == "http" else None
        if fault is None:
            return await self._application(scope, receive, send)
        try:
            await _STRIKES[fault.kind](self._application, fault.where, scope, receive, send)
        except _Over:
            pass  # uvicorn closes a connection whose answer is not complete

    def _next(self, scope):
        """The fault for this request, counted; None for none."""
        if self._by_address:
            for text in parse_qs(scope["query_string"].decode("latin-1")).get("fault", ()):
                try:
                    return read(text)
                except ValueError:
                    return Fault("status", HTTPStatus.BAD_REQUEST, None)
        for entry in self._left:
            fault, left = entry
            if scope["method"] == "HEAD" and fault.kind != "status":
                continue
            if left is None:
                return fault
            if left:
                entry[1] -= 1
                return fault
        return None


class _Over(Exception):
    """The answer ends here, complete or not."""


async def _cut(application, where, scope, receive, send):
    await application(scope, receive, _until(where, send, _end))


async def _stall(application, where, scope, receive, send):
    async def wait():
        while (await receive())["type"] != "http.disconnect":
            pass
        raise _Over

    await application(scope, receive, _until(where, send, wait))


async def _end():
    raise _Over


def _until(where, send, then):
    """A send() that lets `where` body bytes pass; then() is called in place of the next."""
    left = where

    async def sending(message):
        nonlocal left
        body = message.get("body", b"")
        if len(body) <= left:
            left -= len(body)
            await send(message)
            return
        await send({**message, "body": body[:left], "more_body": True})
        await then()

    return sending


async def _corrupt(application, where, scope, receive, send):
    at = 0  # of the next body byte, in the file

    async def sending(message):
        nonlocal at
        if message["type"] == "http.response.start":
            at = _first_byte(message["headers"])
        body = message.get("body", b"")
        if at <= where < at + len(body):
            spoilt = bytearray(body)
            spoilt[where - at] ^= 1
            message = {**message, "body": bytes(spoilt)}
        at += len(body)
        await send(message)

    await application(scope, receive, sending)


def _first_byte(headers):
    """Where in its file the body of an answer begins."""
    content_range = dict(headers).get(b"content-range", b"")
    found = re.match(rb"bytes (\d+)-", content_range)
    return int(found[1]) if found else 0


async def _status(application, where, scope, receive, send):
    headers = [(b"content-length", b"0")]
    if where in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers.append((b"retry-after", b"%d" % _RETRY_AFTER_S))
    await send({"type": "http.response.start", "status": where, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


_STRIKES = {"cut": _cut, "stall": _stall, "corrupt": _corrupt, "status": _status}
