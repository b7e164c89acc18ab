"""Firmware targets: updates of the firmware itself, beside those of the application.

Owns which firmware images are refused, where they are written, and the result of the last one.
Manifest, signature and digests are checked as for every image. What is special to a port is in
its target: esp32.py for ESP32, stm32.py for STM32. update/writer.py loads this file when a
manifest names a component that is not the application's, or needs one.

    board.systems = {"SYSTEM": OtaPartition(...)}     component -> target

A target has
    version()       version, u64, of the firmware that runs: a constant in that firmware
    slot()          a FirmwareSlot for the next image
    image(update)   FirmwareImage
    install(size)   have the image in that slot started after the next reset. Raises OSError
    installed       True once install() has returned, until the reset
    failed(begun)   after that reset, and with other firmware than the new one: True when that
                    was refused, or reverted; begun: install() has returned
    confirm()       the firmware that runs is good: keep it. Raises OSError

The one under way is recorded in the client store, under "sys" and the component:

    offset size field    meaning
    0      1    kind     1 INSTALLING, 2 BEGUN: install() has returned, 3 KEPT  (little-endian)
    1      8    version  version word of the image
    9      32   digest   its SHA-256
    41     1    rounds   as the kind of an image in the boot state, see below
    42     8    bar      newest version of those that failed here before it, or 0

rounds is 16 for each time it was installed, and the starts since. Of other images than this one no
version up to the bar is taken. Older releases wrote neither rounds nor bar.
Written before install(), so that a cut between the two is not taken for a failure.
"""

import struct

from micropython import const

from fwcore import errors, errors_boot, errors_net
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.modules import states
from fwcore.storage import down, up
from ufota import active_image
from ufota.update import client_store
from ufota.update.candidate import Candidate

_INSTALLING = const(1)
_BEGUN = const(2)
_KEPT = const(3)
LOST = const(-1)
RESTS = const(-2)

_KEY = b"sys"
_RECORD = "<BQ32sBQ"  # 50 bytes
_ROUND = const(16)
_OLDEST = const(41)  # bytes, without rounds and bar
_LATER = bytes((_ROUND,)) + bytes(8)  # what these are then
_NEEDS = const(6)  # bytes of b"needs:"


class FirmwareSlot:
    """Where a firmware image goes: a slot without a header.

    storage:  Storage
    at, size: byte address, bytes; whole erase blocks are used
    """

    external = False

    def __init__(self, storage, at=0, size=None):
        end = storage.size if size is None else at + size
        self.storage = storage
        self.header_at = self.body_at = up(at, storage.erase_size)
        self.end = down(end, storage.erase_size)

    def fits(self, size):
        return self.body_at + size <= self.end


class Target:
    """What all targets have in common."""

    installed = False

    def image(self, update):
        return FirmwareImage(update)


class FirmwareImage(Candidate):
    """The image of an UpdateWriter for a target."""

    def commit(self):
        """Have it started after the next reset. Raises FwError WRITE_FAILED; OSError."""
        found, board = self._update.manifest, self._update.board
        record = _get(board, found.component)
        rounds, bar = _ROUND, 0
        if record:
            bar = record[4]
            has_failed = _fate(board, found.component, record) == errors_boot.NOT_CONFIRMED
            if record[2] == found.installed_digest:
                rounds = max(record[3], _ROUND)
                if has_failed:
                    rounds = (rounds | 15) + 1
            elif has_failed:
                bar = max(bar, record[1])
        of_image = found.version, found.installed_digest, rounds, bar
        _write(board, found.component, _INSTALLING, *of_image)
        self._update.target.install(self._size)
        _write(board, found.component, _BEGUN, *of_image)


def of(board):
    return getattr(board, "systems", None) or {}


def check(update, found):
    """Is this firmware image accepted? Sets the update's target and slot.

    raises:  FwError WRONG_COMPONENT | NO_SLOT (no region `client`) | ON_TRIAL | NOT_NEWER |
             BLACK_LISTED | RESTING | TOO_BIG; OSError
    """
    board = update.board
    target = of(board).get(found.component)
    if not target:
        raise FwError(errors_net.WRONG_COMPONENT)
    if "client" not in board.layout:
        raise FwError(errors.NO_SLOT)
    settled(board)
    if "state" in board.layout:
        kinds = states()
        # If both were new and failed, nobody would know which one it was.
        if kinds.State(board).phase != kinds.IDLE:
            raise FwError(errors_boot.ON_TRIAL)
    if found.version <= target.version():
        raise FwError(errors.NOT_NEWER)
    record = _get(board, found.component)
    if record and record[2] == found.installed_digest:
        if _fate(board, found.component, record) == errors_boot.NOT_CONFIRMED:
            _rest(board, found.component, *record)
    elif record and found.version <= record[4]:
        raise FwError(errors_boot.BLACK_LISTED)
    slot = target.slot()
    if not slot.fits(found.installed_size):
        raise FwError(errors.TOO_BIG, found.installed_size)
    update.target, update.slot, update.pending = target, slot, None


