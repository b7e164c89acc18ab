"""A layout that cannot work is refused, naming what is in the way; one that can is not."""

from fwcore import errors, errors_boot, layout, statement
from fwcore.slot import active_slot, slots
from fwcore.storage import up
from helpers import raises
from ufota_testkit.simboard import MODES, trial_layout
from ufota_testkit.simdisk import Disk

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
    raises(errors_boot.OVERLAP, layout.check, made)
    made["active"].update({"header": 0xF800, "size": 0x7400})  # both use the block at 0xF000
    raises(errors_boot.OVERLAP, layout.check, made)


def test_candidates_may_lie_in_internal_flash():
    area = {"device": "flash", "start": 0x10000, "size": 0x8000, "locations": 2, "internal": True}
    made = changed("candidates", area)
    made["regions"]["user"] = {"device": "flash", "start": 0x18000, "size": 0x8000}
    layout.check(made)
    area["start"] = 0xF000
    assert raises(errors_boot.OVERLAP, layout.check, made).at == ("active", "candidates")
    area["start"] = 0x11000
    assert raises(errors_boot.OVERLAP, layout.check, made).at == ("candidates", "user")


def test_overlaps_name_both_regions():
    refused("active.header", 0x7F00, errors_boot.OVERLAP, ("active header", "boot"))
    refused("active.size", 0x7001, errors_boot.OVERLAP, ("active", "user"))
    refused("regions.boot.size", 0x8001, errors_boot.OVERLAP, ("active header", "boot"))
    refused("regions.boot.size", 0x9001, errors_boot.OVERLAP, ("active header", "boot"))
    refused("regions.user.start", 0xFFFF, errors_boot.OVERLAP, ("active", "user"))
    refused("active.start", 0x8000, errors_boot.OVERLAP, ("active header", "active"))
    refused("active.header", 0x9100, errors_boot.OVERLAP, ("active header", "active"))
    card = {"device": "sd", "start": 0, "size": 0x1001}
    refused("regions.card", card, errors_boot.OVERLAP, ("candidates", "card"))
    both = {"device": "flash", "start": 0x1F000, "size": 0x1000}
    refused("regions.last", both, errors_boot.OVERLAP, ("user", "last"))


def test_candidates_do_not_touch_the_erase_blocks_they_do_not_fill():
    made = changed("candidates", {"device": "sd", "start": 0x1001, "size": 0xFFFE, "locations": 2})
    made["regions"]["front"] = {"device": "sd", "start": 0, "size": 0x1200}
    made["regions"]["back"] = {"device": "sd", "start": 0x10E00, "size": 1}
    layout.check(made)
    made["regions"]["front"]["size"] += 1
    assert raises(errors_boot.OVERLAP, layout.check, made).at == ("candidates", "front")
    made["regions"]["front"]["size"] -= 1
    made["regions"]["back"]["start"] -= 1
    assert raises(errors_boot.OVERLAP, layout.check, made).at == ("candidates", "back")


def test_two_regions_in_one_erase_block_overlap():
    made = changed("active.header", 0x8000)
    made["regions"]["boot"]["size"] = 0x7800
    layout.check(made)
    made["regions"]["data"] = {"device": "flash", "start": 0x7800, "size": 0x100}
    raises(errors_boot.OVERLAP, layout.check, made)


def test_regions_end_inside_their_device():
    refused("regions.user.size", 0x10001, errors.OUT_OF_DEVICE, ("user", "flash"))
    refused("active.size", 0x18000, errors.OUT_OF_DEVICE, ("active", "flash"))
    refused("active.header", 0x20000, errors.OUT_OF_DEVICE, ("active header", "flash"))
    refused("candidates.size", 0x1F200, errors.OUT_OF_DEVICE, ("candidates", "sd"))
    refused("candidates.size", 0x1F001, errors.OUT_OF_DEVICE, ("candidates", "sd"))


def test_alignment():
    refused("active.header", 0x8001, errors.MISALIGNED, ("active", "header"))
    refused("active.start", 0x9080, errors.MISALIGNED, ("active", "start"))
    refused("devices.flash.erase", 4000, errors.MISALIGNED, ("flash", "erase"))
    refused("devices.flash.erase", 0, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 0, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 3, errors.MISALIGNED, ("flash", "program"))
    refused("devices.flash.program", 4096, errors.MISALIGNED, ("flash", "program"))
    layout.check(changed("devices.flash.program", 2048))
    ragged = {"size": 64 * 3072, "erase": 3072, "program": 2048}
    refused("devices.flash", ragged, errors.MISALIGNED, ("flash", "erase"))
    refused("devices.flash.size", 0x1F800, errors.MISALIGNED, ("flash", "erase"))
    refused("devices.sd.erase", 4096, errors.MISALIGNED, ("sd", "erase"))  # no offsets on cards


