"""The console: what a board's firmware does after the application, for `fwtool run --pty`.

    micropython -m repl STATE_DIR     started by the supervisor, tools/fwtool/virtual/pty_board.py

Has what mpremote needs on stdin and stdout: raw REPL, raw paste, and a minimal friendly
REPL. There is one file system, as on a small board: the layout's region `user`, on /, so
nothing typed here reaches the files of the host. A board from the factory (identity.json)
runs its boot stage and application first; a new one runs /boot.py and /main.py, like a board
with MicroPython alone. Its frozen modules are in /rom.

What the supervisor has to know goes over a pipe, a byte each:

    B, I    code begins, code has ended; I is answered, and from there no ^C interrupts
    C       a ^C was read from stdin, so it is no longer on its way
    K, k    micropython.kbd_intr: ^C is to interrupt code, ^C is a byte like all others
    R, F    soft reset follows; start again in the raw, in the friendly REPL
"""

import builtins
import gc
import io
import json
import os
import sys
from errno import ENOENT

import blockdev
import machine
import micropython
import vfs
from layout import LAYOUT

from fwcore.userfs import user_files

_WINDOW = 1024  # bytes of code a host may send ahead in raw paste mode
_PIECE = 256  # characters printed at a time
_EROFS = 30
_FIRMWARE = ("machine.py", "blockdev.py")  # of a new board; `machine` and drivers, no more
_HELP = "Ctrl-A: raw REPL, for tools. Ctrl-C: stop. Ctrl-D: soft reset. Ctrl-E: paste mode."


class Rom:
    """Folders of the host as one file system that is only read: what a firmware has frozen.

    names:  files and folders of the top that are there; None: all
    """

    def __init__(self, folders, names):
        self._roots = [vfs.VfsPosix(folder) for folder in folders]
        self._names = names

    def _root(self, path):
        top = path.strip("/").split("/")[0]
        if ".." not in path and (not top or self._names is None or top in self._names):
            for root in self._roots:
                try:
                    root.stat(path)
                    return root
                except OSError:
                    pass
        raise OSError(ENOENT)

    def stat(self, path):
        return self._root(path).stat(path)

    def statvfs(self, path):
        return (4096, 4096) + (0,) * 7 + (255,)

    def open(self, path, mode):
        if mode not in ("r", "rt", "rb"):
            raise OSError(_EROFS)
        return self._root(path).open(path, mode)

    def ilistdir(self, path):
        for root in self._roots if path in ("", "/") else (self._root(path),):
            for entry in root.ilistdir(path):
                if path not in ("", "/") or self._names is None or entry[0] in self._names:
                    yield entry

    def chdir(self, path):
        self._root(path)

    def mount(self, readonly, mkfs):
        pass

    def umount(self):
        pass

    def remove(self, *path):
        raise OSError(_EROFS)

    mkdir = rmdir = rename = remove


class Micropython:
    """Module `micropython` with a kbd_intr that the supervisor obeys."""

    def __init__(self, tell):
        self._tell = tell

    def __getattr__(self, name):
        return getattr(micropython, name)

    def kbd_intr(self, char):
        self._tell(b"K" if char == 3 else b"k")


class Link:
    """The pipes to the supervisor, and the terminal."""

    def __init__(self):
        control, answers = os.getenv("CONTROL").split(",")
        self._control = open("/dev/fd/" + control, "wb")
        self._answers = open("/dev/fd/" + answers, "rb")
        self._answer = bytearray(1)
        self._in = sys.stdin.buffer
        self.write = sys.stdout.buffer.write

    def tell(self, word):
        self._control.write(word)

    def begin(self):
        """Code begins: from here a ^C may interrupt, at any place."""
        self._answer[0] = 0
        self._told = False
        self.tell(b"B")

    def settle(self):
        """Code has ended: returns when the supervisor knows, and no ^C can interrupt any more.

        To be called again when a late one has interrupted it. I may then be sent twice.
        """
        if not self._told:
            self.tell(b"I")
            self._told = True
        while not self._answer[0]:
            if not self._answers.readinto(self._answer):
                raise SystemExit(1)

    def read(self):
        """One byte from the host. Raises SystemExit when the supervisor is gone."""
        byte = self._in.read(1)
        if not byte:
            raise SystemExit(1)
        if byte == b"\x03":
            self.tell(b"C")
        return byte

    def read_window(self, buf):
        """Fill buf. Returns its size, or how many came before a ^C or ^D, which buf then has."""
        byte, size = bytearray(1), 0
        readinto = self._in.readinto  # a call for each byte, and there are many
        while size < len(buf):
            if not readinto(byte):
                raise SystemExit(1)
            value = buf[size] = byte[0]
            if value == 4:
                return size
            if value == 3:
                self.tell(b"C")
                return size
            size += 1
        return size

    def say(self, text):
        for at in range(0, len(text), _PIECE):  # no memory for a copy of all of it
            self.write(text[at : at + _PIECE].replace("\n", "\r\n").encode())

    def print(self, *args, sep=" ", end="\n", file=None):
        """print() as on a board, where a terminal gets \\r\\n."""
        if file is not None and file is not sys.stdout:
            _print(*args, sep=sep, end=end, file=file)
            return
        for number, arg in enumerate(args):
            if number:
                self.say(sep)
            self.say(arg if isinstance(arg, str) else str(arg))
        self.say(end)

    def show(self, value):
        """What the friendly REPL does with the value of an expression."""
        if value is not None:
            self.print(repr(value))

    def complain(self, error):
        self.say(traceback(error))


