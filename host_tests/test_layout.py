"""A layout that cannot work is refused, naming what is in the way; one that can is not."""

from fwcore import errors, layout
from fwcore.slot import active_slot, slots
from helpers import raises
from simdisk import Disk

BOTH = True  # runs on CPython and on MicroPython


def good():
    return {
        "devices": {
            "flash": {"size": 0x20000, "erase": 4096, "program": 256},
            "sd": {"size": 0x20000, "erase": 512, "program": 512, "overwrite": True},
        },
        "active": {
            "device": "flash",
            "header": 0x8000,
            "start": 0x9000,
            "size": 0x7000,
            "format": "lfs2",
        },
        "candidates": {"device": "sd", "start": 0x1000, "size": 0x10000, "locations": 2},
        "regions": {
            "boot": {"device": "flash", "start": 0, "size": 0x8000},
            "user": {"device": "flash", "start": 0x10000, "size": 0x10000},
        },
        "copy_retries": 3,
    }


def changed(path, value):
    """A good layout with the field at "a.b.c" replaced; None takes it out."""
    made = good()
    table = made
    *parents, name = path.split(".")
    for parent in parents:
        table = table[parent]
    if value is None:
        del table[name]
    else:
        table[name] = value
    return made


def refused(path, value, code, at):
    assert raises(code, layout.check, changed(path, value)).at == at, path


def test_layouts_that_work():
    layout.check(good())
    for path, value in (
        ("candidates", None),
        ("regions", None),
        ("copy_retries", None),
        ("copy_retries", 1),
        ("active.header", 0x8F00),  # the last unit before the image
        ("active.start", 0x8100),  # header and image share an erase block
        ("active.size", 0x6800),  # the last block is half used
        ("active.format", "fat"),
        ("active.format", "romfs"),
        ("candidates.locations", 64),
        ("candidates.start", 1),
        ("regions.boot.size", 0x7001),
        ("regions.other", {"device": "sd", "start": 0, "size": 0x1000}),
        ("regions.none", {"device": "flash", "start": 0x9000, "size": 0}),
    ):
        layout.check(changed(path, value))


def test_header_may_lie_behind_its_image():
    made = good()
    made["active"] = {
        "device": "flash",
        "header": 0xF000,
        "start": 0x8000,
        "size": 0x7000,
        "format": "lfs2",
    }
    layout.check(made)
    made["active"]["size"] = 0x7001
    raises(errors.OVERLAP, layout.check, made)
    made["active"].update({"header": 0xF800, "size": 0x7400})  # both use the block at 0xF000
    raises(errors.OVERLAP, layout.check, made)


def test_candidates_may_lie_in_internal_flash():
    area = {"device": "flash", "start": 0x10000, "size": 0x8000, "locations": 2, "internal": True}
    made = changed("candidates", area)
    made["regions"]["user"] = {"device": "flash", "start": 0x18000, "size": 0x8000}
    layout.check(made)
    area["start"] = 0xF000
    assert raises(errors.OVERLAP, layout.check, made).at == ("active", "candidates")
    area["start"] = 0x11000
    assert raises(errors.OVERLAP, layout.check, made).at == ("candidates", "user")


def test_overlaps_name_both_regions():
    refused("active.header", 0x7F00, errors.OVERLAP, ("active header", "boot"))
    refused("active.size", 0x7001, errors.OVERLAP, ("active", "user"))
    refused("regions.boot.size", 0x8001, errors.OVERLAP, ("active header", "boot"))
    refused("regions.boot.size", 0x9001, errors.OVERLAP, ("active header", "boot"))
    refused("regions.user.start", 0xFFFF, errors.OVERLAP, ("active", "user"))
    refused("active.start", 0x8000, errors.OVERLAP, ("active header", "active"))
    refused("active.header", 0x9100, errors.OVERLAP, ("active header", "active"))
    card = {"device": "sd", "start": 0, "size": 0x1001}
    refused("regions.card", card, errors.OVERLAP, ("candidates", "card"))
    both = {"device": "flash", "start": 0x1F000, "size": 0x1000}
    refused("regions.last", both, errors.OVERLAP, ("user", "last"))


def test_two_regions_in_one_erase_block_overlap():
    made = changed("active.header", 0x8000)
    made["regions"]["boot"]["size"] = 0x7800
    layout.check(made)
    made["regions"]["data"] = {"device": "flash", "start": 0x7800, "size": 0x100}
    raises(errors.OVERLAP, layout.check, made)


def test_regions_end_inside_their_device():
    refused("regions.user.size", 0x10001, errors.OUT_OF_DEVICE, ("user", "flash"))
    refused("active.size", 0x18000, errors.OUT_OF_DEVICE, ("active", "flash"))
    refused("active.header", 0x20000, errors.OUT_OF_DEVICE, ("active header", "flash"))
    refused("candidates.size", 0x1F200, errors.OUT_OF_DEVICE, ("candidates", "sd"))


