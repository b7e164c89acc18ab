"""Layout of a pyboard v1.1 with a NOR chip of 8 MiB: two slots to run from.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. Internal flash holds the identity alone. The linker script leaves
112 KiB of it to the file system, sectors of 16, 16, 16 and 64 KiB, and pyb.Flash keeps a
sector in RAM and erases it to write it back: no place for images or marks.
"""

CHIPS = {
    "internal": {
        "size": 0x100000,
        "erase": 0x4000,  # sectors 0 to 3, and of more the device may not take
        "program": 512,
        "used": {
            "vectors": (0, 0x4000),
            "sector 4": (0x10000, 0x20000),
            "firmware": (0x20000, 0x100000),
        },
        "devices": {"flash": 0x4000},
    },
    "W25Q64": {"size": 0x800000, "erase": 4096, "program": 256, "devices": {"spi": 0}},
}

LAYOUT = {
    "devices": {
        "flash": {"size": 0xC000, "erase": 512, "program": 512, "overwrite": True},
        "spi": {"size": 0x800000, "erase": 4096, "program": 256},
    },
    # Both slots can be run from, so nothing is copied: 255 blocks of 4 KiB for an image.
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 30000,  # the chip can do 32768
    "state": {"device": "spi", "start": 0, "size": 0x3000, "external": True},
    "client": {"device": "spi", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "spi",
        "header": 0x10000,
        "start": 0x10100,
        "size": 0xFFF00,
        "format": "lfs2",
    },
    "candidates": {
        "device": "spi",
        "start": 0x110000,
        "size": 0x100000,
        "locations": 1,
        "internal": True,
    },
    "regions": {
        # Three banks of a sector each: what a power cut tears here is a sector.
        "identity": {"device": "flash", "start": 0, "size": 0xC000},
        "user": {"device": "spi", "start": 0x210000, "size": 0x5F0000, "format": "lfs2"},
    },
}
