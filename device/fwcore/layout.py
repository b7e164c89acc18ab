"""Layout: which regions are where on which devices, and whether that can work.

A board's layout.py holds one dict of pure literals, so that host tools read the
same map without running board code:

    devices     name -> {size, erase, program, [overwrite]}, bytes; overwrite for SD
    active      {device, header, start, size, format}: header address, image start,
                maximum image size, and the image's file system (lfs2, fat, romfs)
    candidates  {device, start, size, locations, [internal]}: internal for slots in
                internal flash, with internal headers
    regions     name -> {device, start, size}: whatever else no update may touch
    copy_retries  tries of one install, default 3

    client      {device, start, size}: the client store; with it, a download survives
                a reset
    unsigned    True: the client takes images without a manifest, too

    state       {device, start, size, [external]}: the boot state; with it, updates are on trial;
                external: on a chip that others can write, its floor is in the board's store too
    mode        swap, overwrite or direct: how a new image becomes active; with state only
    trials      trial boots of a new image, default 3
    watchdog_ms timeout of the watchdog that the boot stage starts
    signed      True: what starts was verified on this device, once, by the maker's signature;
                "start": it is verified at every start, by a key that is frozen
    arm_signature  True: a signature over the digest alone counts too, as Arm's tool makes it
    downgrade   True: older versions are accepted, down to the floor
    recovery    like active: the image that is started when no other can be
    headers     stage: image headers are stage headers; direct mode only
    component   what manifests call this layout's image, default MAIN
    stages      a layout without devices, for two slots of updatable boot stages

All addresses and sizes are bytes from the start of the device. docs/FORMATS.md section 6
has the rules of each mode.
Checked by fwboot and fwtool; slot.py says where its slots are. The update client
need not load this file.
"""

from micropython import const

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.header import EXTERNAL_SIZE, INTERNAL_SIZE
from fwcore.regions import block_size, signature_room
from fwcore.storage import down, up

FORMATS = ("lfs2", "fat", "romfs")
MODES = ("swap", "overwrite", "direct")
COPY_RETRIES = 3
COMPONENT = "MAIN"
CLIENT_SIZE = const(1024)  # bytes of the client store
_MAX_SIZE = 1 << 32  # bytes of a device: Arm's addresses have 32 bits
_MAX_COUNT = const(255)  # locations, retries
_MAX_TRIALS = const(254)  # 255 says: none are needed (state.py)
_MAX_MS = (1 << 31) - 1  # machine.WDT takes a signed word
_MAX_NAME = const(8)  # bytes of a component in a manifest
_BUFFER = const(2048)  # bytes: all buffers are multiples of it, a swap moves as many at a time


def check(layout):
    """Refuse a layout that cannot work, before anything is erased by it.

    raises:  FwError BAD_LAYOUT | MISALIGNED | OUT_OF_DEVICE | OVERLAP | TOO_BIG;
             at = (name, name) of the two regions, or of the region and its field. Names
             of what is in `stages` begin with "stages"
    """
    for name, spec in _table(layout, "devices").items():
        _check_device(name, spec)
    spans = _spans(layout, "")
    if "stages" in layout:
        spans += _stage_spans(layout)
    for i in range(len(spans)):
        for j in range(i):
            _check_apart(spans[j], spans[i])


def _check_device(name, spec):
    size = _number(spec, name, "size")
    erase = _number(spec, name, "erase")
    program = _number(spec, name, "program")
    if size > _MAX_SIZE:
        raise FwError(errors_boot.BAD_LAYOUT, (name, "size"))
    if not program or not erase or _BUFFER % program:
        raise FwError(errors.MISALIGNED, (name, "program"))
    one_unit = erase == program or not spec.get("overwrite", False)
    if erase % program or size % erase or not one_unit:
        raise FwError(errors.MISALIGNED, (name, "erase"))


def _spans(layout, prefix):
    """What belongs to whom, each from the start of an erase block: (name, device, start, end).

    prefix:  of all names
    """
    _check_options(layout, prefix + "layout")
    spans = _image_spans(layout, prefix, "active")
    if "recovery" in layout:
        spans += _image_spans(layout, prefix, "recovery")
    if "candidates" in layout or "state" in layout:
        spans.append(_candidate_span(layout, prefix))
    if "state" in layout:
        from fwcore.state import payload_size

        marks = 1 if layout["mode"] == "swap" else 0
        spans.append(_journal_span(layout, prefix, "state", payload_size(layout), marks))
    if "client" in layout:
        spans.append(_journal_span(layout, prefix, "client", CLIENT_SIZE, 1))
    if "regions" in layout:
        for name, region in _table(layout, "regions", prefix).items():
            spans.append(_region_span(layout, prefix + name, region))
    return spans


