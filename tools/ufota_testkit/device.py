"""A board under test: files for chips, and an interpreter in a process of its own.

Its chips count operations and can lose power in one of them (on_device/supply.py). Nothing of it
outlives a reset or a power cut but what is in the chips, as the process is another one then.
"""

import contextlib
import os
import shutil
import subprocess
from errno import ENOENT
from pathlib import Path

from fwcore.errors import FwError
from fwcore.manifest import version_text, version_word
from fwtool import explain, paths
from fwtool.exits import Failure
from fwtool.images import factory, layouts
from fwtool.virtual import boot, state, virtual_board
from ufota_testkit.on_device import records
from ufota_testkit.simdisk import PowerCut

TIMEOUT_S = 120  # a start takes less than a second on an idle machine
SHOWN = 30  # lines of the board's output in a message
_EXCHANGE = "exchange"  # file through which contents come and go


class Device:
    """One board.

    folder:   of its chips; must be new
    layout:   dict
    maker:    releases.Maker, whom it trusts
    interpreter: interpreters.Interpreter that it is made of

    lines:    what it has printed since program()
    cut:      cuts.Cut that is tried now, or None
    """

    def __init__(self, folder, layout, maker, interpreter):
        self.folder = Path(folder)
        self.layout = layout
        self.lines = []
        self.cut = None
        self._maker = maker
        self._interpreter = interpreter

    def program(self, release):
        """Make it new, as a factory does: an identity, this release, user files formatted."""
        shutil.rmtree(self.folder, ignore_errors=True)
        version = version_word(release.version)
        who = self._maker.point, self._maker.vendor, self._maker.class_id
        factory.make(str(self.folder), self.layout, release.image, version, *who)
        self.lines = []
        self.count_from_here()
        if self._has_user_files():
            said = self._script("user_files", "mount")
            if said:
                raise AssertionError(f"user files cannot be formatted: {said}")

    def start(self, says=None):
        """Power on, until the application ends, or has printed the text `says`.

        Resets are followed. Returns the lines of output.
        raises:   AssertionError when the application raises, when it neither ends nor says that
                  in TIMEOUT_S seconds, or when the board resets again and again;
                  PowerCut when a cut was planned, and power went
        """
        __tracebackhide__ = True
        run = _Run(self, says)
        run.board.start()
        try:
            code = run.board.wait(TIMEOUT_S)
        except TimeoutError:
            code = None
        run.board.kill()
        self.lines += run.lines
        if code == virtual_board.NO_POWER and not run.said:
            raise PowerCut(f"power went: {self.cut or 'planned'}")
        self._judge(run, code, says)
        return run.lines

    def _judge(self, run, code, says):
        __tracebackhide__ = True
        if any(line.startswith("flash: program of") for line in run.lines):
            raise AssertionError(self._told("flash was programmed twice without an erase"))
        if run.said or code == 0 and says is None:
            return
        if code == 0:
            what = f"the application ended, and has not printed {says!r}"
        elif code is None:
            due = f"printed {says!r}" if says else "ended"
            what = f"in {TIMEOUT_S} s the application has not {due}"
        elif code == virtual_board.RESET:
            what = "the board resets again and again"
        else:
            what = "the application ended by an exception"
        raise AssertionError(self._told(what))

    def assert_boots(self, version, says=None):
        """The board starts, runs this version, and keeps it: it is not on trial any more.

        says:    text the application prints when it is up; None: it ends by itself
        raises:  AssertionError, PowerCut
        """
        __tracebackhide__ = True
        self.start(says)
        if self.version != str(version):
            raise AssertionError(self._told(f"{self.version} runs, not {version}"))
        if "state" in self.layout and state.read(str(self.folder))["phase"] == "TRIAL":
            raise AssertionError(self._told(f"{version} runs on trial: nothing has confirmed it"))

    @property
    def version(self):
        """Of the active image, as text; None when there is no good one."""
        head = boot.active(boot.Chips(str(self.folder), self.layout))
        return version_text(head.version) if head else None

    def update(self, url):
        """Download an update, as an application does it with Client; the next start installs it.

        raises:  AssertionError when the device refuses it, PowerCut
        """
        __tracebackhide__ = True
        said = self._script("download", url)
        verdict, _, number = said.rpartition("\n")[2].partition(" ")
        if verdict == "refused":
            words = explain.sentence(FwError(int(number)))
            raise AssertionError(f"the device refuses the update: error {number}, {words}")
        if verdict != "ready":
            raise AssertionError(f"the download ends without a result: {said}")

    def read(self, path):
        """Contents of a file of the user's, bytes; None when it is not there.

        raises:  AssertionError when the file system cannot be read, PowerCut
        """
        __tracebackhide__ = True
        exchange = self._exchange()
        said = self._script("user_files", "get", path, exchange)
        if said == f"error {ENOENT}":
            return None
        if said:
            raise AssertionError(f"cannot read {path}: {said}")
        return exchange.read_bytes()

    def write(self, path, data):
        """Put a file into the user's file system. data: text or bytes. Raises AssertionError."""
        __tracebackhide__ = True
        exchange = self._exchange()
        exchange.write_bytes(data.encode() if isinstance(data, str) else data)
        said = self._script("user_files", "put", path, exchange)
        if said:
            raise AssertionError(f"cannot write {path}: {said}")

    def _exchange(self):
        if not self._has_user_files():
            raise Failure("the layout of this board has no region for user files")
        return self.folder / _EXCHANGE

    def _has_user_files(self):
        return "format" in self.layout.get("regions", {}).get("user", {})

    def _script(self, name, *arguments):
        """Run a script of on_device; returns what it printed. Raises Failure, PowerCut."""
        __tracebackhide__ = True
        interpreter = self._interpreter
        done = subprocess.run(
            [*interpreter.command, str(self.folder), name, *map(str, arguments)],
            cwd=interpreter.folder,
            env=paths.environment(*interpreter.path),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
        )
        if done.returncode == virtual_board.NO_POWER:
            raise PowerCut(f"power went: {self.cut or 'planned'}")
        if done.returncode:
            raise AssertionError(f"{name} ended with exit code {done.returncode}: {done.stdout}")
        return done.stdout.strip()

    def _told(self, what):
        """`what`, with what the board says of its last update, and its last lines."""
        text = [what]
        if "state" in self.layout:
            found = state.read(str(self.folder))
            about = found["new"]["version"] if found["new"] else "an image"
            reason = f", reason {found['reason']}: {found['words']}" if found["reason"] else ""
            text.append(f"phase {found['phase']}, last update: {about} {found['result']}{reason}")
        text += [f"    | {line}" for line in self.lines[-SHOWN:]]
        return "\n".join(text)

    # Power

    def count_from_here(self):
        """Operations are counted from the next one."""
        (self.folder / "trace").write_bytes(b"")

    def operations(self):
        """list of records.Operation since then."""
        with open(self.folder / "trace", "rb") as file:
            return list(records.operations(file))

    def tear(self, operation, tear, number):
        """The chips get what a cut in this operation leaves; number: of it, for its junk."""
        with open(self.folder / f"{operation.chip}.bin", "r+b") as file:
            records.put(file, operation, tear, number)
        with open(self.folder / "trace", "ab") as file:
            records.write(file, operation)

    @contextlib.contextmanager
    def cut_at(self, number, tear="nothing"):
        """Within `with` power goes in operation `number`, counted from here, with this tear."""
        __tracebackhide__ = True
        self.count_from_here()
        plan = self.folder / "cut"
        plan.write_text(f"{number} {tear}")
        try:
            yield
        except PowerCut:
            return
        finally:
            plan.unlink()
        raise AssertionError(f"there was no operation number {number}")


class _Run:
    """One start of a board, until it has said what is waited for."""

    def __init__(self, device, says):
        self.lines = []
        self.said = False
        self._says = says
        self._is_application = False  # who prints now
        made_of = device._interpreter
        command = [*made_of.command, str(device.folder), "_boot"]
        self.board = virtual_board.Supervisor(
            device.folder, command, made_of.folder, made_of.path, self._hear
        )

    def _hear(self, line):
        if self.said:
            return
        self.lines.append(line)
        if line in (boot.FIRST_WORDS, boot.LAST_WORDS):
            self._is_application = line == boot.LAST_WORDS
        elif self._is_application and self._says is not None and self._says in line:
            self.said = True
            self.board.kill()


def layout_of(name):
    """LAYOUT of a board of boards/, by its name, or of a layout file. Raises Failure."""
    if os.path.exists(name):
        return layouts.load(name)
    shipped = {path.parent.name: str(path) for path in paths.boards().glob("*/layout.py")}
    if name not in shipped:
        raise Failure(
            f"there is no board or layout file {name!r}; boards are {', '.join(sorted(shipped))}"
        )
    return layouts.load(shipped[name])
