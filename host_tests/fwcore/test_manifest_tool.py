"""Arm's own manifest-tool makes the manifest, with a key it made itself: taken as it is, and
refused with any one bit of it flipped.

MANIFEST_TOOL names the tool's command (`make test` installs 2.6.2 for it); manifest-dev-tool
is expected beside it.
"""

import os
import shutil
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from fwcore import errors
from fwcore.errors import FwError
from fwcore.manifest import version_word
from fwcore.p256 import PublicKey
from fwtool import paths
from fwtool.images import factory, layouts
from fwtool.signing import keys, statements
from ufota import client
from ufota_testkit.noise import noise
from ufota_testkit.server.badserver import BadServer, page
from ufota_testkit.simboard import make
from update_kit import FakeSource

KIT = Path(__file__).resolve().parents[1] / "kit"
URL = "http://host/manifest"
IMAGE = noise(3000, 9)
VENDOR = "fa6b4a53-d5ad-5fdf-be9d-e663e4d41ffe"
CLASS = "316dd2be-5ec2-5eb2-8a4a-8ec85a47aae7"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with image.bin, manifest.bin and point.bin, fresh from the tool."""
    tool = shutil.which(os.environ.get("MANIFEST_TOOL", "manifest-tool"))
    if not tool:
        pytest.skip("no manifest-tool: set MANIFEST_TOOL")
    folder = tmp_path_factory.mktemp("arm")
    (folder / "image.bin").write_bytes(IMAGE)

    def run(command, *args):
        subprocess.run([command, *args], cwd=folder, check=True, capture_output=True)

    dev_tool = str(Path(tool).with_name("manifest-dev-tool"))
    run(dev_tool, "init", "--vendor-id", VENDOR, "--class-id", CLASS)
    run(
        *(dev_tool, "create", "--payload-url", "http://host/image.bin"),
        *("--payload-path", "image.bin", "--fw-version", "1.2.3", "--output", "manifest.bin"),
        "--sign-image",
    )
    run(tool, "public-key", ".manifest-dev-tool/dev.key.pem", "--out", "point.bin")
    return folder


class Device:
    """Boards in memory that trust the tool's key."""

    def __init__(self, folder):
        self._key = PublicKey((folder / "point.bin").read_bytes())
        self.manifest = (folder / "manifest.bin").read_bytes()

    def update(self, manifest):
        """Offer a manifest; returns the client: READY, or FAILED with nothing written."""
        board = make("sd", 1, self._key)
        board.vendor_id = UUID(VENDOR).bytes
        board.class_id = UUID(CLASS).bytes
        pages = {URL: manifest, "http://host/image.bin": IMAGE}
        machine = client.Client(board, FakeSource(pages))
        try:
            machine.start(URL)
            machine.run()
        except FwError:
            assert machine.state == client.FAILED and board.power.ops == 0
        return machine


def test_manifest_of_arms_tool_is_accepted(made):
    device = Device(made)
    machine = device.update(device.manifest)
    assert machine.state == client.READY
    assert machine.manifest.version == version_word("1.2.3")


def test_each_flipped_bit_of_manifest_and_signature_is_refused(made):
    device = Device(made)
    bits = 8 * len(device.manifest)
    codes = set()
    for bit in range(bits):
        flipped = bytearray(device.manifest)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        machine = device.update(bytes(flipped))
        assert machine.state == client.FAILED, f"bit {bit} makes no difference"
        codes.add(machine.error.code)
    assert bits > 1500
    assert codes == {errors.MALFORMED, errors.BAD_SCHEMA, errors.BAD_SIGNATURE}


def test_virtual_board_accepts_it_and_boots_it_and_refuses_a_flipped_bit(
    made, micropython, tmp_path
):
    state = tmp_path / "board"
    point = (made / "point.bin").read_bytes()
    layout = layouts.load(str(paths.board() / "layout.py"))
    layout["arm_signature"] = True
    ids = UUID(VENDOR), UUID(CLASS)
    sign = statements.signer(keys.load_private(str(made / ".manifest-dev-tool/dev.key.pem")), *ids)
    factory.make(str(state), layout, noise(2000, 1), 1, point, *ids, sign=sign)
    good = (made / "manifest.bin").read_bytes()
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    answers = {"/good": page(good + IMAGE), "/bad": page(bytes(bad) + IMAGE)}

    def update(path):
        url = server.url(path)
        script = KIT / "virtual_update.py"
        return micropython(script, state, url, heap="256k", folders=(paths.board(),)).stdout

    def boot():
        script = paths.board() / "_boot.py"
        return micropython(script, state, "--boot-only", heap="256k", folders=(paths.board(),))

    with BadServer(answers) as server:
        assert update("/bad") == f"refused {errors.BAD_SIGNATURE}\n"
        assert "up-to-date" in boot().stdout
        assert update("/good") == f"ready {version_word('1.2.3')}\n"
        assert "New active firmware is valid" in boot().stdout
        assert "Trial boot, 1 left" in boot().stdout
