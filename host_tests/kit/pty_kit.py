"""Virtual boards on a serial port, and the real mpremote. CPython only."""

import contextlib
import os
import select
import subprocess
import time

from fwtool import paths
from fwtool.demos import demo
from fwtool.images import image
from fwtool.signing import keys, manifests
from fwtool.virtual.pty_board import PtyBoard
from helpers import PATIENCE_S

UPDATE = """\
import ufota
from board import Board
from ufota.client import Client
from ufota.sources.http import HttpSource

client = Client(Board(), HttpSource())
client.start("http://updates.example/app.fw")
print("ready" if client.run() else "refused")
"""
APPLICATION = """\
import time
print("this is {}")
while True:
    time.sleep(1)
"""


@contextlib.contextmanager
def console(folder, **options):
    """A board of this folder that is switched on: PtyBoard."""
    board = PtyBoard(folder, **options)
    try:
        with board:
            yield board
    finally:
        board.close()


def mpremote(board, *args, code=0, timeout_s=PATIENCE_S):
    """Run mpremote, which must end with this exit code. Returns what it printed."""
    command = paths.python("-m", "mpremote", "connect", board.port, *map(str, args))
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


class Terminal:
    """The port, opened as a terminal program does."""

    def __init__(self, board):
        self._end = os.open(board.port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._end)

    def send(self, data):
        os.write(self._end, data)

    def read_until(self, ending, timeout_s=PATIENCE_S):
        """All up to and with this ending; nothing after it is taken."""
        data, deadline = b"", time.monotonic() + timeout_s
        while not data.endswith(ending):
            left_s = deadline - time.monotonic()
            assert left_s > 0 and select.select([self._end], [], [], left_s)[0], data
            data += os.read(self._end, 1)
        return data

    def ask(self, data, ending):
        self.send(data)
        return self.read_until(ending)


def wait_for(board, text):
    """Until the board has printed this."""
    with Terminal(board) as terminal:
        return terminal.read_until(text)


def new_key(folder):
    """(private key, path of the public one)"""
    keys.create(str(folder / "maker.pem"))
    return keys.load_private(str(folder / "maker.pem")), folder / "maker.pub"


def publish(folder, key, version, main=APPLICATION):
    """Put app.fw into the folder of a server: an application that tells its version."""
    built = image.build({"main.py": main.replace("{}", version).encode()}, "lfs2", 4096)
    made = manifests.create(key, built, demo.VENDOR, demo.CLASS, version) + built
    (folder / "app.fw").write_bytes(made)
    (folder / "app.fw").chmod(0o644)


def update_script(folder, url):
    """update.py in this folder, with the address of a server that exists. Returns its path."""
    path = folder / "update.py"
    path.write_text(UPDATE.replace("http://updates.example/", url))
    return path
