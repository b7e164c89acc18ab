"""Cards for tests of CardSource: a real FAT on MicroPython, a folder behind a fake os on CPython.

Both count what is asked of them, and can be pulled between any two askings.
"""

import os
import sys
from errno import ENODEV

from ufota.sources import card as card_source
from ufota_testkit.simdisk import Disk

ON_MICROPYTHON = sys.implementation.name == "micropython"
_SIZE = 128 * 512
_EROFS = 30  # MicroPython's errno has no name for it


class FatCard:
    """A FAT on a disk that overwrites.

    calls:  of the block protocol
    disk:   Disk; shares the power of `board`, when there is one
    """

    def __init__(self, board=None):
        import vfs

        self.disk = Disk(_SIZE, 512, 512, True, board.power if board else None, "card")
        self.path = "/card"
        self.calls = 0
        self._pull = 0
        self._vfs = vfs
        self._locked = False
        _clean_up(self)
        vfs.VfsFat.mkfs(self)
        self.mount()

    def mount(self, readonly=False):
        """What a start of the device does; raises OSError when the card is not there."""
        self.umount()
        self._vfs.mount(self._vfs.VfsFat(self), self.path, readonly=readonly)

    def umount(self):
        try:
            self._vfs.umount(self.path)
        except OSError:
            pass

    def lock(self, locked=True):
        self._locked = locked
        self.mount(locked)

    def pull(self, after=0):
        """Nothing answers after so many more calls."""
        self._pull = self.calls + after + 1

    def put_back(self):
        self._pull = 0
        self.mount()

    def change(self, name, data):
        """Another card, with this file, is in the place of the one that is mounted."""
        with self._vfs.VfsFat(self).open("/" + name, "wb") as file:
            file.write(data)

    def touch(self):
        """update.bin has another date."""
        self.disk.data[self.disk.data.find(b"UPDATE  BIN") + 24] ^= 1
        self.mount()

    def same_time(self):
        """update.bin has the date that every copy of it has."""
        at = self.disk.data.find(b"UPDATE  BIN") + 22
        self.disk.data[at : at + 4] = b"\0\0\x43\x5c"
        self.mount(self._locked)

    def _answer(self):
        self.calls += 1
        if self._pull and self.calls >= self._pull:
            raise OSError(ENODEV)

    def readblocks(self, *args):
        self._answer()
        return self.disk.readblocks(*args)

    def writeblocks(self, *args):
        self._answer()
        return self.disk.writeblocks(*args)

    def ioctl(self, request, argument):
        self._answer()
        return self.disk.ioctl(request, argument)

    def remove(self):
        self.umount()


class FolderCard:
    """A folder; card.py sees it through this object in the place of os and open."""

    def __init__(self, board=None):
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        self.path = self._folder.name
        self.calls = 0
        self._pull = 0
        self._locked = False
        self._old = None  # what is remembered of the card before: (path, OSError or stat)
        self.files = 0  # that are open
        _clean_up(self)
        card_source.os, card_source.open = self, self.open

    def mount(self):
        self._answer()
        self._old = None

    def lock(self, locked=True):
        self._locked = locked

    def pull(self, after=0):
        self._pull = self.calls + after + 1

    def put_back(self):
        self._pull = 0

    def _answer(self):
        self.calls += 1
        if self._pull and self.calls >= self._pull:
            raise OSError(ENODEV, "pulled")

    def change(self, name, data):
        path = self.path + "/" + name
        try:
            self._old = path, os.stat(path)
        except OSError as error:
            self._old = path, error
        write(self, name, data)

    def touch(self):
        os.utime(self.path + "/update.bin", (0, 86400))

    def same_time(self):
        os.utime(self.path + "/update.bin", (0, 86400 * 7))

    def stat(self, path):
        self._answer()
        if self._old and self._old[0] == path:
            if isinstance(self._old[1], OSError):
                raise self._old[1]
            return self._old[1]
        return os.stat(path)

    def rename(self, old, new):
        self._answer()
        if self._locked:
            raise OSError(_EROFS, "locked")
        os.rename(old, new)

    def open(self, path, mode):
        self._answer()
        return _File(self, open(path, mode))  # noqa: SIM115

    def remove(self):
        card_source.os = os
        if hasattr(card_source, "open"):
            del card_source.open
        self._folder.cleanup()


class _File:
    def __init__(self, card, file):
        self._card = card
        self._file = file
        card.files += 1

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self._file.close()
        self._card.files -= 1

    def seek(self, at):
        self._card._answer()
        return self._file.seek(at)

    def readinto(self, mv):
        self._card._answer()
        return self._file.readinto(mv)

    def close(self):
        self._file.close()
        self._card.files -= 1
        self._card._answer()


_cards = []


def _clean_up(card):
    """One card at a time: the one before it goes."""
    while _cards:
        _cards.pop().remove()
    _cards.append(card)


def make_card(board=None):
    return FatCard(board) if ON_MICROPYTHON else FolderCard(board)


def write(card, name, data):
    """As a computer would write it."""
    with open(card.path + "/" + name, "wb") as file:
        file.write(data)


def names(card):
    return sorted(os.listdir(card.path))
