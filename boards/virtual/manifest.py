# ruff: noqa: F821 (the names are those of manifest files)
# Frozen modules of a firmware that runs applications: the boot stage, the update client
# with the rest of fwcore, and what the unix port freezes itself (asyncio among it).
include("$(PORT_DIR)/variants/manifest.py")
include("manifest_boot.py")
package("fwcore", ("manifest.py", "p256.py"), base_path="../../device", opt=3)
package("ufota", base_path="../../device", opt=3)
