"""Power cuts of a board under test: in each operation of something it does, once.

The thing is done a single time, and its operations are recorded. The contents of the chips after
a cut follow from the record: the operations before it, and the tear. What the device held in RAM
is lost either way.
"""

import shutil
from typing import NamedTuple

from ufota_testkit.on_device import records
from ufota_testkit.simdisk import TEARS

_STORE = "identity.json"  # of a virtual board; it is no chip, and no cut is made in it


class Cut(NamedTuple):
    """number: of the operation, from 1, or 0: no cut;  of: how many there are;  what: it is"""

    number: int
    of: int
    tear: str
    what: str

    def __str__(self):
        if not self.number:
            return f"no cut, {self.of} operations"
        return f"operation {self.number} of {self.of} ({self.what}), tear {self.tear!r}"


def every_cut(device, act, *args, tears=TEARS, step=1, **named):
    """Do act(*args, **named) on a device; then cut power in each operation, with each tear.

    A generator of Cut, the first one without a cut: after each the power is off, the chips are
    as that cut leaves them, and the body of the loop switches on and checks.

    tears:   of simdisk.TEARS, or bits or whole
    step:    2: every second operation
    raises:  AssertionError when act() writes nothing, or for what tears and step cannot be
    """
    __tracebackhide__ = True
    records.check_tears(tears)
    if step < 1:
        raise AssertionError(f"step is 1 or more, not {step}")
    if device.is_swept:
        raise AssertionError("every_cut() is under way with this board; cut_at() can be within it")
    before = _Chips(device)
    device.is_swept = True
    try:
        device.count_from_here()
        act(*args, **named)
        done = device.operations()
        if not done:
            raise AssertionError("nothing was written: there is no operation to cut power in")
        device.cut = Cut(0, len(done), "", "")
        yield device.cut
        for number, operation in enumerate(done, 1):
            for tear in tears if (number - 1) % step == 0 else ():
                before.back()
                before.tear(operation, tear, number)
                device.cut = Cut(number, len(done), tear, str(operation))
                device.lines = []
                yield device.cut
            before.apply(operation)
        device.cut = None  # not when the loop is left before: the chips are as that cut left them
    finally:
        device.is_swept = False
        before.close()


class _Chips:
    """A copy of a device's chips, to which they go back again and again."""

    def __init__(self, device):
        self._device = device
        self._folder = device.folder.with_name(device.folder.name + ".before")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        self._differ = []  # operations that one of both has seen since they were the same
        for path in (*device.folder.glob("*.bin"), device.folder / _STORE):
            shutil.copyfile(path, self._folder / path.name)

    def back(self):
        """The chips become as the copy is, where anything was written since the last time."""
        for operation in self._differ + self._device.operations():
            name = operation.chip + ".bin"
            with open(self._folder / name, "rb") as file:
                file.seek(operation.start)
                data = file.read(operation.size)
            with open(self._device.folder / name, "r+b") as file:
                file.seek(operation.start)
                file.write(data)
        shutil.copyfile(self._folder / _STORE, self._device.folder / _STORE)
        self._differ = []
        self._device.count_from_here()

    def apply(self, operation):
        """The copy is from now on as after this operation."""
        self._put(self._folder, operation, "whole", 0)

    def tear(self, operation, tear, number):
        """The chips get what a cut in this operation leaves; number: of it, for its junk."""
        self._put(self._device.folder, operation, tear, number)

    def _put(self, folder, operation, tear, number):
        self._differ.append(operation)
        with open(folder / f"{operation.chip}.bin", "r+b") as file:
            records.put(file, operation, tear, number)

    def close(self):
        shutil.rmtree(self._folder)
