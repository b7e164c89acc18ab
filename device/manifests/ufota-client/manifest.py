# ruff: noqa: F821 (the names are those of manifest files)
# The update client: all of ufota, and the rest of what it needs of fwcore.
metadata(version="0.1.0", description="Update client: signed firmware over HTTP, MQTT, SD")
require("ufota-boot")
package(
    "fwcore",
    ("chain.py", "formats.py", "manifest.py", "net_errors.py", "p256.py"),
    base_path="../..",
    opt=3,
)
package("ufota", base_path="../..", opt=3)
