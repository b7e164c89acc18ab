"""Updates from a card: the bundle update.bin in the folder where its file system is mounted.

Owns which file is taken, and what becomes of it:

    update.bin     taken once it has stopped growing
    update.done    its image runs, and is confirmed where the layout has a state region
    update.e27     refused for good, with the number of the error; after a revert, with the
                   reason of that

The file is renamed after the reset, when it is looked at again. Where that is not possible,
because the card is locked or was pulled, the client store gets the new name: then this file is
not offered again.

    offset size field    meaning, in the client store
    0      12   tag      the file: size, time, CRC-32 of its first 512 bytes  (little-endian)
    12     12   mark     the bytes that were read of it, see card_mark.py
    24     1    count    how often it went as far as READY
    25     4    ending   what it is to be renamed to: 1 done, else the number; 0: not known yet

Another file may have the same tag: one that was mended behind its manifest, and copied with its
time. So a file is left alone, or renamed, for what was found before only when its bytes have the
mark. They are read again for that, 16 KiB at each look, as long as the file is there.

The card is not trusted: only the manifest's signature and the digest of the image decide, as for
any source. Files of other names are never opened.
"""

import os
import struct
import time
from binascii import crc32
from errno import ENOENT

from micropython import const

from fwcore import errors, errors_boot
from fwcore.errors import FwError
from fwcore.modules import load, states
from ufota.client import FAILED, READY
from ufota.sources.card_mark import Comparison, Mark
from ufota.sources.relay import finish
from ufota.update import client_store

_HEAD = const(512)
_TAG = "<III"  # 12 bytes
_NOTE = "<12s12sBI"  # 29 bytes
_NO_NOTE = b"", 0, 0
_KEY = b"drop"
_TRIES = const(3)
_SLICE_MS = const(50)
_DONE = const(1)  # an ending, as no error has this number


