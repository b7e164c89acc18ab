"""Files on CPython and on MicroPython: the same application, the same output and chips.

Each case is a main.py. It runs on two copies of one fresh board, and prints what it sees.
"""

import shutil

import pytest

from fwtool.images import image
from on_cpython_kit import ATTEMPT, MICROPYTHON, STARTS, after_boot, boot, on_both
from virtual_kit import make

WORDS = """
    with open("/user/words", "w") as file:
        print(file.write("\\u00e4b\\ncd\\n"), file.write("ef"), file.tell())
    with open("/user/words", "a") as file:
        print(file.write(b"gh\\n"), file.write(memoryview(b"0123"), 2))
"""
CASES = {
    "write, read": WORDS
    + """
    print(open("/user/words").read(), open("/user/words", "rb").read())
    print(*[line for line in open("/user/words")])
    with open("/user/words") as file:
        print(file.read(1), file.tell(), file.read(2), file.readline(), file.readline(2))
        print(file.seek(-3, 2), file.read(100), file.read(100))
        print(file.seek(1, 0), file.seek(2, 1), file.readlines())
    """,
    "bytes": WORDS
    + """
    buf = bytearray(6)
    with open("/user/words", "r+b") as file:
        print(file.readinto(buf), buf, file.readinto(buf, 2), buf)
        print(file.write(b"XYZ"), file.seek(0), file.read(), file.read(3))
        print(file.seek(100), file.read(1))
    with open("/user/words", "w+") as file:
        print(file.write("again"), file.seek(0), file.read())
    """,
    "large file": """
    data = bytes(range(256)) * 100
    with open("/user/large", "wb") as file:
        for at in range(0, len(data), 700):
            file.write(data[at : at + 700])
    print(open("/user/large", "rb").read() == data)
    with open("/user/large", "r+b") as file:
        file.seek(5000)
        file.write(b"in the midst")
        file.seek(-1, 2)
        print(file.read(), file.tell())
    import os
    print(os.stat("/user/large")[6], os.statvfs("/user"))
    with open("/user/inline", "wb") as file:
        file.write(bytes(400))
    print(os.statvfs("/user"))
    """,
    "modes": ATTEMPT
    + """
    open("/user/here", "w").close()
    for mode in "r", "rb", "w", "a", "x", "r+", "w+b", "a+", "rt", "b", "", "rw", "wx", "z":
        attempt(lambda: open("/user/here", mode).close())
        attempt(lambda: open("/user/gone/" + mode, mode).close())
    """,
    "folders": ATTEMPT
    + """
    attempt(os.mkdir, "/user/a")
    attempt(os.mkdir, "/user/a")
    attempt(os.mkdir, "/user")
    attempt(os.mkdir, "/user/x/y")
    open("/user/a/f", "w").close()
    for name in "n3", "n1", "n2":
        open("/user/" + name, "w").close()
    attempt(os.listdir, "/user")
    attempt(lambda: list(os.ilistdir("/user/a")))
    attempt(os.listdir, "/user/gone")
    attempt(os.listdir, "/user/n1")
    attempt(os.rmdir, "/user/a")
    attempt(os.remove, "/user/gone")
    attempt(os.rename, "/user/n1", "/user/a/n4")
    attempt(os.rename, "/user/gone", "/user/a/n4")
    attempt(os.rename, "/user/n2", "/app/n2")
    attempt(os.rename, "/user/n2", "/user/a")
    attempt(os.rename, "/user/n2", "/user/a/n4")
    attempt(os.unlink, "/user/a/f")
    attempt(os.stat, "/user/gone")
    attempt(lambda: os.stat("/user/a/n4")[:7])
    attempt(lambda: os.stat("/user/n3/")[0])
    attempt(open, "/user/a")
    attempt(open, "/user/a", "w")
    attempt(open, "/user/" + 300 * "n", "w")
    attempt(lambda: [name for name in os.listdir("/") if name in ("app", "user")])
    """,
    "current folder": ATTEMPT
    + """
    attempt(os.getcwd)
    attempt(os.chdir, "/user/gone")
    attempt(os.getcwd)
    os.mkdir("/user/d")
    attempt(os.chdir, "/user")
    open("rel", "w").close()
    attempt(os.chdir, "rel")
    attempt(os.chdir, "d")
    attempt(os.getcwd)
    attempt(os.listdir, "..")
    attempt(os.listdir)
    attempt(os.chdir, "../d/./../d")
    attempt(os.getcwd)
    attempt(os.chdir, "/app")
    attempt(lambda: open("main.py").read(7))
    attempt(os.chdir, "/")
    attempt(os.listdir, "app")
    """,
    "no change of the image": ATTEMPT
    + """
    attempt(open, "new", "w")
    attempt(open, "main.py", "w")
    attempt(open, "/app/main.py", "a")
    attempt(open, "main.py", "r+")
    attempt(os.remove, "main.py")
    attempt(os.mkdir, "folder")
    attempt(os.rename, "main.py", "x.py")
    attempt(os.rmdir, "pack")
    attempt(os.listdir)
    """,
    "closed file": ATTEMPT
    + """
    file = open("/user/f", "w")
    file.write("flushed")
    file.flush()
    print(open("/user/f").read())
    file.close()
    attempt(file.close)
    attempt(file.write, "x")
    attempt(file.read)
    attempt(file.seek, 0)
    attempt(lambda: open("/user/f").write(3))
    open("/user/lost", "w").write("never closed")
    """,
    "full": ATTEMPT
    + """
    def fill():
        with open("/user/all", "wb") as file:
            while True:
                file.write(bytes(65536))
    attempt(fill)
    attempt(os.remove, "/user/all")
    attempt(lambda: open("/user/small", "w").write("x"))
    """,
}


