"""Layout of a Raspberry Pi Pico 2 W: two slots to run from, in its own flash.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. The port's sources say: 4 MiB of flash, of which the upper 2560 KiB
(MICROPY_HW_FLASH_STORAGE_BYTES) are the file system area, which is all rp2.Flash reaches.
"""

CHIPS = {
    "flash": {
        "size": 0x400000,
        "erase": 4096,
        "program": 256,
        "used": {"firmware": (0, 0x180000)},
        "devices": {"flash": 0x180000},
    },
}

LAYOUT = {
    "devices": {"flash": {"size": 0x280000, "erase": 4096, "program": 256}},
    # Both slots can be run from, so nothing is copied: 255 blocks of 4 KiB for an image.
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 8300,  # the RP2350 can do 16777; as on the Pico W, which runs the same code
    "state": {"device": "flash", "start": 0, "size": 0x3000},
    "client": {"device": "flash", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "flash",
        "header": 0x9000,
        "start": 0x9100,
        "size": 0xFFF00,
        "format": "lfs2",
    },
    "candidates": {
        "device": "flash",
        "start": 0x109000,
        "size": 0x100000,
        "locations": 1,
        "internal": True,
    },
    "regions": {
        "identity": {"device": "flash", "start": 0x6000, "size": 0x3000},
        "user": {"device": "flash", "start": 0x209000, "size": 0x77000, "format": "lfs2"},
    },
}
