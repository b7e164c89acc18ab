# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware with the boot stage alone: no client, and nothing of the port's.
include("../common/manifest_boot.py")
module("board_rp2.py", base_path="../common", opt=3)
for name in ("board.py", "layout.py"):
    module(name, opt=3)
