"""`fwtool device`: shows, confirms, rejects and allows the updates of a board on a cable.

The board's own modules do that. Each command interrupts what the board runs, without a reset,
and leaves it interrupted: a reset starts it again. Nothing here costs a trial boot.
"""

import rich_click as click

from fwcore import errors_boot
from fwcore import manifest as versions
from fwcore.errors import FwError
from fwtool import exits, explain, files
from fwtool.device.device_link import Link
from fwtool.exits import Failure
from fwtool.virtual import state
from fwtool.virtual.state import _PHASES, _RESULTS, _name, _words

_BOARD = "from ufota import trial\nfrom board import Board\nboard = Board()\n"
_STATUS = (
    _BOARD
    + """
last = trial.last_result(board)
from ufota.provision import is_provisioned
answer = {"provisioned": is_provisioned(board), "state": "state" in board.layout}
answer["last"] = last and (last.result, last.reason, last.version, last.digest.hex())
state = None
if answer["state"]:
    from fwcore.state import State
    state = State(board)
    answer["phase"], answer["tries"], answer["floor"] = state.phase, state.tries, state.floor
from ufota import active_image
try:
    head = active_image.header(board, state)
except OSError:
    head = None
answer["active"] = head and (head.version, head.size, head.digest.hex())
answer["signed"] = board.layout.get("signed", False)
answer["recorded"] = False
if state and head and answer["signed"] is True:
    from fwcore.statement import digest_of
    said = digest_of(board, board.layout.get("component", "MAIN"), head)
    answer["recorded"] = state.is_verified(said)
lines = getattr(Board, "lines", None) or ()
answer["errors"] = [line for line in lines if line.startswith("[ERR ] ")]
"""
)
_CONFIRM = _BOARD + "answer = trial.confirm(board)\n"
_REJECT = _BOARD + "trial.reject(board, {reason})\nanswer = True\n"
_ALLOW = _BOARD + "from ufota import black_list\nanswer = black_list.allow(board{version})\n"
_LOG = """
from board import Board
answer = getattr(Board, "lines", None)
"""

_LABELS = {"tries": "trial boots left", "trust": "signature", "errors": "errors at start"}
_port = click.option("--port", required=True, help="Serial port, as mpremote takes it.")
_reason = click.option(
    "--reason",
    type=click.IntRange(256, 65535),
    default=256,
    show_default=True,
    help="Number of the reason, for last_result() and reports.",
)


def status(port):
    """State of a board's update: dict, as --json prints it. Raises Failure, FwError."""
    told = Link(port).ask(_STATUS)
    found = {
        "provisioned": told["provisioned"],
        "active": _image(told["active"]),
        "trust": None,
        "last": None,
        "errors": [line.removeprefix("[ERR ] ") for line in told["errors"]],
    }
    if told["active"]:
        found["trust"] = _trust(told)
    if told["last"]:
        result, reason, version, digest = told["last"]
        found["last"] = {
            "result": _name(_RESULTS, result),
            "reason": reason,
            "words": _words(reason),
            "version": versions.version_text(version),
            "digest": digest,
        }
    if told["state"]:
        found["phase"] = _name(_PHASES, told["phase"])
        found["tries"] = told["tries"]
        found["floor"] = versions.version_text(told["floor"])
    return found


def _trust(told):
    trust = state.trust(told["signed"], told["provisioned"], told["recorded"])
    if trust == "not recorded" and not told["state"]:
        return "each start"  # nothing keeps a record
    return trust


def _image(told):
    if not told:
        return None
    return dict(zip(("version", "size", "digest"), (versions.version_text(told[0]), *told[1:])))


def _rows(found):
    """The dict of status() as rows for people."""
    rows = dict(found)
    rows["provisioned"] = "yes" if found["provisioned"] else "no"
    active, last = found["active"], found["last"]
    rows["active"] = "{version}, {size} bytes, {digest}".format(**active) if active else "none"
    rows["trust"] = state.TRUST[found["trust"]]
    rows["errors"] = "; ".join(found["errors"])
    if not found["errors"]:
        del rows["errors"]
    rows = {_LABELS.get(name, name): value for name, value in rows.items()}
    rows["last"] = "none"
    if last:
        rows["last"] = "{version} {result}".format(**last)
        if last["reason"]:
            rows["last"] += ", reason {reason}: {words}".format(**last)
    return rows


@click.group()
def device():
    """Show or change the update of a board on a cable, show its log.

    What the board runs is interrupted, and goes on with its next reset.
    """


@device.command("status")
@_port
@files.json_option
def status_command(port, as_json):
    """Show the image that runs, the update that is under way, and the result of the last."""
    found = status(port)
    files.show(found if as_json else _rows(found), as_json)


@device.command("confirm")
@_port
@files.json_option
def confirm_command(port, as_json):
    """Confirm the image on trial."""
    written = Link(port).ask(_CONFIRM)
    _tell({"confirmed": True, "written": written}, as_json, _confirmed(written))


def _confirmed(written):
    return "confirmed" if written else "was confirmed before"


@device.command("reject")
@_port
@_reason
@files.json_option
def reject_command(port, reason, as_json):
    """Reject the image on trial: the next reset brings the old one back."""
    _reject(port, reason)
    _tell({"rejected": True, "reason": reason}, as_json, "rejected: a reset brings the old image")


def _reject(port, reason):
    link = Link(port)
    try:
        link.ask(_REJECT.format(reason=reason))
    except FwError as error:
        if error.code != errors_boot.NOT_ON_TRIAL:
            raise
        text = f"error {error.code}: {explain.sentence(error)}"
        raise Failure(text, exits.REFUSED) from None
    return link


@device.command("rollback")
@_port
@_reason
@files.json_option
def rollback_command(port, reason, as_json):
    """Reject the image on trial, and reset the board: the old one comes back."""
    _reject(port, reason).run("reset")
    _tell({"rejected": True, "reason": reason, "reset": True}, as_json, "rejected, and reset")


@device.command("allow")
@_port
@click.option(
    "--version", help="Only images of this version, as `status` shows it. Left out: all."
)
@files.json_option
def allow_command(port, version, as_json):
    """Let images that failed on this board come again: black-listed, resting, or laid aside."""
    wanted = "" if version is None else f", {_word(version)}"
    found = Link(port).ask(_ALLOW.format(version=wanted))
    text = "allowed again" if found else "no such image has failed here"
    _tell({"allowed": found}, as_json, text)


def _word(version):
    """Text of a version, 1.2.3 or a number, -> u64."""
    return int(version) if version.isdecimal() else versions.version_word(version)


@device.command("log")
@_port
@files.json_option
def log_command(port, as_json):
    """Show the boot log of the board's last start, if it keeps one."""
    lines = Link(port).ask(_LOG)
    if lines is None:
        raise Failure(f"the board on {port} keeps no boot log", exits.DEVICE)
    _tell({"log": lines}, as_json, "\n".join(lines))


def _tell(found, as_json, text):
    if as_json:
        files.print_json(found)
    else:
        click.echo("\n".join(map(files.plain, text.split("\n"))))