class CardSource:
    """A source: a bundle on a card, or in any other folder.

    board:      see docs/DESIGN.md, "What a board offers"
    path:       folder, as the card is mounted
    name:       of the bundle
    cost:       lower goes first in a group
    mount:      called whenever no file is found: mounts the card anew, or raises OSError. None
                where the application does that, or has files of its own open on the card
    settle_ms:  how long the file must stay as it is before it is taken; offer() waits for that
    """

    header = b""  # of HTTP

    def __init__(self, board, path="/sd", name="update.bin", cost=100, mount=None, settle_ms=1000):
        if mount and not callable(mount):
            raise TypeError
        self.cost = cost
        self.at = 0
        self.length = None
        self.tag = b""
        self._board = board
        self._path = path
        self._url = "/".join((path, name))  # + takes bytes on MicroPython
        self._mount = mount
        self._settle_ms = int(settle_ms)
        self._file = None
        self._left = b""  # tag of a file that is not offered until it changes
        self._judged = None  # Comparison of it; None: it is told by its tag only
        self._ending = 0  # to rename it to, when it is the one that was judged
        self._mark = None  # Mark of what was read; None: not from the first byte on
        self._failed = b"", 0  # tag, and how often it could not be read or written

    def offer(self):
        """Path of a file to be taken, or None. Raises FwError READ_FAILED for the state's flash.

        It is not looked at while another update waits for a reset, or is on trial.
        """
        return finish(self.polling(), time.sleep_ms, self._board.feed)

    def polling(self):
        """offer() in steps: a generator that yields how long to wait, ms."""
        self.tag = b""
        found = self._look()
        if not found:
            self._left = b""  # what is there next time may be another card
            return None
        state = self._state()
        if state and state.phase:
            return None
        tag, _ = found
        if tag != self._left:
            mark, count, ending = self._noted(tag)
            confirmed = state and state.result == states().CONFIRMED
            if not ending and count >= _TRIES and not confirmed:
                ending = (state and state.reason) or errors_boot.INSTALL_FAILED
            if not ending:
                for _ in range(0, self._settle_ms, _SLICE_MS):  # it may still be written
                    yield _SLICE_MS
                return self._url if self._look() == found else None
            self._leave(tag, mark)
            self._ending = ending
        self._look_again(tag)
        return None

    def report(self, client):
        """Remember how the update with this file ends."""
        if not self.tag or client.state not in (READY, FAILED):
            return
        tag, self.tag = self.tag, b""  # the next report may be on another source's update
        mark, self._mark = self._mark and self._mark.packed(), None
        if client.state == READY:
            self._leave(tag, mark)
            before, count, _ = self._noted(tag)
            self._note(tag, mark, count + 1 if before == mark else 1)
        elif _refuses(client.error.code):
            self._rename(tag, mark, self._verdict(client))
        else:
            count = self._failed[1] + 1 if self._failed[0] == tag else 1
            self._failed = tag, count
            if count >= _TRIES:
                self._leave(tag, None)

    # A byte source

    def open(self, url, at=0, tag=b""):
        """Open the file, from a byte on if it is still the one of this tag.

        raises:  FwError BAD_URL for another file than its own, READ_FAILED
        """
        self.close()
        if url != self._url:
            raise FwError(errors.BAD_URL)
        found = self._look()
        if not found:
            raise FwError(errors.READ_FAILED, ENOENT)
        self.tag, self.length = found
        self.at = at if at <= self.length and tag in (b"", self.tag) else 0
        if not self.at:
            self._mark = Mark()
        elif self._mark and self._mark.read != self.at:
            self._mark = None  # after a reset, what came before it is not read again
        try:
            self._file = open(url, "rb")
            self._file.seek(self.at)
        except OSError as error:
            self.close()
            raise _failed(error)

    def readinto(self, mv):
        """The next bytes of the file: how many, 0 at its end. Raises FwError READ_FAILED."""
        if not self._file:
            raise FwError(errors.READ_FAILED)
        try:
            count = self._file.readinto(mv)
        except OSError as error:
            raise _failed(error)
        if self._mark:
            self._mark.add(mv if count == len(mv) else mv[:count])
        return count

    def wait(self, ms):
        """A file has no gaps to wait for."""

    def close(self):
        """Close the file; twice does no harm."""
        file, self._file = self._file, None
        if file:
            try:
                file.close()
            except OSError:
                pass  # the card is gone, and nothing was to be written

    # The file

    def _look(self):
        """(tag, size) of a file that may be a bundle, or None, also when the card fails.

        A file system answers from its cache after its card was pulled or exchanged: so the head
        of the file is read, and without a file the card is mounted.
        """
        try:
            found = self._found()
        except OSError:
            found = None
        if found or not self._mount:
            return found
        try:
            self._mount()
            return self._found()
        except OSError:
            return None

    def _found(self):
        found = os.stat(self._url)
        if not found[6]:  # a folder has no size either, or cannot be opened
            return None
        head = bytearray(_HEAD)
        with open(self._url, "rb") as file:
            count = file.readinto(head)
        mask = 0xFFFFFFFF  # sizes and times may be longer
        tag = struct.pack(_TAG, found[6] & mask, found[8] & mask, crc32(head[:count]) & mask)
        return tag, found[6]

    def _rename(self, tag, mark, ending):
        """Rename the file for good. Where that fails, the new name goes to the client store."""
        try:
            found = self._found()
            if found and found[0] == tag:  # not one that has just taken its place
                name = "done" if ending == _DONE else "e%d" % ending
                os.rename(self._url, self._url.rsplit(".", 1)[0] + "." + name)
            self._note()
        except OSError:
            self._leave(tag, mark)
            self._note(tag, mark, 0, ending)

    # A file that is not offered

    def _leave(self, tag, mark):
        """Do not offer this file until it changes. mark: None when nobody knows its bytes"""
        self._left = tag
        self._judged = Comparison(mark) if mark else None
        self._ending = 0

    def _look_again(self, tag):
        """Compare a piece of the file that is left with what was judged."""
        if not self._judged:
            return
        try:
            with open(self._url, "rb") as file:
                is_same = self._judged.step(file)
        except OSError:
            return  # the next look finds out
        if is_same is False:
            self._left = b""
            self._note()
        elif is_same and self._ending:
            ending, self._ending = self._ending, 0
            self._rename(tag, self._noted(tag)[0], ending)

    # What is known of it

    def _noted(self, tag):
        """(mark, count, ending) of a file, from the client store; b"" and 0 when it has none."""
        try:
            store = client_store.of(self._board)
        except (OSError, FwError):
            store = None
        note = store.get(_KEY, b"") if store else b""
        if len(note) != struct.calcsize(_NOTE) or note[: len(tag)] != tag:
            return _NO_NOTE
        return struct.unpack(_NOTE, note)[1:]

    def _note(self, tag=b"", mark=b"", count=0, ending=0):
        """Put it into the client store, or, without a mark, delete what is there."""
        try:
            store = client_store.of(self._board)
            if store and mark:
                store.put(_KEY, struct.pack(_NOTE, tag, mark, count, ending))
            elif store:
                store.delete(_KEY)
        except (OSError, FwError):
            pass  # then the file is looked at once more after the next reset

    def _state(self):
        """The boot state, or None where the layout has none. Raises FwError READ_FAILED."""
        if "state" not in self._board.layout:
            return None
        try:
            return states().State(self._board)
        except OSError as error:
            raise _failed(error)

    def _verdict(self, client):
        """The ending for a file that was refused."""
        code, found = client.error.code, client.manifest
        state = self._state()
        if code == errors.NOT_NEWER and self._running(state) == found.installed_digest:
            return _DONE
        if code == errors_boot.BLACK_LISTED and state:
            if state.new.digest == found.installed_digest:
                code = state.reason or code
        return code

    def _running(self, state):
        """Digest of the active image, or None."""
        from ufota import active_image

        try:
            head = active_image.header(self._board, state)
        except OSError:
            return None
        return head and head.digest


def _refuses(code):
    """True when the file is what is wrong, not the card or the device."""
    load("ufota.sources", "verdicts")
    from ufota.sources import verdicts

    return verdicts.is_of_file(code)


def _failed(error):
    return FwError(errors.READ_FAILED, errors.errno_of(error))
