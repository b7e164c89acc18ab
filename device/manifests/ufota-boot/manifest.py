# ruff: noqa: F821 (the names are those of manifest files)
# The boot stage: what it takes to choose, install and start an image, whatever the layout.
# No ufota, so it cannot reach the network even by mistake. opt=3 leaves line numbers and
# asserts out.
metadata(version="0.1.0", description="Boot stage that installs firmware images on trial")
package(
    "fwcore",
    (
        "__init__.py",
        "errors.py",
        "errors_boot.py",
        "header.py",
        "journal.py",
        "kv.py",
        "layout.py",
        "mac.py",
        "modules.py",
        "p256.py",
        "regions.py",
        "slot.py",
        "slot_reader.py",
        "slot_writer.py",
        "stage.py",
        "state.py",
        "statement.py",
        "storage.py",
        "userfs.py",
        "window.py",
    ),
    base_path="../..",
    opt=3,
)
package("fwboot", base_path="../../../bootloader", opt=3)
