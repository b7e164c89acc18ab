"""Simple installation: the newest good candidate is copied over the active image.

For layouts without a state region. Reads, decides by decide.py, acts by install.py, and
logs the lines of mbed-bootloader. Two rules are added to its own. An active image that cannot be
READ is no reason to erase it: only a good candidate that is not older replaces it, as some flashes
fail to read what a cut left until it is erased. When one candidate cannot be installed the next
best is tried.

Where the layout says `signed`, nothing records what was verified: the signature of the active
image is verified at every start, and the board's store has the floor.
"""

from fwboot import decide
from fwboot.images import (
    FLOOR,
    Image,
    device_key,
    may_start,
    recovery,
    standing,
    stored_floor,
    whole_header,
)
from fwboot.install import DONE, FAILED, REFUSED, install
from fwcore import errors, layout
from fwcore.errors import FwError
from fwcore.regions import fixed_slot, read_signature
from fwcore.slot import slots


def run(board, buf):
    """Install what is newer; returns the active Image, else the recovery image, or None.

    raises:  as main.run()
    """
    log = board.log
    area = board.layout["active"]
    active = fixed_slot(board.layout, area, board.device(area["device"]))
    head, unread = _active_header(board, active, buf)
    candidates = _candidates(board)
    tried = 0
    while candidates:
        least = head.version if head else _least(board, active if unread else None, buf)
        slot, found = _select(candidates, least, active, buf, board, tried)
        if slot is None:
            break
        tried += 1
        outcome = _install(slot, found, active, buf, board)
        if outcome == DONE:
            head = found
            if board.layout.get("signed", False):
                stored_floor(board, FLOOR, head, decide.VERIFIED)
            break
        if outcome == FAILED:
            head = unread = None
        candidates.remove(slot)  # so the loop ends after as many rounds as there are slots
    if unread and not tried:
        raise unread
    if head is None:
        if not tried:
            log("[ERR ] Active firmware invalid")
        return recovery(board, buf)
    if not tried:
        log("[DBG ] Active firmware up-to-date")
    return Image(head, active, area["device"], area["format"])


def _active_header(board, active, buf):
    """(Header of the active image, None); (None, None) when it is not whole, or may not start;
    (None, OSError) when it cannot be read. Raises as run().
    """
    try:
        head = whole_header(active, buf, board.log, board.feed)
        signature = head and read_signature(active, buf)
    except OSError as error:
        board.log("[ERR ] Active firmware cannot be read")
        return None, error
    if head:
        found = may_start(board, head, signature)
        if found == decide.FORGED or not stored_floor(board, FLOOR, head, found):
            head = None
    return head, None


def _candidates(board):
    """The candidate slots; none when their device does not answer (card pulled)."""
    area = board.layout.get("candidates")
    if not area:
        return []
    try:
        return slots(board.layout, board.device(area["device"]))
    except (OSError, FwError):
        for _ in range(area["locations"]):
            board.log(decide.LINES[decide.NO_IMAGE])
        return []


def _select(candidates, version, active, buf, board, tried):
    """The best candidate that is newer than this version: (Slot, Header) or (None, None)."""
    key = device_key(board)
    best = None, None
    for slot in candidates:
        found, verdict = _judge(slot, key, version, active, buf, board)
        if verdict == decide.BEST:
            best = slot, found
            version = found.version
        elif not tried:  # said once, in the first round
            board.log(decide.LINES[verdict])
    return best


def _least(board, unread, buf):
    """The version that a candidate must be newer than, where no active image may start.

    unread:  Slot of one that cannot be read, or None
    """
    least = 1
    if board.layout.get("signed", False):  # the one that was started last may come back
        least = max(least, int.from_bytes(board.store().get(FLOOR, b""), "little"))
    try:
        if unread:
            least = max(least, unread.read_header(buf, None).version)
    except (OSError, FwError):
        pass  # its header cannot be read either, or says nothing
    return least - 1


def _judge(slot, key, version, active, buf, board):
    """(Header or None, verdict) of one candidate. A slot that cannot be read holds no image."""
    try:
        found = slot.read_header(buf, key)
    except (OSError, FwError) as error:
        too_big = isinstance(error, FwError) and error.code == errors.TOO_BIG
        return None, decide.BAD_BODY if too_big else decide.NO_IMAGE
    verdict = decide.by_header(found, version)
    if verdict != decide.CHECK:
        return found, verdict
    try:
        digest = slot.digest(found.size, buf, board.feed)
        signature = read_signature(slot, buf)
    except OSError:
        digest = signature = None
    verdict = decide.by_body(found, digest, active.end - active.body_at)
    if verdict == decide.BEST and not _is_signed(board, found, signature):
        verdict = decide.UNSIGNED
    return found, verdict


def _is_signed(board, head, signature):
    """True when a candidate may be installed. Raises OSError, MemoryError: no verdict."""
    try:
        return standing(board, head, signature) != decide.FORGED
    except FwError:
        return False  # no key: no candidate is taken


def _install(slot, found, active, buf, board):
    """Try one candidate up to copy_retries times: DONE | REFUSED | FAILED. Raises OSError."""
    outcome = REFUSED
    signature = read_signature(slot, buf)
    for _ in range(board.layout.get("copy_retries", layout.COPY_RETRIES)):
        outcome = install(slot, found, signature, active, buf, board.log, board.feed)
        if outcome != FAILED:
            break
    return outcome