def test_slots_hold_more_than_a_header():
    refused("candidates.locations", 128, errors.TOO_BIG, ("candidates", "locations"))
    refused("candidates.locations", 200, errors.TOO_BIG, ("candidates", "locations"))
    refused("candidates.locations", 256, errors_boot.BAD_LAYOUT, ("candidates", "locations"))
    refused("copy_retries", 256, errors_boot.BAD_LAYOUT, ("layout", "copy_retries"))
    refused("devices.sd.size", (1 << 32) + 512, errors_boot.BAD_LAYOUT, ("sd", "size"))
    layout.check(changed("devices.sd.size", 1 << 32))
    flash = {"device": "flash", "start": 0x10000, "size": 0x3000, "locations": 2}
    made = changed("candidates", flash)
    del made["regions"]["user"]
    layout.check(made)
    flash["locations"] = 4  # less than an erase block each
    assert raises(errors.TOO_BIG, layout.check, made).at == ("candidates", "locations")
    refused("candidates.size", 0, errors.TOO_BIG, ("candidates", "locations"))
    refused("active.size", 0, errors_boot.BAD_LAYOUT, ("active", "size"))
    refused("candidates.locations", 0, errors_boot.BAD_LAYOUT, ("candidates", "locations"))


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
            refused(path, value, errors_boot.BAD_LAYOUT, (region, field))
    for path in ("active.device", "candidates.device", "regions.user.device"):
        *_, region, field = path.split(".")
        for value in (None, "nand", 1, []):
            refused(path, value, errors_boot.BAD_LAYOUT, (region, field))
    for value in (None, "ext4", 1, []):
        refused("active.format", value, errors_boot.BAD_LAYOUT, ("active", "format"))
    for value in (0, -1, "3", 1.5, []):
        refused("copy_retries", value, errors_boot.BAD_LAYOUT, ("layout", "copy_retries"))


def test_tables_are_tables():
    for value in (None, 7, "x", [1]):
        refused("devices", value, errors_boot.BAD_LAYOUT, ("layout", "devices"))
        refused("devices.flash", value or 7, errors_boot.BAD_LAYOUT, ("flash", "size"))
        refused("candidates", value or 7, errors_boot.BAD_LAYOUT, ("candidates", "device"))
        refused("regions", value or 7, errors_boot.BAD_LAYOUT, ("layout", "regions"))
        refused("regions.user", value or 7, errors_boot.BAD_LAYOUT, ("user", "device"))
    refused("active", None, errors_boot.BAD_LAYOUT, ("layout", "active"))
    refused("active", 7, errors_boot.BAD_LAYOUT, ("active", "device"))
    for value in (None, 7, "x", []):
        raises(errors_boot.BAD_LAYOUT, layout.check, value)


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


# With a state region: 512-byte blocks, three of them active (0..0x5FF), six of state
# (0x600..0x11FF), and the candidate on spi, or behind the state on flash


def trial(mode, path=None, value=None, kind="spi"):
    """trial_layout() with the field at "a.b" replaced; None takes it out."""
    made = trial_layout(mode, kind)
    if path:
        *parents, name = path.split(".")
        table = made
        for parent in parents:
            table = table[parent]
        if value is None:
            del table[name]
        else:
            table[name] = value
    return made


def trial_refused(mode, path, value, code, at):
    assert raises(code, layout.check, trial(mode, path, value)).at == at, (mode, path, value)


def test_layouts_with_a_state_region_that_work():
    for mode in MODES:
        for kind in ("flash", "spi", "sd"):
            layout.check(trial_layout(mode, kind))
            layout.check(trial_layout(mode, kind, blocks=8))
    for path, value in (
        ("trials", 1),
        ("trials", 254),
        ("watchdog_ms", 1),
        ("watchdog_ms", 0x7FFFFFFF),
        ("arm_signature", True),
        ("state.external", True),
        ("downgrade", True),
        ("component", "M"),
        ("component", "EIGHT_CH"),
    ):
        for mode in MODES:
            layout.check(trial(mode, path, value))


def test_signed_is_no_or_once_or_at_every_start():
    for mode in MODES:
        for value in (False, True, "start"):
            layout.check(trial_layout(mode, signed=value))
        for value in ("", "yes", "once", 2, 1.5, None, [], {}, b"start"):
            made = trial_layout(mode, signed=value)
            refused_at(made, errors_boot.BAD_LAYOUT, ("layout", "signed"))
    for value in (False, True, "start"):
        layout.check(changed("signed", value))
    refused("signed", "yes", errors_boot.BAD_LAYOUT, ("layout", "signed"))


