"""Wipes a file on LittleFS, in flash of several kinds, and searches what is left.

Started by test_wipe.py on MicroPython, which has file systems: wipe_flash.py
"""

import os
from errno import EIO

import vfs

from fwcore.userfs import user_files
from ufota.wipe import _is_in, wipe
from ufota_testkit.noise import noise

PATH = "/user/identity.json"
SECRET = b"5ec4e7" * 6
SMALL = b'{\n  "rot": "%s"}' % SECRET + b" " * 300  # in the log of the folder
BEGIN = SMALL[:64]
LARGE = SMALL + b" " * 1500  # in a block of its own
MANY = 1 << 30
KINDS = ((4096, 32), (4096, 256), (512, 16))  # erase, program


class Flash:
    """NOR flash that dies in an operation: half of it is done, and no call works any more.

    It raises nothing: an exception in the midst of its C code breaks a file system.
    """

    def __init__(self, erase, program, blocks):
        self.erase, self.program = erase, program
        self.data = bytearray(b"\xff" * (blocks * erase))
        self.left = MANY  # operations until it dies

    def readblocks(self, block, buf, offset=0):
        at = block * self.erase + offset
        buf[:] = self.data[at : at + len(buf)]
        return 0 if self.left > 0 else -EIO

    def writeblocks(self, block, buf, offset=0):
        at, size = block * self.erase + offset, self._size(len(buf))
        assert self.data[at : at + size] == b"\xff" * size  # erased before
        self.data[at : at + size] = buf[:size]
        return 0 if self.left > 0 else -EIO

    def ioctl(self, request, block):
        if request == 6:
            at, size = block * self.erase, self._size(self.erase)
            self.data[at : at + size] = b"\xff" * size
            return 0 if self.left > 0 else -EIO
        return {4: len(self.data) // self.erase, 5: self.erase}.get(request, 0)

    def _size(self, size):
        self.left -= 1
        return size if self.left > 0 else 0 if self.left else size // 2


class Board:
    def __init__(self, erase, program):
        blocks = 24 if erase > 512 else 96
        self.disk = Flash(erase, program, 2 * blocks)
        region = {"device": "flash", "start": blocks * erase, "size": blocks * erase}
        self.layout = {"regions": {"user": region}}
        self.lines = []
        self.log = self.lines.append
        self.fed = 0

    def device(self, name):
        return self.disk

    def feed(self):
        self.fed += 1

    def mount(self):
        spec = {"erase": self.disk.erase, "program": self.disk.program}
        vfs.mount(user_files(self.disk, self.layout["regions"]["user"], spec), "/user")

    def has_secret(self):
        return self.disk.data.find(SECRET) >= 0


def put(name, data):
    with open("/user/" + name, "wb") as file:
        file.write(data)


def written(kind, text, before, after):
    """A Board whose file was written three times, and so many other files before and after."""
    board = Board(*kind)
    board.mount()
    for number in range(before):
        put("a%d" % number, noise(7 * number + 1, number))
    for _ in range(3):
        put("other", text)
        os.rename("/user/other", PATH)
    for number in range(after):
        put("z%d" % number, noise(7 * number + 1, number))
    return board


def check(board, files):
    assert not board.has_secret() and not board.lines
    assert len(os.listdir("/user")) == files
    put("more", noise(3000, 1))  # the file system is in order, and has room
    vfs.umount("/user")
    board.mount()
    with open("/user/more", "rb") as file:
        assert file.read() == noise(3000, 1)
    vfs.umount("/user")


def every_kind():
    for kind in KINDS:
        for text in (SMALL, LARGE):
            for before, after in ((0, 0), (4, 4), (20, 20)):
                board = written(kind, text, before, after)
                assert board.has_secret()
                os.remove(PATH)
                assert board.has_secret()  # what this is all about
                put(PATH[6:], text)
                wipe(board, PATH)
                check(board, before + after)
                assert board.fed > 100


def cuts(step):
    """Power goes, here and there: the file is there, and the next time there are no copies."""
    made = written((4096, 256), SMALL, 2, 2)
    made.disk.left = MANY
    wipe(made, PATH)
    operations = MANY - made.disk.left
    vfs.umount("/user")
    for number in range(1, operations, step):
        board = written((4096, 256), SMALL, 2, 2)
        board.disk.left = number
        try:
            wipe(board, PATH)
            raise AssertionError("it lived through the cut")
        except OSError:
            pass
        vfs.umount("/user")
        board.disk.left = MANY
        board.mount()
        if PATH[6:] in os.listdir("/user"):  # else it was the last operation
            wipe(board, PATH)
        check(board, 4)
    return operations // step


def left_over():
    """A copy where wiping does not come: the log of the board says so."""
    board = written((4096, 256), SMALL, 0, 0)
    put("copy", bytes(5000) + SMALL)
    wipe(board, PATH)
    assert board.has_secret() and len(board.lines) == 1, board.lines
    assert PATH in board.lines[0] and "[WARN]" in board.lines[0]
    vfs.umount("/user")


def searched():
    """A copy is found wherever it lies in the region, and in the region only."""
    board = Board(4096, 256)
    data, region = board.disk.data, board.layout["regions"]["user"]
    first, size, end = region["start"], len(BEGIN), len(data)
    inside = list(range(first + 400, first + 560)) + [first, end - size]
    for at in inside + [first - size, first - 1]:
        data[at : at + size] = BEGIN
        assert _is_in(board, region, BEGIN) is (at in inside), at
        data[at : at + size] = b"\xff" * size


every_kind()
left_over()
searched()
print("cuts", cuts(41))
