"""Removes a file that has a secret in it, and with it the copies that its file system has left.

FAT writes a file where it was. LittleFS never does: a small file is in the log of its folder,
two erase blocks that are written in turn, a larger one in blocks of its own, and what is replaced
or removed stays there until the block is erased for something else. So the log is filled until
both blocks were erased, and then all that is free. That is one erase of each free block.

In a folder of many files a copy may survive, as it has several logs: so the flash is searched for
the begin of the file, and a line of the log says what was found.
"""

import os

from micropython import const

from fwcore.window import Window

_NO_SPACE = const(28)  # ENOSPC, which not every port's errno has
_LEAST = const(16)  # bytes a commit takes in a log, at least
_FIRST = "/!"  # name of a file, sorted before all others: in the first log of the folder
_PIECE = const(512)
_BEGIN = const(64)  # bytes of the file that are searched for


def wipe(board, path):
    """Remove the file `path` and its copies.

    Only where the file is in the region `user` of the layout; elsewhere it is written over
    and removed.
    raises:  OSError; then the file is there, with nothing in it: wipe it again
    """
    folder = path.rpartition("/")[0]  # "": /
    with open(path, "r+b") as file:
        begin = file.read(_BEGIN)
        file.seek(0)
        for _ in range(0, os.stat(path)[6], _LEAST):
            file.write(bytes(_LEAST))
    space = os.statvfs(folder or "/")
    region = board.layout.get("regions", {}).get("user")
    if region is None or space[1] * space[2] != region["size"]:
        os.remove(path)
        return
    _fill_log(board, folder + _FIRST, space[0])
    os.remove(folder + _FIRST)
    _fill_log(board, path, space[0])
    _fill_rest(board, path)
    os.remove(path)
    if _is_in(board, region, begin):
        board.log("[WARN] {} is removed, and can still be read in flash".format(path))


def _fill_log(board, path, block):
    for _ in range(2 * block // _LEAST):
        with open(path, "wb") as file:
            file.write(b"\x00")
        board.feed()


def _fill_rest(board, path):
    piece = bytes(_PIECE)
    try:
        with open(path, "wb") as file:
            while True:
                file.write(piece)
                board.feed()
    except OSError as error:
        if error.errno != _NO_SPACE:
            raise


def _is_in(board, region, begin):
    """True when a region has these bytes of a file, wherever. All zeros: it was wiped before."""
    if not begin.strip(b"\x00"):
        return False
    flash = Window(board.device(region["device"]), region["start"], region["size"])
    block = flash.ioctl(5, 0)
    buf = bytearray(_BEGIN + _PIECE)  # the end of the piece before, and a piece
    for at in range(0, region["size"], _PIECE):
        buf[:_BEGIN] = buf[_PIECE:]
        if flash.readblocks(at // block, memoryview(buf)[_BEGIN:], at % block):
            return True  # unreadable: not known to be gone
        board.feed()
        if buf.find(begin) >= 0:
            return True
    return False
