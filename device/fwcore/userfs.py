"""The user file system: in a region of the layout that no update changes.

Owns when it is formatted: where the region is blank, and only there. A file system that cannot
be mounted is not formatted: its files may still be saved.
"""

from fwcore.window import Window


def user_files(device, region, spec):
    """LittleFS2 of a region, as vfs.mount() takes it.

    device:  block device; region: dict start, size; spec: of the device: dict erase, program
    raises:  OSError when it cannot be mounted, or read
    """
    import vfs  # CPython has none

    part = Window(device, region["start"], region["size"])
    unit = spec["program"]
    if _is_blank(part, spec["erase"]):
        vfs.VfsLfs2.mkfs(part, readsize=unit, progsize=unit)
    return vfs.VfsLfs2(part, readsize=unit, progsize=unit)


def _is_blank(part, block_size):
    # LittleFS keeps its superblock in blocks 0 and 1: one of them is always written.
    chunk = bytearray(256)
    for at in range(0, 2 * block_size, len(chunk)):
        failed = part.readblocks(at // block_size, chunk, at % block_size)
        if failed or chunk != b"\xff" * len(chunk):
            return False  # a read that failed says nothing, so it must not lead to a format
    return True
