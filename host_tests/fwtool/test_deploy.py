"""fwtool deploy, fwtool provision, mip packages: the virtual board and the real mpremote."""

import ast
import fcntl
import io
import json
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from fwtool import exits, paths
from fwtool.demos import demo
from fwtool.device import deploy, deploy_packages, deploy_scripts, provision
from fwtool.device.device_link import Link
from fwtool.images import layouts
from fwtool.signing import keys
from fwtool_cli import FOR_LAMP, fwtool
from helpers import PATIENCE_S
from pty_kit import (
    console,
    mpremote,
    new_key,
    publish,
    update_script,
    wait_for,
)

# The transcript of the README (docs/test_pty_readme.py) deploys in `make test` as well.
LONG = (
    "test_an_identity_that_reads_back_otherwise_is_told",
    "test_a_board_is_provisioned_once",
    "test_a_board_is_provisioned_alone",
    "test_a_first_start_takes_what_fwtool_has_written",
    "test_an_identity_is_a_file_only_its_owner_reads",
    "test_a_class_key_comes_from_a_file_only",
    "test_a_deploy_may_change_form_and_leaves_no_stale_file",
    "test_the_first_image_comes_through_the_client",
    "test_a_board_whose_files_are_in_flash_and_whose_watchdog_runs",
    "test_no_board_and_a_busy_board",
    "test_errors_of_the_device_are_told_in_words",
    "test_usage_of_provision",
    "test_the_identity_is_whole_and_its_secret_was_on_no_command_line",
)
ROOT = Path(__file__).resolve().parents[2]
IDENTITY = ("--vendor-domain", "vendor.example", "--model", "demo-board")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of a board after its first deploy, what that told, folder of the key)"""
    folder = tmp_path_factory.mktemp("deploy")
    new_key(folder)
    with console(folder / "board") as board:
        words = ("deploy", "--port", board.port, "--board", "virtual", "--json")
        told = fwtool(*words, "--key", folder / "maker.pub", *IDENTITY)
    assert not told.stderr  # no bar, no words: not a terminal
    return folder / "board", json.loads(told.stdout), folder


@pytest.fixture
def board(made, tmp_path):
    """A copy of that board, switched on."""
    shutil.copytree(made[0], tmp_path / "board")
    with console(tmp_path / "board") as board:
        yield board


@pytest.fixture
def small(monkeypatch):
    """A deploy that brings one package alone: quick, for what fails in all of them."""
    monkeypatch.setattr(deploy_packages, "INSTALLED", ("fwboot",))


def run_deploy(board, *more, code=0):
    return fwtool("deploy", "--port", board.port, "--board", "virtual", *more, code=code)


# --- packages


def test_the_packages_are_what_is_in_the_tree():
    for name in deploy_packages.exist():
        said = "python -m fwtool.device.deploy_packages"
        assert (ROOT / name).read_text() == deploy_packages.package_json(name), said
    for folder in (ROOT / "device").iterdir():  # one that no package installs?
        if (folder / "__init__.py").exists():
            assert any(folder.name in parts for parts in deploy_packages.PACKAGES.values())


@pytest.mark.parametrize("name", deploy_packages.exist())
def test_a_package_is_whole(name):
    """Every file exists, and every module of ours that one imports is installed with it."""
    package = json.loads((ROOT / name).read_text())
    targets = dict(package["urls"])
    assert package["version"] == deploy_packages.version() and package["deps"] == []
    assert len(targets) == len(package["urls"])
    installed = {target.removesuffix(".py").replace("/", ".") for target in targets}
    installed |= {module.removesuffix(".__init__") for module in installed}
    for source in targets.values():
        assert ".." not in source and not source.startswith("/")
        for module in _imports((ROOT / name).parent / source):
            assert module in installed, (source, module)


def _imports(path):
    """Modules of ours that a file imports, `from package import module` included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name for name in inner if _is_module(name)]
        yield from (name for name in names if _is_module(name))


def _is_module(name):
    path = name.replace(".", "/")
    folders = (paths.device(), paths.bootloader())
    return any((folder / (path + end)).exists() for folder in folders for end in (".py", ""))


def test_mip_installs_client_and_boot_stage(tmp_path):
    with console(tmp_path / "board") as board:
        mpremote(
            board,
            "mip",
            "install",
            ROOT / "package.json",
            "+",
            "mip",
            "install",
            ROOT / "boot.json",
        )
        code = "import ufota.client, ufota.sources.http, fwboot.main; print(ufota.__file__)"
        assert mpremote(board, "exec", code) == "/lib/ufota/__init__.py\n"


