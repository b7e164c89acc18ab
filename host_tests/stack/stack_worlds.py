"""Boards of rp2 for the scenes of stack_scenes.py: layouts, and what has happened to them.

MicroPython only.
"""

import os
import sys

import fake_ports
from boards_kit import KEY
from fwcore.boot_chain import StageBoard
from fwcore.regions import fixed_slot
from fwcore.state import TRIALS, State
from helpers import here
from stack_hardware import Pico, put_card
from stack_net import Net, Web, pages, time
from stack_watch import APP, FRAME, SEARCH, watch
from test_boards import literal
from trial_kit import pending
from ufota_testkit import simboard
from ufota_testkit.chips.fake_nor import FakeNor
from ufota_testkit.noise import noise
from ufota_testkit.simdisk import Disk
from update_kit import CLASS_KEY, MANIFEST_URL, FakeSource, bundle, signed
from update_kit import payload as payload_of

OLD = 1, noise(600, 1)
URL = MANIFEST_URL
_PACKAGES = ("fwboot", "fwcore", "ufota")
_DRIVER = 4  # calls of bdev.spinor between a read of an application's file and the bus
_SIZE = 0x200000  # of a flash with room for everything
RECOVERY = {
    "device": "flash",
    "header": 0x1B0000,
    "start": 0x1B0100,
    "size": 0xFF00,
    "format": "lfs2",
}


def sold(**more):
    """A Pico that left its factory with OLD. more: of its layout."""
    return _made(Pico(**more))


def _made(world):
    world.provision()
    world.start().store().put(b"class_key", CLASS_KEY)
    world.factory(*OLD)
    return world


def flash_layout(mode, **more):
    """All in the Pico's flash. mode: simple, swap, overwrite, direct"""
    made = {
        "devices": {"flash": {"size": _SIZE, "erase": 4096, "program": 256}},
        "candidates": {
            "device": "flash",
            "start": 0x100000,
            "size": 0xA2000,
            "locations": 2 if mode == "overwrite" else 1,
        },
    }
    if mode == "direct":
        made["candidates"].update(internal=True, start=0x59000, size=0x50000)
    made["mode"] = mode
    made.update(more)
    return made


def in_mode(mode, **more):
    """sold() with the layout of a mode; simple installation is not signed unless it says so."""
    if mode != "simple":
        return sold(**flash_layout(mode, **more))
    more.setdefault("signed", False)
    world = Pico(**flash_layout("overwrite", **more))
    for name in ("mode", "state", "trials"):
        del world.layout[name]
    return _made(world)


def on_chip():
    """A Pico with all on a SPI NOR chip."""
    layout = literal("common/layout_chip.py")
    world = Pico(**layout)
    watch.search = SEARCH + _DRIVER * FRAME
    chip = world.disks.made["spi"] = FakeNor(time, "W25Q64JV", world.power)
    world.wire(spi=chip)
    return _made(world)


def with_card(mode="overwrite"):
    """A Pico whose candidates are on an SD card."""
    layout = flash_layout(mode)
    layout["devices"]["sd"] = {"size": 0x80000, "erase": 512, "program": 512, "overwrite": True}
    layout["candidates"].update(device="sd", start=0, size=0x80000)
    world = Pico(**layout)
    put_card(world, world.disks["sd"])
    return _made(world)


def recovery_slot(world):
    return fixed_slot(world.layout, world.layout["recovery"], world.device("flash"))


def offered(world, name="small", **more):
    """A client has left this image in the candidate."""
    from ufota.client import Client

    client = Client(world.start(), FakeSource({URL: bundle(name)}), **more)
    client.start(URL)
    assert client.run()
    return world


def booted(world, times=1):
    """The boot stage has run so often."""
    from fwboot import main

    for _ in range(times):
        assert main.run(world.start())
    return world


def on_trial(world=None):
    return booted(offered(world or sold()))


def key_frozen(world):
    """The layout asks for signatures at every start, by a key in a module."""
    world.layout["signed"] = "start"
    sys.path.append(here("../tools/fwtool/signing"))
    import p256_tables

    sys.path.pop()
    ids = {"VENDOR_ID": simboard.VENDOR_ID, "CLASS_ID": simboard.CLASS_ID}
    sys.modules["maker_key"] = fake_ports.Module(TABLES=p256_tables.tables(KEY), **ids)
    return world


