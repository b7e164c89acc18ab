"""The power supply of a virtual board: its chips count operations, and power may go in one.

An operation is what simdisk.py calls so: the erase of a block, or the program of a unit.

    STATE/trace  each operation is appended (records.py)
    STATE/cut    "NUMBER TEAR": in this operation, counted from the beginning of the trace,
                 power goes, and the tear says what that leaves

Power goes by SIGKILL, so no code of an application lives through it. Runs on both interpreters.
"""

import os
from errno import EINVAL

from blockdev import FileCard, FileFlash
from records import Operation, operations, put, write


class Supply:
    """Of the board in the folder `state`; a reset of the board goes on counting."""

    def __init__(self, state):
        self._trace = open(state + "/trace", "r+b", buffering=0)
        self.count = sum([1 for _ in operations(self._trace)])
        self._cut = None
        try:
            with open(state + "/cut") as file:
                number, tear = file.read().split()
                self._cut = int(number), tear
        except OSError:
            pass

    def begin(self, chip, operation):
        """An operation begins; when power is cut in it, this does not return."""
        write(self._trace, operation)
        self.count += 1
        if self._cut and self._cut[0] == self.count:
            put(chip, operation, self._cut[1], self.count)
            while True:
                os.system("kill -KILL $PPID")


_supplies = {}  # one for each board of this process, however many objects it has for a chip


def _supply(path):
    state = path.rsplit("/", 1)[0]
    if state not in _supplies:
        _supplies[state] = Supply(state)
    return _supplies[state]


class Flash(FileFlash):
    """blockdev.FileFlash, one operation after the other."""

    def __init__(self, path, size, erase, program):
        super().__init__(path, size, erase, program)
        self.name = path.rsplit("/", 1)[1][: -len(".bin")]
        self._supply = _supply(path)

    def writeblocks(self, block, buf, offset=None):
        mv = memoryview(buf)
        if offset is None:
            for each in range(block, block + len(mv) // self._block):
                if self._erase(each):
                    return -EINVAL
            offset = 0
        code = 0
        for at in range(0, len(mv), self._program):
            code = code or self._unit_written(block, mv[at : at + self._program], offset + at)
        return code

    def _unit_written(self, block, unit, offset):
        start = block * self._block + offset
        if len(unit) == self._program and 0 <= start <= self.size - len(unit):
            self._supply.begin(self._file, Operation(self.name, start, len(unit), bytes(unit)))
        return FileFlash.writeblocks(self, block, unit, offset)

    def _erase(self, block):
        if 0 <= block < self.size // self._block:
            start = block * self._block
            self._supply.begin(self._file, Operation(self.name, start, self._block, b""))
        return FileFlash._erase(self, block)


class Card(FileCard):
    """blockdev.FileCard, one operation after the other."""

    def __init__(self, path, size):
        super().__init__(path, size)
        self.name = path.rsplit("/", 1)[1][: -len(".bin")]
        self._supply = _supply(path)

    def writeblocks(self, block, buf, offset=0):
        mv = memoryview(buf)
        for at in range(0, len(mv), self._block):
            start, unit = block * self._block + offset + at, mv[at : at + self._block]
            if 0 <= start <= self.size - len(unit):
                self._supply.begin(self._file, Operation(self.name, start, len(unit), bytes(unit)))
            code = FileCard.writeblocks(self, block, unit, offset + at)
            if code:
                return code
        return 0
