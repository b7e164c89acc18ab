"""umqtt.simple of micropython-lib, for the demo and the tests, from the Python package index.

It is there as an archive without a setup.py, so pip fetches and unpacks it, and then refuses.
What it unpacked is all that is wanted; --no-clean has pip leave it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from fwtool import paths
from fwtool.exits import Failure

_RELEASE = "micropython-umqtt.simple==1.3.4"


def fetch(folder):
    """The folder, with umqtt/simple.py in it; asks the index the first time only.

    raises:  Failure
    """
    target = Path(folder, "umqtt", "simple.py")
    if not target.exists():
        with tempfile.TemporaryDirectory() as scratch:
            command = paths.python("-m", "pip", "download", "--quiet", "--no-deps")
            command += ["--disable-pip-version-check", "--no-clean", "-d", scratch, _RELEASE]
            env = {**os.environ, "TMPDIR": scratch}
            subprocess.run(command, env=env, stderr=subprocess.DEVNULL)
            found = next(Path(scratch).rglob("umqtt/simple.py"), None)
            if not found:
                raise Failure(f"cannot fetch {_RELEASE} from the package index")
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f"part-{os.getpid()}")  # another process may want it as well
            shutil.copyfile(found, part)
            part.replace(target)
    return Path(folder)