# --- deploy


def test_a_deploy_brings_a_whole_board(made, board):
    told = made[1]
    assert told["form"] == "mpy" and told["provisioned"] and told["board"] == "virtual"
    assert told["version"] == deploy_packages.version()
    files = told["files"]
    assert {"/main.py", "/lib/layout.py", "/lib/board.mpy", "/lib/fwboot/main.mpy"} <= set(files)
    assert "/lib/machine.mpy" not in files  # the firmware has it
    assert "/lib/_boot.mpy" not in files  # a firmware only
    assert not any(name.startswith("/lib/bdev/") for name in files)  # it has no chip to drive
    ours = _targets("package.json") + _targets("boot.json")
    native = "ufota/decoders/add_native.py"  # the board's compiler knows for which machine
    ours.remove(native)
    assert {"/lib/" + native, *(f"/lib/{target[:-2]}mpy" for target in ours)} <= set(files)
    code = "from ufota.decoders import add; print(add.adder(256))"
    assert mpremote(board, "exec", code) == "<function>\n"
    tree = mpremote(board, "fs", "tree", ":")
    assert ".fwtool" not in tree and "identity.new" not in tree
    said = mpremote(board, "fs", "sha256sum", "lib/layout.py").split()[-1]
    assert said == files["/lib/layout.py"]
    assert said == sha256((paths.board() / "layout.py").read_bytes()).hexdigest()


def _targets(name):
    return [target for target, _ in json.loads((ROOT / name).read_text())["urls"]]


def test_the_identity_is_whole_and_its_secret_was_on_no_command_line(
    made, board, small, tmp_path, monkeypatch
):
    seen = []
    start = deploy.Link.run
    monkeypatch.setattr(deploy.Link, "run", lambda *a, **k: seen.append(a[1:]) or start(*a, **k))
    mpremote(board, "exec", "import os; os.remove('/identity.json')")
    rot, vendor, class_ = bytes(range(16)), demo.VENDOR, demo.CLASS
    (tmp_path / "rot.json").write_text(json.dumps({"rot": rot.hex()}))
    shared = bytes(range(16, 32))
    (tmp_path / "class.key").write_bytes(shared)
    words = ("--key", made[2] / "maker.pub", "--rot", tmp_path / "rot.json", *IDENTITY)
    words += ("--class-key", tmp_path / "class.key")
    assert json.loads(run_deploy(board, *words, "--json").stdout)["provisioned"]
    code = "from board import Board; b = Board(); b.key(); print(b.rot(), b.vendor_id, b.class_id)"
    code += "; print(b.class_key())"
    said = mpremote(board, "exec", code).splitlines()
    assert said[0] == f"{rot} {vendor.bytes} {class_.bytes}".replace("\\'", "'")
    assert said[1] == str(shared)
    assert seen and not any(secret.hex() in str(seen) for secret in (rot, shared))


def test_an_identity_that_reads_back_otherwise_is_told(made, board, small, monkeypatch):
    monkeypatch.setattr(provision, "_digest", lambda identity: "0" * 64)
    mpremote(board, "exec", "import os; os.remove('/identity.json')")
    said = run_deploy(board, "--key", made[2] / "maker.pub", *IDENTITY, code=3)
    assert "another identity" in said.stderr


def test_a_board_is_provisioned_once(made, board, small, tmp_path):
    before = mpremote(board, "fs", "cat", "identity.json")
    new_key(tmp_path)
    said = run_deploy(board, "--key", tmp_path / "maker.pub", *IDENTITY, code=5)
    assert "another key" in said.stderr
    run_deploy(board, "--key", made[2] / "maker.pub", *IDENTITY)
    assert mpremote(board, "fs", "cat", "identity.json") == before


def test_a_board_is_provisioned_alone(made, board, tmp_path):
    """Without a deploy: what `fwtool provision --port` does for firmware that has all frozen."""
    mpremote(board, "exec", "import os; os.remove('/identity.json')")
    shared = tmp_path / "class.key"
    shared.write_bytes(bytes(range(16)))
    words = ("provision", "--port", board.port, *IDENTITY, "--class-key", shared)
    point = made[2] / "maker.pub"
    assert fwtool(*words, "--key", point).stdout == f"{board.port}: provisioned\n"
    before = mpremote(board, "fs", "cat", "identity.json")
    assert json.loads(before)["class_key"] == bytes(range(16)).hex()
    assert json.loads(fwtool(*words, "--key", point, "--json").stdout)["provisioned"]
    assert mpremote(board, "fs", "cat", "identity.json") == before


