"""A file with a secret is removed, and so are its copies in flash."""

import os

from helpers import here
from ufota.wipe import wipe


def test_no_copy_is_left_in_any_kind_of_flash_nor_after_a_cut(micropython):
    done = micropython(here("ufota/wipe_flash.py"), heap="16M")
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 20


class Board:
    layout = {"regions": {"user": {"device": "flash", "start": 0, "size": 4096}}}


def test_elsewhere_it_is_written_over_and_removed(tmp_path):
    """On a file system that is not the user's nothing else is touched: it may be a large card."""
    path, link = tmp_path / "identity.json", tmp_path / "the same file"
    path.write_bytes(b"secret" * 100)
    os.link(path, link)
    wipe(Board(), str(path))
    assert not path.exists() and os.listdir(tmp_path) == [link.name]
    assert link.read_bytes() == bytes(608)
