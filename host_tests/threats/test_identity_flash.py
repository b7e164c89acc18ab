"""Where the secrets of an identity are in flash after provisioning: in the store, nowhere else."""

import json
import re
import secrets
import shutil
from base64 import b64encode

import pytest

from fwtool import paths
from fwtool_cli import FOR_LAMP, fwtool
from pty_kit import console, mpremote, new_key

LONG = True  # a whole deploy; ufota/test_wipe.py is in `make test`
STORE = 0x7000, 0xA000  # of the flash
BOARD = '''
from blockdev import FileCard, FileFlash
from board_base import BaseBoard
from layout import LAYOUT


class Board(BaseBoard):
    """The virtual board, with its identity in a journal as real ones have it."""

    def __init__(self):
        super().__init__(LAYOUT)

    def open(self, name, spec):
        path = "/" + name + ".bin"
        if spec.get("overwrite"):
            return FileCard(path, spec["size"])
        return FileFlash(path, spec["size"], spec["erase"], spec["program"])
'''
NAMES = ("rot", "class_key", "key")


@pytest.fixture(scope="module")
def journaled(tmp_path_factory):
    """Folder of such a board's modules, as `fwtool deploy` takes it."""
    folder = tmp_path_factory.mktemp("modules") / "journaled"
    shutil.copytree(paths.board(), folder)
    (folder / "board.py").write_text(BOARD)
    layout = (folder / "layout.py").read_text()
    boot, size = '"start": 0, "size": 0xA000},', '"start": 0, "size": 0x7000},'
    region = '"identity": {"device": "flash", "start": 0x7000, "size": 0x3000},'
    assert boot in layout
    (folder / "layout.py").write_text(layout.replace(boot, f"{size}\n        {region}"))
    with (folder / "manifest_boot.py").open("a") as file:
        file.write(f'module("board_base.py", base_path="{paths.boards() / "common"}", opt=3)\n')
    return folder


class Identity:
    """Files with the secrets of one device, and options that name them."""

    def __init__(self, folder):
        folder.mkdir()
        new_key(folder)
        self.folder = folder
        self.secrets = {name: secrets.token_bytes(16) for name in ("rot", "class_key")}
        self.secrets["key"] = (folder / "maker.point").read_bytes()
        _private(folder / "rot.json", json.dumps({"rot": self.secrets["rot"].hex()}).encode())
        _private(folder / "class.key", self.secrets["class_key"])
        self.options = ("--key", folder / "maker.point", "--rot", folder / "rot.json", *FOR_LAMP)
        self.options += ("--class-key", folder / "class.key")

    def file(self):
        """What `fwtool provision` makes for a first start."""
        path = self.folder / "identity.json"
        fwtool("provision", "-o", path, *self.options)
        return path

    def places(self, chips):
        """{name of a secret: places in all chips of a folder, in any form}"""
        return {name: list(_places(chips, self.secrets[name])) for name in NAMES}


def _private(path, data):
    path.touch(mode=0o600)
    path.write_bytes(data)


def _places(chips, secret):
    for path in sorted(chips.glob("*.bin")):
        data = path.read_bytes()
        for form in _forms(secret):
            yield from ((path.name, found.start()) for found in re.finditer(form, data))


def _forms(secret):
    """Regular expressions: raw, hexadecimal, and base64 wherever in a longer text it begins."""
    yield re.escape(secret)
    yield b"(?i:" + secret.hex().encode() + b")"
    for skipped in range(3):
        inner = secret[skipped : len(secret) - (len(secret) - skipped) % 3]
        yield re.escape(b64encode(inner))
        yield re.escape(b64encode(inner, b"-_"))


def is_in_store_alone(identity, chips):
    for name, places in identity.places(chips).items():
        assert places, f"{name} is not in the store"
        for file, at in places:
            assert file == "flash.bin" and STORE[0] <= at < STORE[1], (name, file, hex(at))


def is_nowhere(identity, chips):
    assert not any(identity.places(chips).values())


@pytest.fixture(scope="module")
def deployed(journaled, tmp_path_factory):
    """(Folder of a board after a deploy that provisions it, its Identity)"""
    folder = tmp_path_factory.mktemp("deployed")
    identity = Identity(folder / "deployed")
    with console(folder / "board") as board:
        words = ("--port", board.port, "--board", journaled)
        fwtool("deploy", *words, *identity.options)
    return folder / "board", identity


@pytest.fixture
def blank(deployed, tmp_path):
    """A copy of that board without an identity: its store was erased."""
    shutil.copytree(deployed[0], tmp_path / "board")
    with (tmp_path / "board" / "flash.bin").open("r+b") as file:
        file.seek(STORE[0])
        file.write(b"\xff" * (STORE[1] - STORE[0]))
    is_nowhere(deployed[1], tmp_path / "board")
    return tmp_path / "board"


def test_an_identity_is_in_the_store_alone_after_a_deploy(deployed):
    is_in_store_alone(deployed[1], deployed[0])


def test_an_identity_is_in_the_store_alone_after_the_cable(blank, tmp_path):
    first, second = Identity(tmp_path / "first"), Identity(tmp_path / "second")
    with console(blank) as board:
        words = "provision", "--port", board.port
        fwtool(*words, *first.options)
        is_in_store_alone(first, blank)
        second.options = (*second.options[2:], "--key", first.folder / "maker.point")
        fwtool(*words, *second.options)  # a board keeps its identity
    is_in_store_alone(first, blank)
    is_nowhere(second, blank)


def test_an_identity_is_in_the_store_alone_after_a_file(blank, tmp_path):
    first, second = Identity(tmp_path / "first"), Identity(tmp_path / "second")
    code = "from board import Board; from ufota.provision import first_start"
    code += "; print(first_start(Board(), '/identity.json'))"
    with console(blank) as board:
        for identity in first, second:
            mpremote(board, "fs", "cp", identity.file(), ":/identity.json")
            assert any(identity.places(blank).values())
            assert mpremote(board, "exec", code) == "True\n"
            is_in_store_alone(first, blank)
    is_nowhere(second, blank)