def test_a_first_start_takes_what_fwtool_has_written(made, board, tmp_path):
    mpremote(board, "exec", "import os; os.remove('/identity.json')")
    path = tmp_path / "one.json"
    fwtool("provision", "-o", path, "--key", made[2] / "maker.pub", *IDENTITY)
    mpremote(board, "fs", "cp", path, ":given.json")
    code = "from board import Board; from ufota.provision import first_start as f"
    code += "; print(f(Board(), '/given.json'), f(Board(), '/given.json'), Board().rot().hex())"
    said = mpremote(board, "exec", code).split()
    assert said == ["True", "True", json.loads(path.read_text())["rot"]]
    assert "given.json" not in mpremote(board, "fs", "ls", ":")


def test_an_identity_is_a_file_only_its_owner_reads(made, tmp_path):
    path, key = tmp_path / "one.json", ("--key", made[2] / "maker.pub")
    assert "one device" in fwtool("provision", "-o", path, *key, *IDENTITY).stdout
    assert path.stat().st_mode & 0o777 == 0o600
    found = json.loads(path.read_text())
    assert found["vendor_id"] == demo.VENDOR.hex and found["class_id"] == demo.CLASS.hex
    assert len(bytes.fromhex(found["rot"])) == 16 and len(bytes.fromhex(found["key"])) == 65
    said = fwtool("provision", "-o", path, *key, *IDENTITY, code=5).stderr
    assert "is there already" in said and json.loads(path.read_text()) == found
    fwtool("provision", "-o", tmp_path / "two.json", *key, *IDENTITY)
    assert json.loads((tmp_path / "two.json").read_text())["rot"] != found["rot"]
    fwtool("provision", "-o", tmp_path / "no" / "x.json", *key, *IDENTITY, code=1)
    assert "class_key" not in found


def test_a_class_key_comes_from_a_file_only(made, tmp_path):
    key, shared = ("--key", made[2] / "maker.pub"), tmp_path / "class.key"
    words = ("provision", *key, *IDENTITY, "--class-key", shared)
    for number, text in enumerate((bytes(range(16)), b"000102030405060708090A0b0c0d0e0f\n")):
        shared.write_bytes(text)
        fwtool(*words, "-o", tmp_path / f"{number}.json")
        found = json.loads((tmp_path / f"{number}.json").read_text())
        assert bytes.fromhex(found["class_key"]) == bytes(range(16))
    for text in (b"", bytes(15), bytes(17), b"0" * 31, b"0" * 33, b"x" * 32, bytes(1000)):
        shared.write_bytes(text)
        fwtool(*words, "-o", tmp_path / "x.json", code=1)
    shared.unlink()
    fwtool(*words, "-o", tmp_path / "x.json", code=1)
    assert not (tmp_path / "x.json").exists()


def test_usage_of_provision(made):
    key = ("--key", made[2] / "maker.pub")
    for words in (
        (*key, *IDENTITY),
        ("-o", "x", "--port", "y", *key, *IDENTITY),
        ("-o", "x", *key),
    ):
        fwtool("provision", *words, code=2)


def test_a_deploy_may_change_form_and_leaves_no_stale_file(board):
    told = json.loads(run_deploy(board, "--source", "--json").stdout)
    assert told["form"] == "py"
    code = "import board, fwboot.main; print(board.__file__, fwboot.main.__file__)"
    assert mpremote(board, "exec", code) == "/lib/board.py /lib/fwboot/main.py\n"
    tree = mpremote(board, "fs", "tree", ":lib")
    assert ".mpy" not in tree


def test_the_first_image_comes_through_the_client(made, board, tmp_path):
    key = keys.load_private(str(made[2] / "maker.pem"))
    (tmp_path / "server").mkdir()
    mpremote(board, "reset")
    assert b"Failed to jump to application!" in wait_for(board, b">>> ")
    with demo.server_of(tmp_path / "server") as server:
        publish(tmp_path / "server", key, "1.0.0")
        said = mpremote(board, "run", update_script(tmp_path, server.url))
        assert said.endswith("ready\n")
    mpremote(board, "reset")
    wait_for(board, b"this is 1.0.0\r\n")