def test_options_are_within_their_bounds():
    for field, most in (("trials", 254), ("copy_retries", 255), ("watchdog_ms", 0x7FFFFFFF)):
        for value in (0, -1, most + 1, "3", 1.5, [], {}):
            trial_refused("swap", field, value, errors_boot.BAD_LAYOUT, ("layout", field))
        refused(field, 0, errors_boot.BAD_LAYOUT, ("layout", field))
    others = "NINECHARS", "MAIN\0", "MA IN", "\xc4\xc4", statement.RECOVERY
    for value in ("", 7, [], ["MAIN"], b"MAIN") + others:
        trial_refused(
            "direct", "component", value, errors_boot.BAD_LAYOUT, ("layout", "component")
        )
        refused("component", value, errors_boot.BAD_LAYOUT, ("layout", "component"))


def test_mode_and_state_come_together():
    for mode in MODES:
        trial_refused(mode, "mode", None, errors_boot.BAD_LAYOUT, ("layout", "mode"))
        trial_refused(mode, "state", None, errors_boot.BAD_LAYOUT, ("layout", "mode"))
        refused("mode", mode, errors_boot.BAD_LAYOUT, ("layout", "mode"))
        trial_refused(mode, "candidates", None, errors_boot.BAD_LAYOUT, ("layout", "candidates"))
    for value in ("copy", "", 1, [], {}):
        trial_refused("swap", "mode", value, errors_boot.BAD_LAYOUT, ("layout", "mode"))
        refused("mode", value, errors_boot.BAD_LAYOUT, ("layout", "mode"))


def test_the_state_region_is_whole_erase_blocks_that_hold_its_records():
    for mode in MODES:
        trial_refused(mode, "state.start", 0x680, errors.MISALIGNED, ("state", "start"))
        trial_refused(mode, "state.size", 0xB80, errors.MISALIGNED, ("state", "size"))
        trial_refused(mode, "state.size", 0, errors.TOO_BIG, ("state", "size"))
        for field in ("start", "size"):
            for value in (None, -1, "1", 1.5):
                at = ("state", field)
                trial_refused(mode, "state." + field, value, errors_boot.BAD_LAYOUT, at)
        for value in (None, "nand", 7):
            trial_refused(mode, "state.device", value, errors_boot.BAD_LAYOUT, ("state", "device"))
        trial_refused(mode, "state", 7, errors_boot.BAD_LAYOUT, ("state", "device"))
        outside = trial(mode)
        outside["state"]["start"] = outside["devices"]["flash"]["size"] - 5 * 512
        assert raises(errors.OUT_OF_DEVICE, layout.check, outside).at == ("state", "flash")
        # Units of 128 bytes: four for a record, one for commit and one for seal
        trial_refused(mode, "state.size", 5 * 512, errors.TOO_BIG, ("state", "size"))


def with_client(device="flash", start=0x8000 - 0x6000, size=0x6000):
    """A good layout with a client store; each bank is two erase blocks."""
    made = good()
    made["regions"]["boot"]["size"] = 0x2000
    made["client"] = {"device": device, "start": start, "size": size}
    return made


def test_the_client_region_is_whole_erase_blocks_that_hold_its_store():
    layout.check(with_client())
    layout.check(with_client(size=0x3000))
    for more, code, at in (
        ({"start": 0x2100}, errors.MISALIGNED, ("client", "start")),
        ({"size": 0x3100}, errors.MISALIGNED, ("client", "size")),
        ({"size": 0x2000}, errors.TOO_BIG, ("client", "size")),
        ({"size": None}, errors_boot.BAD_LAYOUT, ("client", "size")),
        ({"start": -1}, errors_boot.BAD_LAYOUT, ("client", "start")),
        ({"device": "nand"}, errors_boot.BAD_LAYOUT, ("client", "device")),
        ({"start": 0x1F000}, errors.OUT_OF_DEVICE, ("client", "flash")),
    ):
        assert raises(code, layout.check, with_client(**more)).at == at, more
    made = with_client()
    made["client"] = 7
    assert raises(errors_boot.BAD_LAYOUT, layout.check, made).at == ("client", "device")
    assert set(raises(errors_boot.OVERLAP, layout.check, with_client(start=0x1000)).at) == {
        "boot",
        "client",
    }


