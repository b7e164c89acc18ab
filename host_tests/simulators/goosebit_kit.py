"""A real update server for tests: goosebit speaks the device API of Eclipse hawkBit.

    with Goosebit(folder) as server:
        server.register("dev-1", TOKEN)
        server.roll_out(path, "2.0.0")
        ... a device polls server.url("dev-1") ...
        server.device("dev-1")

goosebit takes only images of SWUpdate and RAUC through its own API, so what it is to serve is
written into its data base. CPython only.
"""

import http.client
import os
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from hashlib import sha1
from pathlib import Path

from helpers import PATIENCE_S, here

_STOP_S = 60
UNKNOWN, REGISTERED, RUNNING, ERROR, FINISHED = range(1, 6)  # states of a device

# state: one of those above; log: all details of its feedback; version: that it runs
Device = namedtuple("Device", ("state", "log", "version", "progress", "seen"))
Rollout = namedtuple("Rollout", ("success", "failure"))


class Goosebit:
    """One server with a data base of its own in `folder`; `with` starts and ends it.

    poll:   interval it tells devices, "HH:MM:SS"
    tls:    tls_kit.Certificates; None: plain HTTP
    """

    def __init__(self, folder, poll="00:00:01", tls=None):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._base = self._folder / "goosebit.sqlite"
        self._poll = poll
        self._tls = tls

    def __enter__(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
            self._start(listener)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self, listener):
        own = ("GOOSEBIT", "PYTHON", "OTEL")
        env = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        env["GOOSEBIT_DB_URI"] = f"sqlite://{self._base}"
        env["GOOSEBIT_ARTIFACTS_DIR"] = str(self._folder / "artifacts")
        env["GOOSEBIT_POLL_TIME"] = self._poll
        env["GOOSEBIT_DEVICE_AUTH__ENABLE"] = "true"
        env["GOOSEBIT_DEVICE_AUTH__MODE"] = "strict"
        env["OTEL_SDK_DISABLED"] = "true"
        command = [sys.executable, here("simulators/goosebit_server.py"), str(listener.fileno())]
        command += [self._tls.path("good.pem")] if self._tls else []
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                pass_fds=[listener.fileno()],
                cwd=self._folder,  # it looks for goosebit.yaml there
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait(self):
        """Until it answers. Raises RuntimeError with its log when it does not."""
        where = "127.0.0.1", self.port
        if self._tls:
            context = ssl.create_default_context(cafile=self._tls.path("ca.pem"))
            made = http.client.HTTPSConnection(*where, timeout=PATIENCE_S, context=context)
        else:
            made = http.client.HTTPConnection(*where, timeout=PATIENCE_S)
        with closing(made) as probe:
            try:
                probe.request("GET", "/")
                probe.getresponse().read()
            except OSError:
                raise RuntimeError(f"goosebit does not start:\n{self.log()}") from None

    def log(self):
        """What it printed."""
        return (self._folder / "log").read_text(errors="replace")

    def url(self, device):
        """Address of a device's controller."""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://127.0.0.1:{self.port}/DEFAULT/controller/v1/{device}"

    def register(self, device, token, state=UNKNOWN):
        """Let a device in.

        token:  at most 32 characters
        state:  UNKNOWN: it is asked for its attributes first, and to come back in 10 s
        """
        columns = "id, hardware_id, auth_token, last_state"
        values = device, self._hardware(), token, state
        self._run(f"INSERT INTO device ({columns}) VALUES (?, ?, ?, ?)", *values)

    def roll_out(self, path, version):
        """Offer a file to every device that runs another version. Returns the rollout's id."""
        data = Path(path).read_bytes()
        software = self._run(
            "INSERT INTO software (uri, size, hash, version) VALUES (?, ?, ?, ?)",
            Path(path).resolve().as_uri(),
            len(data),
            sha1(data).hexdigest(),
            version,
        )
        self._run("INSERT INTO software_compatibility VALUES (?, ?)", software, self._hardware())
        return self._run("INSERT INTO rollout (software_id) VALUES (?)", software)

    def pause(self, rollout):
        """Offer it to nobody any more."""
        self._run("UPDATE rollout SET paused = 1 WHERE id = ?", rollout)

    def device(self, device):
        """The Device, as the data base has it."""
        columns = "last_state, last_log, sw_version, progress, last_seen"
        return Device(*self._ask(f"SELECT {columns} FROM device WHERE id = ?", device))

    def rollout(self, rollout):
        """The Rollout: how many devices succeeded, and how many failed."""
        columns = "success_count, failure_count"
        return Rollout(*self._ask(f"SELECT {columns} FROM rollout WHERE id = ?", rollout))

    def _hardware(self):
        """Id of the hardware that goosebit takes every device for."""
        found = self._ask("SELECT id FROM hardware WHERE model = 'default'")
        if found:
            return found[0]
        return self._run("INSERT INTO hardware (model, revision) VALUES ('default', 'default')")

    def _run(self, command, *values):
        with closing(sqlite3.connect(self._base, timeout=PATIENCE_S)) as base, base:
            return base.execute(command, values).lastrowid

    def _ask(self, command, *values):
        with closing(sqlite3.connect(self._base, timeout=PATIENCE_S)) as base:
            return base.execute(command, values).fetchone()