@pytest.mark.parametrize("name", CASES)
def test_an_application_cannot_tell_the_interpreters(tmp_path, name):
    done, _ = on_both(make(tmp_path, CASES[name], **{"pack/__init__.py": b""}))
    assert done.returncode == 0, done.stderr
    assert after_boot(done)


MORE = {"pack/__init__.py": b"NAME = 1", "lib/library.py": b"", "lib/other.py": b"OURS = 1"}
FORMATS = [("lfs2", 4096), ("fat", 512), ("fat", 4096), ("romfs", 4096)]
IMAGE = """
    print(os.getcwd(), sorted(os.listdir()), sorted(os.listdir("pack")))
    import pack, library
    print(pack.NAME, library.__file__, open("lib/other.py", "rb").read())
    attempt(lambda: os.stat("/app/pack")[0])
    attempt(lambda: os.stat("/app/lib/other.py")[:7])
    attempt(os.stat, "/app/gone")
    attempt(open, "/app/gone")
    attempt(open, "/app/new", "w")
    attempt(open, "/app/main.py", "a")
    attempt(os.chdir, "pack")
    attempt(os.getcwd)
"""


@pytest.mark.parametrize("form, block", FORMATS)
def test_an_image_of_each_format_is_mounted(tmp_path, form, block):
    size = "" if form == "fat" else '    print(os.statvfs("/app"))\n'
    done, _ = on_both(make(tmp_path, ATTEMPT + IMAGE + size, form, block, **MORE))
    assert done.returncode == 0, done.stderr


CARD = (
    ATTEMPT
    + """
    from board import Board
    os.mount(Board().device("sd"), "/sd")
    attempt(lambda: sorted(os.listdir("/sd")))
    attempt(lambda: open("/sd/old.txt").read())
    with open("/sd/new.txt", "w") as file:
        file.write("new")
    with open("/sd/new.txt", "a") as file:
        file.write("er")
    with open("/sd/new.txt", "r+b") as file:
        attempt(file.seek, -2, 2)
        attempt(file.read)
        attempt(file.tell)
    attempt(os.mkdir, "/sd/d")
    attempt(os.mkdir, "/sd/d")
    attempt(os.rename, "/sd/new.txt", "/sd/d/moved.txt")
    attempt(os.rename, "/sd/gone", "/sd/x")
    attempt(os.remove, "/sd/d")
    attempt(os.rmdir, "/sd/d")
    attempt(os.rmdir, "/sd/old.txt")
    attempt(os.chdir, "/sd/d")
    attempt(os.getcwd)
    attempt(lambda: list(os.ilistdir()))
    attempt(os.listdir, "/sd/gone")
    attempt(os.umount, "/sd")
    attempt(os.umount, "/sd")
"""
)


