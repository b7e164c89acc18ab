# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a boot stage firmware: what it takes to choose, install and start.
# No ufota and no port libraries, so it cannot reach the network even by mistake.
# A layout that says `signed` needs fwcore's p256.py too. Paths are relative to this folder;
# opt=3 leaves line numbers and asserts out.
package(
    "fwcore",
    (
        "__init__.py",
        "boot_errors.py",
        "errors.py",
        "header.py",
        "journal.py",
        "layout.py",
        "places.py",
        "slot.py",
        "stage.py",
        "state.py",
        "storage.py",
        "stream.py",
        "verify.py",
    ),
    base_path="../../device",
    opt=3,
)
package("fwboot", base_path="../../bootloader", opt=3)
for name in ("_boot.py", "stage.py", "board.py", "blockdev.py", "layout.py", "machine.py"):
    module(name, opt=3)
