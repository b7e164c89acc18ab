"""Layout of the virtual board: one literal, read by device and host tools.

The shape is that of a small product board: a microcontroller with 4 MiB of internal
flash, an 8 MiB SPI NOR chip and an SD card. README.md draws the flash map.

Updates are on trial: the new image waits on the SPI chip, changes places with the active
one block by block, and is reverted when it is not confirmed. A file `layout.json` in the
state folder replaces this literal as a whole, for tests, demos and benches. Without `state`,
`mode` and `trials` it is simple installation, without a revert, from the card for instance:
    {"device": "sd", "start": 0x100000, "size": 0x1000000, "locations": 2}
"""

LAYOUT = {
    "devices": {
        # 4 KiB erase and 256 B program: RP2040, ESP32 and nearly all SPI NOR chips.
        "flash": {"size": 0x400000, "erase": 4096, "program": 256},
        "spi": {"size": 0x800000, "erase": 4096, "program": 256},
        # A card replaces whole 512 B blocks. Nothing of an update needs it.
        "sd": {"size": 0x2000000, "erase": 512, "program": 512, "overwrite": True},
    },
    # The header has an erase block of its own, so image and file system blocks coincide,
    # and the blocks that are equal in two images are not even copied.
    "active": {
        "device": "flash",
        "header": 0x10000,
        "start": 0x11000,
        "size": 0xEF000,
        "format": "lfs2",
    },
    # The client store: three banks of one block.
    "client": {"device": "flash", "start": 0xA000, "size": 0x3000},
    # The same. In internal flash: it must be there when the chip is not.
    "state": {"device": "flash", "start": 0xD000, "size": 0x3000},
    "mode": "swap",
    "trials": 3,
    "signed": True,
    # No watchdog_ms: it would reset every application that does not feed.
    # One block more than header and image take: the spare one, through which they swap.
    "candidates": {"device": "spi", "start": 0, "size": 0xF1000, "locations": 1},
    # For an image from the factory that is started when no other can be.
    "recovery": {
        "device": "spi",
        "header": 0x100000,
        "start": 0x101000,
        "size": 0xEF000,
        "format": "lfs2",
    },
    # Nothing in an update touches these.
    "regions": {
        "boot": {"device": "flash", "start": 0, "size": 0xA000},
        "user": {"device": "flash", "start": 0x100000, "size": 0x300000, "format": "lfs2"},
    },
}
