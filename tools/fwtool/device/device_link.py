"""A board on a serial port, through mpremote.

The command line of mpremote is what its makers keep stable; of its Python classes they say
"the API is going to change significantly" (transport_serial.py, 1.29). So every step here
is a process `mpremote connect PORT ...`, with a deadline: mpremote itself waits for ever on
some ports. What must stay secret goes through files, never through an argument.
"""

import json
import os
import subprocess
import tempfile
import threading
from pathlib import Path

from fwcore.errors import FwError
from fwtool import exits, paths
from fwtool.exits import Failure

STEP_S = 30  # a board that says nothing for so long is not there


class Link:
    """The board on a port.

    port:     as mpremote takes it: /dev/ttyACM0, COM3, id:SERIAL
    is_fresh: begin with a soft reset, which leaves a clean heap and stops what runs
    """

    def __init__(self, port, is_fresh=False):
        self.port = port
        self._resume = [] if is_fresh else ["resume"]

    def ask(self, code):
        """Run code that sets `answer`. Returns the answer.

        On the board the code is in RAM only. Here it is in a file of its owner alone, as it may
        have a secret in it.
        raises:  Failure; FwError that the device refused with
        """
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "code.py"
            path.write_text(_CATCH.format(code=json.dumps(code)))
            lines = self.run("run", str(path))
        found = [line for line in lines if line.startswith(_MARK)]
        if not found:
            raise Failure(f"the board on {self.port} gave no answer", exits.DEVICE)
        return _checked(json.loads(found[-1][len(_MARK) :]))

    def run(self, *command, on_line=None):
        """Run mpremote commands. Returns the lines printed; later calls do not reset the heap.

        on_line:  called with each line, in another thread
        raises:   Failure
        """
        words = paths.python("-m", "mpremote", "connect", self.port)
        process = _popen([*words, *self._resume, *command])
        self._resume = ["resume"]
        lines, said = _follow(process, on_line)
        if process.returncode:
            raise Failure(self._reason(lines, said), exits.DEVICE)
        return lines

    def _reason(self, lines, said):
        """What mpremote means, in one line."""
        text = " ".join((said.strip() or "\n".join(lines[-1:])).splitlines()[-1:])
        if "failed to access" in said:
            if self.port.startswith("/") and not os.path.exists(self.port):
                return f"no board on {self.port}"
            return f"{self.port} cannot be opened: in use by another program, or not allowed"
        if "No space left" in said or "ENOSPC" in said:
            return f"the file system of the board on {self.port} is full"
        if not text:
            return f"the board on {self.port} says nothing"
        return f"the board on {self.port}: {text.removeprefix('mpremote: ')}"


def _popen(words):
    return subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _follow(process, on_line):
    """(lines of stdout, text of stderr); kills a process that prints nothing for STEP_S."""
    lines, said = [], []
    timers = [threading.Timer(STEP_S, process.kill)]
    timers[0].start()

    def read_errors():
        said.append(process.stderr.read())

    reader = threading.Thread(target=read_errors)
    reader.start()
    for line in process.stdout:
        timers.pop().cancel()
        timers.append(threading.Timer(STEP_S, process.kill))
        timers[0].start()
        lines.append(line.rstrip("\r\n"))
        if on_line:
            on_line(lines[-1])
    process.wait()
    timers.pop().cancel()
    reader.join()
    process.stdout.close()
    process.stderr.close()
    return lines, said[0]


_MARK = "fwtool:"
# An error comes back as a number: an exception of ours has no text. Garbage is collected often,
# and the answer is never one long string: an application may have left the heap in small pieces.
_CATCH = """\
def _run():
    try:
        space = {{}}
        exec({code}, space)
        return {{"ok": space["answer"]}}
    except ImportError as error:
        return {{"missing": str(error)}}
    except OSError as error:
        return {{"errno": error.errno}}
    except Exception as error:
        if not hasattr(error, "code"):
            raise
        return {{"code": error.code, "at": error.at if isinstance(error.at, int) else 0}}
import gc, json, sys
gc.collect()
_old = gc.threshold()
gc.threshold(16384)
try:
    _told = _run()
    print("fwtool:", end="")
    json.dump(_told, sys.stdout)
    print()
finally:
    gc.threshold(_old)
    _told = None
"""
_ENOSPC = 28


def _checked(told):
    if "ok" in told:
        return told["ok"]
    if "missing" in told:
        text = told["missing"].replace("no module named", "").strip(" '\"")
        raise Failure(f"the board has no {text}: fwtool deploy installs it", exits.DEVICE)
    if "errno" in told:
        if told["errno"] == _ENOSPC:
            raise Failure("the file system of the board is full", exits.DEVICE)
        reason = os.strerror(told["errno"]) if told["errno"] else "unknown"
        raise Failure(f"the board's storage failed: {reason}", exits.DEVICE)
    raise FwError(told["code"], told["at"])
