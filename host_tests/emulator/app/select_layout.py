"""The map of scenes_select.py: the board's, but boot stages lie in its second slot and behind it.

A literal, as fwtool reads it: test_pico_parts.py looks whether a stage fits.
"""

LAYOUT = {
    "devices": {"flash": {"size": 0xD4000, "erase": 4096, "program": 256}},
    "mode": "direct",
    "trials": 3,
    "signed": True,
    "watchdog_ms": 8300,
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
        "start": 0xC4000,
        "size": 0x10000,
        "locations": 1,
        "internal": True,
    },
    "regions": {"identity": {"device": "flash", "start": 0x6000, "size": 0x3000}},
    "stages": {
        "active": {
            "device": "flash",
            "header": 0x59000,
            "start": 0x59100,
            "size": 0x33F00,
            "format": "lfs2",
        },
        "candidates": {
            "device": "flash",
            "start": 0x8D000,
            "size": 0x34000,
            "locations": 1,
            "internal": True,
        },
        "state": {"device": "flash", "start": 0xC1000, "size": 0x3000},
        "mode": "direct",
        "headers": "stage",
        "component": "BOOT",
        "signed": True,
    },
}