def _stage_spans(layout):
    """_spans() of the boot stages, on the devices of the layout around them."""
    stages = dict(_table(layout, "stages"))
    for field in ("devices", "stages"):
        if field in stages:
            raise FwError(errors_boot.BAD_LAYOUT, ("stages layout", field))
    if stages.get("headers") != "stage":
        raise FwError(errors_boot.BAD_LAYOUT, ("stages layout", "headers"))
    if stages.get("component", COMPONENT) == layout.get("component", COMPONENT):
        raise FwError(errors_boot.BAD_LAYOUT, ("stages layout", "component"))
    asked = layout.get("signed", False)  # what a stage could not promise the application
    if asked and stages.get("signed", False) not in (asked, "start"):
        raise FwError(errors_boot.BAD_LAYOUT, ("stages layout", "signed"))
    stages["devices"] = layout["devices"]
    return _spans(stages, "stages ")


def _check_options(layout, name):
    for field, most in (("copy_retries", _MAX_COUNT), ("trials", _MAX_TRIALS)):
        if field in layout:
            _count(layout, name, field, most)
    if "watchdog_ms" in layout:
        _count(layout, name, "watchdog_ms", _MAX_MS)
    mode = layout.get("mode")
    if mode not in (MODES if "state" in layout else (None,)):
        raise FwError(errors_boot.BAD_LAYOUT, (name, "mode"))
    # The other modes write Arm's header in front of the active image.
    if "headers" in layout and (layout["headers"] != "stage" or mode != "direct"):
        raise FwError(errors_boot.BAD_LAYOUT, (name, "headers"))
    if layout.get("signed", False) not in (False, True, "start"):
        raise FwError(errors_boot.BAD_LAYOUT, (name, "signed"))
    component = layout.get("component", COMPONENT)
    if not isinstance(component, str) or not 0 < len(component) <= _MAX_NAME:
        raise FwError(errors_boot.BAD_LAYOUT, (name, "component"))
    if component == "RECOVERY" or not all(["!" <= char <= "~" for char in component]):
        raise FwError(errors_boot.BAD_LAYOUT, (name, "component"))


def _image_spans(layout, prefix, which):
    """Spans of an image and of its header, less the erase blocks the two share."""
    name = prefix + which
    image = _field(layout, prefix + "layout", which)
    spec = _device(layout, name, image)
    header, start = _number(image, name, "header"), _number(image, name, "start")
    end = start + _count(image, name, "size", _MAX_SIZE)
    for field in ("header", "start"):
        if image[field] % spec["program"]:
            raise FwError(errors.MISALIGNED, (name, field))
    if _field(image, name, "format") not in FORMATS:
        raise FwError(errors_boot.BAD_LAYOUT, (name, "format"))
    header_end = header + _header_size(layout)
    if header < end and start < header_end:
        raise FwError(errors_boot.OVERLAP, (name + " header", name))
    first = down(start, spec["erase"])
    if which == "active" and layout.get("mode") in ("swap", "direct"):
        if header > start:
            raise FwError(errors_boot.BAD_LAYOUT, (name, "header"))
        header_end = first  # a swap moves, and a download erases, what is between them
    elif header < start:
        header_end = min(header_end, first)
    return [
        _span(name + " header", image, spec, down(header, spec["erase"]), header_end),
        # No install erases beyond the last whole block (Slot.fits), so a ragged end is legal.
        _span(name, image, spec, first, end),
    ]


