"""Layout of a NUCLEO-F429ZI: it runs from a NOR chip, updates come by SD card.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. Internal flash holds the identity alone. The linker script leaves
112 KiB of it to the file system, sectors of 16, 16, 16 and 64 KiB, and pyb.Flash keeps a
sector in RAM and erases it to write it back: no place for images or marks. The second
MiB is free, in sectors of up to 128 KiB, but no class of the port reaches it.

The card has the candidate and the old image. Without it the board runs what it has.
"""

CHIPS = {
    "internal": {
        "size": 0x200000,
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
    "card of 32 MiB": {"size": 0x2000000, "erase": 512, "program": 512, "devices": {"sd": 0}},
}

LAYOUT = {
    "devices": {
        "flash": {"size": 0xC000, "erase": 512, "program": 512, "overwrite": True},
        "spi": {"size": 0x800000, "erase": 4096, "program": 256},
        "sd": {"size": 0x2000000, "erase": 512, "program": 512, "overwrite": True},
    },
    # The card cannot be run from: it may be pulled. 511 blocks of 4 KiB for an image.
    "mode": "overwrite",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 30000,  # the chip can do 32768
    "state": {"device": "spi", "start": 0, "size": 0x3000, "external": True},
    "client": {"device": "spi", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "spi",
        "header": 0x10000,
        "start": 0x11000,
        "size": 0x1FF000,
        "format": "lfs2",
    },
    # Whole blocks from 1 MiB on, behind what a computer writes first: do not format this card.
    "candidates": {"device": "sd", "start": 0x100000, "size": 0x1000000, "locations": 3},
    "regions": {
        # Three banks of a sector each: what a power cut tears here is a sector.
        "identity": {"device": "flash", "start": 0, "size": 0xC000},
        "user": {"device": "spi", "start": 0x210000, "size": 0x5F0000, "format": "lfs2"},
    },
}
