"""The virtual board without a state region: simple installation from two slots on the card."""

import json

LAYOUT = {
    "devices": {
        "flash": {"size": 0x400000, "erase": 4096, "program": 256},
        "spi": {"size": 0x800000, "erase": 4096, "program": 256},
        "sd": {"size": 0x2000000, "erase": 512, "program": 512, "overwrite": True},
    },
    "active": {
        "device": "flash",
        "header": 0x10000,
        "start": 0x11000,
        "size": 0xEF000,
        "format": "lfs2",
    },
    "candidates": {"device": "sd", "start": 0x100000, "size": 0x1000000, "locations": 2},
    "regions": {
        "boot": {"device": "flash", "start": 0, "size": 0x10000},
        "user": {"device": "flash", "start": 0x100000, "size": 0x300000, "format": "lfs2"},
    },
    "copy_retries": 3,
}


def use(state):
    """Give a virtual board's folder this layout. Its application may stay where it is."""
    (state / "layout.json").write_text(json.dumps(LAYOUT))
