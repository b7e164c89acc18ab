# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware that runs applications: the boot stage, the update
# client, and what the unix port freezes itself (asyncio among it).
include("$(PORT_DIR)/variants/manifest.py")
include("manifest_boot.py")
require("ufota-client", library="ufota")
