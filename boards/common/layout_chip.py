"""Layout with everything on a NOR chip of 8 MiB, for firmware that has nothing frozen.

There the port's own file system takes the internal flash. Copied to the board as layout.py. The
identity is on the chip as well: anybody who reads the chip can read the root of trust.
"""

CHIPS = {"W25Q64": {"size": 0x800000, "erase": 4096, "program": 256, "devices": {"spi": 0}}}

LAYOUT = {
    "devices": {"spi": {"size": 0x800000, "erase": 4096, "program": 256}},
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 8300,  # the RP2040 can do 8388
    "state": {"device": "spi", "start": 0, "size": 0x3000},
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
        "identity": {"device": "spi", "start": 0x6000, "size": 0x3000},
        "user": {"device": "spi", "start": 0x210000, "size": 0x5F0000, "format": "lfs2"},
    },
}
