"""`machine` of the virtual board: what the unix port has, and what it leaves out.

MicroPython finds this file before its built-in module, which stays reachable as
`umachine` (any built-in module can be extended this way).

A reset is the death of this process by SIGUSR2, and the supervisor (`fwtool run`) starts
a new one. It has to be a signal: the unix port can only end itself by SystemExit, and an
application's bare `except:` or an asyncio task would swallow that and go on running.
There is no kill() to call either, so a shell does it.
"""

import os
import sys

from umachine import *  # noqa: F403

PWRON_RESET = 1  # numbers as on the esp32 port
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

files = None  # the file system of region `user`, where a console has mounted it on /


def reset():
    """Start again with nothing left in RAM. Does not return."""
    while True:
        os.system("kill -USR2 $PPID")


soft_reset = reset  # a new process either way


def reset_cause():
    """PWRON_RESET, HARD_RESET (machine.reset) or WDT_RESET, as the supervisor tells."""
    return int(os.getenv("RESET_CAUSE") or PWRON_RESET)


def unique_id():
    """8 bytes that differ from board to board and stay the same on one."""
    import hashlib

    try:
        with open(sys.argv[1] + "/identity.json", "rb") as file:
            return hashlib.sha256(file.read()).digest()[:8]
    except OSError:
        return bytes(8)  # a new board, which has no identity yet


class WDT:
    """Watchdog: the supervisor resets the board when feed() was not called for timeout ms.

    Each feed renews the time stamp of a file the supervisor looks at; without a
    supervisor nothing resets the board.
    """

    def __init__(self, id=0, timeout=5000):
        self._timeout = b"%10d" % timeout  # as long as any other's, which it may replace
        self._file = open(sys.argv[1] + "/watchdog", "wb")
        self.feed()

    def feed(self):
        self._file.seek(0)
        self._file.write(self._timeout)
