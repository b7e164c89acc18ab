"""What README.md shows is what happens: its main.py runs on the virtual board."""

import re
from pathlib import Path

from fwcore.manifest import version_word
from fwtool import paths
from fwtool.demos import demo
from fwtool.images import factory, image, layouts
from fwtool.signing import keys, manifests, statements
from fwtool.virtual import virtual_board
from helpers import PATIENCE_S
from serve_kit import serving
from tls_kit import Certificates
from virtual_kit import give_user

README = Path(__file__).resolve().parents[2] / "README.md"


def _main_py(url):
    """The python block of the README, with the address of a server that exists."""
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert block.count("https://updates.example/app.fw") == 1
    return block.replace("https://updates.example/app.fw", url)


def _image(url, version):
    tree = {"main.py": _main_py(url).encode() + b'print("this is %s")\n' % version.encode()}
    return image.build(tree, "lfs2", 4096)


def test_the_main_py_of_the_readme_has_at_most_17_lines():
    assert len(_main_py("").splitlines()) <= 17


def test_the_main_py_of_the_readme_updates_a_board(tmp_path):
    lines = []
    keys.create(str(tmp_path / "maker.pem"))
    key = keys.load_private(str(tmp_path / "maker.pem"))
    (tmp_path / "server").mkdir()
    tls = Certificates(tmp_path)
    with serving(tmp_path / "server", "--certificate", tls.path("good.pem")) as server:
        url = server.url + "app.fw"
        new = _image(url, "2.0.0")
        made = manifests.create(key, new, demo.VENDOR, demo.CLASS, "2.0.0")
        (tmp_path / "server" / "app.fw").write_bytes(made + new)
        factory.make(
            str(tmp_path / "board"),
            layouts.load(str(paths.board() / "layout.py")),
            _image(url, "1.0.0"),
            version_word("1.0.0"),
            keys.point(key.public_key()),
            demo.VENDOR,
            demo.CLASS,
            sign=statements.signer(key, demo.VENDOR, demo.CLASS),
        )
        give_user(tmp_path / "board", {"ca.der": tls.read("ca.der")})
        board = virtual_board.VirtualBoard(tmp_path / "board", on_line=lines.append)
        board.start()
        assert board.wait(PATIENCE_S) == 0
        assert board.resets == 1
        assert lines[-2:] == ["no update, error 85", "this is 2.0.0"]  # on trial, then confirmed
        board.start()
        assert board.wait(PATIENCE_S) == 0
        assert board.resets == 0
        assert lines[-2:] == ["no update, error 27", "this is 2.0.0"]