# --- refusals


def test_a_main_py_of_somebody_else_is_not_replaced(tmp_path):
    with console(tmp_path / "board") as board:
        mpremote(board, "exec", "with open('/main.py', 'w') as f: f.write('print(1)')")
        assert "main.py of its own" in run_deploy(board, code=5).stderr
        assert "lib" not in mpremote(board, "fs", "tree", ":")


def test_a_file_system_that_is_not_the_layouts_is_refused(tmp_path):
    shutil.copytree(paths.board(), tmp_path / "odd")
    layout = (tmp_path / "odd" / "layout.py").read_text()
    start, size = '0x100000, "size": 0x300000', '0x180000, "size": 0x280000'
    assert start in layout
    (tmp_path / "odd" / "layout.py").write_text(layout.replace(start, size))
    with console(tmp_path / "board") as board:
        said = fwtool("deploy", "--port", board.port, "--board", f"{tmp_path}/odd", code=5)
        assert "overwrite each other" in said.stderr


def test_a_board_whose_files_are_in_flash_and_whose_watchdog_runs(small, tmp_path):
    """As on stm32; the watchdog outlives the soft reset, so a deploy has to feed it."""
    boot = """
import machine, os, sys
sys.path[-1] = "/flash/lib"
class Timer:
    def __init__(self, number):
        if number < 0:
            raise ValueError
    def init(self, period, callback):
        callback(self)
        with open("/fed", "w") as file:
            file.write("%d ms" % period)
machine.Timer = Timer
"""
    layout = (paths.board() / "layout.py").read_text()
    (tmp_path / "layout.py").write_text(
        layout.replace('"trials": 3,', '"trials": 3, "watchdog_ms": 90000,')
    )
    (tmp_path / "boot.py").write_text(boot)
    with console(tmp_path / "board") as board:
        mpremote(board, "fs", "cp", tmp_path / "boot.py", ":", "+", "fs", "mkdir", "flash")
        more = ("--layout", tmp_path / "layout.py", "--json")
        first = json.loads(run_deploy(board, *more).stdout)["files"]
        assert {"/flash/main.py", "/flash/lib/fwboot/main.mpy"} <= set(first)
        tree = mpremote(board, "fs", "tree", ":flash")
        assert "fwboot" in tree and ".fwtool" not in tree
        mpremote(board, "fs", "rm", "fed")
        assert json.loads(run_deploy(board, *more).stdout)["files"] == first
        assert mpremote(board, "fs", "cat", "fed") == "1000 ms"


def test_a_firmware_that_has_all_frozen_gets_no_files(tmp_path):
    from virtual_kit import make

    with console(make(tmp_path, "print('application')")) as board:
        told = json.loads(run_deploy(board, "--json").stdout)
        assert told["files"] == {} and told["provisioned"]