def test_the_client_region_holds_the_whole_store_and_one_mark():
    """On a card a record of 1040 bytes takes three blocks; commit, seal and mark one each."""
    layout.check(with_client("sd", 0x11000, 3 * 6 * 512))
    made = with_client("sd", 0x11000, 3 * 6 * 512 - 512)
    assert raises(errors.TOO_BIG, layout.check, made).at == ("client", "size")


def test_the_state_region_may_be_on_a_card_and_then_takes_a_block_a_part():
    for mode, least in (("overwrite", 3), ("direct", 3), ("swap", 4)):  # a swap has marks too
        made = trial_layout(mode)
        made["devices"]["card"] = {"size": 99 * 512, "erase": 512, "program": 512}
        made["devices"]["card"]["overwrite"] = True
        made["state"] = {"device": "card", "start": 512, "size": 3 * least * 512}
        layout.check(made)
        made["state"]["size"] -= 512
        assert raises(errors.TOO_BIG, layout.check, made).at == ("state", "size")


def test_the_records_of_a_swap_grow_with_its_blocks():
    def sized(blocks):
        made = trial_layout("swap", blocks=blocks)
        for name in ("flash", "spi"):
            made["devices"][name] = {"size": 1 << 23, "erase": 512, "program": 16}
        made["state"] = {"device": "flash", "start": 1 << 22, "size": 3 * 1024}
        return made

    # 1024 = roundup(12 + 456 + n + 4, 16) + 3 * 16: n is 504 bytes, 8 blocks each
    layout.check(sized(504 * 8))
    assert raises(errors.TOO_BIG, layout.check, sized(504 * 8 + 1)).at == ("state", "size")


def test_a_record_is_shorter_than_64_kib():
    blocks = (0xFFFF - 456) * 8
    made = trial_layout("swap")
    for name in ("flash", "spi"):
        made["devices"][name]["size"] = 1 << 30
    made["state"].update({"start": 1 << 29, "size": 1 << 20})
    made["candidates"]["size"] = 1 << 30
    made["active"]["size"] = blocks * 512 - 128
    layout.check(made)
    made["active"]["size"] += 512
    assert raises(errors.TOO_BIG, layout.check, made).at == ("state", "size")


def test_a_swap_is_of_whole_blocks():
    trial_refused("swap", "active.header", 128, errors_boot.OVERLAP, ("active header", "active"))
    made = trial("swap", "active.start", 256)
    made["active"].update({"header": 128, "size": 0x500})
    assert raises(errors.MISALIGNED, layout.check, made).at == ("active", "header")
    trial_refused("swap", "active.size", 0x500, errors.MISALIGNED, ("active", "size"))
    made = trial("swap", "active.start", 384, "sd")  # the card's program unit is 512
    made["active"]["size"] = 0x600 - 384
    assert raises(errors.MISALIGNED, layout.check, made).at == ("active", "start")
    made = trial("swap", "active.start", 384)
    made["active"]["size"] = 0x600 - 384
    layout.check(made)
    trial_refused("swap", "candidates.locations", 2, errors_boot.BAD_LAYOUT, LOCATIONS)


LOCATIONS = ("candidates", "locations")


def test_a_swap_keeps_header_and_image_together():
    made = trial("swap")
    made["active"].update({"header": 0x400, "start": 0, "size": 0x400})
    assert raises(errors_boot.BAD_LAYOUT, layout.check, made).at == ("active", "header")
    for mode in ("swap", "direct"):
        made = trial_layout(mode, blocks=8)
        made["active"].update({"start": 0x800, "size": 0x800})
        layout.check(made)
        made["regions"] = {"between": {"device": "flash", "start": 0x400, "size": 0x200}}
        at = ("active header", "between")
        assert raises(errors_boot.OVERLAP, layout.check, made).at == at
    made["mode"] = "overwrite"  # there only the two are erased
    made["candidates"] = {"device": "spi", "start": 0, "size": 8 * 512, "locations": 2}
    layout.check(made)


def test_a_swap_has_a_spare_block():
    for kind in ("flash", "spi", "sd"):
        made = trial_layout("swap", kind)
        made["candidates"]["size"] -= 1
        assert raises(errors.TOO_BIG, layout.check, made).at == ("candidates", "size")
        made = trial_layout("swap", kind)
        made["candidates"]["start"] += 1
        made["devices"][kind]["size"] += 512
        assert raises(errors.TOO_BIG, layout.check, made).at == ("candidates", "size")
    # As many blocks as active, the header's included
    trial_refused("swap", "candidates.size", 3 * 512, errors.TOO_BIG, ("candidates", "size"))
    trial_refused("swap", "candidates.size", 0, errors.TOO_BIG, LOCATIONS)


