"""The stack is washed before an application starts, and nothing about that can end the start."""

import sys

from fake_ports import Installed
from helpers import here

sys.path.append(here("../boards/virtual"))

import stage  # noqa: E402

BOTH = True  # runs on CPython and on MicroPython


class Port:
    """Plays the module micropython: how deep is the stack?"""

    def __init__(self, deepest):
        self.used = self.deepest = 0
        self._deepest = deepest

    def stack_use(self):
        self.used += 230  # a call more
        self.deepest = self.used
        return self.used if self._deepest else 0


def washed(port):
    with Installed({"micropython": port}):
        stage._wash()


def test_it_goes_as_deep_as_the_boot_stage_went_and_no_deeper():
    port = Port(True)
    washed(port)
    words = 1 if sys.maxsize < 1 << 32 else 2
    assert 5120 * words <= port.deepest < 5120 * words + 230


def test_a_stack_that_is_too_small_is_no_end():
    washed(Port(False))  # it never gets there, and the interpreter says that there is no more


def test_a_port_that_cannot_tell_goes_without():
    washed(object())
    stage._wash()
