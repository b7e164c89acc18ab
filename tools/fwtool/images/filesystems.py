"""File system images from {name: bytes}: LittleFS2, FAT, ROMFS. Deterministic.

Owns the options that make an image what MicroPython mounts; the on-disk formats are those
of littlefs-python, fatfs-ng (both the C code MicroPython has) and mpremote.
"""

import types

from fwtool.exits import Failure

_LFS_IO = 32  # MicroPython's defaults for VfsLfs2: read, program and look-ahead size
_LFS_CACHE = 128  # what MicroPython takes with them: the image is as a device would write it
_LFS_DISK = 0x00020000  # version 2.0: every MicroPython with LittleFS2 reads it
_LFS_NO_SPACE = -28
_FAT_SECTORS = 128  # the least FatFs formats
_FAT_SIZES = (512, 1024, 2048, 4096)  # bytes of a sector MicroPython mounts
_FAT_FORBIDDEN = '"*:<>?\\|'


def build(tree, form, block, size=None):
    """{name: bytes} -> image bytes.

    form:    "lfs2", "fat" or "romfs"
    block:   bytes; the block size of the device it is mounted from
    size:    bytes of the image; None for the smallest that holds the files
    raises:  Failure when the files do not fit, or block or size cannot be
    """
    if size is not None and (size == 0 or size % block):
        raise Failure(f"image size {size} is not a multiple of the block size {block}")
    if form == "romfs":
        return _romfs(tree, block, size)
    if form == "fat":
        _check_fat(tree, block)
        make, least = _fat, _FAT_SECTORS
    else:
        if not block or block % _LFS_CACHE:
            raise Failure(f"a LittleFS image needs a block that is a multiple of {_LFS_CACHE}")
        make, least = _lfs, _lfs_least(tree, block)
    if size is not None:
        return _fit(make, tree, block, size // block)
    return _smallest(make, tree, block, least)


def _check_fat(tree, block):
    if block not in _FAT_SIZES:
        raise Failure("a FAT image needs a block of 512, 1024, 2048 or 4096 bytes")
    seen = {}
    for name in tree:
        if any(part.endswith((".", " ")) for part in name.split("/")):
            raise Failure(f"{name}: FAT drops a dot or space at the end of a name")
        if set(name) & set(_FAT_FORBIDDEN):
            raise Failure(f"{name}: FAT names have none of {_FAT_FORBIDDEN}")
        if seen.setdefault(name.lower(), name) != name:
            raise Failure(f"{seen[name.lower()]} and {name} are one name on FAT")


def _fit(make, tree, block, count):
    data = make(tree, block, count)
    if data is None:
        raise Failure(f"{sum(map(len, tree.values()))} bytes of files do not fit {count * block}")
    return data


def _smallest(make, tree, block, count):
    """Grow until it fits, then halve the gap.

    The bound: four times the blocks of the files is more than any folder tree needs, so
    what still does not fit has another reason (too many names in a FAT root folder).
    """
    bound = 4 * (count + len(tree) + sum(-(-len(data) // block) for data in tree.values()))
    too_small, data = count - 1, make(tree, block, count)
    while data is None:
        if count > bound:
            raise Failure("these files cannot be laid out in this format")
        too_small, count = count, count + max(1, count // 8)
        data = make(tree, block, count)
    while count - too_small > 1:
        middle = (count + too_small) // 2
        smaller = make(tree, block, middle)
        if smaller is None:
            too_small = middle
        else:
            count, data = middle, smaller
    return data


def _folders(tree):
    """Every folder named by the files, parents first."""
    found = set()
    for name in tree:
        parts = name.split("/")[:-1]
        found.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    return sorted(found)


def _lfs_least(tree, block):
    """Blocks no LittleFS can do without: two a folder, and those of the larger files."""
    data = sum(-(-len(data) // block) for data in tree.values() if len(data) > _LFS_CACHE)
    return 2 + 2 * len(_folders(tree)) + data


def _lfs(tree, block, count):
    """LittleFS2 image of `count` blocks, or None when the files do not fit."""
    import littlefs

    sizes = {"read_size": _LFS_IO, "prog_size": _LFS_IO, "cache_size": _LFS_CACHE}
    try:
        disk = littlefs.LittleFS(
            block_size=block,
            block_count=count,
            lookahead_size=_LFS_IO,
            disk_version=_LFS_DISK,
            **sizes,
        )
        for name in _folders(tree):
            disk.mkdir(name)
        for name, data in tree.items():
            with disk.open(name, "wb") as file:
                file.write(data)
        disk.unmount()
    except littlefs.LittleFSError as error:
        if error.code == _LFS_NO_SPACE:
            return None
        raise Failure(f"LittleFS: {error}") from None
    return bytes(disk.context.buffer)


def _fat(tree, block, count):
    """FAT image of `count` sectors, or None when the files do not fit."""
    import datetime

    from fatfs import RamDisk, wrapper

    class Fixed(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2000, 1, 1)

    image = bytearray(b"\xff" * (block * count))
    disk = wrapper.Partition(RamDisk(image, sector_size=block))
    # FatFs asks the wrapper for the time, and takes the volume number from it too.
    clock, wrapper.datetime = wrapper.datetime, types.SimpleNamespace(datetime=Fixed)
    try:
        # The wrapper's own mkfs() hides its result, and its buffer is for sectors up to 512.
        if wrapper.pyf_mkfs(disk._adjust_path(""), workarea_size=block):
            return None
        disk.mount()
        fits = _fill_fat(disk, tree)
        disk.unmount()
        return bytes(image) if fits else None
    except wrapper.FatFSException:  # names are checked: so no entry is free
        return None
    finally:
        wrapper.datetime = clock


def _fill_fat(disk, tree):
    for name in _folders(tree):
        disk.mkdir(name)
    for name, data in tree.items():
        with disk.open(name, "wb") as file:
            if file.write(data) != len(data):
                return False
    return True


def _romfs(tree, block, size):
    from mpremote.romfs import VfsRomWriter

    writer = VfsRomWriter()
    open_folders = []
    for name in sorted(tree, key=lambda name: name.split("/")):
        *folders, leaf = name.split("/")
        while open_folders != folders[: len(open_folders)]:
            writer.closedir()
            open_folders.pop()
        for folder in folders[len(open_folders) :]:
            writer.opendir(folder)
            open_folders.append(folder)
        writer.mkfile(leaf, tree[name])
    for _ in open_folders:
        writer.closedir()
    data = bytes(writer.finalise())
    length = -(-len(data) // block) * block if size is None else size
    if len(data) > length:
        raise Failure(f"a ROMFS of {len(data)} bytes does not fit {size}")
    return data + b"\xff" * (length - len(data))


def is_one(data):
    """True for what begins as LittleFS2, with blocks of any usual size, as FAT, or as ROMFS."""
    blocks = (0, *(1 << bits for bits in range(7, 18)))
    is_lfs = any(data[at + 8 : at + 16] == b"littlefs" for at in blocks)
    return is_lfs or data[510:512] == b"\x55\xaa" or data[:3] == b"\xd2\xcd\x31"


def check(form, spec, data):
    """Refuse bytes that MicroPython would not mount and start.

    form:    "lfs2", "fat" or "romfs"
    spec:    the device it is mounted from: entry of the layout's devices
    data:    bytes
    raises:  Failure; main.py or main.mpy is looked for in LittleFS only
    """
    if not data:
        raise Failure("the image is empty")
    {"lfs2": _check_lfs, "fat": _check_fat_image, "romfs": _check_romfs}[form](data, spec)


def _check_lfs(data, spec):
    import littlefs

    erase = spec["erase"]
    if b"littlefs" not in (data[8:16], data[erase + 8 : erase + 16]):
        raise Failure(f"no LittleFS2 with blocks of {erase} bytes")
    stored = int.from_bytes(data[24:28], "little")  # of the superblock, when it is in block 0
    if data[8:16] == b"littlefs" and stored != erase:
        raise Failure(f"a LittleFS2 with blocks of {stored} bytes; the device erases {erase}")
    context = littlefs.UserContext(buffer=bytearray(data))
    count = len(data) // erase
    disk = littlefs.LittleFS(context, mount=False, block_size=erase, block_count=count)
    try:
        disk.mount()
        found = disk.listdir("/")
    except littlefs.LittleFSError as error:
        raise Failure(f"a LittleFS2 that cannot be mounted: {error}") from None
    if "main.py" not in found and "main.mpy" not in found:
        raise Failure("there is no main.py and no main.mpy in it")


def _check_fat_image(data, spec):
    sector = int.from_bytes(data[11:13], "little")
    if data[510:512] != b"\x55\xaa" or sector not in _FAT_SIZES:
        raise Failure("no FAT boot sector")
    if sector % spec["program"]:
        raise Failure(f"a FAT with sectors of {sector} bytes; the device reads {spec['program']}")
    sectors = int.from_bytes(data[19:21], "little") or int.from_bytes(data[32:36], "little")
    if sectors * sector > len(data):
        raise Failure(f"a FAT of {sectors * sector} bytes, cut short")


def _check_romfs(data, spec):
    if data[:3] != b"\xd2\xcd\x31":
        raise Failure("no ROMFS")
