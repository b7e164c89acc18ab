"""Layout of a MIMXRT1060-EVK: two slots to run from, in its QSPI flash.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. The port's sources say: 8 MiB of flash, all from 1 MiB on is the file
system area, which is what mimxrt.Flash reaches.
"""

CHIPS = {
    "flash": {
        "size": 0x800000,
        "erase": 4096,
        "program": 256,
        "used": {"firmware": (0, 0x100000)},
        "devices": {"flash": 0x100000},
    },
}

LAYOUT = {
    "devices": {"flash": {"size": 0x700000, "erase": 4096, "program": 256}},
    # Both slots can be run from, so nothing is copied: 511 blocks of 4 KiB for an image.
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 30000,  # the chip can do 128000
    "state": {"device": "flash", "start": 0, "size": 0x3000},
    "client": {"device": "flash", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "flash",
        "header": 0x10000,
        "start": 0x10100,
        "size": 0x1FFF00,
        "format": "lfs2",
    },
    "candidates": {
        "device": "flash",
        "start": 0x210000,
        "size": 0x200000,
        "locations": 1,
        "internal": True,
    },
    "regions": {
        "identity": {"device": "flash", "start": 0x6000, "size": 0x3000},
        "user": {"device": "flash", "start": 0x410000, "size": 0x2F0000, "format": "lfs2"},
    },
}
