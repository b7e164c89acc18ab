"""Gives messages that a test has put into a file to their parser; runs on MicroPython.

micropython messages_driver.py PARSER FILE     a message each line, in hexadecimal digits
"""

import sys
from binascii import unhexlify

from messages_kit import outcome
from records_kit import PARSERS


def main(name, path):
    count = 0
    with open(path) as file:
        for line in file:
            try:
                outcome(PARSERS[name], unhexlify(line.strip()))
            except BaseException:
                print(count, line)
                raise
            count += 1
    print(count, "ended")


main(*sys.argv[1:])