def test_blocks_of_a_swap_suit_both_devices():
    made = trial_layout("swap", blocks=4)
    made["devices"]["spi"] = {"size": 8 * 1024, "erase": 1024, "program": 128}
    made["candidates"] = {"device": "spi", "start": 100, "size": 3995, "locations": 1}
    refused_at(made, errors.TOO_BIG, ("candidates", "size"))
    made["candidates"]["size"] = 3996
    layout.check(made)  # 1024..4095: spare and two blocks
    made["active"].update({"header": 512, "start": 640, "size": 0x600 - 640})
    refused_at(made, errors.MISALIGNED, ("active", "header"))
    made["active"].update({"header": 0, "start": 128, "size": 0x600 - 128})
    refused_at(made, errors.MISALIGNED, ("active", "size"))
    made = trial_layout("swap", blocks=6)
    made["devices"]["spi"] = {"size": 8 * 768, "erase": 768, "program": 128}
    made["candidates"]["size"] = 8 * 768
    refused_at(made, errors.MISALIGNED, ("candidates", "device"))
    made["devices"]["flash"].update({"erase": 256})
    layout.check(made)  # 768 is three of those
    made["devices"]["flash"].update({"erase": 1024, "size": 64 * 1024})
    refused_at(made, errors.MISALIGNED, ("candidates", "device"))


def refused_at(made, code, at):
    assert raises(code, layout.check, made).at == at


def test_blocks_of_a_swap_are_whole_buffers():
    for block, good_ in ((1536, True), (2048, True), (3072, False), (4096, True), (6144, True)):
        made = trial_layout("swap", "flash")
        made["devices"]["flash"] = {"size": 64 * block, "erase": block, "program": 256}
        made["active"].update({"header": 0, "start": 512, "size": 2 * block - 512})
        made["state"].update({"start": 2 * block, "size": 3 * block})
        made["candidates"].update({"start": 5 * block, "size": 3 * block})
        if good_:
            layout.check(made)
        else:
            refused_at(made, errors.MISALIGNED, ("candidates", "device"))


def test_the_header_of_a_candidate_fits_the_spare_block():
    made = trial_layout("swap")
    for name in ("flash", "spi"):
        made["devices"][name].update({"erase": 256})
    refused_at(made, errors.TOO_BIG, ("candidates", "device"))  # 296 bytes take 384
    made["candidates"]["internal"] = True
    layout.check(made)  # 112 take 128


def test_a_swap_need_not_begin_at_address_0():
    made = trial_layout("swap")
    made["active"].update({"header": 0x1200, "start": 0x1280})
    layout.check(made)
    made["candidates"]["size"] -= 512
    refused_at(made, errors.TOO_BIG, ("candidates", "size"))


def test_an_overwrite_has_a_second_location():
    trial_refused("overwrite", "candidates.locations", 1, errors_boot.BAD_LAYOUT, LOCATIONS)
    made = trial_layout("overwrite", blocks=6)
    made["candidates"]["locations"] = 3
    layout.check(made)


def test_direct_slots_can_both_be_run_from():
    trial_refused("direct", "candidates.locations", 2, errors_boot.BAD_LAYOUT, LOCATIONS)
    internal = ("candidates", "internal")
    trial_refused("direct", "candidates.internal", None, errors_boot.BAD_LAYOUT, internal)
    trial_refused("direct", "candidates.internal", False, errors_boot.BAD_LAYOUT, internal)
    made = trial("direct")
    made["active"].update({"header": 0x400, "start": 0, "size": 0x400})
    refused_at(made, errors_boot.BAD_LAYOUT, ("active", "header"))
    made = trial_layout("direct", blocks=4)
    made["devices"]["spi"] = {"size": 2048, "erase": 1024, "program": 128}
    refused_at(made, errors.MISALIGNED, ("candidates", "device"))
    for form in ("fat", "romfs"):
        made["active"]["format"] = form
        layout.check(made)
    made = trial_layout("overwrite", blocks=4)  # there the image is not run from the candidate
    made["devices"]["spi"] = {"size": 5120, "erase": 1024, "program": 128}
    layout.check(made)


def test_the_state_region_is_nobody_elses():
    for mode in MODES:
        trial_refused(mode, "state.start", 0x400, errors_boot.OVERLAP, ("active", "state"))
        made = trial_layout(mode, "flash")
        made["candidates"]["start"] -= 512
        made["state"]["size"] += 512
        refused_at(made, errors_boot.OVERLAP, ("candidates", "state"))
        made = trial_layout(mode)
        made["regions"] = {"user": {"device": "flash", "start": 0x11FF, "size": 1}}
        refused_at(made, errors_boot.OVERLAP, ("state", "user"))
        made["regions"]["user"]["start"] = 0x1200
        layout.check(made)
    made["state"]["device"] = made["regions"]["user"]["device"] = "spi"
    made["devices"]["spi"]["size"] = 0x2000
    made["state"]["start"] = 0x400
    refused_at(made, errors_boot.OVERLAP, ("candidates", "state"))


