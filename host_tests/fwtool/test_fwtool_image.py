"""fwtool image: the same folder gives the same bytes, and MicroPython mounts them."""

import json
import os
from hashlib import sha256

import pytest

from fwcore.layout import FORMATS
from fwtool.images import image
from fwtool_cli import application, fwtool
from helpers import here


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("more", [(), ("--compile",)])
def test_same_files_same_bytes_whatever_their_dates_and_folder(tmp_path, form, more):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        folder = application(tmp_path / name)
        (folder / name).write_text("x")  # other entries, in another order
        (folder / "z.py").write_text("Z = 1\n")
        (folder / "a.py").write_text("A = 1\n")
        (folder / name).unlink()
        for path in folder.rglob("*"):
            os.utime(path, (len(made) * 10**8, len(made) * 10**8))
        target = tmp_path / (name + ".img")
        fwtool("image", folder, "-o", target, "--format", form, *more)
        made.append(target.read_bytes())
    assert made[0] == made[1]
    assert len(made[0]) % 4096 == 0


def test_files_are_taken_in_the_order_of_their_names(tmp_path):
    folder = application(tmp_path)
    for name in ("b.py", "a.py", "c.py"):
        (folder / name).write_text("")
    names = list(image.collect(str(folder)))
    assert names == [
        "a.py",
        "b.py",
        "c.py",
        "data.bin",
        "main.py",
        "lib/helper.py",
        "lib/small.py",
    ]


def test_littlefs_is_of_the_version_every_micropython_reads(tmp_path):
    made = fwtool("image", application(tmp_path), "-o", "-").stdout_bytes
    at = made.index(b"littlefs") + 8 + 4  # the tag of the superblock's fields is between
    assert int.from_bytes(made[at : at + 4], "little") == 0x00020000


def test_files_in_a_fat_image_are_all_of_the_same_date(tmp_path):
    import fatfs.wrapper

    clock = fatfs.wrapper.datetime
    made = fwtool("image", application(tmp_path), "-o", "-", "--format", "fat").stdout_bytes
    assert fatfs.wrapper.datetime is clock
    entry = made.index(b"MAIN    PY ")
    assert made[entry + 22 : entry + 26] == b"\x00\x00\x21\x28"  # 2000-01-01 00:00


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("more", [(), ("--compile",)])
def test_micropython_mounts_and_runs_the_image(tmp_path, micropython, form, more):
    folder = application(tmp_path, "import helper, small\nprint('sum', helper.ANSWER + small.X)\n")
    target = tmp_path / "app.img"
    fwtool("image", folder, "-o", target, "--format", form, *more)
    said = micropython(here("fwtool/mount_image.py"), target, form, 4096)
    assert said.returncode == 0, said.stdout + said.stderr
    lines = said.stdout.split("\n")
    suffix = ".mpy" if more else ".py"
    names = ["/data.bin", "/lib/helper" + suffix, "/lib/small" + suffix, "/main.py"]
    assert lines[0] == " ".join(names)
    assert lines[1] == sha256((folder / "data.bin").read_bytes()).hexdigest()
    assert lines[2] == "sum 43"


def test_size_and_digest_are_told(tmp_path):
    target = tmp_path / "app.img"
    said = fwtool("image", application(tmp_path), "-o", target, "--json").stdout
    about = json.loads(said)
    assert about["size"] == target.stat().st_size
    assert about["digest"] == sha256(target.read_bytes()).hexdigest()
    assert about["files"] == 4


@pytest.mark.parametrize("form", FORMATS)
def test_a_given_size_is_kept_or_refused(tmp_path, form):
    folder = application(tmp_path)
    target = tmp_path / "app.img"
    fwtool("image", folder, "-o", target, "--format", form, "--size", "1M")
    assert target.stat().st_size == 1 << 20
    target.unlink()
    fwtool("image", folder, "-o", target, "--format", form, "--size", 4096, code=1)
    fwtool("image", folder, "-o", target, "--format", form, "--size", 100_000, code=1)
    fwtool("image", folder, "-o", target, "--format", form, "--size", 0, code=1)
    assert not target.exists()


