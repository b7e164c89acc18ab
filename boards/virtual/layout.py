"""Where everything lives on the virtual board: one literal, read by device and host tools.

The shape is that of a small product board: a microcontroller with 2 MiB of internal
flash, an 8 MiB SPI NOR chip and an SD card. README.md draws the flash map.

A file `layout.json` in the state folder replaces this literal as a whole, for tests,
demos and benches. Candidates on the SPI chip:
    {"device": "spi", "start": 0, "size": 0x400000, "locations": 2}
Candidates in internal flash, with internal headers, on half of what is "user" here:
    {"device": "flash", "start": 0x180000, "size": 0x80000, "locations": 1, "internal": True}
"""

LAYOUT = {
    "devices": {
        # 4 KiB erase and 256 B program: RP2040, ESP32 and nearly all SPI NOR chips.
        "flash": {"size": 0x200000, "erase": 4096, "program": 256},
        "spi": {"size": 0x800000, "erase": 4096, "program": 256},
        # A card replaces whole 512 B blocks. The size only has to hold the candidates.
        "sd": {"size": 0x2000000, "erase": 512, "program": 512, "overwrite": True},
    },
    # The header has an erase block of its own: writing it is one erase and one program,
    # and no byte of the application shares its fate.
    "active": {
        "device": "flash",
        "header": 0x10000,
        "start": 0x11000,
        "size": 0xEF000,
        "format": "lfs2",
    },
    # The first MiB of the card is left to its partition table and a file system. Two
    # locations of 8 MiB: the last update stays as a way back while the next one arrives.
    "candidates": {"device": "sd", "start": 0x100000, "size": 0x1000000, "locations": 2},
    # Nothing in an update touches these.
    "regions": {
        "boot": {"device": "flash", "start": 0, "size": 0x10000},
        "user": {"device": "flash", "start": 0x100000, "size": 0x100000, "format": "lfs2"},
    },
    # Arm's bootloader tries a copy three times before it gives a candidate up.
    "copy_retries": 3,
}
