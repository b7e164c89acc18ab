"""The power supply of a virtual board: its chips count operations, and power may go in one.

An operation is what simdisk.py calls so: the erase of a block, or the program of a unit.

    STATE/trace  a record of each call of a chip is appended (records.py)
    STATE/cut    "NUMBER TEAR SEED": in this operation, counted from the beginning of the trace,
                 power goes, and the tear says what that leaves. Removed when it does

Power goes by SIGKILL, so no code of an application lives through it. Without a cut that is planned
no heap is taken: the collector calls a chip when it closes a file, and nothing can be allocated
then. Runs on both interpreters.
"""

import os
import struct

from blockdev import FileCard, FileFlash

from ufota_testkit.on_device.records import HEADER, SIZE, Operation, headers, packed, put


class Supply:
    """Of the board in the folder `state`; a reset of the board goes on counting."""

    def __init__(self, state):
        self._plan = state + "/cut"
        self._trace = open(state + "/trace", "r+b", buffering=0)
        self.count = 0
        for _, _, size, unit in headers(self._trace):
            self.count += size // unit if unit else 1
        self.cut = None
        try:
            with open(self._plan) as file:
                number, self._tear, seed = file.read().split()
                self.cut, self._seed = int(number), int(seed)
        except OSError:
            pass

    def record(self, head, data):
        """What a call does, before it does it. head: packed;  data: None for an erase"""
        self._trace.write(head)
        if data is not None:
            self._trace.write(data)

    def happen(self, file, operations):
        """The operations of a call, with a cut that is planned; it may not return.

        Nothing is left to the call itself when power goes in it: what comes before is done here.
        """
        is_cut = self.count + len(operations) >= self.cut
        for operation in operations:
            self._check()
            self._trace.write(packed(operation))
            self.count += 1
            if self.count == self.cut:
                put(file, operation, self._tear, self._seed)
                os.remove(self._plan)
                self._check()
            elif is_cut:
                put(file, operation)

    def _check(self):
        while self.count >= self.cut:  # for another thread too, until the signal arrives
            os.system("kill -KILL $PPID")


_supplies = {}  # one for each board of this process, however many objects it has for a chip


def _supply(path):
    state = path.rsplit("/", 1)[0]
    if state not in _supplies:
        _supplies[state] = Supply(state)
    return _supplies[state]


class _Powered:
    """What both kinds of chip do about power."""

    def plug_in(self, path, unit):
        self._supply = _supply(path)
        self._name = path.rsplit("/", 1)[1][: -len(".bin")]
        self._bytes = self._name.encode()
        self._head = bytearray(SIZE)
        self._of_unit = unit

    def programs(self, start, buf):
        """These bytes are programmed now, one unit after the other."""
        size, unit = len(buf), self._of_unit
        if start < 0 or start + size > self.size or size % unit:
            return  # it will be refused
        if self._supply.cut is None:
            struct.pack_into(HEADER, self._head, 0, self._bytes, start, size, unit)
            self._supply.record(self._head, buf)
        else:
            self._supply.happen(self._file, self._units(start, memoryview(buf), unit))

    def _units(self, start, mv, unit):
        """The operations. A function of its own: its closure takes heap when it is called."""
        return [
            Operation(self._name, start + at, unit, bytes(mv[at : at + unit]))
            for at in range(0, len(mv), unit)
        ]

    def erases(self, start, size):
        if self._supply.cut is None:
            struct.pack_into(HEADER, self._head, 0, self._bytes, start, size, 0)
            self._supply.record(self._head, None)
        else:
            self._supply.happen(self._file, [Operation(self._name, start, size, b"")])


class Flash(FileFlash, _Powered):
    """blockdev.FileFlash on a supply."""

    def __init__(self, path, size, erase, program):
        FileFlash.__init__(self, path, size, erase, program)
        self.plug_in(path, program)

    def writeblocks(self, block, buf, offset=None):
        if offset is None:
            for each in range(block, block + len(buf) // self._block):
                self._erase(each)
            offset = 0
        self.programs(block * self._block + offset, buf)
        return FileFlash.writeblocks(self, block, buf, offset)

    def _erase(self, block):
        if 0 <= block < self.size // self._block:
            self.erases(block * self._block, self._block)
        return FileFlash._erase(self, block)


class Card(FileCard, _Powered):
    """blockdev.FileCard on a supply."""

    def __init__(self, path, size):
        FileCard.__init__(self, path, size)
        self.plug_in(path, self._block)

    def writeblocks(self, block, buf, offset=0):
        self.programs(block * self._block + offset, buf)
        return FileCard.writeblocks(self, block, buf, offset)
