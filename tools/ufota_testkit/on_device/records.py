"""Operations on chips that are files: their records, and what one leaves, whole or torn.

A record is a line "CHIP START SIZE KIND", KIND "erase" or "program", then SIZE bytes of a
program. Runs on both interpreters.
"""

from ufota_testkit.simdisk import torn


class Operation:
    """chip: name;  start, size: bytes;  new: what is programmed, b"" for an erase"""

    def __init__(self, chip, start, size, new):
        self.chip = chip
        self.start = start
        self.size = size
        self.new = new

    def __str__(self):
        return "{} {} {:#x}".format("program" if self.new else "erase", self.chip, self.start)


def write(file, operation):
    kind = "program" if operation.new else "erase"
    line = "{} {} {} {}\n".format(operation.chip, operation.start, operation.size, kind)
    file.write(line.encode())
    if operation.new:
        file.write(operation.new)


def operations(file):
    """Each Operation of a file of records, from where it stands."""
    while True:
        line = file.readline()
        if not line:
            return
        chip, start, size, kind = line.decode().split()
        new = file.read(int(size)) if kind == "program" else b""
        yield Operation(chip, int(start), int(size), new)


def put(file, operation, tear="whole", seed=0):
    """Leave in a chip's file what the operation leaves.

    tear:  of simdisk.torn();  seed: number of the operation
    """
    file.seek(operation.start)
    old = file.read(operation.size)
    new = operation.new or b"\xff" * operation.size
    file.seek(operation.start)
    file.write(torn(tear, old, new, seed))