# A signature of 64 bytes is behind each header of a layout that says so


def bytewise(mode, erase=512, **more):
    """trial_layout() on devices that program single bytes, in erase blocks of this size."""
    made = trial_layout(mode, **more)
    for name, blocks in (("flash", 99), ("spi", 12)):
        made["devices"][name] = {"size": blocks * erase, "erase": erase, "program": 1}
    made["active"]["size"] = 3 * erase - made["active"]["start"]
    made["state"].update({"start": 3 * erase, "size": 60 * erase})
    made["candidates"]["size"] = {"swap": 4, "overwrite": 8, "direct": 3}[mode] * erase
    return made


def test_a_signature_is_between_the_active_header_and_its_image():
    for mode in MODES:
        for signed, least in ((False, 112), (True, 176), ("start", 176)):
            made = bytewise(mode, signed=signed)
            made["active"].update({"start": least, "size": 3 * 512 - least})
            layout.check(made)
            made["active"].update({"start": least - 1, "size": 3 * 512 - least + 1})
            refused_at(made, errors_boot.OVERLAP, ("active header", "active"))


def test_a_signature_is_between_the_recovery_header_and_its_image():
    for signed, least in ((False, 112), (True, 176), ("start", 176)):
        made = with_recovery(start=0x18000 + least, size=0x1000)
        made["devices"]["flash"]["program"] = 1
        made["signed"] = signed
        layout.check(made)
        made["recovery"]["start"] -= 1
        refused_at(made, errors_boot.OVERLAP, ("recovery header", "recovery"))


def test_a_signature_is_between_a_stage_header_and_its_stage():
    for signed, least in ((False, 56), (True, 120), ("start", 120)):
        made = bytewise("direct", headers="stage", signed=signed)
        made["active"].update({"start": least, "size": 3 * 512 - least})
        layout.check(made)
        made["active"].update({"start": least - 1, "size": 3 * 512 - least + 1})
        refused_at(made, errors_boot.OVERLAP, ("active header", "active"))


def test_a_slot_holds_more_than_header_and_signature():
    """Slots of one erase block, which has room for one byte of image, and then for none."""
    for internal, signed, least in (
        (False, False, 296),
        (False, True, 360),
        (False, "start", 360),
        (True, False, 112),
        (True, True, 176),
        (True, "start", 176),
    ):
        for erase, fits in ((least + 1, True), (least, False), (least - 1, False)):
            made = changed("signed", signed)
            made["devices"]["chip"] = {"size": 2 * erase, "erase": erase, "program": 1}
            area = {"device": "chip", "start": 0, "size": 2 * erase, "locations": 2}
            made["candidates"] = dict(area, internal=internal)
            if fits:
                layout.check(made)
            else:
                refused_at(made, errors.TOO_BIG, LOCATIONS)


def test_a_slot_of_a_stage_holds_more_than_header_and_signature():
    for signed, least in ((False, 56), (True, 120), ("start", 120)):
        for erase, fits in ((least + 1, True), (least, False), (least - 1, False)):
            made = bytewise("direct", erase, headers="stage", signed=signed)
            made["active"].update({"start": least, "size": 3 * erase - least})
            made["candidates"]["size"] = erase
            if fits:
                layout.check(made)
            else:
                refused_at(made, errors.TOO_BIG, LOCATIONS)


def test_header_and_signature_of_a_candidate_fit_the_spare_block():
    for signed, least in ((False, 296), (True, 360), ("start", 360)):
        layout.check(bytewise("swap", least, signed=signed))
        made = bytewise("swap", least - 1, signed=signed)
        refused_at(made, errors.TOO_BIG, ("candidates", "device"))
        made["candidates"]["internal"] = True  # 176 or less
        layout.check(made)


def test_header_and_signature_take_whole_program_units():
    for program, external, internal in ((8, 360, 176), (128, 384, 256), (256, 512, 256)):
        made = changed("signed", True)
        made["devices"]["flash"]["program"] = program
        made["active"].update({"header": 0x8000, "start": 0x8000 + up(176, program)})
        layout.check(made)
        made["active"]["start"] -= program
        refused_at(made, errors_boot.OVERLAP, ("active header", "active"))
        device = Disk(0x20000, 4096, program)
        for inside, head in ((False, external), (True, internal)):
            area = {"device": "flash", "start": 0x10000, "size": 0x8000, "locations": 2}
            made["candidates"] = dict(area, internal=inside)
            found = slots(made, device)
            assert [slot.body_at - slot.header_at for slot in found] == [head, head]
            assert [slot.room for slot in found] == [64, 64]