def test_the_smallest_image_is_smallest(tmp_path):
    folder = application(tmp_path)
    for form, block in (("lfs2", 4096), ("romfs", 4096)):
        size = len(fwtool("image", folder, "-o", "-", "--format", form).stdout_bytes)
        fwtool("image", folder, "-o", "-", "--format", form, "--size", size - block, code=1)


def test_fat_grows_past_its_least_size(tmp_path):
    folder = application(tmp_path)
    (folder / "big").write_bytes(b"x" * 300_000)
    made = fwtool("image", folder, "-o", "-", "--format", "fat", "--block", 512).stdout_bytes
    assert 300_000 < len(made) < 340_000


def test_hidden_files_and_caches_stay_out(tmp_path):
    folder = application(tmp_path)
    before = fwtool("image", folder, "-o", "-").stdout_bytes
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "main.pyc").write_text("x")
    assert fwtool("image", folder, "-o", "-").stdout_bytes == before


def test_bad_folders_and_options_are_refused(tmp_path):
    target = tmp_path / "app.img"
    fwtool("image", tmp_path / "missing", "-o", target, code=1)
    (tmp_path / "empty").mkdir()
    fwtool("image", tmp_path / "empty", "-o", target, code=1)
    folder = application(tmp_path)
    for form, block in (("lfs2", 0), ("lfs2", 100), ("fat", 8192), ("fat", 100), ("romfs", 0)):
        fwtool("image", folder, "-o", target, "--format", form, "--block", block, code=1)
    fwtool("image", folder, "-o", target, "--size", "many", code=2)
    fwtool("image", folder, "-o", target, "--size", -1, code=2)
    fwtool("image", folder, "-o", tmp_path / "no" / "app.img", code=1)
    (folder / "n\xe4me.py").write_text("")
    fwtool("image", folder, "-o", target, code=1)
    assert not target.exists()


def test_names_fat_cannot_keep_are_refused(tmp_path):
    for names in (("a.py", "A.py"), ("what?",), ("dot.",)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        for name in names:
            (folder / name).write_text("x")
        fwtool("image", folder, "-o", "-", code=0)
        fwtool("image", folder, "-o", "-", "--format", "fat", code=1)


def test_source_that_does_not_compile_is_refused_with_its_name(tmp_path):
    folder = application(tmp_path)
    (folder / "lib" / "broken.py").write_text("def f(:\n")
    said = fwtool("image", folder, "-o", "-", "--compile", code=1).stderr
    assert "lib/broken.py" in said and "SyntaxError" in said


def test_a_module_twice_is_refused(tmp_path):
    folder = application(tmp_path)
    (folder / "lib" / "helper.mpy").write_bytes(b"M\x06\x00\x1f")
    assert "helper.mpy" in fwtool("image", folder, "-o", "-", "--compile", code=1).stderr


def test_only_main_stays_source(tmp_path):
    tree = {"main.py": b"", "boot.py": b"", "lib/main.py": b""}
    assert set(image.compile_all(tree)) == {"main.py", "boot.mpy", "lib/main.mpy"}


def test_what_is_neither_file_nor_folder_is_refused_with_its_name(tmp_path):
    folder = application(tmp_path)
    os.mkfifo(folder / "pipe")
    assert "pipe is no file" in fwtool("image", folder, "-o", "-", code=1).stderr
    (folder / "pipe").unlink()
    (folder / "linked").symlink_to(folder / "lib")
    assert "linked is a link" in fwtool("image", folder, "-o", "-", code=1).stderr
    (folder / "linked").unlink()
    (folder / "gone.py").symlink_to(folder / "nowhere")
    assert "gone.py is no file" in fwtool("image", folder, "-o", "-", code=1).stderr


def test_a_folder_that_cannot_be_read_is_not_left_out(tmp_path, monkeypatch):
    folder = application(tmp_path)
    scandir = os.scandir

    def deny(path):
        if str(path).endswith("lib"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert "lib: Permission denied" in fwtool("image", folder, "-o", "-", code=1).stderr


def test_an_image_is_not_put_into_its_own_folder(tmp_path):
    folder = application(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for output in (folder / "app.img", folder / "lib" / "x", tmp_path / "link" / "app.img"):
        fwtool("image", folder, "-o", output, code=5)
        assert not output.exists()
    fwtool("image", folder, "-o", tmp_path / "app.img")