def _rest(board, component, kind, version, digest, rounds, bar):
    """It was refused, or reverted. Raises FwError RESTING | BLACK_LISTED; OSError."""
    from ufota.update import rest

    if rest.is_due(board, component):
        if rest.left(rounds):
            rounds += 1
            _write(board, component, kind, version, digest, rounds, bar)
        rest.count(board, component)
    rest.refuse(rounds)


def allow(board, version=None):
    """Forget what failed, of this version, or all. True when something was. Raises as put()."""
    found = False
    for component in of(board):
        record = _get(board, component)
        if not record:
            continue
        kind, known, digest, rounds, bar = record
        if bar and (version is None or version <= bar):
            bar = 0
        if version in (None, known):
            if _fate(board, component, record) == errors_boot.NOT_CONFIRMED:
                kind, rounds = _INSTALLING, 0  # as if it had never come that far
        if (kind, bar) != (record[0], record[4]):
            _write(board, component, kind, known, digest, rounds, bar)
            found = True
    return found


def settled(board):
    """Raises FwError ON_TRIAL while firmware waits for the reset, or is not confirmed; OSError."""
    client_store.of(board)  # opened here, three calls less deep than where it is asked: C stack
    if on_trial(board):
        raise FwError(errors_boot.ON_TRIAL)


def on_trial(board):
    """True while firmware waits for the reset, or is not confirmed. Raises OSError; FwError."""
    return any(target.installed for target in of(board).values()) or any(_unkept(board))


def needs(board, found):
    """Does the device have the components that an image needs?

    found:   Manifest; its vendor-data may begin with b"needs:", and then lists them, as in
             b"needs:SYSTEM=1.24.0,RADIO=2.0.0": that version, or a newer one
    raises:  FwError NEEDS, at = which of them, from 1 on; BAD_VERSION; MALFORMED where it is no
             text; OSError
    """
    try:
        listed = found.vendor_data[_NEEDS:].decode()
    except UnicodeError:
        raise FwError(errors.MALFORMED)
    for i, need in enumerate(listed.split(","), 1):
        component, _, least = need.partition("=")
        target = of(board).get(component)
        if component == board.layout.get("component", "MAIN"):
            head = active_image.header(board)
            have = head.version if head else 0
        else:
            have = target.version() if target else 0
        if have < version_word(least):
            raise FwError(errors_net.NEEDS, i)


def confirm(board):
    """The firmware that runs is good. True when something was written. Raises OSError; FwError."""
    written = False
    for component, target, record in _unkept(board):
        target.confirm()
        _write(board, component, _KEPT, record[1], record[2], 0, record[4])
        written = True
    return written


def _unkept(board):
    """(component, target, record) of firmware that runs and is not confirmed."""
    for component, target in of(board).items():
        record = _get(board, component)
        if record and record[0] != _KEPT and record[1] == target.version():
            yield component, target, record


def result(board, component):
    """Result of the last image of a component; None: there was none, or it is on trial."""
    from ufota.result import Result

    record = _get(board, component)
    reason = _fate(board, component, record) if record else None
    if reason is None or reason == LOST:
        return None
    kinds = states()
    return Result(kinds.REVERTED if reason else kinds.CONFIRMED, reason, *record[1:3])


def fate(board, digest):
    """The result of a firmware image.

    digest:  its SHA-256, or the first bytes of it
    returns: 0 it was confirmed; error number; None while that is not known yet; RESTS
             when it failed and may come again; LOST when power was cut before it could be
             installed, or nothing is known of it
    raises:  OSError; FwError
    """
    for component in of(board):
        record = _get(board, component)
        if record and record[2][: len(digest)] == digest:
            found = _fate(board, component, record)
            if found == errors_boot.NOT_CONFIRMED:
                from ufota.update import rest

                return found if rest.is_over(record[3]) else RESTS
            return found
    return LOST


def _fate(board, component, record):
    kind, version = record[:2]
    target = of(board)[component]
    if kind == _KEPT:
        return 0
    if target.installed or version == target.version():
        return None
    return errors_boot.NOT_CONFIRMED if target.failed(kind == _BEGUN) else LOST


def _get(board, component):
    """(kind, version, digest, rounds, bar) of a component's last image, or None.

    Raises OSError; FwError.
    """
    store = client_store.of(board)
    record = store.get(_KEY + component.encode(), b"") if store else b""
    if len(record) >= _OLDEST:
        record += _LATER[len(record) - _OLDEST :]
    return struct.unpack(_RECORD, record) if len(record) == struct.calcsize(_RECORD) else None


def _write(board, component, *record):
    client_store.of(board).put(_KEY + component.encode(), struct.pack(_RECORD, *record))
