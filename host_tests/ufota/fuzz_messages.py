"""Fuzzes what parses messages of services, answers of servers, files and records. CPython only.

    python host_tests/ufota/fuzz_messages.py [N]     N inputs in all; 1,000,000

Whatever an input is, it ends in an FwError, or is taken; nothing else escapes, and the work is
bounded: lines of Python are counted for every 16th input. The same N gives the same inputs
everywhere; a failure prints its number and the input.
"""

import json
import random
import sys
import time

import record_seeds
from alibaba_kit import crc16
from decoders_work import Work
from fuzz_decoders import COUNTED, LIMIT_S, changed
from helpers import vectors
from messages_kit import outcome
from records_kit import PARSERS

COUNT = 1_000_000
LINES = 100  # of device/, for each byte
START = 12_000  # the same for an answer without bytes: requests, redirects
LONGER = {"bundle": 60_000, "state": 60_000, "store": 60_000, "mqtt": 60_000}  # the same
WORDS = (
    b'"', b"{", b"[", b"[[[[[[[[", b"]}", b"null", b"true", b"-1", b"1e999", b"9" * 20,
    b"\\u0000", b"\\ud800", b"\xff", b"\xc3\x28", b"\r\n", b"\r\n\r\n", b": ", b",", b"0", b"\0",
    b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Location: ", b"http://host/", b"//",
    b"Content-Range: bytes ", b"*/", b"7-", b"Retry-After: ", b"HTTP/1.1 ", b"100", b"204", b"206",
    b"301", b"304", b"416", b"503", b"ffffffff", b";", b"\t", b"%s", b"Connection: close\r\n",
)  # fmt: skip


def _answers():
    yield b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "a"\r\n\r\nhello'
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"
    yield (
        b'HTTP/1.1 206 Partial\r\nContent-Range: bytes 7-11/12\r\nETag: "a"\r\n'
        b"Content-Length: 5\r\n\r\nhello"
    )
    yield b"HTTP/1.1 302 Found\r\nLocation: /other?x=%20#y\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 302 Found\r\nLocation: http://user@other:81/\r\nContent-Length: 0\r\n\r\n"
    yield b"HTTP/1.1 416 No\r\nContent-Range: bytes */7\r\nContent-Length: 0\r\n\r\n"
    yield (
        b"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n"
        b"Date: Wed, 21 Oct 2026 07:27:00 GMT\r\n\r\n"
    )
    yield b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\n\r\n"
    yield b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n"
    yield b"HTTP/1.0 200 OK\r\n\r\nhello"


def _block():
    data = {"bOffset": 0, "bSize": 44, "fileLength": 300}
    text = json.dumps({"id": "1", "code": 200, "data": data}).encode()
    part = bytes(range(44))
    return len(text).to_bytes(2, "big") + text + part + crc16(part).to_bytes(2, "little")


def seeds():
    """Name of each parser: messages that it takes."""
    found = vectors("hawkbit/hawkbit_ddi.json")
    names = [name for name in found if name.startswith(("poll_", "deployment", "cancel"))]
    offers = vectors("aliyun/alibaba_ota.json")
    kinds = [name for name in offers if name.startswith(("upgrade_", "query_reply"))]
    answers = list(_answers())
    return {
        "hawkbit": [json.dumps(found[name]).encode() for name in names],
        "alibaba": [json.dumps(offers[name]).encode() for name in kinds],
        "block": [_block()],
        "get": answers,
        "rest": answers,
        "call": answers,
        **record_seeds.seeds(),
    }


def messages(name, count):
    """Changed inputs for one of the parsers."""
    seed = seeds()[name]
    rng = random.Random(name)
    for _ in range(count):
        data = rng.choice(seed)
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(data) + 1)
            data = data[:at] + rng.choice(WORDS) + data[at + rng.choice((0, 0, 1, 4)) :]
        yield changed(rng, data) if rng.random() < 0.7 else data


def fuzz(name, count):
    """(counts of the outcomes, longest time of an input in ms of the processor).

    An outcome is the number of an error, 0 for an input that was taken.
    """
    found, longest = {}, 0
    for i, data in enumerate(messages(name, count)):
        start = time.process_time()
        try:
            if i % COUNTED:
                code = outcome(PARSERS[name], data)
            else:
                with Work(LONGER.get(name, START) + LINES * len(data), ""):
                    code = outcome(PARSERS[name], data)
        except BaseException:
            print(f"{name}, message {i}: {data.hex()}")
            raise
        if i % COUNTED:  # to count takes ten times as long
            took = time.process_time() - start
            assert took < LIMIT_S, (name, i, data.hex(), took)
            longest = max(longest, took)
        found[code] = found.get(code, 0) + 1
    return found, longest * 1000


def main(count):
    share = -(-count // len(PARSERS))
    total, most = 0, (0, "")
    for name in PARSERS:
        start = time.monotonic()
        found, longest = fuzz(name, share)
        took = time.monotonic() - start
        words = ", ".join(f"{found[code]} x {code}" for code in sorted(found))
        print(f"{name}: {share} in {took:.0f} s, longest {longest:.1f} ms: {words}", flush=True)
        total, most = total + share, max(most, (longest, name))
    print(f"{total} inputs, 0 escapes, longest {most[0]:.1f} ms: {most[1]}")


if __name__ == "__main__":
    record_seeds.find_umqtt()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
