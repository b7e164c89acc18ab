"""Fuzzes the payload decoders: many thousands of changed payloads each. CPython only.

    python host_tests/ufota/decoders/fuzz_decoders.py [N]     N payloads each; 1,000,000

Whatever a payload is, it ends in an FwError of the decoders or in an image of the announced
size; no byte more goes on, no other exception comes out, and the work is bounded: lines are
counted for every 16th payload, as that takes long, and time for all. The same N gives the same
payloads everywhere; a failure prints its number and the payload.
"""

import random
import sys
import time
import zlib

from decoders_kit import (
    CODES,
    FUZZ_SIZE,
    FUZZED,
    arm_patch,
    frame,
    head,
    leb,
    literals,
    outcome,
    patch,
    signed,
    stored,
)
from decoders_work import Work, limit
from ufota_testkit.noise import noise

COUNT = 1_000_000
COUNTED = 16  # of so many payloads one is counted
LIMIT_S = 1  # of processor time, for a payload of some hundred bytes
EXTREMES = bytes([0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFF])


def deflate(data, *flushes):
    packer = zlib.compressobj(9, zlib.DEFLATED, -10)
    out = b""
    for i, flush in enumerate(flushes):
        at = len(data) * i // len(flushes)
        out += packer.compress(data[at : len(data) * (i + 1) // len(flushes)])
        out += packer.flush(flush)
    return out


def records():
    """Of a patch that makes FUZZ_SIZE bytes."""
    yield (bytes(100) + b"\x01\xff" * 20, noise(20, 2), -140), (bytes(40), noise(100, 3), 0)
    yield (b"", b"a" * 150, 250), (b"\x80" * 150, b"", -400)
    yield ((bytes(300), b"", 100),)
    yield tuple([(bytes(7), bytes(3), 2)] * 30)
    yield tuple([(b"", b"", 9), (b"", b"", -9)] * 8 + [(bytes(FUZZ_SIZE), b"", 0)])


def lz_patch():
    """Arm's, with blocks that copy."""
    block = b"\x15a\x01\x00" + b"\x2fxy\x02\x00\x20" + b"\x50vwxyz"  # 68 bytes
    record = leb(200) + leb(100) + signed(0)
    rest = frame(literals(bytes(64))) + frame(literals(bytes(100)))
    return head(FUZZ_SIZE) + record + frame(block) * 2 + rest


def seeds():
    """Name of each decoder: payloads that it takes."""
    patches = [patch(FUZZ_SIZE, *each) for each in records()]
    sync, final = zlib.Z_SYNC_FLUSH, zlib.Z_FINISH
    whole = [noise(FUZZ_SIZE), bytes(FUZZ_SIZE), noise(20) * 15]
    streams = [deflate(each, final) for each in whole]
    streams += [deflate(each, sync, sync, final) for each in whole] + [stored(noise(FUZZ_SIZE))]
    deflated = [deflate(each, final) for each in patches] + [deflate(patches[0], sync, final)]
    return {
        "detools": patches,
        "arm": [arm_patch(FUZZ_SIZE, *each) for each in records()] + [lz_patch()],
        "inflate": streams,
        "deflated detools": deflated,
    }


def changed(rng, data):
    """data with up to four changes; most at the front, where the numbers are."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = (
            rng.randrange(len(data) + 1)
            if rng.random() < 0.6
            else min(len(data), rng.randrange(50))
        )
        kind = rng.randrange(7)
        if kind == 0:
            del data[at : at + rng.randrange(1, 20)]
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randrange(1, 12))
        elif kind == 2:
            data[at:at] = data[rng.randrange(len(data) + 1) :][: rng.randrange(1, 40)]
        elif kind == 3:
            del data[at:]
        elif at < len(data):
            data[at] = [
                data[at] ^ 1 << rng.randrange(8),
                rng.choice(EXTREMES),
                rng.randrange(256),
            ][kind - 4]
    return bytes(data)


def payloads(name, count):
    """Changed payloads for one of the decoders."""
    seed = seeds()[name]
    for payload in seed:
        assert not isinstance(outcome(FUZZED[name], payload, FUZZ_SIZE), int), name
    if name == "deflated detools":
        seed.append(deflate(patch(FUZZ_SIZE) + bytes(1 << 16), zlib.Z_FINISH))  # empty records
    rng = random.Random(name)
    for _ in range(count):
        yield changed(rng, rng.choice(seed))


def fuzz(name, count):
    """Counts of the outcomes: number of an error, or None for an image."""
    found = {}
    for i, data in enumerate(payloads(name, count)):
        start = time.process_time()
        try:
            if i % COUNTED:
                result = outcome(FUZZED[name], data, FUZZ_SIZE)
            else:
                with Work(limit(data, FUZZ_SIZE)):
                    result = outcome(FUZZED[name], data, FUZZ_SIZE)
        except BaseException:
            print(f"{name}, payload {i}: {data.hex()}")
            raise
        took = time.process_time() - start
        assert took < LIMIT_S, (name, i, data.hex(), took)
        code = result if isinstance(result, int) else None
        found[code] = found.get(code, 0) + 1
    return found


def main(count):
    for name in FUZZED:
        start = time.monotonic()
        found = fuzz(name, count)
        took = time.monotonic() - start
        words = ", ".join(
            f"{found[code]} {'images' if code is None else code}"
            for code in (None, *sorted(CODES))
            if code in found
        )
        print(f"{name}: {count} payloads in {took:.0f} s: {words}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
