"""A board under test: files for chips, and an interpreter in a process of its own.

Its chips count operations and can lose power in one of them (on_device/supply.py). Nothing of it
outlives a reset or a power cut but what is in the chips, as the process is another one then.
"""

import contextlib
import shutil
import subprocess
from errno import ENOENT, errorcode
from pathlib import Path

from fwcore.errors import FwError
from fwcore.manifest import version_text, version_word
from fwtool import explain, paths
from fwtool.exits import Failure
from fwtool.images import factory, layouts
from fwtool.virtual import boot, state
from ufota_testkit.on_device import records
from ufota_testkit.runs import KILLED, Run
from ufota_testkit.simdisk import PowerCut

SHOWN = 30  # lines of the board's output in a message
_EXCHANGE = "exchange"  # file through which contents come and go


class Device:
    """One board.

    folder:   of its chips; must be new
    layout:   dict
    maker:    releases.Maker, whom it trusts
    interpreter: interpreters.Interpreter that it is made of

    timeout_s: longest a start or a download may take; one second, when the machine is idle
    lines:    what it has printed since program(), or since the last cut of a sweep
    cut:      cuts.Cut that is tried now, or None
    is_swept: True while every_cut() works with it
    """

    timeout_s = 120

    def __init__(self, folder, layout, maker, interpreter):
        self.folder = Path(folder)
        self.layout = layout
        self.lines = []
        self.cut = None
        self.is_swept = False
        self._is_planned = False
        self._maker = maker
        self._interpreter = interpreter

    def program(self, release):
        """Make it new, as a factory does: an identity, this release, user files formatted.

        Where the layout is signed its boot stage has run once, and verified the release.
        """
        __tracebackhide__ = True
        if self.is_swept:
            raise AssertionError("within every_cut() a board cannot be programmed")
        shutil.rmtree(self.folder, ignore_errors=True)
        version = version_word(release.version)
        who = self._maker.point, self._maker.vendor, self._maker.class_id
        sign = self._maker.sign
        factory.make(str(self.folder), self.layout, release.image, version, *who, sign=sign)
        self.lines = []
        self.count_from_here()
        if self.layout.get("signed"):
            self._process("_boot", "--boot-only")  # it records that the signature was verified
        if self._has_user_files():
            said = self._script("user_files", "mount")
            if said:
                raise AssertionError(f"user files cannot be formatted: {said}")

    def start(self, says=None, expects=None):
        """Power on, until the application ends, or has printed the text `says`.

        expects:  version that is to run; None: any
        Resets are followed. Returns the lines of output.
        raises:   AssertionError when the application raises, when it neither ends nor says that
                  in timeout_s seconds, or when the board resets again and again;
                  PowerCut when a cut was planned, and power went
        """
        __tracebackhide__ = True
        self._check_programmed()
        if says is not None and not (isinstance(says, str) and says):
            raise AssertionError(f"says is a text that the application prints, not {says!r}")
        run = Run(self, self._interpreter, says, expects)
        wrong = run.to_its_end(self.timeout_s)
        self.lines += run.lines
        if wrong == KILLED:
            self._check_power()
        if wrong:
            raise AssertionError(self._told(wrong))
        return run.lines

    def assert_boots(self, version, says=None):
        """The board starts, runs this version, and keeps it: it is not on trial any more.

        says:    text the application prints when it is up; None: it ends by itself
        raises:  AssertionError, PowerCut
        """
        __tracebackhide__ = True
        self.start(says, str(version))
        if self.version != str(version):
            raise AssertionError(self._told(f"{self.version} runs, not {version}"))
        phase = state.read(str(self.folder))["phase"] if "state" in self.layout else "IDLE"
        if phase == "TRIAL":
            raise AssertionError(self._told(f"{version} runs on trial: nothing has confirmed it"))
        if phase in ("FORWARD", "BACK"):
            raise AssertionError(self._told(f"{version} runs, and the next start takes it back"))

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
        said = self._user_file("get", path)
        if said == f"error {ENOENT}":
            return None
        if said:
            raise AssertionError(f"cannot read {path}: {_words(said)}")
        return (self.folder / _EXCHANGE).read_bytes()

    def write(self, path, data):
        """Put a file into the user's file system, into a folder that is there.

        data:    text or bytes
        raises:  AssertionError, PowerCut
        """
        __tracebackhide__ = True
        self._check_programmed()
        if not isinstance(data, (str, bytes)):
            raise AssertionError(f"a file holds text or bytes, not {type(data).__name__}")
        data = data.encode() if isinstance(data, str) else data
        (self.folder / _EXCHANGE).write_bytes(data)
        said = self._user_file("put", path)
        if said:
            raise AssertionError(f"cannot write {path}: {_words(said)}")

    def _user_file(self, verb, path):
        """Copy between a file of the user's and the exchange. Returns what went wrong, or ""."""
        __tracebackhide__ = True
        self._check_programmed()
        if not self._has_user_files():
            raise AssertionError("the layout of this board has no region for user files")
        if not path.startswith("/user/"):
            raise AssertionError(f"user files are below /user/, and {path} is not")
        return self._script("user_files", verb, path, self.folder / _EXCHANGE)

    def _has_user_files(self):
        return "format" in self.layout.get("regions", {}).get("user", {})

    def _check_programmed(self):
        __tracebackhide__ = True
        if not (self.folder / "trace").exists():
            raise AssertionError("the board is blank: board.program(release) comes first")

    def _script(self, name, *arguments):
        """Run a script of on_device; returns what it printed. Raises Failure, PowerCut."""
        __tracebackhide__ = True
        done = self._process(f"ufota_testkit.on_device.{name}", *arguments)
        self._check_power()
        if done.returncode:
            raise AssertionError(f"{name} ended with exit code {done.returncode}: {done.stdout}")
        return done.stdout.strip()

    def _process(self, module, *arguments):
        """Run a module of the board to its end; returns what subprocess.run() does."""
        __tracebackhide__ = True
        interpreter = self._interpreter
        try:
            return subprocess.run(
                [*interpreter.command, str(self.folder), module, *map(str, arguments)],
                cwd=interpreter.folder,
                env=paths.environment(*interpreter.path),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                timeout=self.timeout_s,
            )
        except subprocess.TimeoutExpired:
            text = f"{module.rpartition('.')[2]} has not ended in {self.timeout_s} s"
            raise AssertionError(text) from None

    def _told(self, what):
        """`what`, with what the board says of its last update, and its last lines."""
        text = [what]
        if "state" in self.layout:
            found = state.read(str(self.folder))
            about = "none"
            if found["new"]:
                about = f"{found['new']['version']} {found['result']}"
            reason = f", reason {found['reason']}: {found['words']}" if found["reason"] else ""
            text.append(f"phase {found['phase']}, last update: {about}{reason}")
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

    @contextlib.contextmanager
    def cut_at(self, number, tear="nothing"):
        """Within `with` power goes in operation `number`, counted from here, with this tear."""
        __tracebackhide__ = True
        self._check_programmed()
        records.check_tears((tear,))
        if number < 1:
            raise AssertionError("the first operation has the number 1")
        before = len(self.operations())
        self._plan().write_text(f"{before + number} {tear} {number}")
        self._is_planned = True
        try:
            yield
        except PowerCut:
            return
        finally:
            self._plan().unlink(missing_ok=True)
            self._is_planned = False
        raise AssertionError(f"there were only {len(self.operations()) - before} operations")

    def _check_power(self):
        """Raises PowerCut when the cut that was planned has happened."""
        __tracebackhide__ = True
        if self._is_planned and not self._plan().exists():
            raise PowerCut("power went in the operation that was planned")

    def _plan(self):
        return self.folder / "cut"


def _words(said):
    """ "error 2" -> "ENOENT" """
    number = int(said.rpartition(" ")[2])
    return errorcode.get(number, f"error {number}")


def layout_of(name, root):
    """LAYOUT of a board of boards/, or of a layout file below root. Raises Failure."""
    shipped = paths.layouts()
    if name not in shipped and (root / name).is_file():
        return layouts.load(str(root / name))
    if name not in shipped:
        raise Failure(
            f"there is no board or layout file {name!r}; boards are {', '.join(shipped)}"
        )
    return layouts.load(str(shipped[name]))
