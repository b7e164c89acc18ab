"""Starts a board from its frozen modules, on fake ports; test_frozen.py runs it on MicroPython.

    board_start.py MAIN [--blank] [--named NAME]

The compiled modules are on the path. _boot.py and main.py run as the port runs them. MAIN is
the application's main.py, or of another name; with --blank the board has no image, nor
anything else.
"""

import sys

import vfs

from boards_kit import World
from fake_ports import Reset


class Ram:
    """A block device in RAM, for making an image."""

    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * (blocks * 4096))

    def readblocks(self, block, buf, offset=0):
        at = block * 4096 + offset
        buf[:] = memoryview(self.data)[at : at + len(buf)]

    def writeblocks(self, block, buf, offset=0):
        at = block * 4096 + offset
        self.data[at : at + len(buf)] = buf

    def ioctl(self, request, argument):
        if request == 4:
            return len(self.data) // 4096
        if request == 5:
            return 4096
        if request == 6:
            self.data[argument * 4096 : argument * 4096 + 4096] = b"\xff" * 4096
        return 0


def image(name, text):
    """A LittleFS image with a file of this text."""
    ram = Ram(8)
    vfs.VfsLfs2.mkfs(ram)
    made = vfs.VfsLfs2(ram)
    with made.open(name, "w") as file:
        file.write(text)
    made.umount()
    return bytes(ram.data)


def watched(world):
    """Nothing of the board may be opened, nor the boot stage loaded, before the watchdog runs."""
    disk, machine = world.hardware.disk, sys.modules["machine"]
    start = machine.WDT

    def wdt(timeout):
        if world.hardware.watched is None:
            print("loaded before the watchdog:", "fwboot.main" in sys.modules)
        return start(timeout)

    machine.WDT = wdt

    def open_(name):
        assert world.hardware.watched, name
        return disk(name)

    world.hardware.disk = open_


def main(text, blank, name):
    world = World(None)
    with world.ports():
        if not blank:
            world.provision()
            world.factory(1, image(name, text))
        for name in list(sys.modules):
            if name.split(".")[0] in ("fwboot", "fwcore", "ufota", "board", "layout"):
                del sys.modules[name]
        watched(world)
        sys.path.insert(0, "")  # as ports have it
        __import__("_boot")
        print("path", sys.path[0], "" in sys.path)
        __import__("boot")
        try:
            # Not import, which would find it loaded when an application imports a main.
            with open("main.py") as file:
                exec(file.read(), {"__name__": "__main__"})
        except Reset:
            print("reset")
        except Exception as error:
            print("raised", repr(error))
    print("watchdog", world.hardware.watched, world.layout["watchdog_ms"])


main(sys.argv[1], "--blank" in sys.argv, sys.argv[-1] if "--named" in sys.argv else "main.py")
