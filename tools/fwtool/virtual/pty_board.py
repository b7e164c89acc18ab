"""`fwtool run --pty`: the supervisor of a virtual board with a serial port.

The port is a pseudo-terminal; behind it is boards/virtual/repl.py, so mpremote and any
terminal program work as with a board on a cable. Bytes go through unchanged, but for ^C:
while code runs that is a signal to the interpreter, because nobody reads stdin then.

A reset (machine.reset, watchdog, soft reset) is a new process on the same port; so is the
end of an interpreter that crashed. What was sent before a soft reset is still read after it.
"""

import contextlib
import os
import select
import signal
import subprocess
import termios
import time
import tty
from pathlib import Path

from fwtool import exits, files, paths
from fwtool.exits import Failure
from fwtool.images import factory, layouts
from fwtool.virtual import pty_interpreter, virtual_board

SOFT_RESET = 5  # reset cause, numbered as in machine.py

_POLL_S = 0.05  # a watchdog resets up to so much too late
_AGAIN_S = 0.2  # between two interrupts, and between two hard resets
_DEAF_S = 5  # a host that reads nothing for so long is gone: what it missed is dropped
_CHUNK = 4096
_FULL = 1 << 16  # bytes that wait for the board: the host has to wait too
_MANY = 1 << 30  # resets a minute: a board on a desk may reset as often as it likes
_CTRL_C = b"\x03"


class PtyBoard(virtual_board.VirtualBoard):
    """One board on a pseudo-terminal; start(), kill() and `with` as run.VirtualBoard has them.

    state_dir:  folder of a board; a new or empty one becomes a new board: blank chips,
                MicroPython, nothing of ours
    port:       name of the serial port, the same for as long as the object exists
    on_line:    called with a line about each crash
    close():    lets go of the port; the board must be off
    """

    def __init__(self, state_dir, heap="256k", interpreter=None, on_line=print):
        make_blank(state_dir)
        super().__init__(state_dir, heap, interpreter, on_line=on_line, max_resets=_MANY)
        self._command[-3:] = ["-m", "repl", str(self._state)]
        self._stop = signal.SIGINT
        if pty_interpreter.runs(self._command[0]):
            self._command[:1] = paths.python(pty_interpreter.__file__)
            self._stop = pty_interpreter.STOP
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._input = None  # (read end, write end) of the board's stdin
        self._raw = False
        self._began = 0.0

    def is_on(self):
        """False after kill(), and when the interpreter cannot be started."""
        return self._thread.is_alive()

    def close(self):
        for end in (self._master, self._slave, *(self._input or ())):
            os.close(end)

    def _spawn(self, cause):
        """Start a process, unless the power is off. Returns True when one runs."""
        self._watchdog().unlink(missing_ok=True)
        if cause != SOFT_RESET:
            self._raw = False
            self._new_input()
            time.sleep(max(0.0, min(_AGAIN_S, self._began + _AGAIN_S - time.monotonic())))
        self._began = time.monotonic()
        control, told = os.pipe()
        heard, self._answers = os.pipe()
        env = paths.environment(paths.board(), paths.device())
        env.update(
            RESET_CAUSE=str(cause),
            RAW=str(int(self._raw)),
            CONTROL=f"{told},{heard}",
            FIRMWARE=":".join(map(str, virtual_board._sources())),
        )
        try:
            with self._lock:
                if self._off:
                    os.close(control)
                    os.close(self._answers)
                    return False
                self._process = self._open(env, told, heard)
        finally:
            os.close(told)
            os.close(heard)
        os.set_blocking(control, False)
        self._control = control
        return True

    def _new_input(self):
        if self._input:
            for end in self._input:
                os.close(end)
        self._input = os.pipe()
        os.set_blocking(self._input[1], False)

    def _open(self, env, *fds):
        try:
            return subprocess.Popen(
                self._command,
                cwd=paths.board(),
                env=env,
                stdin=self._input[0],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C is for the supervisor alone
            )
        except OSError as error:
            text = f"cannot run {self._command[0]}: {files.reason(error)}"
            raise Failure(text, exits.DEVICE) from None

    def _watch(self):
        """Follow the process to its end. Returns the cause of the reset."""
        process, wire = self._process, _Wire(self)
        bitten = True  # also when something here raises
        try:
            bitten = wire.pump()
        finally:
            if bitten:
                process.kill()
            self._code = process.wait()
            process.stdout.close()
            os.close(self._control)
            os.close(self._answers)
        if bitten:
            return virtual_board.WATCHDOG
        if wire.soft:
            self._raw = wire.soft == b"R"
            return SOFT_RESET
        if self._code not in (virtual_board.RESET, virtual_board.NO_POWER):
            self._on_line(f"the interpreter ended with code {self._code}: power on again")
            return virtual_board.POWER_ON
        return virtual_board.HARD_RESET


