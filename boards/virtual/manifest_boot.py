# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware with the boot stage alone: to choose, install and start an image.
# No ufota and no port libraries, so it cannot reach the network even by mistake.
add_library("ufota", "../../device/manifests")
require("ufota-boot", library="ufota")
for name in ("_boot.py", "stage.py", "board.py", "blockdev.py", "layout.py", "machine.py"):
    module(name, opt=3)
