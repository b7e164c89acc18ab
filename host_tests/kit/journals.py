"""Simulated disks for journals, and Storage and Journal over them.

Runs on CPython and on MicroPython.
"""

from fwcore.journal import Journal
from fwcore.storage import Storage
from ufota_testkit.simdisk import Disk


def nor():
    return Disk(3 * 1024, 1024, 64)


def card():
    return Disk(12 * 512, 512, 512, True)


def storage(disk):
    return Storage(disk, disk.erase_size, disk.program_size, disk.overwrite)


def journal(disk, limit):
    """A session of the journal that takes the whole disk."""
    return Journal(storage(disk), 0, len(disk.data), limit)
