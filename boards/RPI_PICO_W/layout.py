"""Layout of a Raspberry Pi Pico W: two slots to run from, in its own flash.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. The port's sources say: 2 MiB of flash, of which the upper 848 KiB
(MICROPY_HW_FLASH_STORAGE_BYTES) are the file system area, which is all rp2.Flash reaches.
"""

CHIPS = {
    "flash": {
        "size": 0x200000,
        "erase": 4096,
        "program": 256,
        "used": {"firmware": (0, 0x12C000)},
        "devices": {"flash": 0x12C000},
    },
}

LAYOUT = {
    "devices": {"flash": {"size": 0xD4000, "erase": 4096, "program": 256}},
    # Both slots can be run from, so nothing is copied: 79 blocks of 4 KiB for an image.
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 8300,  # the RP2040 can do 8388
    "state": {"device": "flash", "start": 0, "size": 0x3000},
    "client": {"device": "flash", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "flash",
        "header": 0x9000,
        "start": 0x9100,
        "size": 0x4FF00,
        "format": "lfs2",
    },
    "candidates": {
        "device": "flash",
        "start": 0x59000,
        "size": 0x50000,
        "locations": 1,
        "internal": True,
    },
    "regions": {
        "identity": {"device": "flash", "start": 0x6000, "size": 0x3000},
        "user": {"device": "flash", "start": 0xA9000, "size": 0x2B000, "format": "lfs2"},
    },
}