RECOVERY = {
    "device": "flash",
    "header": 0x18000,
    "start": 0x18100,
    "size": 0x6F00,
    "format": "romfs",
}


def with_recovery(**fields):
    made = changed("recovery", dict(RECOVERY, **fields))
    made["regions"]["user"]["size"] = 0x8000
    return made


def test_a_recovery_image_is_like_the_active_one():
    layout.check(with_recovery())
    layout.check(with_recovery(device="sd", header=0x11000, start=0x11200, size=0x1000))
    for fields, code, at in (
        ({"header": 0x17F00}, errors_boot.OVERLAP, ("recovery header", "user")),
        ({"header": 0x18080}, errors.MISALIGNED, ("recovery", "header")),
        ({"start": 0x18180}, errors.MISALIGNED, ("recovery", "start")),
        ({"header": 0x18100}, errors_boot.OVERLAP, ("recovery header", "recovery")),
        ({"header": 0x19000}, errors_boot.OVERLAP, ("recovery header", "recovery")),
        ({"size": 0x7F01}, errors.OUT_OF_DEVICE, ("recovery", "flash")),
        ({"header": 0x20000}, errors.OUT_OF_DEVICE, ("recovery header", "flash")),
        ({"format": "ext4"}, errors_boot.BAD_LAYOUT, ("recovery", "format")),
        ({"device": "nand"}, errors_boot.BAD_LAYOUT, ("recovery", "device")),
        ({"size": -1}, errors_boot.BAD_LAYOUT, ("recovery", "size")),
        ({"size": 0}, errors_boot.BAD_LAYOUT, ("recovery", "size")),
        ({"header": 0xF000, "start": 0xF800}, errors_boot.OVERLAP, ("active", "recovery header")),
    ):
        refused_at(with_recovery(**fields), code, at)
    refused("recovery", 7, errors_boot.BAD_LAYOUT, ("recovery", "device"))
    for field in RECOVERY:
        made = with_recovery()
        del made["recovery"][field]
        refused_at(made, errors_boot.BAD_LAYOUT, ("recovery", field))


def test_a_recovery_image_shares_no_erase_block():
    made = with_recovery(size=0x6000 - 0x100 + 1)  # one byte into the block at 0x1E000
    tail = {"device": "flash", "start": 0x1E800, "size": 0x100}
    made["regions"]["tail"] = tail
    refused_at(made, errors_boot.OVERLAP, ("recovery", "tail"))
    made["recovery"]["size"] -= 1
    layout.check(made)
    made = with_recovery(header=0x1F000, start=0x18000)  # a header behind is on its own
    layout.check(made)
    made["regions"]["tail"] = {"device": "flash", "start": 0x1FF00, "size": 0x100}
    refused_at(made, errors_boot.OVERLAP, ("recovery header", "tail"))
    made = with_recovery(start=0x1A000, size=0x1000)  # a header in front takes its own blocks
    made["regions"]["gap"] = {"device": "flash", "start": 0x19000, "size": 0x1000}
    layout.check(made)
    made["regions"]["gap"]["start"] = 0x18F00
    refused_at(made, errors_boot.OVERLAP, ("recovery header", "gap"))
    made = trial_layout("swap", recovery=dict(RECOVERY, header=0x1200, start=0x1600, size=0x200))
    made["regions"] = {"gap": {"device": "flash", "start": 0x1400, "size": 0x200}}
    layout.check(made)  # nobody swaps a recovery image


def chain(**fields):
    """A layout with two slots of boot stages behind everything else on flash."""
    made = trial_layout("swap", "flash", blocks=3)
    made["devices"]["flash"]["size"] = 64 * 512
    stages = trial_layout("direct", "flash", blocks=2)
    del stages["devices"]
    for region in ("active", "state", "candidates"):
        stages[region]["start"] += 20 * 512
    stages["active"].update({"header": 20 * 512, "size": 512})
    stages.update({"headers": "stage", "component": "BOOT"})
    stages.update(fields)
    made["stages"] = stages
    return made


