"""A console of single keys, for tests by hand: heap, stack, reset, update, versions.

    console = Console(board, client)
    while True:
        console.poll()          # in the application's own loop; never blocks
        ...

Owns keys and what they print, nothing else; a product leaves this file out. Keys come from the
serial line of the REPL, sys.stdin, unless the application gives another stream.
"""

import gc
import select
import sys

import micropython

from fwcore.errors import FwError

HELP = "h heap, s stack, r reset, u check for an update, v versions"


class Console:
    """
    board:   see docs/DESIGN.md, "What a board offers"
    client:  FleetClient for `u`; None: there is none
    stream:  text, where keys come from, as far as select.poll() knows of them
    """

    def __init__(self, board, client=None, stream=None):
        self._board = board
        self._client = client
        self._stream = stream or sys.stdin
        self._poll = select.poll()
        self._poll.register(self._stream, select.POLLIN)

    def poll(self):
        """Do what the next key asks for, if one has come. Returns it, or ""."""
        if not self._poll.poll(0):
            return ""
        key = self._stream.read(1)
        self.press(key)
        return key

    def press(self, key):
        """Do what a key asks for; other than those of HELP, and line ends, print HELP."""
        action = _KEYS.get(key)
        if action:
            try:
                action(self)
            except (FwError, OSError) as error:
                print("error", error)
        elif key > " ":
            print(HELP)

    def _heap(self):
        gc.collect()
        if hasattr(gc, "mem_free"):
            print("heap: {} B used, {} B free".format(gc.mem_alloc(), gc.mem_free()))

    def _stack(self):
        if hasattr(micropython, "stack_use"):
            print("stack: {} B used".format(micropython.stack_use()))

    def _reset(self):
        print("reset")
        self._board.reset()

    def _update(self):
        if not self._client:
            print("no update client")
        elif not self._client.poll():
            print("nothing new")
        elif self._client.run():
            print("update ready: r installs it")

    def _versions(self):
        from fwcore.manifest import version_text
        from ufota import active_image
        from ufota.firmware import targets

        head = active_image.header(self._board)
        print("application", version_text(head.version if head else 0))
        for component, target in sorted(targets.of(self._board).items()):
            print(component, version_text(target.version()))


_KEYS = {
    "h": Console._heap,
    "s": Console._stack,
    "r": Console._reset,
    "u": Console._update,
    "v": Console._versions,
}