def test_a_card_with_fat_is_read_and_written(tmp_path):
    board = make(tmp_path, CARD)
    with open(board / "sd.bin", "r+b") as card:
        card.write(image.build({"old.txt": b"text"}, "fat", 512, 512 * 2000))
    ends = {}
    for name in STARTS:
        shutil.copytree(board, tmp_path / name)
        ends[name] = boot(name, tmp_path / name)
    assert ends["cpython"].stdout == ends[MICROPYTHON].stdout, ends["cpython"].stderr
    assert ends["cpython"].returncode == 0


FAULTY = """
    import os, vfs
    from board import Board
    class Faulty:
        def __init__(self, device):
            self.device, self.fail = device, ""
        def readblocks(self, block, buf, offset=0):
            return self.failure("r") or self.device.readblocks(block + 512, buf, offset)
        def writeblocks(self, block, buf, offset=0):
            return self.failure("w") or self.device.writeblocks(block + 512, buf, offset)
        def failure(self, letter):
            if letter in self.fail:
                if "!" in self.fail:
                    raise OSError(99)
                return 7 if "+" in self.fail else -5
        def ioctl(self, op, arg):
            if op == 6:
                return self.failure("e") or self.device.ioctl(op, arg + 512)
            return 64 if op == 4 else self.device.ioctl(op, arg)
    def attempt(what):
        try:
            print(what())
        except OSError as error:
            print(error.errno, error)
    def write(name):
        with open("/f/" + name, "wb") as file:
            file.write(bytes(9000))
    for fail in "r", "r!", "r+", "w", "w!", "w+", "e", "e!":
        device = Faulty(Board().device("spi"))
        for block in range(64):
            device.ioctl(6, block)
        vfs.VfsLfs2.mkfs(device, readsize=256, progsize=256)
        vfs.mount(vfs.VfsLfs2(device, readsize=256, progsize=256), "/f")
        write("good")
        os.mkdir("/f/d")
        device.fail = fail
        attempt(lambda: write("bad"))
        attempt(lambda: len(open("/f/good", "rb").read()))
        attempt(lambda: vfs.VfsLfs2(device, readsize=256, progsize=256))if "r" in fail else 0
        device.fail = ""
        if "r" not in fail:
            attempt(lambda: write("d/later"))  # elsewhere than what has failed
            attempt(lambda: write("later"))
            attempt(lambda: os.mkdir("/f/folder"))
        vfs.umount("/f")
        vfs.mount(vfs.VfsLfs2(device, readsize=256, progsize=256), "/f")
        attempt(lambda: len(open("/f/good", "rb").read()))
        vfs.umount("/f")
    vfs.VfsLfs2.mkfs(device, readsize=256, progsize=256)
    vfs.mount(vfs.VfsLfs2(device, readsize=256, progsize=256), "/f", readonly=True)
    attempt(lambda: write("refused"))
    attempt(lambda: os.mkdir("/f/folder"))
    attempt(lambda: os.listdir("/f"))
    device.device.writeblocks(512, bytes(4096))
    device.device.writeblocks(513, bytes(4096))
    attempt(lambda: vfs.VfsLfs2(device, readsize=256, progsize=256))
"""


def test_what_a_device_fails_with_is_the_error_of_the_file(tmp_path):
    board = make(tmp_path, FAULTY)
    boot(MICROPYTHON, board)  # the first start verifies the signature, the others say: recorded
    ends = {name: boot(name, board) for name in STARTS}
    done = ends["cpython"]
    assert done.stdout == ends[MICROPYTHON].stdout, done.stderr
    assert {"5 [Errno 5] EIO", "99 99", "22 [Errno 22] EINVAL"} <= set(after_boot(done))
