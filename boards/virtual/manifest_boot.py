# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a boot stage firmware: what it takes to choose, install and start.
# No ufota and no port libraries, so it cannot reach the network even by mistake.
# Paths are relative to this folder. opt=3 leaves line numbers and asserts out.
package(
    "fwcore",
    ("__init__.py", "errors.py", "header.py", "layout.py", "slot.py", "storage.py", "verify.py"),
    base_path="../../device",
    opt=3,
)
package("fwboot", base_path="../../bootloader", opt=3)
for name in ("_boot.py", "board.py", "blockdev.py", "layout.py", "machine.py"):
    module(name, opt=3)
