"""Arm's manifest-delta-tool. It pins old libraries, so it is installed apart from fwtool.

Found beside the command that $MANIFEST_TOOL names, or on the PATH.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fwtool.exits import Failure
from fwtool.payloads.unpack import MAGIC

FRAME = 512  # bytes; the largest frames the device takes
_NAME = "manifest-delta-tool"
_TIMEOUT_S = 600


def make(old, new):
    """Arm's patch. Raises Failure when the tool is missing, or refuses."""
    tool = _tool()
    if MAGIC not in old:
        raise Failure(f"{_NAME} takes no image before without {MAGIC.decode()} in it")
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in (("old", old), ("new", new)):
            Path(scratch, name).write_bytes(data)
        command = [tool, "-c", "old", "-n", "new", "-o", "patch", "-b", str(FRAME)]
        try:
            done = subprocess.run(
                [*command, "--skip-size-check"],
                cwd=scratch,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(f"cannot run {tool}: {error}") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
            raise Failure(f"{_NAME} fails: {said[-1]}")
        return Path(scratch, "patch").read_bytes()


def _tool():
    """Path of the tool. Raises Failure."""
    beside = os.environ.get("MANIFEST_TOOL")
    found = beside and shutil.which(str(Path(beside).absolute().with_name(_NAME)))
    found = found or shutil.which(_NAME)
    if not found:
        raise Failure(f"{_NAME} is not installed: pip install manifest-tool, or set MANIFEST_TOOL")
    return found
