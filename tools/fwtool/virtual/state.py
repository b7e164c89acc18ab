"""`fwtool state`: shows the boot state of a virtual board.

It is read from the board's folder by the device's own fwcore.state; nothing is written.
"""

import struct

import rich_click as click

from fwcore import manifest as versions
from fwcore import state as states
from fwcore import statement
from fwcore.errors import FwError
from fwtool import exits, explain, files
from fwtool.exits import Failure
from fwtool.signing import statements
from fwtool.virtual import boot

_PHASES = ("IDLE", "PENDING", "FORWARD", "TRIAL", "BACK")
_RESULTS = ("NONE", "CONFIRMED", "REVERTED", "REFUSED")
# Of the image that runs: a word for JSON, and for people.
TRUST = {
    "recorded": "recorded",
    "not recorded": "not recorded: verified at the next start",
    "each start": "verified at each start",
    "unprovisioned": "unprovisioned: not asked until the board has its key",
    "not asked": "not asked",
    None: "no image",
}
_REJECTED = 255
_BAR = 4  # index
_OURS = 256  # reasons from here on are the application's, by trial.reject()


def read(state_dir):
    """The boot state of a board's folder: dict, as --json prints it.

    With updatable boot stages, their state is in it under "stages".
    raises:  Failure, FwError
    """
    layout = boot.check_files(state_dir)
    if "state" not in layout:
        raise Failure(f"{state_dir} keeps no boot state: its layout has no state region")
    found = _about(state_dir, layout)
    if "stages" in layout:
        stages = {**layout["stages"], "devices": layout["devices"]}
        found["stages"] = _about(state_dir, stages)
    return found


def _about(state_dir, layout):
    chips = boot.Chips(state_dir, layout)
    try:
        state = states.State(chips)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}", exits.DEVICE) from None
    return {
        "record": not state.is_new,
        "trust": _trust(chips, state),
        "phase": _name(_PHASES, state.phase),
        "tries": state.tries,
        "result": _name(_RESULTS, state.result),
        "reason": state.reason,
        "words": _words(state.reason),
        "mode": layout["mode"],
        "active": state.active,
        "location": state.location,
        "kept": None if state.kept == states.NOWHERE else state.kept,
        "done": state.done + state.journal.marks,
        "floor": versions.version_text(state.floor),
        "new": _image(state.new),
        "old": _image(state.old),
        "signed": state.signature != states.NO_SIGNATURE,
        "failed": _failed(state.bad),
    }


def _trust(chips, state):
    """trust() of the image that runs; None where there is none."""
    head = boot.active(chips)
    if head is None:
        return None
    component = statements.component_of(chips.layout)
    recorded = state.is_verified(statement.digest_of(chips, component, head))
    provisioned = bool(chips.rot() and chips.store().get(b"key"))
    return trust(chips.layout.get("signed", False), provisioned, recorded)


def trust(signed, provisioned, recorded):
    """Why the boot stage starts an image: a word of TRUST.

    signed:    as the layout says it;  recorded: the state has this image as verified
    """
    if not signed:
        return "not asked"
    if signed == "start":
        return "each start"
    if not provisioned:
        return "unprovisioned"
    return "recorded" if recorded else "not recorded"


def _name(names, number):
    return names[number] if number < len(names) else f"unknown ({number})"


def _words(reason):
    """The text for the number of a reason; None for 0."""
    if not reason:
        return None
    return "the application's own" if reason >= _OURS else explain.sentence(FwError(reason))


def _image(head):
    if not head.size:
        return None
    return {
        "version": versions.version_text(head.version),
        "size": head.size,
        "digest": head.digest.hex(),
    }


def _failed(bad):
    """What the black-list holds: a list of dicts, newest first; last the one behind the bar."""
    if bad[-len(states.MARK) :] != states.MARK:  # of an older release
        found = [(0, bad[at : at + 32], 255) for at in range(0, 128, 32)]
    else:
        found = [struct.unpack_from(">Q16sB", bad, at) for at in range(0, 125, 25)]
    return [
        {
            "version": versions.version_text(version),
            "digest": digest.hex(),
            "rounds": None if kind == _REJECTED else kind >> 4,
            "starts": None if kind == _REJECTED else kind & 15,
            "bar": i == _BAR,
        }
        for i, (version, digest, kind) in enumerate(found)
        if any(digest)
    ]


def _rows(found, prefix=""):
    """The dict of read() as rows for people."""
    reason = f"{found['reason']}, {found['words']}" if found["reason"] else "none"
    kept = "nowhere" if found["kept"] is None else found["kept"]
    rows = {
        "record": "valid" if found["record"] else "no valid record",
        "phase": found["phase"],
        "trial boots left": found["tries"],
        "result": found["result"],
        "reason": reason,
        "mode": found["mode"],
        "active slot": found["active"],
        "new in slot": found["location"],
        "old in slot": kept,
        "moves done": found["done"],
        "floor": found["floor"],
        "new": _sentence(found["new"]),
        "old": _sentence(found["old"]),
        "signature of new": "yes" if found["signed"] else "none",
        "signature": TRUST[found["trust"]],
    }
    for i, image in enumerate(found["failed"]):
        rows[f"failed {i}"] = "{version}, {digest}, ".format(**image) + _fate(image)
    return {prefix + name: value for name, value in rows.items()}


def _fate(image):
    """What is known of an image that failed, in words."""
    if image["bar"]:
        return "fell out of the list: nothing up to this version"
    if image["rounds"] is None:
        return "black-listed"
    return "not confirmed, rounds {rounds}, starts since {starts}".format(**image)


def _sentence(image):
    if image is None:
        return "none"
    return f"{image['version']}, {image['size']} bytes, {image['digest']}"


@click.command()
@click.argument("state_dir")
@files.json_option
def state(state_dir, as_json):
    """Show the boot state in STATE_DIR: the update that is under way, or the last result.

    Reads the image files of a board; changes nothing, and the board may be running.
    """
    found = read(state_dir)
    if as_json:
        files.print_json(found)
        return
    rows = _rows(found)
    if "stages" in found:
        rows.update(_rows(found["stages"], "stages: "))
    files.print_rows(rows)
