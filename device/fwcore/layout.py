"""Layout: which bytes of which device belong to what, and whether that can work.

A board's layout.py holds one dict of pure literals, so that host tools read the
same map without running board code:

    devices     name -> {size, erase, program, [overwrite]}, bytes; overwrite for SD
    active      {device, header, start, size, format}: header address, image start,
                maximum image size, and the image's file system (lfs2, fat, romfs)
    candidates  {device, start, size, locations, [internal]}: internal for slots in
                internal flash, with internal headers
    regions     name -> {device, start, size}: whatever else no update may touch
    copy_retries  tries of one install, default 3

All addresses and sizes are bytes from the start of the device.
Checked by fwboot and fwtool; slot.py says where its slots are. The update client
need not load this file.
"""

from micropython import const

from fwcore import errors
from fwcore.errors import FwError
from fwcore.header import EXTERNAL_SIZE, INTERNAL_SIZE
from fwcore.storage import down, up

FORMATS = ("lfs2", "fat", "romfs")
COPY_RETRIES = 3
_MAX_SIZE = 1 << 32  # bytes of a device: Arm's addresses have 32 bits
_MAX_COUNT = const(255)  # locations, retries


def check(layout):
    """Refuse a layout that cannot work, before anything is erased by it.

    raises:  FwError BAD_LAYOUT | MISALIGNED | OUT_OF_DEVICE | OVERLAP | TOO_BIG;
             at = (name, name) of the two regions, or of the region and its field
    """
    for name, spec in _table(layout, "devices").items():
        _check_device(name, spec)
    if "copy_retries" in layout:
        _count(layout, "layout", "copy_retries")
    spans = [_header_span(layout), _image_span(layout)]
    if "candidates" in layout:
        spans.append(_candidate_span(layout))
    if "regions" in layout:
        for name, region in _table(layout, "regions").items():
            spans.append(_region_span(layout, name, region))
    header_first = layout["active"]["header"] < layout["active"]["start"]
    for i in range(len(spans)):
        for j in range(i):
            if i > 1 or not header_first:  # a header may share erase blocks with its image
                _check_apart(spans[j], spans[i])


def _check_device(name, spec):
    size = _number(spec, name, "size")
    erase = _number(spec, name, "erase")
    program = _number(spec, name, "program")
    if size > _MAX_SIZE:
        raise FwError(errors.BAD_LAYOUT, (name, "size"))
    if not program or not erase or 2048 % program:
        raise FwError(errors.MISALIGNED, (name, "program"))  # buffers are multiples of 2 KiB
    one_unit = erase == program or not spec.get("overwrite", False)
    if erase % program or size % erase or not one_unit:
        raise FwError(errors.MISALIGNED, (name, "erase"))


def _header_span(layout):
    """The erase blocks that installing erases for the header: (name, device, start, end)."""
    active = _field(layout, "layout", "active")
    spec = _device(layout, "active", active)
    header = _number(active, "active", "header")
    if header % spec["program"]:
        raise FwError(errors.MISALIGNED, ("active", "header"))
    end = header + up(INTERNAL_SIZE, spec["program"])
    start = _number(active, "active", "start")
    if header < start + _number(active, "active", "size") and start < end:
        raise FwError(errors.OVERLAP, ("active header", "active"))
    return _span(
        "active header", active, spec, down(header, spec["erase"]), up(end, spec["erase"])
    )


def _image_span(layout):
    active = layout["active"]
    spec = _device(layout, "active", active)
    start, size = active["start"], active["size"]
    if start % spec["program"]:
        raise FwError(errors.MISALIGNED, ("active", "start"))
    if _field(active, "active", "format") not in FORMATS:
        raise FwError(errors.BAD_LAYOUT, ("active", "format"))
    # No install erases beyond the last whole block (Slot.fits), so a ragged end is legal.
    return _span("active", active, spec, down(start, spec["erase"]), start + size)


def _candidate_span(layout):
    area = layout["candidates"]
    spec = _device(layout, "candidates", area)
    start = _number(area, "candidates", "start")
    size = _number(area, "candidates", "size")
    locations = _count(area, "candidates", "locations")
    first, last = up(start, spec["erase"]), down(start + size, spec["erase"])
    head = INTERNAL_SIZE if area.get("internal", False) else EXTERNAL_SIZE
    if down((last - first) // locations, spec["erase"]) <= up(head, spec["program"]):
        raise FwError(errors.TOO_BIG, ("candidates", "locations"))
    return _span("candidates", area, spec, first, last)


def _region_span(layout, name, region):
    spec = _device(layout, name, region)
    start = _number(region, name, "start")
    size = _number(region, name, "size")
    # Neighbours within one erase block cannot be told apart by an erase.
    return _span(name, region, spec, down(start, spec["erase"]), up(start + size, spec["erase"]))


def _span(name, region, spec, start, end):
    if end > spec["size"]:
        raise FwError(errors.OUT_OF_DEVICE, (name, region["device"]))
    return name, region["device"], start, end


def _check_apart(a, b):
    if a[1] == b[1] and a[2] < b[3] and b[2] < a[3]:
        raise FwError(errors.OVERLAP, (a[0], b[0]))


def _device(layout, name, region):
    device = _field(region, name, "device")
    if not isinstance(device, str) or device not in layout["devices"]:
        raise FwError(errors.BAD_LAYOUT, (name, "device"))
    return layout["devices"][device]


def _table(layout, name):
    value = _field(layout, "layout", name)
    if not isinstance(value, dict):
        raise FwError(errors.BAD_LAYOUT, ("layout", name))
    return value


def _number(region, name, field):
    value = _field(region, name, field)
    if not isinstance(value, int) or value < 0:
        raise FwError(errors.BAD_LAYOUT, (name, field))
    return value


def _count(region, name, field):
    value = _number(region, name, field)
    if not 0 < value <= _MAX_COUNT:
        raise FwError(errors.BAD_LAYOUT, (name, field))
    return value


def _field(region, name, field):
    if not isinstance(region, dict) or field not in region:
        raise FwError(errors.BAD_LAYOUT, (name, field))
    return region[field]