_print = print


def traceback(error):
    """What a board prints of an exception: without the frames of this file."""
    text = io.StringIO()
    sys.print_exception(error, text)
    lines = [line for line in text.getvalue().split("\n") if "repl.py" not in line]
    return "\n".join(lines)


class Repl:
    """The read-eval-print loops; run() ends with a soft reset."""

    def __init__(self, link, raw):
        self._link = link
        self._raw = raw
        self.globals = {"__name__": "__main__"}

    def execute(self, source, name="<stdin>", mode="exec"):
        """Run code, interruptible. Returns what it raised, or None; SystemExit resets."""

        def call():
            exec(compile(source, name, mode), self.globals)

        return self.supervise(call)

    def supervise(self, function):
        """The same for a function."""
        error, begun = None, False
        while True:  # one ^C may come late, wherever this is
            try:
                try:
                    if not begun:
                        begun = True
                        self._link.begin()
                        function()
                except BaseException as raised:
                    error = raised
                self._link.settle()
                return error
            except KeyboardInterrupt as late:
                error = error or late

    def run_file(self, path):
        """Run /boot.py or /main.py, when it is there. Returns True when it wants a reset."""
        try:
            with open(path) as file:
                source = file.read()
        except OSError:
            return False
        return self.report(self.execute(source, path[1:]))

    def report(self, error):
        """Print what code raised. Returns True when it wants a reset."""
        if isinstance(error, SystemExit):
            return True
        if error:
            self._link.complain(error)
        return False

    def run(self):
        while not (self._raw_repl() if self._raw else self._friendly()):
            pass
        self.soft_reset()

    def soft_reset(self):
        """Ask for a new process, and let this one end."""
        self._link.say("MPY: soft reboot\n")
        self._link.tell(b"R" if self._raw else b"F")

    # --- raw REPL: for tools. Every loop returns True for a soft reset, False for the other one

    def _raw_repl(self):
        self._link.write(b"raw REPL; CTRL-B to exit\r\n>")
        line = bytearray()
        while True:
            byte = self._link.read()
            if byte == b"\x01":
                if line == b"\x05A":
                    source = self._paste()
                    line = bytearray()
                    if source is not None and self._answer(source):
                        return True
                    self._link.write(b">")
                    continue
                line = bytearray()
                self._link.write(b"raw REPL; CTRL-B to exit\r\n>")
            elif byte == b"\x02":
                self._raw = False
                self._link.write(b"\r\n")
                return False
            elif byte == b"\x03":
                line = bytearray()
            elif byte == b"\x04":
                self._link.write(b"OK")
                if not line:
                    self._link.write(b"\r\n")
                    return True
                source, line = line, bytearray()
                if self._answer(source):
                    return True
                self._link.write(b">")
            else:
                line += byte

    def _paste(self):
        """Code by raw paste, window after window; None when the host gave up."""
        self._link.write(b"R\x01" + bytes((_WINDOW & 0xFF, _WINDOW >> 8)) + b"\x01")
        source, window = bytearray(), bytearray(_WINDOW)
        while True:
            size = self._link.read_window(window)
            source += memoryview(window)[:size]
            if size == _WINDOW:
                self._link.write(b"\x01")
                continue
            self._link.write(b"\x04")
            return source if window[size] == 4 else None

    def _answer(self, source):
        """Run code as raw mode does, output and error each ended by \\x04."""
        try:
            error = self.execute(str(source, "utf8"))
        except (MemoryError, UnicodeError) as refused:
            error = refused
        self._link.write(b"\x04")
        reset = self.report(error)
        self._link.write(b"\x04")
        return reset

    # --- friendly REPL: for people

    def _friendly(self):
        self._link.say("{}; virtual board\n".format(sys.version.split("; ")[-1]))
        self._link.say('Type "help()" for more information.\n')
        while True:
            source = self._read_statement()
            if source == "\x01":
                self._raw = True
                return False
            if source == "\x02":
                return False
            if source == "\x04":
                self._link.say("\n")
                return True
            if source == "\x05":
                source, mode = self._read_paste(), "exec"
            else:
                mode = "single"
            if source.strip() and self.report(self.execute(source, mode=mode)):
                return True

    def _read_statement(self):
        """Text of one statement, or the control character that was typed instead."""
        lines = []
        while True:
            line = self._read_line("... " if lines else ">>> ")
            if line is None:  # ^C
                lines = []
                continue
            if len(line) == 1 and line in "\x01\x02\x04\x05":
                return line
            lines.append(line)
            if not _goes_on(lines):
                return "\n".join(lines) + "\n"

    def _read_line(self, prompt):
        self._link.say(prompt)
        line = bytearray()
        while True:
            byte = self._link.read()
            if byte == b"\r":
                self._link.say("\n")
                return str(line, "utf8")
            if byte == b"\x03":
                self._link.say("\n")
                return None
            if byte in b"\x01\x02\x05" or (byte == b"\x04" and not line):
                return str(byte, "utf8")
            if byte in b"\x08\x7f":
                if line:
                    line = line[:-1]
                    self._link.write(b"\x08 \x08")
            elif byte == b"\x1b":
                self._skip_escape()
            elif byte >= b" " or byte == b"\t":
                line += byte
                self._link.write(byte)

    def _skip_escape(self):
        if self._link.read() == b"[":
            while not b"@" <= self._link.read() <= b"~":
                pass

    def _read_paste(self):
        self._link.say("\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\n=== ")
        text = bytearray()
        while True:
            byte = self._link.read()
            if byte in b"\x03\x04":
                self._link.say("\n")
                return str(text, "utf8") if byte == b"\x04" else ""
            text += b"\n" if byte == b"\r" else byte
            self._link.say("\n=== " if byte == b"\r" else str(byte, "utf8"))


