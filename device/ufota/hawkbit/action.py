"""An action of hawkBit: one update for one device, from its offer to its closing feedback.

Owns what is known of it, how that is remembered through a reset, and its result.

    kind         means                                               next
    NONE         nothing is open                                     take(): TAKEN
    TAKEN        its artifact was offered to the client              install(), end(), forget()
    INSTALLING   committed, and nobody knows yet what comes of it    settle(): ENDED or NONE
    ENDED        over, and the server does not know yet              forget(): NONE

INSTALLING and ENDED are recorded in the client store (ufota/update/client_store.py) as

    offset size field    meaning
    0      1    kind     2 INSTALLING, 3 ENDED                       (all fields little-endian)
    1      2    code     ENDED: error number, 0 for success
    3      4    at       ENDED: where
    7      32   digest   INSTALLING: SHA-256 of the image
    39     n    id       its number on the server, ASCII
"""

import struct

from micropython import const

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.modules import load, states

NONE = const(0)
TAKEN = const(1)
INSTALLING = const(2)
ENDED = const(3)

_KEY = b"hawkbit"
_RECORD = "<BHI32s"  # 39 bytes; id follows
_SIZE = const(39)
_UNKNOWN = const(-1)  # something else came between; as targets.LOST
_RESTS = const(-2)  # as targets.RESTS
_NO_DIGEST = bytes(32)


class Action:
    """The one that is open, if there is one.

    kind:    of the table above
    id:      text, "" before the first one
    code:    how it ended: 0 for success, or an error number; at: the error's place
    """

    def __init__(self, board):
        self._board = board
        self._fresh = False  # INSTALLING since this start; there was no reset
        self.kind, self.code, self.at, self._digest, self.id = self._load()

    def take(self, identity):
        self.kind = TAKEN
        self.id = identity

    def install(self, digest):
        """Its image is committed; keep() comes next. digest: of the image, 32 bytes"""
        self.kind, self._digest, self._fresh = INSTALLING, digest, True
        self.code = self.at = 0

    def end(self, code, at=0):
        """It is over. Not stored: the report is sent at once, or keep() comes next."""
        self.kind, self._digest = ENDED, _NO_DIGEST
        self.code = code
        self.at = at if isinstance(at, int) and 0 <= at < 1 << 32 else 0

    def keep(self):
        """Store it for after a reset; an action that cannot be stored, the server offers again."""
        record = struct.pack(_RECORD, self.kind, self.code, self.at, self._digest)
        self._write(record + self.id.encode())

    def forget(self):
        """The server knows how it ended, or it has not ended: nothing is open here."""
        if self.kind in (INSTALLING, ENDED):
            self._write(None)
        self.kind = NONE

    def settle(self):
        """INSTALLING: find out what came of it, if that is known by now.

        raises:  FwError READ_FAILED
        """
        if self.kind != INSTALLING:
            return
        try:
            code = _outcome(self._board, self._digest, self._fresh)
        except OSError as error:
            raise FwError(errors.READ_FAILED, errors.errno_of(error))
        if code == _UNKNOWN:
            self.forget()
        elif code is not None:
            self.end(code)

    def _load(self):
        try:
            store = self._store()
            record = store.get(_KEY, b"") if store else b""
        except (OSError, FwError):
            record = b""
        if len(record) <= _SIZE or record[0] not in (INSTALLING, ENDED):
            return NONE, 0, 0, _NO_DIGEST, ""
        try:
            return struct.unpack_from(_RECORD, record) + (record[_SIZE:].decode(),)
        except UnicodeError:  # whatever wrote that, it is none of ours
            return NONE, 0, 0, _NO_DIGEST, ""

    def _write(self, record):
        try:
            store = self._store()
            if store and record:
                store.put(_KEY, record)
            elif store:
                store.delete(_KEY)
        except (OSError, FwError):
            pass

    def _store(self):
        if "client" not in self._board.layout:
            return None
        load("ufota.update", "client_store")
        from ufota.update import client_store

        return client_store.of(self._board)


def verdict(board, error, packed):
    """The number with which an action ends whose update failed.

    packed:  what begins with the manifest as it came; looked at only for errors that come
             after its signature was verified
    returns: 0 when its image runs already; error number; None when it has not ended at all
    """
    code = error.code
    if code == errors_boot.ON_TRIAL:
        return None
    if code not in (errors.NOT_NEWER, errors_boot.BLACK_LISTED):
        return code
    from fwcore import manifest

    digest = manifest.read(packed, _trusted).installed_digest
    try:
        if code == errors.NOT_NEWER:
            runs = _running(board) == digest or _system(board, digest) == 0
            return 0 if runs else code
        # Without a state it is firmware, and may be one that another has taken the place of.
        has_state = "state" in board.layout
        found = _outcome(board, digest, False) if has_state else _system(board, digest)
    except OSError:
        return code
    return found if found and found != _UNKNOWN else code


def _trusted(*_):
    return True  # it was verified before it could be found too old


def _outcome(board, digest, fresh):
    """What came of an image that was committed.

    fresh:   True: there was no reset since
    returns: 0 the application confirmed it (without a state region: it runs); an error number;
             None when that is not known yet; _UNKNOWN
    raises:  OSError
    """
    found = _system(board, digest)
    if found == _RESTS:
        return _UNKNOWN  # the action goes on: it is offered again
    if found != _UNKNOWN:
        return found
    if "state" not in board.layout:
        if fresh:
            return None
        return 0 if _running(board) == digest else errors_boot.INSTALL_FAILED
    kinds = states()
    state = kinds.State(board)
    if state.phase != kinds.IDLE:
        return None
    if state.result == kinds.NONE or state.new.digest != digest:
        return _UNKNOWN
    if state.result == kinds.CONFIRMED:
        return 0
    load("ufota.update", "rest")
    from ufota.update import rest

    if rest.is_resting(state):
        return _UNKNOWN
    return state.reason or errors_boot.NOT_CONFIRMED


def _system(board, digest):
    """What came of an image of the firmware itself; _UNKNOWN when it is none."""
    if not hasattr(board, "systems"):
        return _UNKNOWN
    from ufota.firmware import targets

    return targets.fate(board, digest)


def _running(board):
    """Digest of the active image, None when there is no good header. Raises OSError."""
    from ufota import active_image

    head = active_image.header(board)
    return head and head.digest
