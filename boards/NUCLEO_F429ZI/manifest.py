# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware that runs applications: boot stage, client, and what the port
# freezes for this board.
include("manifest_boot.py")
require("ufota-client", library="ufota")
include("$(PORT_DIR)/boards/NUCLEO_F429ZI/manifest.py")
