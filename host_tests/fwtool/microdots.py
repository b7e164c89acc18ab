"""Images of microdot's releases, as applications are: pairs that patches are made of. CPython."""

import zipfile
from itertools import pairwise

from fwtool.demos import demo
from fwtool.images import image
from fwtool.payloads import unpack

RELEASES = ("2.4.0", "2.5.1", "2.7.0")
PAIRS = tuple(pairwise(RELEASES))
FORMS = ("lfs2", "romfs", "compiled")


def build(folder):
    """Bring each release in each form into files RELEASE.FORM of the folder."""
    for release in RELEASES:
        wheel = demo._wheel(release, folder)
        app = folder / release
        with zipfile.ZipFile(wheel) as packed:
            for name in packed.namelist():
                if name.startswith("microdot/") and name.endswith(".py"):
                    packed.extract(name, app)
        (app / "patches").write_bytes(unpack.MAGIC)  # or Arm's tool does not take it
        found = image.collect(str(app))
        made = {
            "lfs2": image.build(found, "lfs2", 4096),
            "romfs": image.build(found, "romfs", 4096),
            "compiled": image.build(image.compile_all(found), "romfs", 4096),
        }
        for form in FORMS:
            (folder / f"{release}.{form}").write_bytes(made[form])
