# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware that runs applications: boot stage, client, and what the port's
# own manifest for this board freezes. That one is not included: it freezes a _boot.py too, and
# two of a name stop the build. The port's would format the flash that is the layout's.
# As of MicroPython 1.29.
include("manifest_boot.py")
require("ufota-client", library="ufota")
include("$(MPY_DIR)/extmod/asyncio")
for name in ("onewire", "ds18x20", "dht", "bundle-networking"):
    require(name)