def test_a_bar_is_shown_on_a_terminal_only(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    with deploy._bar(as_json=True) as report:
        report(1, 2, "name")
    assert not sys.stderr.getvalue()
    with deploy._bar(as_json=False) as report:
        report(1000, 2000, "lib/name.mpy")
        report(2000, 2000, "")
    assert "2.0/2.0 kB" in sys.stderr.getvalue()


def test_usage_and_unknown_boards():
    fwtool("deploy", "--port", "x", "--board", "virtual", "--key", "k", code=2)
    fwtool("deploy", "--port", "x", "--board", "virtual", "--rot", "k", code=2)
    fwtool("deploy", "--port", "x", "--board", "virtual", "--class-key", "k", code=2)
    assert "virtual" in fwtool("deploy", "--port", "x", "--board", "none", code=1).stderr


# --- failures: exit code 4 or 3, and nothing half-installed in use


def test_no_board_and_a_busy_board(board):
    assert (
        "no board on /dev/none"
        in fwtool("deploy", "--port", "/dev/none", "--board", "virtual", code=4).stderr
    )
    with open(board.port, "rb", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert "in use" in run_deploy(board, code=4).stderr


def test_a_port_where_nobody_answers(monkeypatch):
    monkeypatch.setattr("fwtool.device.device_link.STEP_S", 2)
    master, slave = os.openpty()
    try:
        said = fwtool("deploy", "--port", os.ttyname(slave), "--board", "virtual", code=4)
        assert "says nothing" in said.stderr
    finally:
        os.close(master)
        os.close(slave)


def test_a_full_file_system(tmp_path, monkeypatch):
    fill = "with open('/fill', 'wb') as f:\n  for i in range(742): f.write(bytes(4096))"
    with console(tmp_path / "board") as board:
        mpremote(board, "exec", fill)
        assert "KiB are needed" in run_deploy(board, code=4).stderr
        monkeypatch.setattr(deploy.Deploy, "_check", lambda *_: None)  # as if it had looked free
        assert "full" in run_deploy(board, code=4).stderr
        assert ".fwtool" not in mpremote(board, "fs", "ls", ":")


def test_other_bytes_than_were_sent_are_not_installed(small, tmp_path, monkeypatch):
    bring = deploy.Deploy._bring

    def spoil(self, tree, scratch):
        bring(self, tree, scratch)
        code = (
            "f = open('/.fwtool/lib/fwboot/main.mpy', 'r+b'); f.seek(9); f.write(b'!'); f.close()"
        )
        self._link.run("exec", code)

    monkeypatch.setattr(deploy.Deploy, "_bring", spoil)
    with console(tmp_path / "board") as board:
        assert "reads back other bytes" in run_deploy(board, code=3).stderr
        assert "main" not in mpremote(board, "fs", "tree", ":")


@pytest.mark.parametrize("new", [True, False])
def test_a_cable_pulled_amid_a_deploy_changes_nothing(made, small, tmp_path, new):
    if not new:
        shutil.copytree(made[0], tmp_path / "board")
    with console(tmp_path / "board") as board:

        def pull(done, total, name):
            if name.endswith("/fwboot/main.py"):
                board.kill()
                os.close(board._master)
                board._master = os.dup(board._slave)

        with pytest.raises(exits.Failure) as raised:
            deploy.Deploy(board.port, "virtual", plain=True, report=pull).run()
        assert raised.value.exit_code == 4
    with console(tmp_path / "board") as board:
        if new:
            assert "main.py" not in mpremote(board, "fs", "ls", ":")
            assert "ImportError" in mpremote(board, "exec", "import fwboot", code=1)
        else:
            code = "import board; print(board.__file__)"
            assert mpremote(board, "exec", code) == "/lib/board.mpy\n"
            mpremote(board, "reset")
            wait_for(board, b"Failed to jump to application!\r\n")  # a prompt may be an old one
        run_deploy(board)
        assert ".fwtool" not in mpremote(board, "fs", "ls", ":")


def test_a_layout_with_a_frozen_key_is_for_a_firmware_that_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout = layouts.load(str(paths.board() / "layout.py"))
    (tmp_path / "layout.py").write_text("LAYOUT = " + repr({**layout, "signed": "start"}))
    fwtool("keygen", "maker.pem")
    fwtool("keygen", "other.pem")
    words = ("--layout", "layout.py")
    point = (tmp_path / "maker.point").read_bytes().hex()
    other = (tmp_path / "other.point").read_bytes().hex()
    with console(tmp_path / "board") as board:
        assert "no maker_key.py" in run_deploy(board, *words, code=1).stderr
        fwtool("tables", "maker.pub", "-o", "maker_key.py", *FOR_LAMP)
        mpremote(board, "fs", "cp", "maker_key.py", ":/maker_key.py")  # a file is not frozen
        assert "is not frozen" in run_deploy(board, *words, code=5).stderr
        said = run_deploy(board, *words, "--key", "other.pub", *IDENTITY, code=5).stderr
        assert "another key than --key" in said
        monkeypatch.setattr(deploy.scripts, "FROZEN_KEY", f"answer = {other!r}\n")
        assert "has another maker_key.py" in run_deploy(board, *words, code=5).stderr
        assert "main" not in mpremote(board, "fs", "tree", ":")
        monkeypatch.setattr(deploy.scripts, "FROZEN_KEY", f"answer = {point!r}\n")
        run_deploy(board, *words)


SWEEP = """
import os, sys, vfs

class Ram:
    def __init__(self, size):
        self.data = bytearray(size)
    def readblocks(self, block, buf, offset=0):
        at = block * 512 + offset
        buf[:] = self.data[at : at + len(buf)]
        return 0
    def writeblocks(self, block, buf, offset=0):
        at = block * 512 + offset
        self.data[at : at + len(buf)] = buf
        return 0
    def ioctl(self, op, arg):
        return {4: len(self.data) // 512, 5: 512}.get(op, 0)

class Cut(BaseException):
    pass

def put(path, text):
    at = 0
    while True:
        at = path.find("/", at + 1)
        if at < 0:
            break
        try:
            os.mkdir(path[:at])
        except OSError:
            pass
    with open(path, "w") as file:
        file.write(text)

def get(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None

def install(cut):
    left = [cut]
    def rename(old, new):
        if not left[0]:
            raise Cut
        left[0] -= 1
        os.rename(old, new)
    space = {"rename_": rename}
    exec(INSTALL, space)
    return left[0]

FILES = ("/lib/fwcore/a", "/lib/board.py", "/lib/fwboot/b", "/lib/ufota/c", "/main.py")
IMPORTS = {"/lib/fwboot/b": FILES[:2], "/lib/ufota/c": FILES[:1], "/main.py": FILES[:3]}
UNITS = ["/lib/board.mpy", "/lib/fwcore", "/lib/fwboot", "/lib/ufota", "/main.py"]
cuts = 0
for before in (None, "old"):
  for form in (vfs.VfsLfs2, vfs.VfsFat):
    cut = 0
    while True:
        vfs.umount("/")
        ram = Ram(256 * 512)
        form.mkfs(ram)
        vfs.mount(form(ram), "/")
        for path in FILES:
            if before:
                put(path, before)
            put("/.fwtool" + path.replace("board.py", "board.mpy"), "new")
        try:
            left = install(cut)
        except Cut:
            left = 0
            cuts += 1
        else:
            left = 1
        for path, needed in IMPORTS.items():
            found = get(path)
            if found is None:
                continue
            for other in needed:
                mpy = get(other.replace(".py", ".mpy")) if "board" in other else None
                assert found == (get(other) or mpy), (before, form, cut, path, other)
        if left:
            assert get("/main.py") == "new" and get("/lib/board.py") is None
            assert ".fwtool" not in os.listdir("/")
            break
        cut += 1
print("cuts", cuts)
"""


def test_power_cut_at_each_step_of_the_exchange_leaves_old_or_new_never_a_mix(
    tmp_path, micropython
):
    units = ["/lib/board.mpy", "/lib/fwcore", "/lib/fwboot", "/lib/ufota", "/main.py"]
    install = deploy_scripts.INSTALL.format(units=units, root="", stage=deploy.STAGE)
    install = install.replace("os.rename(", "rename_(")
    assert deploy._units(dict.fromkeys(_names(units))) == units
    script = tmp_path / "sweep.py"
    script.write_text(f"INSTALL = {install!r}\n{SWEEP}")
    done = micropython(script, timeout_s=PATIENCE_S)
    assert done.stdout.endswith("cuts 48\n"), done.stdout + done.stderr


def _names(units):
    return [unit[1:] + ("" if unit.endswith("py") else "/x.py") for unit in units]


def test_errors_of_the_device_are_told_in_words(board):
    link = Link(board.port)
    with pytest.raises(exits.Failure, match="storage failed: Input/output error") as raised:
        link.ask("raise OSError(5)")
    assert raised.value.exit_code == 4
    with pytest.raises(exits.Failure, match="full"):
        link.ask("raise OSError(28)")
    with pytest.raises(exits.Failure, match="ValueError: odd"):
        link.ask("raise ValueError('odd')")
    with pytest.raises(exits.Failure, match="has no nowhere"):
        link.ask("import nowhere")


def test_what_a_pico_without_frozen_modules_gets(tmp_path):
    """As boards/RPI_PICO_W/README.md says; its chip is not there, so it gets no identity."""
    common = paths.board().parent / "common"
    with console(tmp_path / "board") as board:
        words = ("deploy", "--port", board.port, "--board", "RPI_PICO_W", "--json")
        told = json.loads(fwtool(*words, "--layout", common / "layout_chip.py").stdout)
    assert not told["provisioned"]
    files = told["files"]
    assert {"/lib/board_rp2.mpy", "/lib/bdev/spinor.mpy", "/lib/stage.mpy"} <= set(files)
    assert files["/main.py"] == sha256((common / "main.py").read_bytes()).hexdigest()
    assert files["/lib/layout.py"] == sha256((common / "layout_chip.py").read_bytes()).hexdigest()
