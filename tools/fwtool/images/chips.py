"""Chips: checks that the devices of a layout fit the real chips of a board.

A board's layout.py may have a second literal, CHIPS: name of a chip -> {size, erase, program,
used, devices}. All in bytes: `size` is the whole chip, `erase` its erase unit, `program` its
program unit. `used` names what else is on it, (start, end) each: the firmware, a partition.
`devices` says where the layout's devices begin; with CHIPS every device must be in it.
"""

from fwcore import errors, errors_boot
from fwtool.exits import Failure

_NUMBERS = ("size", "erase", "program")
_FIELDS = (*_NUMBERS, "used", "devices")


def check(chips, layout):
    """Raises Failure, with the number of fwcore's error and the names of both that clash."""
    placed = []
    for chip, spec in _table("CHIPS", chips).items():
        _check_spec(chip, spec)
        for device, start in spec["devices"].items():
            if device not in layout["devices"]:
                raise _refused(errors_boot.BAD_LAYOUT, f"{device} on {chip} is no device")
            _check_device(chip, spec, device, start, layout["devices"][device])
            placed.append(device)
        _check_apart(chip, spec, layout["devices"])
        _check_hidden(chip, spec, layout)
    for device in layout["devices"]:
        if placed.count(device) != 1:
            text = f"{device} is on {placed.count(device)} chips"
            raise _refused(errors_boot.BAD_LAYOUT, text)


def _check_spec(chip, spec):
    if set(_table(chip, spec)) - set(_FIELDS) or "devices" not in spec:
        raise _refused(errors_boot.BAD_LAYOUT, f"{chip} has other fields than {_FIELDS}")
    numbers = [spec.get(field) for field in _NUMBERS]
    numbers += _table(chip, spec["devices"]).values()
    for name, span in _table(chip, spec.get("used", {})).items():
        if not isinstance(span, list | tuple) or len(span) != 2:
            raise _refused(errors_boot.BAD_LAYOUT, f"{name} on {chip} is not (start, end)")
        numbers += span
    for value in numbers:
        if type(value) is not int or value < 0:
            raise _refused(errors_boot.BAD_LAYOUT, f"{chip}: {value!r} is no number of bytes")
    for name, span in spec.get("used", {}).items():
        if span[0] >= span[1]:
            raise _refused(errors_boot.BAD_LAYOUT, f"{name} on {chip} is empty")
    if not spec["erase"] or not spec["program"]:
        raise _refused(errors_boot.BAD_LAYOUT, f"{chip} has no erase or program unit")


def _table(name, value):
    if not isinstance(value, dict):
        raise _refused(errors_boot.BAD_LAYOUT, f"{name} is no table")
    return value


def _check_device(chip, spec, device, start, told):
    """Raises Failure. told: the device, as the layout describes it."""
    if start + told["size"] > spec["size"]:
        raise _refused(errors.OUT_OF_DEVICE, f"{device} ends behind {chip}")
    if start % spec["erase"] or told["size"] % spec["erase"]:
        raise _refused(errors.MISALIGNED, f"{device} is no whole erase units of {chip}")
    # What overwrites hides the chip's erase unit; a port does that, or a card.
    if told["erase"] % spec["erase"] and not told.get("overwrite"):
        raise _refused(errors.MISALIGNED, f"erase of {device} is not that of {chip}")
    if told["program"] % spec["program"]:
        raise _refused(errors.MISALIGNED, f"program of {device} is not that of {chip}")


def _check_apart(chip, spec, devices):
    spans = [(name, *span) for name, span in spec.get("used", {}).items()]
    for name, start in spec["devices"].items():
        spans.append((name, start, start + devices[name]["size"]))
    spans.sort(key=lambda span: span[1])
    for (one, _, end), (other, start, last) in zip(spans, spans[1:], strict=False):
        if start < end:
            raise _refused(errors_boot.OVERLAP, f"{one} and {other} overlap on {chip}")
        if last > spec["size"]:
            raise _refused(errors.OUT_OF_DEVICE, f"{other} ends behind {chip}")


def _check_hidden(chip, spec, layout):
    """Where writes replace, but the chip below erases more than they take: journals only.

    A power cut tears an erase unit of the chip there, so each of the three banks of a journal
    needs such units of its own. An image, or the marks of a boot state, would be lost.
    """
    hidden = {name for name in spec["devices"] if layout["devices"][name]["erase"] < spec["erase"]}
    for name in ("active", "candidates", "recovery", "state", "client"):
        if name in layout and layout[name]["device"] in hidden:
            raise _refused(errors.MISALIGNED, f"{name}: {chip} erases more than a block")
    for name, region in layout.get("regions", {}).items():
        if region["device"] in hidden:
            if region["start"] % spec["erase"] or region["size"] % (3 * spec["erase"]):
                raise _refused(errors.MISALIGNED, f"{name} is not three banks of {chip}")


def _refused(number, text):
    return Failure(f"error {number}: {text}")