class _Wire:
    """What flows between the port and one process."""

    def __init__(self, board):
        self._board = board
        self._process = board._process
        self._to_board = bytearray()
        self._to_host = bytearray()
        self._moved = time.monotonic()  # when the host last took a byte
        self._deaf = False
        self._busy = False  # code runs
        self._enabled = True  # ^C may interrupt it
        self._asked = 0  # ^C on their way through stdin
        self._struck = 0.0  # when the last signal was sent
        self.soft = None  # b"R" or b"F" once a soft reset was announced

    def pump(self):
        """Until the process ends. Returns True when the watchdog ended it."""
        board, output = self._board, self._process.stdout.fileno()
        while True:
            sources = [board._control]
            if not self._to_host:
                sources.append(output)
            if len(self._to_board) < _FULL:
                sources.append(board._master)
            sinks = [board._input[1]] * bool(self._to_board) + [board._master] * bool(
                self._to_host
            )
            ready, open_, _ = select.select(sources, sinks, [], _POLL_S)
            if board._master in ready:
                self._hear_host()
            # Before the output: what the board sent here before its output counts first.
            self._hear_control()
            if board._input[1] in open_:
                self._feed_board()
            if output in ready:
                chunk = os.read(output, _CHUNK)
                if not chunk:
                    self._feed_host()
                    return False
                self._to_host += chunk
            self._feed_host()
            if board._is_overdue():
                return True

    def _hear_host(self):
        self._deaf = False
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._board._master, _CHUNK)
            for at in range(len(chunk)):
                self._take(chunk[at : at + 1])

    def _take(self, byte):
        if byte == _CTRL_C and self._enabled:
            if self._busy:
                self._interrupt()
                return
            self._asked += 1
        self._to_board += byte

    def _interrupt(self):
        """A signal; not a second one that soon: two SIGINT at a time end the interpreter."""
        now = time.monotonic()
        if now - self._struck > _AGAIN_S:
            self._struck = now
            self._process.send_signal(self._board._stop)

    def _hear_control(self):
        with contextlib.suppress(BlockingIOError):
            for word in os.read(self._board._control, _CHUNK):
                self._obey(bytes((word,)))

    def _obey(self, word):
        if word == b"B":
            self._busy, self._struck = True, 0.0
            if self._asked:
                self._interrupt()
        elif word == b"I" and self._busy:
            self._busy, self._enabled = False, True
            with contextlib.suppress(BrokenPipeError):
                os.write(self._board._answers, b".")
        elif word == b"C":
            self._asked = max(0, self._asked - 1)
        elif word in b"Kk":
            self._enabled = word == b"K"
        elif word in b"RF":
            self.soft = word

    def _feed_board(self):
        with contextlib.suppress(BlockingIOError):
            del self._to_board[: os.write(self._board._input[1], self._to_board[:_CHUNK])]

    def _feed_host(self):
        """Hand on output. The board waits for a host that is slow, not for one that is gone."""
        now = time.monotonic()
        try:
            while self._to_host:
                del self._to_host[: os.write(self._board._master, self._to_host)]
                self._moved = now
            self._moved = now
        except BlockingIOError:
            if self._deaf or now - self._moved > _DEAF_S:
                self._deaf, self._moved = True, now
                termios.tcflush(self._board._slave, termios.TCIFLUSH)


def make_blank(state_dir):
    """Make the chips of a new board in a folder that is empty or not there. Raises Failure."""
    folder = Path(state_dir)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return
    layout = layouts.load(str(paths.board() / "layout.py"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, spec in layout["devices"].items():
        factory._blank(str(folder / f"{name}.bin"), spec)