def staged(world, version, image, **more):
    """An image in the candidate, and its PENDING, as a client leaves them."""
    slot = State(world).candidate_slots(world)[0]
    pending(world, simboard.put(world, slot, version, image), TRIALS, **more)
    return world


def file_system(files, blocks=8):
    """Bytes of a LittleFS2 with these files, path -> bytes."""
    import vfs

    disk = Disk(blocks * 4096, 4096, 256)
    vfs.VfsLfs2.mkfs(disk, readsize=256, progsize=256)
    made = vfs.VfsLfs2(disk, readsize=256, progsize=256)
    folders = []
    for path in files:
        folder = path.rpartition("/")[0]
        if folder and folder not in folders:
            folders.append(folder)
            made.mkdir("/" + folder)
        with made.open("/" + path, "wb") as file:
            file.write(files[path])
    return bytes(disk.data)


def web(name="small", first=False, **more):
    """An HTTP server with the update `name`. first: the manifest alone, its payload elsewhere.

    returns: the Net; its `heads` are of the requests
    """
    path = "/" + URL.split("/", 3)[3]
    folder = path.rpartition("/")[0]
    found = {path: signed(name) if first else bundle(name)}
    found[folder + "/payload.bin"] = payload_of(name)
    heads = []
    answer = pages(found, heads, **more)
    net = Net(lambda port: Web(answer))
    net.heads = heads
    net.plug()
    return net


def boot_stage():
    """Nothing of ours is loaded but what a board's modules need, which come first."""
    _forget("bdev")
    import fwcore.modules
    import fwcore.window  # noqa: F401


def application():
    """The boot stage has let go of what it had; imports look into an application's folders."""
    _forget("asyncio")
    sys.path.extend((APP, APP + "/lib"))


def _forget(*more):
    for name in list(sys.modules):
        if name.split(".")[0] in _PACKAGES + more:
            del sys.modules[name]


def frozen_main(world):
    """_boot() of the frozen main.py, which finds this board."""
    sys.path.append(here("../boards/virtual"))
    with open(here("../boards/common/main.py")) as file:
        text = file.read()
    assert text.endswith("_boot()()") or "\n_boot()()" in text
    found = {"__name__": "main"}
    exec(text.replace("\n_boot()()", "\n#"), found)
    world.board = world.start()
    sys.modules["board"] = fake_ports.Module(Board=lambda: world.board)
    return found["_boot"]


def chain():
    """A Pico with a boot selector, and one stage from the factory in slot 1."""
    layout = flash_layout("direct", signed=False)
    layout["stages"] = {
        "active": {
            "device": "flash",
            "header": 0x100000,
            "start": 0x100100,
            "size": 0x5FF00,
            "format": "lfs2",
        },
        "candidates": {
            "device": "flash",
            "start": 0x160000,
            "size": 0x60000,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "flash", "start": 0x1C0000, "size": 0x3000},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
    }
    world = sold(**layout)
    view = StageBoard(world)
    slot = State(view).runnable(view, 0)[0]
    simboard.put(world, slot, 1, stage_image())
    return world


def booted_selector(world):
    """The selector has chosen once, and the stage has confirmed itself."""
    from fwboot import select
    from ufota.trial import confirm

    assert select.run(world.start())[1] == 1
    confirm(StageBoard(world.start()))


def stage_image():
    """What `fwtool stage` makes of the boot stage, uncompiled."""
    found = {"stage.py": _text("../boards/virtual/stage.py")}
    for place in ("../bootloader/fwboot/", "../device/fwcore/"):
        for entry in os.ilistdir(here(place)):
            if entry[0].endswith(".py"):
                found[place.split("/", 2)[2] + entry[0]] = _text(place + entry[0])
    for name in ("__init__", "trial"):
        found["ufota/" + name + ".py"] = _text("../device/ufota/" + name + ".py")
    return file_system(found, 0x5F)


def _text(name):
    with open(here(name), "rb") as file:
        return file.read()
