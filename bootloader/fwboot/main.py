"""The boot stage: find the newest good image, install it, say what to start.

run() reads, decides by decide.py, acts by install.py, and logs in the words of
mbed-bootloader. It has no network and is handed its board.

What differs from mbed-bootloader, and why, is in docs/DESIGN.md: its defects
D1..D10 are not here. Two rules are added: nothing is erased because a READ
failed, and when one candidate cannot be installed the next best is tried.
"""

from fwboot import decide
from fwboot.install import DONE, FAILED, REFUSED, install
from fwcore import errors, header, layout
from fwcore.errors import FwError
from fwcore.slot import active_slot, slots

_BUFFER = 4096


def run(board):
    """Run the boot stage once.

    board:    see docs/DESIGN.md, "What a board offers"
    returns:  Header of the active image, verified, ready to start; None when there is
              nothing to start (the caller resets and tries again, or starts a recovery)
    raises:   FwError for a layout that cannot work; OSError when the active image cannot
              be read. Nothing has been erased or written in either case.
    """
    log = board.log
    log("")
    log("Mbed Bootloader")
    layout.check(board.layout)
    buf = memoryview(bytearray(_BUFFER))
    active = active_slot(board.layout, board.device(board.layout["active"]["device"]))
    head = _active_header(active, buf, log, board.feed)
    candidates = _candidates(board)
    tried = 0
    while candidates:
        slot, found = _select(candidates, head, active, buf, board, tried)
        if slot is None:
            break
        tried += 1
        outcome = _install(slot, found, active, buf, board)
        if outcome == DONE:
            return _start(found, log)
        if outcome == FAILED:
            head = None
        candidates.remove(slot)  # so the loop ends after as many rounds as there are slots
    if head is None:
        if not tried:
            log("[ERR ] Active firmware invalid")
        log("Failed to jump to application!")
        return None
    if not tried:
        log("[DBG ] Active firmware up-to-date")
    return _start(head, log)


def _start(head, log):
    log("booting...")
    log("")
    return head


def _active_header(active, buf, log, feed):
    """Header of the active image when header and digest are good, else None.

    raises: OSError. A read error is no verdict: the image may be whole, and what is
            judged bad here is erased by the next install.
    """
    try:
        head = active.read_header(buf, None)
        if header.is_v2(buf):
            if not head.size:
                log("[DBG ] Active firmware slot is empty")
                return None
            if active.digest(head.size, buf, feed) == head.digest:
                return head
    except FwError:
        pass  # torn, blank or too large: not valid
    log("[DBG ] Active firmware integrity check failed")
    return None


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
    key = _device_key(board)
    version = head.version if head else 0
    best = None, None
    for slot in candidates:
        found, verdict = _judge(slot, key, version, active, buf, board.feed)
        if verdict == decide.BEST:
            best = slot, found
            version = found.version
        elif not tried:  # said once, in the first round
            board.log(decide.LINES[verdict])
    return best


def _device_key(board):
    """The key of external headers; None without a usable root of trust: no such candidate then."""
    try:
        rot = board.rot()
        return header.device_key(rot) if rot else None
    except (OSError, FwError):
        return None


def _judge(slot, key, version, active, buf, feed):
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
        digest = slot.digest(found.size, buf, feed)
    except OSError:
        digest = None
    return found, decide.by_body(found, digest, active.end - active.body_at)


def _install(slot, found, active, buf, board):
    """Try one candidate up to copy_retries times: DONE | REFUSED | FAILED."""
    outcome = REFUSED
    for _ in range(board.layout.get("copy_retries", layout.COPY_RETRIES)):
        outcome = install(slot, found, active, buf, board.log, board.feed)
        if outcome != FAILED:
            break
    return outcome
