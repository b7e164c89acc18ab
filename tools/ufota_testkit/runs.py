"""One start of a board under test, until it has done what is waited for.

Owns what the board's output means: when the application is up, and what went wrong.
"""

from fwtool.virtual import boot, virtual_board

KILLED = "the interpreter was killed"  # by a power cut, or by something else
_PATIENCE = 10  # with a watchdog, whose time is real: a busy machine must not let it bite
_KEPT = 10_000  # lines
_TWICE = "flash: program of"  # how blockdev.py begins when it refuses
_REVERTED = "[DBG ] Old active firmware is back"


class Run:
    """A start.

    says:     text that the application prints when it is up; None: it ends by itself
    expects:  version that is to run in the end; when the boot stage takes it back, and another
              one would start, the run ends. None: any

    lines:    what was printed
    said:     True when the application printed the text
    """

    def __init__(self, device, interpreter, says, expects):
        self.lines = []
        self.said = False
        self._device = device
        self._says = says
        self._expects = expects
        self._is_application = False  # who prints now
        self._is_reverted = False
        self._in_traceback = False
        command = [*interpreter.command, str(device.folder), "_boot"]
        self._board = virtual_board.Supervisor(
            device.folder,
            command,
            interpreter.folder,
            interpreter.path,
            self._hear,
            patience=_PATIENCE,
        )

    def to_its_end(self, timeout_s):
        """Follow it. Returns what went wrong, in words, or None."""
        self._board.start()
        try:
            code = self._board.wait(timeout_s)
        except TimeoutError:
            code = None
        self._board.kill()
        return self._judged(code, timeout_s)

    def _hear(self, line):
        if self.said or self._is_reverted:
            return
        self.lines.append(line)
        del self.lines[:-_KEPT]
        if line == boot.FIRST_WORDS:
            self._is_application = False
        elif line == boot.LAST_WORDS:
            self._is_application = True
            self._is_reverted = self._expects is not None and self._was_reverted()
        elif self._is_application and not self._is_of_traceback(line):
            self.said = self._says is not None and self._says in line
        if self.said or self._is_reverted:
            self._board.kill()

    def _is_of_traceback(self, line):
        """True from its first line to the one that names the exception."""
        inside = self._in_traceback
        self._in_traceback = line.startswith("Traceback ") or (inside and line.startswith(" "))
        return inside or self._in_traceback

    def _was_reverted(self):
        """An update was taken back, and what starts now is not what is waited for."""
        return _REVERTED in self.lines[-4:] and self._device.version != self._expects

    def _judged(self, code, timeout_s):
        if any(_TWICE in line for line in self.lines):
            return "flash was programmed twice without an erase"
        if self.said or self._is_reverted or (code == 0 and self._says is None):
            return None
        if code == virtual_board.NO_POWER:
            return KILLED
        if code is None:
            due = "ended" if self._says is None else f"printed {self._says!r}"
            return f"in {timeout_s} s the application has not {due}"
        if code == 0:
            return f"the application ended, and has not printed {self._says!r}"
        if code == virtual_board.RESET:
            return "the board resets again and again"
        return "the application ended by an exception"