def test_alignment():
    refused("active.header", 0x8001, errors.MISALIGNED, ("active", "header"))
    refused("active.start", 0x9080, errors.MISALIGNED, ("active", "start"))
    refused("devices.flash.erase", 4000, errors.MISALIGNED, ("flash", "erase"))
    refused("devices.flash.erase", 0, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 0, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 3, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 4096, errors.MISALIGNED, ("flash", "program"))
    layout.check(changed("devices.flash.program", 2048))
    refused("devices.flash.size", 0x1F800, errors.MISALIGNED, ("flash", "erase"))
    refused("devices.sd.erase", 4096, errors.MISALIGNED, ("sd", "erase"))  # no offsets on cards


def test_slots_hold_more_than_a_header():
    refused("candidates.locations", 128, errors.TOO_BIG, ("candidates", "locations"))
    refused("candidates.locations", 200, errors.TOO_BIG, ("candidates", "locations"))
    refused("candidates.locations", 256, errors.BAD_LAYOUT, ("candidates", "locations"))
    refused("copy_retries", 256, errors.BAD_LAYOUT, ("layout", "copy_retries"))
    refused("devices.sd.size", (1 << 32) + 512, errors.BAD_LAYOUT, ("sd", "size"))
    refused("candidates.size", 0, errors.TOO_BIG, ("candidates", "locations"))
    refused("candidates.locations", 0, errors.BAD_LAYOUT, ("candidates", "locations"))


def test_fields_are_there_and_of_their_kind():
    for path in (
        "devices.flash.size",
        "devices.flash.erase",
        "devices.flash.program",
        "active.header",
        "active.start",
        "active.size",
        "candidates.start",
        "candidates.size",
        "candidates.locations",
        "regions.user.start",
        "regions.user.size",
    ):
        *_, region, field = path.split(".")
        for value in (None, -1, "1", 1.5, [], {}):
            refused(path, value, errors.BAD_LAYOUT, (region, field))
    for path in ("active.device", "candidates.device", "regions.user.device"):
        *_, region, field = path.split(".")
        for value in (None, "nand", 1, []):
            refused(path, value, errors.BAD_LAYOUT, (region, field))
    for value in (None, "ext4", 1, []):
        refused("active.format", value, errors.BAD_LAYOUT, ("active", "format"))
    for value in (0, -1, "3", 1.5, []):
        refused("copy_retries", value, errors.BAD_LAYOUT, ("layout", "copy_retries"))


def test_tables_are_tables():
    for value in (None, 7, "x", [1]):
        refused("devices", value, errors.BAD_LAYOUT, ("layout", "devices"))
        refused("devices.flash", value or 7, errors.BAD_LAYOUT, ("flash", "size"))
        refused("candidates", value or 7, errors.BAD_LAYOUT, ("candidates", "device"))
        refused("regions", value or 7, errors.BAD_LAYOUT, ("layout", "regions"))
        refused("regions.user", value or 7, errors.BAD_LAYOUT, ("user", "device"))
    refused("active", None, errors.BAD_LAYOUT, ("layout", "active"))
    refused("active", 7, errors.BAD_LAYOUT, ("active", "device"))
    for value in (None, 7, "x", []):
        raises(errors.BAD_LAYOUT, layout.check, value)


def test_slots_come_from_the_layout():
    disk = Disk(0x20000, 512, 512, overwrite=True)
    found = slots(good(), disk)
    assert [(slot.header_at, slot.body_at, slot.end) for slot in found] == [
        (0x1000, 0x1200, 0x9000),
        (0x9000, 0x9200, 0x11000),
    ]
    assert all(slot.external for slot in found)
    flash = Disk(0x20000, 4096, 256)
    active = active_slot(good(), flash)
    assert (active.header_at, active.body_at, active.end) == (0x8000, 0x9000, 0x10000)
    assert not active.external


def test_device_smaller_than_the_layout_says_is_refused():
    small = Disk(0x10000, 512, 512, overwrite=True)
    raises(errors.OUT_OF_DEVICE, slots, good(), small)
    raises(errors.OUT_OF_DEVICE, active_slot, good(), Disk(0xF000, 4096, 256))
    behind = changed("active.header", 0x10000)
    active_slot(behind, Disk(0x11000, 4096, 256))
    raises(errors.OUT_OF_DEVICE, active_slot, behind, Disk(0x10000, 4096, 256))


def test_device_that_erases_more_than_the_layout_says_is_refused():
    raises(errors.MISALIGNED, active_slot, good(), Disk(0x40000, 0x10000, 256))
    other = Disk(0x20000, 4096, 256)
    raises(errors.MISALIGNED, slots, good(), other)
