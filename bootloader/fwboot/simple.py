"""Simple installation: the newest good candidate is copied over the active image.

For layouts without a state region. Reads, decides by decide.py, acts by install.py, and
logs the lines of mbed-bootloader. Two rules are added to its own: nothing is erased
because a READ failed, and when one candidate cannot be installed the next best is tried.
"""

from fwboot import decide
from fwboot.images import Image, device_key, is_signed, recovery, whole_header
from fwboot.install import DONE, FAILED, REFUSED, install
from fwcore import errors, layout
from fwcore.errors import FwError
from fwcore.regions import read_signature
from fwcore.slot import active_slot, slots


def run(board, buf):
    """Install what is newer; returns the active Image, else the recovery image, or None.

    raises:  as main.run()
    """
    log = board.log
    area = board.layout["active"]
    active = active_slot(board.layout, board.device(area["device"]))
    head = whole_header(active, buf, log, board.feed)
    candidates = _candidates(board)
    tried = 0
    while candidates:
        slot, found = _select(candidates, head, active, buf, board, tried)
        if slot is None:
            break
        tried += 1
        outcome = _install(slot, found, active, buf, board)
        if outcome == DONE:
            head = found
            break
        if outcome == FAILED:
            head = None
        candidates.remove(slot)  # so the loop ends after as many rounds as there are slots
    if head is None:
        if not tried:
            log("[ERR ] Active firmware invalid")
        return recovery(board, buf)
    if not tried:
        log("[DBG ] Active firmware up-to-date")
    return Image(head, active, area["device"], area["format"])


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


def _select(candidates, head, active, buf, board, tried):
    """The best candidate that is newer than the active image: (Slot, Header) or (None, None)."""
    key = device_key(board)
    version = head.version if head else 0
    best = None, None
    for slot in candidates:
        found, verdict = _judge(slot, key, version, active, buf, board)
        if verdict == decide.BEST:
            best = slot, found
            version = found.version
        elif not tried:  # said once, in the first round
            board.log(decide.LINES[verdict])
    return best


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
    if verdict == decide.BEST and not is_signed(board, found, signature):
        verdict = decide.UNSIGNED
    return found, verdict


def _install(slot, found, active, buf, board):
    """Try one candidate up to copy_retries times: DONE | REFUSED | FAILED."""
    outcome = REFUSED
    for _ in range(board.layout.get("copy_retries", layout.COPY_RETRIES)):
        outcome = install(slot, found, active, buf, board.log, board.feed)
        if outcome != FAILED:
            break
    return outcome
