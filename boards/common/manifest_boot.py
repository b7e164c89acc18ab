# ruff: noqa: F821 (the names are those of manifest files)
# What the boards' manifest_boot.py have in common: the boot stage, and what starts it.
add_library("ufota", "../../device/manifests")
require("ufota-boot", library="ufota")
for name in ("_boot.py", "boot.py", "main.py", "board_base.py"):
    module(name, opt=3)
module("stage.py", base_path="../virtual", opt=3)
