"""Payload decoders take the memory their docstrings say, when they are made, and no more later."""

import gc

from decoders_kit import Old, arm_patch, patch, stored
from fwcore.slot import Slot
from fwcore.storage import Storage
from ufota.decoders.add import adder
from ufota.decoders.delta import Patch
from ufota.decoders.delta_arm import ArmPatch
from ufota.decoders.inflate import Inflate
from ufota.decoders.precursor import Precursor
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk

BOTH = True
OBJECT = 900  # bytes of an object with its attributes and bound methods, on a 64-bit machine

OLD = Old(noise(4000))
SIZE = 8000


class Null:
    def write(self, mv):
        pass

    def end(self):
        pass


def used():
    """Bytes of heap in use; nothing is known of CPython's."""
    if not hasattr(gc, "mem_alloc"):
        return 0
    gc.collect()
    return gc.mem_alloc()


def makers():
    """(what makes a decoder, bytes of buffers it says it takes, a payload)"""
    records = [(noise(400, i), noise(100, i), -400) for i in range(16)]
    detools, arm = patch(SIZE, *records), arm_patch(SIZE, *records)
    deflated = stored(noise(SIZE, 1))
    yield lambda: Patch(Null(), OLD, SIZE), 512, detools
    yield lambda: Patch(Null(), OLD, SIZE, False), 512 + 600, detools
    yield lambda: ArmPatch(Null(), OLD, SIZE), 2 * 512 + 256, arm
    yield lambda: ArmPatch(Null(), OLD, SIZE, 2048), 2 * 2048 + 256, arm
    yield lambda: ArmPatch(Null(), OLD, SIZE, 512, None, False), 2 * 512 + 256 + 600, arm
    yield lambda: Inflate(Null(), SIZE, 9), 2560 + 512 + 1400, deflated
    yield lambda: Inflate(Null(), SIZE), 2560 + 1024 + 1400, deflated
    yield lambda: Inflate(Null(), SIZE, 12), 2560 + 4096 + 1400, deflated


def test_filters_take_what_they_say_and_all_of_it_at_the_start():
    for native in True, False:
        adder(256, native)  # the modules are code, not buffers
    for make, buffers, payload in makers():
        data = memoryview(payload)
        before = used()
        made = make()
        after = used()
        assert after - before <= buffers + OBJECT, (after - before, buffers)
        for at in range(0, len(data), 512):
            made.write(data[at : at + 512])
        while made:
            made = made.end()
        # A number that has grown, a piece of `data`: not a buffer.
        assert used() - after < 400, (used() - after, buffers)
        made = None


def test_a_precursor_takes_a_page():
    for program, page in (256, 512), (2048, 2048):
        slot = Slot(Storage(Disk(8192, 2048, program), 2048, program), 0, 2048, 8192, False)
        before = used()
        old = Precursor(slot, 5000)
        assert used() - before <= page + OBJECT
        mv = memoryview(bytearray(100))
        before = used()
        for at in range(0, 4900, 300):
            old.read(at, mv)
        assert used() - before < 100