def test_a_chain_is_a_layout_in_a_layout():
    layout.check(chain())
    layout.check(chain(trials=1))
    for field, value, at in (
        ("headers", "arm", ("stages layout", "headers")),
        ("component", "MAIN", ("stages layout", "component")),
        ("component", "", ("stages layout", "component")),
        ("devices", {}, ("stages layout", "devices")),
        ("stages", {}, ("stages layout", "stages")),
        ("mode", "swap", ("stages layout", "headers")),
        ("mode", "other", ("stages layout", "mode")),
        ("trials", 0, ("stages layout", "trials")),
        ("active", 7, ("stages active", "device")),
        ("state", 7, ("stages state", "device")),
        ("candidates", 7, ("stages candidates", "device")),
        ("regions", 7, ("stages layout", "regions")),
        ("regions", {"log": 7}, ("stages log", "device")),
        ("recovery", 7, ("stages recovery", "device")),
    ):
        refused_at(chain(**{field: value}), errors_boot.BAD_LAYOUT, at)
    for field, at in (
        ("active", ("stages layout", "active")),
        ("candidates", ("stages layout", "candidates")),
        ("state", ("stages layout", "mode")),
        ("mode", ("stages layout", "mode")),
        ("headers", ("stages layout", "headers")),
        ("component", ("stages layout", "component")),
    ):
        made = chain()
        del made["stages"][field]
        refused_at(made, errors_boot.BAD_LAYOUT, at)
    made = chain()
    made["component"] = "BOOT"
    refused_at(made, errors_boot.BAD_LAYOUT, ("stages layout", "component"))
    del made["stages"]["component"]  # MAIN
    layout.check(made)
    refused("stages", 7, errors_boot.BAD_LAYOUT, ("layout", "stages"))


def test_stages_are_signed_where_the_application_is():
    """With "start" too: code could record a stage of its own, and that starts what it likes."""
    for outer, stages in ((True, True), (True, "start"), (False, True), ("start", "start")):
        layout.check(signed_chain(outer, stages))
    for outer, stages in ((True, False), ("start", False), ("start", True)):
        made = signed_chain(outer, stages)
        refused_at(made, errors_boot.BAD_LAYOUT, ("stages layout", "signed"))


def signed_chain(outer, stages):
    made = chain(signed=stages)
    made["stages"]["active"].update({"start": 20 * 512 + 128, "size": 896})
    made["active"].update({"start": 512, "size": 1024})
    made["signed"] = outer
    return made


def test_what_is_in_a_chain_overlaps_nothing():
    for region, start, names in (
        ("state", 3 * 512, ("state", "stages state")),
        ("state", 20 * 512, ("stages active", "stages state")),
        ("state", 27 * 512, ("stages candidates", "stages state")),
        ("candidates", 0, ("active", "stages candidates")),
        ("candidates", 12 * 512, ("candidates", "stages candidates")),
    ):
        made = chain()
        made["stages"][region]["start"] = start
        refused_at(made, errors_boot.OVERLAP, names)
    made = chain()
    made["regions"] = {"user": {"device": "flash", "start": 21 * 512, "size": 1}}
    refused_at(made, errors_boot.OVERLAP, ("user", "stages active"))
    made["regions"]["user"]["start"] = 40 * 512
    layout.check(made)
    made["stages"]["regions"] = {"log": {"device": "flash", "start": 40 * 512, "size": 1}}
    refused_at(made, errors_boot.OVERLAP, ("user", "stages log"))


def test_stage_headers_are_for_direct_mode():
    layout.check(trial("direct", "headers", "stage"))
    for mode in ("swap", "overwrite"):
        trial_refused(mode, "headers", "stage", errors_boot.BAD_LAYOUT, ("layout", "headers"))
    refused("headers", "stage", errors_boot.BAD_LAYOUT, ("layout", "headers"))
    for value in ("internal", "", 1, True, []):
        trial_refused("direct", "headers", value, errors_boot.BAD_LAYOUT, ("layout", "headers"))


def test_a_stage_header_takes_its_own_size():
    made = trial_layout("direct", headers="stage")
    for name in ("flash", "spi"):
        made["devices"][name]["program"] = 8
    made["active"].update({"start": 56, "size": 0x600 - 56})
    layout.check(made)
    made["active"]["start"] = 48
    refused_at(made, errors_boot.OVERLAP, ("active header", "active"))
    del made["headers"]
    made["active"].update({"start": 104, "size": 0x600 - 112})
    refused_at(made, errors_boot.OVERLAP, ("active header", "active"))
    made["active"]["start"] = 112
    layout.check(made)
    made = trial_layout("direct", headers="stage")
    for name in ("flash", "spi"):
        made["devices"][name].update({"erase": 64, "program": 8})
    made["candidates"]["size"] = 64
    layout.check(made)  # eight bytes of boot stage: silly, but it works
    del made["headers"]
    refused_at(made, errors.TOO_BIG, LOCATIONS)
