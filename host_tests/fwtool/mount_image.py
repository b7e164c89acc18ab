"""Mounts an application image the way boards do, lists it and runs its main.py.

Started by test_fwtool_image.py on MicroPython: mount_image.py IMAGE FORMAT BLOCK
"""

import hashlib
import os
import sys

import vfs


class Rom:
    """An image in RAM as a block device that can only be read."""

    def __init__(self, data, block):
        self._data = data
        self._block = block

    def readblocks(self, block, buf, offset=0):
        at = block * self._block + offset
        buf[:] = self._data[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        raise OSError(30)

    def ioctl(self, op, arg):
        if op == 4:
            return len(self._data) // self._block
        if op == 5:
            return self._block
        return 0 if op < 4 else -30


def walk(path):
    for name in sorted(os.listdir(path)):
        name = path + "/" + name
        if os.stat(name)[0] & 0x4000:
            yield from walk(name)
        else:
            yield name


with open(sys.argv[1], "rb") as file:
    image = memoryview(file.read())
kind = sys.argv[2]
if kind == "romfs":
    system = vfs.VfsRom(image)
else:
    disk = Rom(image, int(sys.argv[3]))
    system = vfs.VfsLfs2(disk) if kind == "lfs2" else vfs.VfsFat(disk)
vfs.mount(system, "/app", readonly=True)
print(" ".join(name[len("/app") :] for name in walk("/app")))
with open("/app/data.bin", "rb") as file:
    digest = hashlib.sha256(file.read()).digest()
print("".join("%02x" % byte for byte in digest))
sys.path.insert(0, "/app/lib")
execfile("/app/main.py")  # noqa: F821
