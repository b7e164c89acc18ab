"""Applies payloads that tests have put into files; runs on MicroPython.

    micropython decoders_driver.py FOLDER
    micropython decoders_driver.py DECODER FILE

FOLDER/index.json lists what to do: {payload, old, size, digest, wbits, chunk} each. Prints one
line for each that goes wrong, and how many went right. FILE has payloads of fuzz_decoders.py.
"""

import json
import sys
from binascii import unhexlify
from hashlib import sha256

from decoders_kit import FUZZ_SIZE, FUZZED, Old, Sink, outcome, pour
from fwcore.errors import FwError
from ufota.decoders.delta import Patch
from ufota.decoders.inflate import Inflate


def apply(case, payload, old):
    """True when it makes the image."""
    sink = Sink(case["size"])
    if old is None:
        decoder = Inflate(sink, case["size"], case["wbits"])
    else:
        decoder = Patch(sink, old, case["size"])
        if case["wbits"]:
            decoder = Inflate(decoder, None, case["wbits"])
    pour(decoder, payload, case["chunk"])
    return sink.ended and sha256(sink.made).digest() == unhexlify(case["digest"])


def content(name):
    with open(name, "rb") as file:
        return file.read()


def main(folder):
    with open(folder + "/index.json") as file:
        cases = json.load(file)
    good = 0
    for case in cases:
        old = Old(content(folder + "/" + case["old"])) if case["old"] else None
        try:
            if apply(case, content(folder + "/" + case["payload"]), old):
                good += 1
                continue
            print(case, "another image")
        except FwError as error:
            print(case, error.args)
    print(good, "of", len(cases))


def fuzz(name, path):
    """A payload each line, in hexadecimal digits."""
    count = 0
    with open(path) as file:
        for line in file:
            try:
                outcome(FUZZED[name], unhexlify(line.strip()), FUZZ_SIZE)
            except BaseException:
                print(count, line)
                raise
            count += 1
    print(count, "ended")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(sys.argv[1])
    else:
        fuzz(*sys.argv[1:])
