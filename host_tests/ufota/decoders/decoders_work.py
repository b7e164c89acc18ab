"""Work of the payload decoders, as lines of Python that run. CPython only: it counts them.

A payload may cost LINES for each of its bytes and for each byte of the image, and START. Both
are known before: the manifest announces them. Machine code (add_native.py) is not counted, and
what MicroPython's inflater does is in proportion to what it reads and makes.
"""

import os
import sys

from ufota.decoders import errors

LINES = 50  # the worst payload of test_decoders_work.py takes 36
START = 3000
_DEVICE = os.path.dirname(errors.__file__).rsplit("ufota", 1)[0]


def limit(payload, size):
    return START + LINES * (len(payload) + size)


class Work:
    """Counts the lines in a folder of device/ that run inside of `with`; more than `most` fail."""

    def __init__(self, most, folder="ufota/decoders"):
        self.most = most
        self._folder = os.path.join(_DEVICE, folder, "")
        self.lines = 0

    def __enter__(self):
        sys.settrace(self._call)
        return self

    def __exit__(self, *_):
        sys.settrace(None)

    def _call(self, frame, event, arg):
        if frame.f_code.co_filename.startswith(self._folder):
            return self._line
        return None

    def _line(self, frame, event, arg):
        if event == "line":
            self.lines += 1
            assert self.lines <= self.most, self.lines
        return self._line
