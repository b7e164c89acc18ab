"""docs/PORTING.md makes a board: its very blocks, in a copy of the tree."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from frozen_kit import ROOT, build, checkout, is_ours, missing, resolve
from fwtool import paths
from fwtool_cli import fwtool

BLOCK = re.compile(r"^`([\w/.]+)`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# What modules import where a layout asks for it, and the TOY's does not (test_frozen.py).
DRIVERS = {"bdev.spinor", "bdev.sdcard"}
ON_DEMAND = {"fwcore.boot_chain", "fwcore.p256", "ufota.trial"}
KIT = """
    conftest.py mpy_runner.py vectors kit/boards_kit.py kit/helpers.py simulators/fake_ports.py
    simulators/servers.py
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A repository with the board of PORTING.md, and no other."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("device", "bootloader", "boards/common", "boards/virtual"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    (tree / "host_tests").mkdir()
    for name in KIT.split():
        (tree / "host_tests" / name).parent.mkdir(exist_ok=True)
        (tree / "host_tests" / name).symlink_to(ROOT / "host_tests" / name)
    (tree / "pytest.ini").write_text("[pytest]\n")
    for name, text in BLOCK.findall((ROOT / "docs/PORTING.md").read_text()):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_text(text)
    return tree


def test_the_page_has_every_file_of_a_board(tree):
    found = {
        path.relative_to(tree).as_posix() for path in tree.rglob("*.py") if "TOY" in str(path)
    }
    names = ("layout", "board", "manifest_boot", "manifest")
    assert found == {f"boards/TOY/{name}.py" for name in names}
    assert (tree / "host_tests/test_toy.py").exists()


def test_its_layout_is_good(tree):
    assert "good" in fwtool("layout", "check", tree / "boards/TOY/layout.py").stdout
    assert "firmware" not in fwtool("layout", "show", tree / "boards/TOY/layout.py").stdout


@pytest.mark.parametrize("name", ["manifest_boot.py", "manifest.py"])
def test_its_manifests_are_whole_and_compile(tree, tmp_path, name):
    files = resolve(tree / "boards/TOY" / name, "mimxrt", checkout(tmp_path / "micropython"))
    ours = [file for file in files if is_ours(file, tree)]
    modules = {module for _, module in missing(files, tree)}
    assert modules <= (DRIVERS | ON_DEMAND | {"ufota"} if "boot" in name else DRIVERS)
    assert build(ours, "armv7emdp", tmp_path / "made").keys() >= {"board.py", "_boot.py"}


def test_its_test_passes_on_both_interpreters(tree):
    places = [paths.shim(), paths.device(), paths.bootloader(), ROOT / "tools"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "host_tests/test_toy.py"],
        cwd=tree,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, places))),
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_what_it_says_of_files_is_so():
    text = (ROOT / "docs/PORTING.md").read_text()
    for name in set(re.findall(r"`((?:boards|host_tests|docs)/[\w/.]+\.\w+)`", text)):
        assert "TOY" in name or name == "host_tests/test_toy.py" or (ROOT / name).exists(), name