def _candidate_span(layout, prefix):
    name = prefix + "candidates"
    area = _field(layout, prefix + "layout", "candidates")
    spec = _device(layout, name, area)
    start, size = _number(area, name, "start"), _number(area, name, "size")
    locations = _count(area, name, "locations", _MAX_COUNT)
    _check_end(name, area, spec, start + size)
    internal = area.get("internal", False)
    external = EXTERNAL_SIZE + signature_room(layout)
    head = up(_header_size(layout) if internal else external, spec["program"])
    mode = layout.get("mode")
    if mode and (locations > 1) != (mode == "overwrite"):
        raise FwError(errors_boot.BAD_LAYOUT, (name, "locations"))
    if mode == "direct":
        _check_direct(layout, prefix, internal)
    block = _swap_block(layout, prefix, head) if mode == "swap" else spec["erase"]
    first, last = up(start, block), down(start + size, block)
    if down((last - first) // locations, block) <= head:
        raise FwError(errors.TOO_BIG, (name, "locations"))
    if mode == "swap":
        active = layout["active"]
        if last - first < active["start"] + active["size"] - active["header"] + block:
            raise FwError(errors.TOO_BIG, (name, "size"))
    return name, area["device"], first, last


def _check_direct(layout, prefix, internal):
    """The second slot has the active one's kind of header and, for LittleFS, its erase size."""
    active, area = layout["active"], layout["candidates"]
    devices = layout["devices"]
    if not internal:
        raise FwError(errors_boot.BAD_LAYOUT, (prefix + "candidates", "internal"))
    # LittleFS is made for one block size, and mounted with the device's.
    same = devices[active["device"]]["erase"] == devices[area["device"]]["erase"]
    if active["format"] == "lfs2" and not same:
        raise FwError(errors.MISALIGNED, (prefix + "candidates", "device"))


def _swap_block(layout, prefix, head):
    """Bytes of a block of the swap; active region and candidate can be cut into such.

    head:  bytes of the candidate's header, which has to lie in the spare block
    """
    active, area = layout["active"], layout["candidates"]
    devices = layout["devices"]
    target, source = devices[active["device"]], devices[area["device"]]
    block = block_size(layout)
    for unit in (target["erase"], source["erase"], min(block, _BUFFER)):
        if block % unit:
            raise FwError(errors.MISALIGNED, (prefix + "candidates", "device"))
    if head > block:
        raise FwError(errors.TOO_BIG, (prefix + "candidates", "device"))
    header, start = active["header"], active["start"]
    for field, value, unit in (
        ("header", header, block),
        ("start", start, source["program"]),
        ("size", start + active["size"], block),
    ):
        if value % unit:
            raise FwError(errors.MISALIGNED, (prefix + "active", field))
    return block


def _journal_span(layout, prefix, which, limit, marks):
    """Span of a journal. limit, marks: bytes of its largest payload, marks behind it."""
    from fwcore.journal import bank_size

    name, region = prefix + which, layout[which]
    spec = _device(layout, name, region)
    start, size = _number(region, name, "start"), _number(region, name, "size")
    for field in ("start", "size"):
        if region[field] % spec["erase"]:
            raise FwError(errors.MISALIGNED, (name, field))
    if not bank_size(size, spec["erase"], spec["program"], limit, marks):
        raise FwError(errors.TOO_BIG, (name, "size"))
    return _span(name, region, spec, start, start + size)


def _region_span(layout, name, region):
    spec = _device(layout, name, region)
    start = _number(region, name, "start")
    size = _number(region, name, "size")
    return _span(name, region, spec, down(start, spec["erase"]), start + size)


def _header_size(layout):
    """Bytes of the headers that are not external, with the signature behind them."""
    room = signature_room(layout)
    if "headers" not in layout:
        return INTERNAL_SIZE + room
    from fwcore.stage import STAGE_SIZE

    return STAGE_SIZE + room


def _span(name, region, spec, start, end):
    _check_end(name, region, spec, end)
    return name, region["device"], start, end


def _check_end(name, region, spec, end):
    if end > spec["size"]:
        raise FwError(errors.OUT_OF_DEVICE, (name, region["device"]))


def _check_apart(a, b):
    # Every span begins with an erase block, so one that two share is seen.
    if a[1] == b[1] and a[2] < b[3] and b[2] < a[3]:
        raise FwError(errors_boot.OVERLAP, (a[0], b[0]))


def _device(layout, name, region):
    device = _field(region, name, "device")
    if not isinstance(device, str) or device not in layout["devices"]:
        raise FwError(errors_boot.BAD_LAYOUT, (name, "device"))
    return layout["devices"][device]


def _table(layout, name, prefix=""):
    value = _field(layout, prefix + "layout", name)
    if not isinstance(value, dict):
        raise FwError(errors_boot.BAD_LAYOUT, (prefix + "layout", name))
    return value


def _number(region, name, field):
    value = _field(region, name, field)
    if not isinstance(value, int) or value < 0:
        raise FwError(errors_boot.BAD_LAYOUT, (name, field))
    return value


def _count(region, name, field, most):
    value = _number(region, name, field)
    if not 0 < value <= most:
        raise FwError(errors_boot.BAD_LAYOUT, (name, field))
    return value


def _field(region, name, field):
    if not isinstance(region, dict) or field not in region:
        raise FwError(errors_boot.BAD_LAYOUT, (name, field))
    return region[field]
