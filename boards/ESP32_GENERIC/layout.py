"""Layout of an ESP32 with 4 MiB: two slots to run from, in a partition.

CHIPS says where the layout's devices are on the real chips, and what else is there; only
`fwtool layout` reads it. Devices are partitions, by label; partitions.csv is the same table for
the build. Its upper part is the port's own (-ota), so that the firmware can be updated as well.
"""

CHIPS = {
    "flash": {
        "size": 0x400000,
        "erase": 4096,
        "program": 256,
        "used": {
            "loader": (0, 0x9000),  # and the table
            "nvs": (0x9000, 0xD000),  # the identity is here
            "otadata": (0xD000, 0xF000),
            "phy_init": (0xF000, 0x10000),
            "ota_0": (0x10000, 0x190000),
            "ota_1": (0x190000, 0x310000),
        },
        "devices": {"ufota": 0x310000, "vfs": 0x3D0000},
    },
}

LAYOUT = {
    "devices": {
        "ufota": {"size": 0xC0000, "erase": 4096, "program": 256},
        "vfs": {"size": 0x30000, "erase": 4096, "program": 256},
    },
    # Both slots can be run from, so nothing is copied: 92 blocks of 4 KiB for an image.
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 30000,
    "state": {"device": "ufota", "start": 0, "size": 0x3000},
    "client": {"device": "ufota", "start": 0x3000, "size": 0x3000},
    "active": {
        "device": "ufota",
        "header": 0x6000,
        "start": 0x6100,
        "size": 0x5CF00,
        "format": "lfs2",
    },
    "candidates": {
        "device": "ufota",
        "start": 0x63000,
        "size": 0x5D000,
        "locations": 1,
        "internal": True,
    },
    "regions": {
        "user": {"device": "vfs", "start": 0, "size": 0x30000, "format": "lfs2"},
    },
}