def _goes_on(lines):
    """True when what was typed is the beginning of a statement."""
    text = "\n".join(lines)
    opened = sum(text.count(char) for char in "([{") - sum(text.count(char) for char in ")]}")
    if opened > 0 or lines[-1].endswith("\\"):
        return True
    block = lines[0].startswith("@") or any(line.rstrip().endswith(":") for line in lines)
    return block and bool(lines[-1].strip())


def _user_files(layout):
    """The file system of region `user`, formatted where that is blank."""
    region = layout["regions"]["user"]
    spec = layout["devices"][region["device"]]
    path = "/" + region["device"] + ".bin"
    chip = blockdev.FileFlash(path, spec["size"], spec["erase"], spec["program"])
    return user_files(chip, region, spec)


def _prepare(link):
    """Swap the host's files for the board's. Returns True for a board from the factory."""
    state, folders = sys.argv[1], os.getenv("FIRMWARE").split(":")
    chips = vfs.VfsPosix(state)

    def open_chip(path, mode="r", **_):
        return chips.open("/" + path.rsplit("/", 1)[-1], mode)

    blockdev.open = machine.open = open_chip
    try:
        layout = json.load(chips.open("/layout.json", "r"))
    except OSError:
        layout = LAYOUT
    made = "identity.json" in [entry[0] for entry in chips.ilistdir("/")]
    machine.files = _user_files(layout)
    vfs.umount("/")
    vfs.mount(machine.files, "/")
    vfs.mount(Rom(folders, None if made else _FIRMWARE), "/rom")
    os.chdir("/")
    sys.path[:] = ["", ".frozen", "/rom", "/lib"]
    sys.modules["micropython"] = Micropython(link.tell)
    for name in ("layout", "repl", "fwcore", "fwcore.userfs", "fwcore.window"):
        sys.modules.pop(name, None)  # a board finds its own
    builtins.print = link.print
    builtins.__repl_print__ = link.show
    builtins.help = lambda *_: link.print(_HELP)
    machine.soft_reset = sys.exit
    if made:
        import board

        board.open = open_chip
    else:
        sys.argv[:] = ["", ""]  # Board() finds its files on /
    return made


def _start(repl):
    """Boot stage and application of a board from the factory. True: it wants a reset.

    They are its main.py, which no board runs after a soft reset from the raw REPL: a session
    of mpremote costs no trial boot. The boot stage cannot be interrupted.
    """
    from board import Board
    from stage import look

    gc.threshold(4096)
    Board.lines = []
    board = Board()
    if "stages" in board.layout:
        from fwboot import select

        start = select.enter(board, look)
    else:
        start = look(board, 0)
    gc.threshold(-1)
    reset = bool(start) and repl.report(repl.supervise(start))
    os.chdir("/")
    return reset


def _main():
    link = Link()
    raw = os.getenv("RAW") == "1"
    made = _prepare(link)
    repl = Repl(link, raw)
    if made:
        reset = not raw and _start(repl)
    else:
        reset = repl.run_file("/boot.py") or (not raw and repl.run_file("/main.py"))
    if reset:
        repl.soft_reset()
    else:
        repl.run()


_main()
