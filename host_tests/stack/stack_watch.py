"""How deep the C stack gets: what fakes of hardware record when the code under test calls them.

Owns the depth of each call, as micropython.stack_use() has it, and what makes it comparable with
a board of rp2: MicroPython's 64-bit unix port only. Figures of boards are of the emulated Pico W
(host_tests/emulator), in bytes there; here a Python call takes FRAME, there _THUMB.

What a fake takes itself is counted, and stands for the port's C code. What an import takes here
is not that of a board, so it is left out and put in by hand:

    each import that is under way  its real cost is measured first, by one of stack_level.py
    one that loads a module        LOAD more than where it is called
    one that looks into folders    SEARCH more: what is built in, and may be extended by a file
                                   of the application, is looked for there each time
"""

import builtins
import sys

from micropython import stack_use

FRAME = 416
_THUMB = 230
_LOAD = 600  # measured: 584 to 600
_SEARCH = 1250  # measured: stat, LittleFS and one Python frame, which reads
_MAIN = 1390  # measured, below an application's main.py
_OWN = 1024  # what is left to an application
_BOOT = 450  # measured, in the frozen main.py
APP = "/app"  # on sys.path where imports look into an application's folders

_EXTENSIBLE = (
    "array binascii collections cryptolib errno hashlib heapq io json machine os platform "
    "random re select socket struct time zlib"
).split()
_FROZEN = ("rp2",)  # of the port's modules that the fakes stand for, what a board loads


def of_board(size):
    """What so many bytes of a board are here."""
    return size * FRAME // _THUMB


UNDER_APPLICATION = of_board(_MAIN + _OWN)
UNDER_BOOT_STAGE = of_board(_BOOT)
LOAD = of_board(_LOAD)
SEARCH = of_board(_SEARCH)


class TooDeep(BaseException):
    """Raised at the deepest call when somebody wants to see the way there."""


class Watch:
    """One scene's.

    deepest: bytes, and kind: of what call
    counts:  {kind: calls}
    search:  bytes that an import takes which looks into folders
    trap:    depth at which TooDeep is raised; None: never
    loaded:  loaded(name) is called when an import has loaded something
    """

    def __init__(self):
        self.deepest = 0
        self.kind = ""
        self.counts = {}
        self.search = SEARCH
        self.trap = self.loaded = None
        self.frozen = list(_FROZEN)  # not loaded yet
        self._on = False
        self._levels = 0  # imports under way
        self._lift = 0  # bytes this scene lies too deep
        self._per_level = self._frame = self._per_import = 0
        self._raw = 0
        self._calibration = []  # depths of imports of stack_level, each in the one before
        self._import = builtins.__import__
        self._calibrate()

    def start(self, wanted, depth=None):
        """From here calls count.

        wanted: how deep who calls the code under test is on a board
        depth:  how deep it is here; None: the first import is made there
        """
        self._wanted = wanted
        self._lift = None if depth is None else depth - wanted
        self._on = True

    def stop(self):
        self._on = False

    def note(self, kind):
        """A fake was called: the first thing that each of its functions does."""
        self._raw = stack_use()
        if self._on:
            self._count(kind, self._raw - self._frame)

    def _count(self, kind, raw):
        depth = raw - self._lift - self._levels * self._per_level
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if depth > self.deepest:
            self.deepest, self.kind = depth, kind
        if self.trap and depth >= self.trap:
            self._on = False
            raise TooDeep(kind)

    def imports(self, name, *more):
        """builtins.__import__ while this watches."""
        raw = self._raw = stack_use()
        if name == "stack_level":
            self._calibration.append(raw)
            if len(self._calibration) == 3:
                return None
        if self._on and self._lift is None:
            self._lift = raw - self._per_import - self._wanted
        before = len(sys.modules)
        self._levels += 1
        try:
            found = self._import(name, *more)
        finally:
            self._levels -= 1
            if self._on and name in _EXTENSIBLE and APP in sys.path:
                self._count("search " + name, raw - self._per_import + self.search)
        loads = len(sys.modules) > before
        if name in self.frozen:
            self.frozen.remove(name)
            loads = True
        if self._on and loads:
            self._count("import " + name, raw - self._per_import + LOAD)
        if self.loaded and loads:
            self.loaded(name)
        return found

    def _calibrate(self):
        """What note(), imports() and an import take themselves."""
        here = stack_use()
        self.note("")
        self._frame = self._raw - here
        builtins.__import__ = self.imports
        here = stack_use()
        import gc  # noqa: F401

        self._per_import = self._raw - here
        import stack_level  # noqa: F401

        self._per_level = self._calibration[2] - self._calibration[1] - LOAD


watch = Watch()
note = watch.note
